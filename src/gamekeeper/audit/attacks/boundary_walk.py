"""Boundary walk: labels alone tell where the boundary is, and points on it are equations.

Between two inputs of different labels the boundary is bisected. Where labels a and b meet, a linear
model has

    (w_a - w_b) . x + (b_a - b_b) = 0

one linear equation in all weights; enough of them leave one solution, up to its scale, whose sign
one answer tells. A target that is not linear is learnt from the same answers, the pairs on either
side of the boundary among them. Which of the two is the better copy is judged on inputs of the
domain that were asked as well.

Source: Lowd & Meek, Adversarial Learning, KDD 2005; Tramer et al., USENIX Security 2016, section
    4.3; solving for all
classes at once by the smallest singular vector is ours.
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

_HALVINGS = 12  # of the way between two inputs: the boundary to 1 in 4,000 of it
_REAL = 0.25  # of the queries go to inputs of the domain, which judge


@attack
class BoundaryWalk:
    """The attack that finds points on the decision boundary from labels alone."""

    card = AttackCard(
        name="boundary-walk",
        purpose=(
            "Bisects for points on the boundary and solves for the linear model that has it, or"
            " learns from them."
        ),
        needs="Labels, and inputs of different labels.",
        fits="Linear models that give only labels.",
        source=(
            "Lowd & Meek, KDD 2005; Tramer et al., USENIX Security 2016, section 4.3; all classes"
            " at once is ours."
        ),
        makes_inputs=True,
        extra="audit",
        under_defences=False,
        fewest=100,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return interface.why_no_classes or interface.why_not_drawn or why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        if knowledge.uses_scores:
            return  # scores give the same for far fewer queries
        walk = _Walk(ask, knowledge.pool, rng)
        for size in knowledge.sizes:
            if not walk.go_on(size):
                return
            yield walk.surrogate(knowledge.classes)


class _Walk:
    """What was asked so far: inputs of the pool, and points on both sides of the boundary."""

    def __init__(self, ask: Ask, pool: Array, rng: np.random.Generator) -> None:
        self._ask = ask
        self._pool = pool
        self._rng = rng
        self._middle = pool.mean(axis=0)
        self._spread = pool.std(axis=0) + 1e-12
        self._real = 0
        self._labels = np.empty(0, np.int64)
        self._sides: list[tuple[Array, Array, Array, Array]] = []
        self.queries = 0

    def go_on(self, size: int) -> bool:
        """Asks until so many queries are made, or a little fewer; returns whether any pair was
        bisected.
        """
        real = min(max(10, int(_REAL * size)), len(self._pool))
        self._labels = np.concatenate([self._labels, self._asked(self._pool[self._real : real])])
        self._real = real
        pairs = max(0, size - self.queries) // _HALVINGS
        if pairs and len(np.unique(self._labels)) > 1:
            self._sides.append(self._bisected(pairs))
        return bool(self._sides)

    def surrogate(self, classes: int) -> Surrogate:
        """Returns the better of what is solved for and what is learnt."""
        one, label, other, others = (
            np.concatenate(parts) for parts in zip(*self._sides, strict=True)
        )
        real = self._pool[: self._real]
        labels = self._labels
        solved = self._solved((one + other) / 2, label, others, classes)
        held, kept = np.split(self._rng.permutation(self._real), [self._real // 4])
        inputs = np.vstack([real[kept], one, other])
        given = np.concatenate([labels[kept], label, others])
        recipe, learnt = best_learner(TrainingSet(inputs, given, real=len(kept)), self._rng)
        agreed = [(predict(real[held]) == labels[held]).mean() for predict in (solved, learnt)]
        if agreed[0] >= agreed[1]:
            return Surrogate(
                queries=self.queries, predict=solved, recipe="a linear model with that boundary"
            )
        return Surrogate(
            queries=self.queries, predict=learnt, recipe=f"{recipe} on both sides of the boundary"
        )

    def _bisected(self, pairs: int) -> tuple[Array, Array, Array, Array]:
        """Points on both sides of the boundary with their labels, from pairs of different
        labels.
        """
        one = self._rng.integers(self._real, size=pairs)
        other = np.array(
            [self._rng.choice(np.flatnonzero(self._labels != self._labels[i])) for i in one]
        )
        low = self._pool[one].copy()
        high = self._pool[other].copy()
        mine = self._labels[one]
        theirs = self._labels[other].copy()
        for _ in range(_HALVINGS):
            between = (low + high) / 2
            given = self._asked(between)
            same = given == mine
            low = np.where(same[:, None], between, low)
            high = np.where(same[:, None], high, between)
            theirs = np.where(same, theirs, given)
        return low, mine, high, theirs

    def _solved(self, points: Array, one: Array, other: Array, classes: int) -> Predict:
        """The linear model whose boundaries hold the points, shape (n, width)."""
        rows = np.hstack([(points - self._middle) / self._spread, np.ones((len(points), 1))])
        design = np.zeros((len(points), classes, rows.shape[1]))
        at = np.arange(len(points))
        design[at, one], design[at, other] = rows, -rows
        flat = design.reshape(len(points), -1)
        # what is added to all classes changes nothing
        common = np.tile(np.eye(rows.shape[1]), classes)
        vectors = np.linalg.eigh(flat.T @ flat + len(points) * common.T @ common)[1]
        weights = vectors[:, 0].reshape(classes, -1).T
        real = self._pool[: self._real]

        def predict(inputs: Array, sign: float = 1.0) -> Array:
            design = np.hstack([(inputs - self._middle) / self._spread, np.ones((len(inputs), 1))])
            return np.asarray((sign * design @ weights).argmax(axis=1))

        sign = (
            1.0
            if (predict(real) == self._labels).mean()
            >= (predict(real, -1.0) == self._labels).mean()
            else -1.0
        )
        return lambda inputs: predict(inputs, sign)

    def _asked(self, inputs: Array) -> Array:
        self.queries += len(inputs)
        return self._ask(inputs).labels
