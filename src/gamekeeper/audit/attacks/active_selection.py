"""Active selection: of the inputs at hand, ask first those of which the copy so far is least sure,
far from each other.

A forest trained on the answers so far says how sure it is; half of each further purchase goes to
its least sure inputs, thinned so that no two are neighbours, half is drawn at random, because a
copy that learns of the boundary alone forgets the rest. It is compared with random queries in every
audit, and counts only where it beats them.

Source: uncertainty and k-centre, Pal et al., ActiveThief, AAAI 2020; the halves are ours.
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
from gamekeeper.audit.attacks._gathering import Gathering
from gamekeeper.audit.learners import ModelSelection, TrainingSet, why_no_learners
from gamekeeper.audit.learners.preparing import fitted
from gamekeeper.audit.targets import Array

_TREES = 100
_SHORTLIST = 4  # times what is bought, by uncertainty, before neighbours are thinned


@attack
class ActiveSelection:
    """The attack that asks first what the surrogate is least sure of."""

    card = AttackCard(
        name="active-selection",
        purpose="Asks first what the copy so far is least sure of.",
        needs="More unlabelled inputs than queries; labels suffice.",
        fits="Expensive queries and many inputs; no better than random where inputs are few.",
        source=(
            "Pal et al., ActiveThief, AAAI 2020; half uncertain and thinned, half random, is ours."
        ),
        extra="audit",
        under_defences=False,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return interface.why_no_classes or why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        pool = knowledge.pool
        positions = np.empty(0, np.int64)
        asked = Gathering(ask, knowledge)
        selection = ModelSelection(rng)
        for size in (size for size in knowledge.sizes if size < len(pool)):
            chosen = _chosen(pool, positions, asked.training, size - len(asked), rng)
            asked.add(pool[chosen])
            positions = np.concatenate([positions, chosen])
            recipe, predict = selection.best(asked.training)
            yield Surrogate(queries=size, predict=predict, recipe=recipe)


def _chosen(
    pool: Array, positions: Array, asked: TrainingSet, n: int, rng: np.random.Generator
) -> Array:
    """Positions in the pool to ask next, shape (n,)."""
    left = np.setdiff1d(np.arange(len(pool)), positions)
    if len(np.unique(asked.labels)) < 2:
        return rng.permutation(left)[:n]
    unsure = left[np.argsort(_margins(asked, pool[left], rng), kind="stable")]
    picked = _apart(pool, unsure[: _SHORTLIST * (n // 2)], n // 2)
    rest = rng.permutation(np.setdiff1d(left, picked))
    return np.concatenate([picked, rest[: n - len(picked)]])


def _margins(asked: TrainingSet, others: Array, rng: np.random.Generator) -> Array:
    """By how much a forest prefers its first choice to its second, shape (n,)."""
    from sklearn.ensemble import ExtraTreesClassifier

    trees = ExtraTreesClassifier(_TREES, random_state=int(rng.integers(1 << 31)))
    forest = fitted(trees, asked, asked.labels, scales=False)
    likely = np.sort(forest.predict_proba(others), axis=1)
    return np.asarray(likely[:, -1] - likely[:, -2])


def _apart(pool: Array, positions: Array, n: int) -> Array:
    """Greedy k-centre: each next is the farthest from those taken, features scaled by their
    spread.
    """
    rows = np.nan_to_num(pool[positions] / (np.nanstd(pool, axis=0) + 1e-12))
    if not len(rows) or n < 1:
        return positions[:0]
    taken = [0]
    near = ((rows - rows[0]) ** 2).sum(axis=1)
    while len(taken) < min(n, len(rows)):
        taken.append(int(near.argmax()))
        near = np.minimum(near, ((rows - rows[taken[-1]]) ** 2).sum(axis=1))
    return positions[taken]
