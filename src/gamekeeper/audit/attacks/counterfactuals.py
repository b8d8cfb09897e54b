"""Counterfactuals: an explanation "this would have to change" is a point on the boundary, and where
it points to.

The nearest input with another label is just beyond the boundary, along its normal: of a linear
model of two classes, one explanation gives everything. In general each gives two points on either
side of the boundary, whose labels are known (up to the counterfactual the label stays as it was),
and learners learn from these as well.

Source: Aivodji et al., 2020; Dissanayake & Dutta, Model Reconstruction Using Counterfactual
    Explanations, NeurIPS 2024;
both sides of the boundary as training, in place of clamping, is ours.
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
from gamekeeper.audit.learners import Predict, TrainingSet, best_learner, why_no_learners
from gamekeeper.audit.targets import Array

_QUERIES_EACH = 3  # an input's label, its counterfactual, and that one's label
_STEP = 0.02  # of the way, before and beyond the counterfactual
_PARALLEL = 0.999  # cosine of explanations that share a normal
_SURE = 2  # explanations that must agree


@attack
class Counterfactuals:
    """The attack that learns the boundary from counterfactual explanations."""

    card = AttackCard(
        name="counterfactuals",
        purpose="Learns the boundary from explanations that say what would have to change.",
        needs=(
            "Counterfactuals (--counterfactuals), and unlabelled inputs of the domain; labels"
            " suffice."
        ),
        fits="Models that explain their decisions; few explanations suffice to copy a linear one.",
        source="Dissanayake & Dutta, NeurIPS 2024; both sides of the boundary as training is ours.",
        extra="audit",
        under_defences=False,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        if not interface.has_counterfactuals:
            return "the interface gives no counterfactuals (--counterfactuals)"
        return interface.why_no_classes or interface.why_not_drawn or why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        assert knowledge.explain is not None
        inputs = np.empty((0, knowledge.pool.shape[1]))
        near = np.empty((0, knowledge.pool.shape[1]))
        labels = np.empty(0, np.int64)
        beyond = np.empty(0, np.int64)
        for size in (2 * _QUERIES_EACH, *knowledge.sizes):
            if size // _QUERIES_EACH > len(knowledge.pool):
                return
            more = knowledge.pool[len(inputs) : size // _QUERIES_EACH]
            inputs = np.vstack([inputs, more])
            near = np.vstack([near, knowledge.explain(more)])
            labels = np.concatenate([labels, ask(more).labels])
            beyond = np.concatenate(
                [beyond, ask(_past(more, near[len(near) - len(more) :])).labels]
            )
            recipe, predict = _explained(inputs, near, labels, beyond, rng)
            yield Surrogate(queries=_QUERIES_EACH * len(inputs), predict=predict, recipe=recipe)


def _past(inputs: Array, near: Array) -> Array:
    return np.asarray(near + _STEP * (near - inputs))


def _explained(
    inputs: Array, near: Array, labels: Array, beyond: Array, rng: np.random.Generator
) -> tuple[str, Predict]:
    if plane := _plane(inputs, near, labels, beyond):
        return "a plane that the explanations agree on", plane
    before = near - _STEP * (near - inputs)
    everything = np.vstack([inputs, before, _past(inputs, near)])
    training = TrainingSet(everything, np.concatenate([labels, labels, beyond]), real=len(inputs))
    recipe, predict = best_learner(training, rng)
    return f"{recipe} on both sides of the boundary", predict


def _plane(inputs: Array, near: Array, labels: Array, beyond: Array) -> Predict | None:
    """The plane between two classes that all explanations are perpendicular to; None if they are
    not.
    """
    ways = near - inputs
    lengths = np.linalg.norm(ways, axis=1)
    differs = (lengths > 0) & (labels != beyond)
    kinds = np.unique(np.concatenate([labels, beyond]))
    if differs.sum() < _SURE or len(kinds) != 2:
        return None
    normals = (
        ways[differs]
        / lengths[differs, None]
        * np.where(labels[differs] == kinds[0], 1, -1)[:, None]
    )
    normal = normals.mean(axis=0)
    if np.linalg.norm(normal) < _PARALLEL:
        return None
    offset = float(np.median(near[differs] @ normal))
    return lambda some: np.where(some @ normal > offset, kinds[1], kinds[0])
