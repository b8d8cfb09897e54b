"""Public copy: inputs of the same shape that anybody can have, and the target's answers to those
that tell most.

Public inputs are of another domain: to most of them the target gives one of a few labels. What was
learnt so far guesses at them, and those are asked first that it spreads evenly over the classes.

Source: Orekondy et al., Knockoff Nets, CVPR 2019 (public inputs); that good public data and a good
    recipe beat
algorithms, E3 (2024); the even choice is ours.
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
from gamekeeper.audit.attacks._outside import FEWEST, copies, picked
from gamekeeper.audit.learners import TrainingSet, why_no_learners
from gamekeeper.audit.targets import Array

_MOST_OFFERED = 20_000  # of which a round is chosen


@attack
class PublicCopy:
    """The attack that trains surrogates on answers to public inputs."""

    card = AttackCard(
        name="public-copy",
        purpose=(
            "Asks public inputs of another domain, evenly over the classes, and trains several"
            " kinds of learner."
        ),
        needs="Labels, and public inputs of the same shape.",
        fits="Pictures, texts as vectors: all domains that public inputs resemble.",
        source=(
            "Orekondy et al., Knockoff Nets, CVPR 2019; E3, 2024; evenly over the classes is ours."
        ),
        makes_inputs=True,
        fewest=FEWEST,
        extra="audit",
        under_defences=False,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        if not interface.has_public:
            return "no public inputs are given (--public)"
        return interface.why_no_classes or why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        assert knowledge.public is not None
        left = knowledge.public[rng.permutation(len(knowledge.public))]

        def choose(training: TrainingSet, n: int) -> Array:
            nonlocal left
            positions = picked(left[:_MOST_OFFERED], training, n, rng)
            chosen: Array = left[positions]
            left = np.delete(left, positions, axis=0)
            return chosen

        return copies(ask, knowledge, choose, rng)
