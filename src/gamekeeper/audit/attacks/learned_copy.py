"""Learned copy: inputs of the target's domain, its answers, and whatever learner explains held-out
answers best.

What decides how good a copy gets is the recipe, not the choice of queries (E3, 2024): several kinds
of learner are trained until they converge, each is judged on a quarter of the answers, and the best
is trained again on all of them. Students of soft answers learn the log-odds; surrogates of labels
learn the labels.

Source: Orekondy et al., Knockoff Nets, CVPR 2019 (random in-domain queries); the selection of
    learners is ours.
"""

from collections.abc import Iterator, Sequence

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
from gamekeeper.audit.learners import ModelSelection, why_no_learners
from gamekeeper.audit.targets import Array

_MIXING = 0  # seed of what is mixed
_MOST_MIXED = 4  # times the pool; more mixtures of the same inputs teach little


@attack
class LearnedCopy:
    """The attack that trains surrogates on answers to inputs of the domain."""

    card = AttackCard(
        name="learned-copy",
        purpose=(
            "Trains several kinds of learner on answers to inputs of the target's domain and keeps"
            " the best."
        ),
        needs="Unlabelled inputs of the domain; labels suffice, scores help.",
        fits="Everything that can be learnt; the yardstick for all other attacks.",
        source=(
            "Orekondy et al., Knockoff Nets, CVPR 2019; selecting among learners on held-out"
            " answers is ours."
        ),
        extra="audit",
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        selection = ModelSelection(rng)
        asked = Gathering(ask, knowledge, real=len(knowledge.pool))
        inputs = _with_mixtures(knowledge.pool, knowledge.sizes, rng)
        for size in (size for size in knowledge.sizes if size <= len(inputs)):
            asked.add(inputs[len(asked) : size])
            name, predict = selection.best(asked.training)
            yield Surrogate(queries=size, predict=predict, recipe=name)


def _with_mixtures(pool: Array, sizes: Sequence[int], rng: np.random.Generator) -> Array:
    """The pool, then mixtures of two of its inputs each: what is asked once inputs run out.

    All runs have the same mixtures, each in its own order, so that they are paid for once.
    """
    wanted = max((size for size in sizes if size <= _MOST_MIXED * len(pool)), default=0) - len(pool)
    if wanted <= 0:
        return pool
    mixtures = _mixtures(pool[np.lexsort(pool.T)], wanted, np.random.default_rng(_MIXING))
    return np.vstack([pool, rng.permutation(mixtures)])


def _mixtures(pool: Array, wanted: int, rng: np.random.Generator) -> Array:
    one, other = (pool[rng.integers(len(pool), size=wanted)] for _ in range(2))
    share = rng.uniform(0, 0.5, (wanted, 1))
    # categories and counts have nothing in between; what is missing in one is missing in a mixture
    whole = ((pool == np.round(pool)) | np.isnan(pool)).all(axis=0)
    share = np.where(whole, rng.random(one.shape) < share, share)
    return np.asarray(one + share * (other - one))
