"""Equation solving: a linear model's log-odds are linear in the input, so width + 1 answers give
the whole model.

    log p_k - log p_0 = (w_k - w_0) . x + (b_k - b_0)

Queries are drawn around the pool, shrunk towards its middle so that no probability saturates.
Rounded scores make the equations inexact: a floor keeps a probability of nought from being
infinitely sure, and the solution is improved by the likelihood of the answers (cross-entropy to
soft labels, convex), which weighs what rounding has made unsure less.

Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016,
    section 4.1; the
refinement by likelihood and the shrinking are ours.
"""

from collections.abc import Iterator

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.learners import Predict
from gamekeeper.audit.targets import Array

_FLOOR = 1e-9
_SHRINK = 0.5  # of the pool's spread
_REFINE_STEPS = 500
# answers to an unknown from which on so many labels must come out of the equations
_SHOWS = 3
_EXPLAINS = 0.9
_MOST = 20  # answers to an unknown; more teach a linear model nothing


@attack
class EquationSolving:
    """The attack that solves for the weights of a linear model."""

    card = AttackCard(
        name="equation-solving",
        purpose=(
            "Solves for the weights of a linear model, from one answer more than it has inputs."
        ),
        needs="Probabilities or logits, and the range of the inputs.",
        fits="Logistic and softmax regression, linear heads.",
        source=(
            "Tramer et al., USENIX Security 2016, section 4.1; refined by likelihood, for rounded"
            " scores."
        ),
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return None if interface.has_scores else "it needs scores"

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        width = knowledge.pool.shape[1]
        middle = knowledge.pool.mean(axis=0)
        spread = knowledge.pool.std(axis=0) + 1e-12
        directions = np.empty((0, width))
        scores = np.empty((0, knowledge.classes))
        labels = np.empty(0, np.int64)
        for size in [
            width + 1,
            *(size for size in knowledge.sizes if width + 1 < size <= _MOST * (width + 1)),
        ]:
            more = rng.standard_normal((size - len(directions), width))
            answers = ask(middle + _SHRINK * spread * more)
            assert answers.probabilities is not None
            directions = np.vstack([directions, more])
            scores = np.vstack([scores, answers.probabilities])
            labels = np.concatenate([labels, answers.labels])
            weights = _refined(_solved(directions, scores), directions, scores)
            predict = _Linear(weights, middle, _SHRINK * spread)
            yield Surrogate(queries=size, predict=predict, recipe="a linear model")
            explained = (predict(middle + _SHRINK * spread * directions) == labels).mean()
            if size >= _SHOWS * (width + 1) and explained < _EXPLAINS:
                return  # no linear model; more equations would be paid for in vain


class _Linear:
    """Labels of a linear model of standardised inputs.

    Args:
        weights: Of each class, the offset last, shape (width + 1, classes).
        middle: Of the inputs.
        spread: Of the inputs.
    """

    def __init__(self, weights: Array, middle: Array, spread: Array) -> None:
        self._weights = weights
        self._middle = middle
        self._spread = spread

    def __call__(self, inputs: Array) -> Array:
        """Returns labels, shape (n,)."""
        scores: Array = _with_one((inputs - self._middle) / self._spread) @ self._weights
        return np.asarray(scores.argmax(axis=1))


def linear_model(inputs: Array, probabilities: Array) -> Predict:
    """Returns the linear model of inputs, shape (n, width), that explains probabilities, shape (n,
    classes).
    """
    middle = inputs.mean(axis=0)
    spread = inputs.std(axis=0) + 1e-12
    rows = (inputs - middle) / spread
    return _Linear(_refined(_solved(rows, probabilities), rows, probabilities), middle, spread)


def _solved(inputs: Array, probabilities: Array) -> Array:
    """Least squares on log-odds, shape (width + 1, classes)."""
    logs = np.log(np.maximum(probabilities, _FLOOR))
    return np.asarray(
        np.linalg.lstsq(_with_one(inputs), logs - logs.mean(axis=1, keepdims=True), rcond=None)[0]
    )


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
