"""Equation solving: a linear model's log-odds are linear in the input, so width + 1 answers give
the whole model.

    log p_k - log p_0 = (w_k - w_0) . x + (b_k - b_0)

A regression's values, and a single score, are linear themselves or by a link.

Queries are drawn around the pool, shrunk towards its middle so that no probability saturates.
Rounded scores make the equations inexact: a floor keeps a probability of nought from being
infinitely sure, and the solution is improved by the likelihood of the answers (cross-entropy to
soft labels, convex), which weighs what rounding has made unsure less.

Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016,
    section 4.1; the
refinement by likelihood and the shrinking are ours.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.attacks._gathering import Gathering
from gamekeeper.audit.learners import ByLogOdds, Predict, TrainingSet
from gamekeeper.audit.links import IDENTITY, Link, links_for
from gamekeeper.audit.targets import Array

_FLOOR = 1e-9  # in place of 0, which has been rounded
_SHRINK = 0.5  # of the pool's spread
_REFINE_STEPS = 500
# answers to an unknown from which on so many labels must come out of the equations
_SHOWS = 3
_EXPLAINS = 0.9
_TO_CHOOSE = 3  # equations more than unknowns, which tell one link from another
_MOST = 20  # answers to an unknown; more teach a linear model nothing


@attack
class EquationSolving:
    """The attack that solves for the weights of a linear model."""

    card = AttackCard(
        name="equation-solving",
        purpose=(
            "Solves for the weights of a linear model, from one answer more than it has inputs."
        ),
        needs="Probabilities, logits or values, and the range of the inputs.",
        fits="Linear, logistic and softmax regression, linear heads.",
        source=(
            "Tramer et al., USENIX Security 2016, section 4.1; refined by likelihood, for rounded"
            " scores."
        ),
        comes_first=True,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return interface.why_not_drawn if interface.has_scores else "it needs scores"

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        width = knowledge.pool.shape[1]
        middle = knowledge.pool.mean(axis=0)
        spread = _SHRINK * (knowledge.pool.std(axis=0) + 1e-12)
        directions = np.empty((0, width))
        asked = Gathering(ask, knowledge)
        first = [width + 1, width + 1 + _TO_CHOOSE] if knowledge.classes == 0 else [width + 1]
        for size in [
            *first,
            *(size for size in knowledge.sizes if first[-1] < size <= _MOST * (width + 1)),
        ]:
            more = rng.standard_normal((size - len(directions), width))
            asked.add(middle + spread * more)
            directions = np.vstack([directions, more])
            copy = _solution(directions, asked.training, middle, spread)
            yield Surrogate(queries=size, predict=copy.predict, recipe=copy.recipe)
            if size >= _SHOWS * (width + 1) and copy.explained < _EXPLAINS:
                return  # no linear model; more equations would be paid for without success


class _Solution(NamedTuple):
    """A copy, and what share of the answers comes out of its equations: of labels, or of the
    variance of values.
    """

    predict: Predict
    recipe: str
    explained: float


def _solution(directions: Array, asked: TrainingSet, middle: Array, spread: Array) -> _Solution:
    if asked.values is not None:
        return _of_values(directions, asked.values, middle, spread)
    assert asked.soft is not None
    weights = _refined(_solved(directions, asked.soft), directions, asked.soft)
    explained = float(((_with_one(directions) @ weights).argmax(axis=1) == asked.labels).mean())
    return _Solution(ByLogOdds(_Linear(weights, middle, spread)), "a linear model", explained)


def _of_values(directions: Array, values: Array, middle: Array, spread: Array) -> _Solution:
    """By the link that explains the values best; with no more equations than unknowns each of them
    does, and the identity is taken.
    """
    found = [_by_link(link, directions, values, middle, spread) for link in links_for(values)]
    if len(values) <= directions.shape[1] + 1:
        return found[0]
    return max(found, key=lambda each: each.explained)


def _by_link(
    link: Link, directions: Array, values: Array, middle: Array, spread: Array
) -> _Solution:
    design = _with_one(directions)
    weights = np.linalg.lstsq(design, link.to_linear(values), rcond=None)[0]
    wrong = ((link.to_values(design @ weights) - values) ** 2).sum()
    varied = ((values - values.mean(axis=0)) ** 2).sum()
    linear = _Linear(np.asarray(weights), middle, spread)
    recipe = "a linear model" if link is IDENTITY else f"a linear model with link {link.name}"
    return _Solution(
        lambda inputs: link.to_values(linear(inputs)),
        recipe,
        float(1 - wrong / max(varied, 1e-300)),
    )


class _Linear:
    """A linear model of standardised inputs.

    Args:
        weights: Of each output, the offset last, shape (width + 1, outputs).
        middle: Of the inputs.
        spread: Of the inputs.
    """

    def __init__(self, weights: Array, middle: Array, spread: Array) -> None:
        self._weights = weights
        self._middle = middle
        self._spread = spread

    def __call__(self, inputs: Array) -> Array:
        """Returns its outputs, shape (n, outputs)."""
        return np.asarray(_with_one((inputs - self._middle) / self._spread) @ self._weights)


def linear_model(inputs: Array, probabilities: Array) -> Predict:
    """Returns the linear model of inputs, shape (n, width), that explains probabilities, shape (n,
    classes).
    """
    middle = inputs.mean(axis=0)
    spread = inputs.std(axis=0) + 1e-12
    rows = (inputs - middle) / spread
    return ByLogOdds(
        _Linear(_refined(_solved(rows, probabilities), rows, probabilities), middle, spread)
    )


def _solved(inputs: Array, probabilities: Array) -> Array:
    """Least squares on log-odds, shape (width + 1, classes); over answers in which no probability
    is exactly 0, if these are equations enough.
    """
    sound = (probabilities > 0).all(axis=1)
    if sound.sum() <= inputs.shape[1]:
        sound = np.ones(len(inputs), bool)
    logs = np.log(np.where(probabilities > 0, probabilities, _FLOOR)[sound])
    odds = logs - logs.mean(axis=1, keepdims=True)
    return np.asarray(np.linalg.lstsq(_with_one(inputs[sound]), odds, rcond=None)[0])


def _refined(weights: Array, inputs: Array, probabilities: Array) -> Array:
    """Improves weights by the likelihood of the answers, unless they explain them already."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax, softmax

    design = _with_one(inputs)
    shape = weights.shape

    def loss(flat: Array) -> tuple[float, Array]:
        scores = design @ flat.reshape(shape)
        gradient = design.T @ (softmax(scores, axis=1) - probabilities)
        return -float((probabilities * log_softmax(scores, axis=1)).sum()), gradient.ravel()

    found = minimize(
        loss, weights.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _REFINE_STEPS}
    )
    return np.asarray(found.x).reshape(shape)


def _with_one(inputs: Array) -> Array:
    return np.hstack([inputs, np.ones((len(inputs), 1))])
