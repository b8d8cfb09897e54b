"""Path finding: a tree gives every input of a leaf the same scores, so scores name the leaf, and
its box can be felt.

A leaf is a box: on each feature an interval. From an input of it,

    1. group testing: move many features to their least (greatest) value at once; the scores stay if
    no path to the leaf
       asks about them on that side. A group that fails is halved, until the few features that
       matter are alone.
    2. each of these is bisected among the values that the pool has for it: thresholds between them
    cannot be told apart
       on such inputs, and need not be.

The next leaf is that of the next input of the pool that no box holds, so that what is common is
known first. A target that is not a tree shows at once: its scores hardly repeat.

Two leaves with the same scores look like one, and a box may then reach too far. So what is left of
the budget goes to inputs that a box already holds: one that is answered otherwise has a leaf of its
own. Of boxes that overlap, the one with most bounds is believed.

Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016,
    section 4.2 (leaves
by their scores); the group testing, bisecting among the pool's values, and the second look are
ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.learners import ByScores
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.targets import Array

_PROBES = 50  # inputs that tell whether scores repeat
_FEWEST_REPEATS = 0.3  # of the probes
_TELLING_DIGITS = 9  # of scores that are compared; less is the arithmetic's


@attack
class TreePaths:
    """The attack that recovers the leaves of a decision tree."""

    card = AttackCard(
        name="path-finding",
        purpose=(
            "Finds the leaves of a decision tree, and the box of each, from scores that name the"
            " leaf."
        ),
        needs="Scores that differ from leaf to leaf, and unlabelled inputs of the domain.",
        fits=(
            "Single decision trees with scores; a forest has too many leaves, a tree grown to the"
            " end names none."
        ),
        source=(
            "Tramer et al., USENIX Security 2016, section 4.2; group testing of the features is"
            " ours."
        ),
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return interface.why_not_drawn if interface.has_scores else "it needs scores"

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        feeler = _Feeler(ask, knowledge.pool)
        if not knowledge.uses_scores or not feeler.names_leaves(knowledge.pool[:_PROBES]):
            return
        boxes: list[_Box] = []
        yielded = 0
        for start in (*knowledge.pool, *knowledge.pool):  # a second look at what the boxes hold
            try:
                boxes = feeler.looked(start, boxes)
            except SpentError:
                if not boxes:
                    raise
                break
            if any(yielded < size <= feeler.queries for size in knowledge.sizes):
                yielded = feeler.queries
                yield _copy(boxes, feeler)
        if boxes and feeler.queries > yielded:
            yield _copy(boxes, feeler)


@dataclass(frozen=True, slots=True)
class _Box:
    """A leaf: an input of it, what names it, its answer, and open bounds for each feature, shape
    (width,).
    """

    start: Array
    leaf: bytes
    answer: Array
    low: Array
    high: Array

    @property
    def bounds(self) -> int:
        """How many there are; a box that reaches too far has fewer."""
        return int(np.isfinite(self.low).sum() + np.isfinite(self.high).sum())

    def holds(self, inputs: Array) -> Array:
        """Whether each input is in it, shape (n,)."""
        return np.asarray(((inputs > self.low) & (inputs < self.high)).all(axis=1))


class _Feeler:
    """Feels for the box around an input; counts its queries."""

    def __init__(self, ask: Ask, pool: Array) -> None:
        self._ask = ask
        self._values = [np.unique(column) for column in pool.T]
        self._ends = np.stack([pool.min(axis=0), pool.max(axis=0)])
        self.spread = pool.std(axis=0) + 1e-12
        self._met: set[bytes] = set()
        self.queries = 0
        self.answers_numbers = False

    def names_leaves(self, probes: Array) -> bool:
        """Whether scores repeat as those of a tree do."""
        leaves, _ = self._leaves(probes)
        return len(set(leaves)) <= (1 - _FEWEST_REPEATS) * len(leaves)

    def looked(self, start: Array, boxes: list[_Box]) -> list[_Box]:
        """Returns boxes with that of an input, shape (width,), most bounds first; as they are if it
        is known.
        """
        holding = next((box for box in boxes if box.holds(start[None])[0]), None)
        if holding is None or ((holding.start != start).any() and not self._seen(start, holding)):
            return sorted([self.box(start), *boxes], key=lambda box: -box.bounds)
        return boxes

    def _seen(self, start: Array, box: _Box) -> bool:
        """Whether an input is answered as its box says; asked on the second look alone."""
        key = start.tobytes()
        if key not in self._met:
            self._met.add(key)
            return True
        (leaf,), _ = self._leaves(start[None])
        return leaf == box.leaf

    def box(self, start: Array) -> _Box:
        """Returns the leaf of an input, shape (width,)."""
        (leaf,), (answer,) = self._leaves(start[None])
        low = np.full(len(start), -np.inf)
        high = np.full(len(start), np.inf)
        sides = [
            (feature, side) for side, feature in zip(*np.nonzero(self._ends != start), strict=True)
        ]
        for feature, side in self._asked_about(start, leaf, sides):
            bounds = high if side else low
            bounds[feature] = self._threshold(start, leaf, feature, side)
        return _Box(start, leaf, answer, low, high)

    def _asked_about(
        self, start: Array, leaf: bytes, sides: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Of (feature, side), those on which the leaf ends, by halving what fails."""
        found = []
        groups = [[s for s in sides if s[1] == 0], [s for s in sides if s[1] == 1]]
        while groups := [group for group in groups if group]:
            moved = np.repeat(start[None], len(groups), axis=0)
            for row, group in zip(moved, groups, strict=True):
                for feature, side in group:
                    row[feature] = self._ends[side, feature]
            leaves, _ = self._leaves(moved)
            failed = [group for group, given in zip(groups, leaves, strict=True) if given != leaf]
            found += [group[0] for group in failed if len(group) == 1]
            halves = [
                (group[: len(group) // 2], group[len(group) // 2 :])
                for group in failed
                if len(group) > 1
            ]
            groups = [half for pair in halves for half in pair]
        return found

    def _threshold(self, start: Array, leaf: bytes, feature: int, side: int) -> float:
        """Between two neighbouring values of the pool, the one inside the leaf and the
        other not.
        """
        values = self._values[feature]
        inside = int(np.searchsorted(values, start[feature]))
        outside = len(values) - 1 if side else 0
        while abs(outside - inside) > 1:
            between = (inside + outside) // 2
            moved = start.copy()
            moved[feature] = values[between]
            (given,), _ = self._leaves(moved[None])
            inside, outside = (between, outside) if given == leaf else (inside, between)
        return float((values[inside] + values[outside]) / 2)

    def _leaves(self, inputs: Array) -> tuple[list[bytes], Array]:
        """What names the leaf of each input, and its answer: probabilities or values."""
        answers = self._ask(inputs)
        self.answers_numbers = answers.values is not None
        given = answers.values if answers.probabilities is None else answers.probabilities
        assert given is not None
        self.queries += len(inputs)
        return [row.tobytes() for row in np.round(given, _TELLING_DIGITS) + 0.0], given


def _copy(boxes: list[_Box], feeler: _Feeler) -> Surrogate:
    tree = _Tree(boxes, feeler.spread)
    return Surrogate(
        queries=feeler.queries,
        predict=tree if feeler.answers_numbers else ByScores(tree),
        recipe=f"a tree of {len(boxes)} leaves",
    )


class _Tree:
    """Answers by the box that an input is in; of one in no box, by the nearest."""

    def __init__(self, boxes: list[_Box], spread: Array) -> None:
        self._low, self._high = (
            np.stack([getattr(box, end) for box in boxes]) for end in ("low", "high")
        )
        self._answers = np.stack([box.answer for box in boxes])
        self._spread = spread

    def __call__(self, inputs: Array) -> Array:
        """Returns answers, shape (n, width)."""
        far = np.zeros((len(inputs), len(self._answers)))
        for feature, column in enumerate(inputs.T):
            below = self._low[:, feature] - column[:, None]
            above = column[:, None] - self._high[:, feature]
            far += np.maximum(0, np.maximum(below, above)) / self._spread[feature]
        return np.asarray(self._answers[far.argmin(axis=1)])
