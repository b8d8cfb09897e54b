"""How good a copy is, as somebody who uses it would feel it, and above which baselines.

    agreement            share of test inputs with the target's own label
    balanced agreement   the same within each of the target's classes, their mean
    rank correlation     Spearman's, between the copy's score and the target's
    R2                   share of the variance of the target's values that the copy explains
    within tolerance     share of test inputs whose value is off by no more than a stated amount
    nearest neighbour    share of test inputs whose nearest other input, by embedding, is the same

Which one is the fidelity of an audit follows from what is answered: of classes, agreement while the
largest class has less than half of the test inputs (of two classes, less than three quarters), and
balanced agreement otherwise, for a constant answer then agrees with most. Each has its baseline:
what the best constant reaches, which nobody needs to ask for.

Source: fidelity as in Jagielski et al., USENIX Security 2020; balanced accuracy, Brodersen et al.,
    ICPR 2010; the baselines are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm, probabilities_of, values_of
from gamekeeper.audit.learners import Predict, Scored
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import UsageError

UNEVEN = 1.5
"""Times its even share that the largest class has at least where agreement is balanced."""
_MOST = 0.5  # share of the largest class from which on, too, agreement is balanced
FEW_ROWS = 10
"""Test inputs of a class, below which agreement on it says little."""
_NEARLY = 0.05  # error of a probability that is not felt
_SURE = 1.96  # standard errors in a 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A copy, measured on the test inputs.

    Args:
        fidelity: By the audit's main measure.
        error: Standard error of that from the choice of test inputs.
        beside: By all other measures that apply, by name.
    """

    fidelity: float
    error: float
    beside: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The main measure of an audit.

    Args:
        name: Such as `balanced agreement`.
        because: Why it was chosen.
        constant: What the best constant answer reaches.
        without_queries: What a model trained on true labels reaches without a single query; None
            if no labels were given.
        labelled: Inputs whose true labels that model had.
        is_balanced: Whether classes count alike, so that the rarest has a say however few test
            inputs it has, and the error from their choice is added to that over seeds.
        most: Lower bound that a copy which agrees on all test inputs would have, where the choice
            of test inputs counts; 0 where a class has too few of them to say anything.
        notes: What the test inputs cannot show.
    """

    name: str
    because: str
    constant: float
    without_queries: float | None = None
    labelled: int = 0
    is_balanced: bool = False
    most: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def baseline(self) -> float:
        """The higher one of both."""
        return max(self.constant, self.without_queries or 0.0)


class ClassJudge:
    """Measures copies of a target that answers classes.

    Args:
        truth: The target's labels of the test inputs, shape (n,).
        form: What it answers.
        raw: Its answers to them, shape (n, width).
    """

    def __init__(self, truth: Array, form: AnswerForm, raw: Array) -> None:
        self._truth = truth
        self._present, self._rows = np.unique(truth, return_counts=True)
        self._scores = None if form.access is Access.LABELS else probabilities_of(raw, form)
        self.measure = self._measure()

    def measured(self, predict: Predict, tests: Array) -> Measured:
        """Returns how good a copy is on the test inputs, shape (n, width)."""
        labels = np.asarray(predict(tests))
        agreed = labels == self._truth
        recalls = np.array([agreed[self._truth == each].mean() for each in self._present])
        beside = {
            "agreement": float(agreed.mean()),
            "balanced agreement": float(recalls.mean()),
            "agreement on the rarest class": float(recalls[self._rows.argmin()]),
            **self._of_scores(predict, tests),
        }
        fidelity = beside[self.measure.name]
        is_balanced = self.measure.is_balanced
        error = _error(recalls, self._rows) if is_balanced else share_error(fidelity, len(agreed))
        return Measured(fidelity=fidelity, error=error, beside=beside)

    def _of_scores(self, predict: Predict, tests: Array) -> dict[str, float]:
        if self._scores is None or not isinstance(predict, Scored):
            return {}
        scores = predict.scores(tests)
        ranks = [rank_correlation(*pair) for pair in zip(scores.T, self._scores.T, strict=True)]
        off = np.abs(scores - self._scores).max(axis=1)
        return {
            "rank correlation": float(np.mean(ranks)),
            f"scores within {_NEARLY:g}": float((off <= _NEARLY).mean()),
        }

    def _measure(self) -> Measure:
        largest = float(self._rows.max() / len(self._truth))
        if not is_uneven(self._truth):
            return Measure(
                name="agreement",
                because=f"the largest class has {largest:.1%} of the test inputs",
                constant=largest,
            )
        return Measure(
            name="balanced agreement",
            because=f"one label is right for {largest:.1%} of the test inputs",
            constant=1 / len(self._present),
            is_balanced=True,
            most=_most(self._rows),
            notes=_notes(self._rows),
        )


class NumberJudge:
    """Measures copies of a target that answers numbers.

    Args:
        raw: Its answers to the test inputs, shape (n, width).
        form: What it answers.
        tolerance: Error of a value that is not felt, in its unit; None if not stated.
    """

    def __init__(self, raw: Array, form: AnswerForm, tolerance: float | None = None) -> None:
        self._form = form
        self._tolerance = tolerance
        self._truth = values_of(raw, form)
        self._measures = dict(self._chosen())
        name = next(iter(self._measures))
        rows = self._sides() if name == _DECISIONS else None
        self.measure = Measure(
            name=name,
            because=_BECAUSE[name.split(" of ")[0]],
            constant=self._constant(name),
            is_balanced=rows is not None,
            most=1.0 if rows is None else _most(rows),
            notes=() if rows is None else _notes(rows),
        )

    def measured(self, predict: Predict, tests: Array) -> Measured:
        """Returns how good a copy is on the test inputs, shape (n, width)."""
        values = np.asarray(predict(tests), np.float64).reshape(self._truth.shape)
        beside = {name: measure(values) for name, measure in self._measures.items()}
        fidelity = beside[self.measure.name]
        error = share_error(fidelity, len(self._truth))
        if self.measure.is_balanced:
            error = _error(self._recalls(values), self._sides())
        return Measured(fidelity=fidelity, error=error, beside=beside)

    def _chosen(self) -> list[tuple[str, Callable[[Array], float]]]:
        """All measures that apply, the main one first."""
        form = self._form
        several: list[tuple[str, Callable[[Array], float]]] = [("R2", self._r2)]
        if self._tolerance is not None:
            within = f"share of values within {self._tolerance:g}"
            several.insert(0, (within, self._within))
        if form.access is Access.VECTORS:
            return [("nearest neighbour", self._neighbours), *several]
        if form.access is Access.MULTILABEL:
            return [("balanced agreement of labels", self._labels), ("R2 of log-odds", self._r2)]
        if form.access is Access.SCORE and form.decision_at is not None:
            return [
                (_DECISIONS, self._decisions),
                ("rank correlation", self._rank),
                *several,
            ]
        if form.access is Access.SCORE or form.by_rank:
            return [("rank correlation", self._rank), *several]
        return [*several, ("rank correlation", self._rank)]

    def _constant(self, name: str) -> float:
        """What the best constant reaches: none ranks, the mean explains no variance."""
        if name.startswith("balanced"):
            return 0.5
        if name.startswith("share"):
            return self._best_constant_within()
        if name == "nearest neighbour":
            return 1 / max(1, len(self._truth) - 1)
        return 0.0

    def _best_constant_within(self) -> float:
        """The fullest window of twice the tolerance, of each output, their mean."""
        assert self._tolerance is not None
        shares = []
        for column in np.sort(self._truth, axis=0).T:
            ends = np.searchsorted(column, column + 2 * self._tolerance, side="right")
            shares.append((ends - np.arange(len(column))).max() / len(column))
        return float(np.mean(shares))

    def _r2(self, values: Array) -> float:
        wrong = ((values - self._truth) ** 2).sum(axis=0)
        spread = ((self._truth - self._truth.mean(axis=0)) ** 2).sum(axis=0)
        varied = spread > 0
        if not varied.any():
            return 0.0
        return float(np.clip(1 - wrong[varied] / spread[varied], 0, 1).mean())

    def _within(self, values: Array) -> float:
        return float((np.abs(values - self._truth) <= self._tolerance).mean())

    def _rank(self, values: Array) -> float:
        pairs = zip(values.T, self._truth.T, strict=True)
        return float(np.mean([rank_correlation(*pair) for pair in pairs]))

    def _labels(self, values: Array) -> float:
        """Of labels that the target gives to some test inputs and not to others."""
        given = [
            _balanced(mine > 0, theirs > 0)
            for mine, theirs in zip(values.T, self._truth.T, strict=True)
            if 0 < (theirs > 0).mean() < 1
        ]
        return float(np.mean(given)) if given else 0.0

    def _decided(self) -> Array:
        """The target's decisions, shape (n,)."""
        return np.asarray(self._truth[:, 0] >= self._form.decision_at)

    def _sides(self) -> Array:
        """Test inputs on either side of the decision.

        Raises:
            UsageError: All are on one side.
        """
        decided = self._decided()
        rows = np.array([(~decided).sum(), decided.sum()])
        if not rows.all():
            raise UsageError(
                f"all {len(decided)} test inputs have a score {'from' if rows[1] else 'below'}"
                f" --decision-at {self._form.decision_at:g}: a constant decides as well; scores go"
                f" from {self._truth.min():g} to {self._truth.max():g}"
            )
        return rows

    def _recalls(self, values: Array) -> Array:
        decided = self._decided()
        agreed = (values[:, 0] >= self._form.decision_at) == decided
        return np.array([agreed[~decided].mean(), agreed[decided].mean()])

    def _decisions(self, values: Array) -> float:
        return float(self._recalls(values).mean())

    def _neighbours(self, values: Array) -> float:
        return float((_nearest(values) == _nearest(self._truth)).mean())


Judge = ClassJudge | NumberJudge
"""What measures copies of one target."""

_DECISIONS = "balanced agreement of decisions"
_BECAUSE = {
    "R2": "answers are predicted values",
    "share": "a tolerance is stated",
    "rank correlation": "answers are scores, and decisions alone would say too little",
    "balanced agreement": "a constant agrees with the more frequent side",
    "nearest neighbour": "answers are embeddings",
}


def _error(recalls: Array, rows: Array) -> float:
    """Standard error of the mean over classes; one more row that agrees and one more that does not
    keep a class of few rows from being sure.
    """
    smoothed = (recalls * rows + 1) / (rows + 2)
    return float(np.sqrt((smoothed * (1 - smoothed) / (rows + 2)).sum()) / len(recalls))


def _most(rows: Array) -> float:
    """Lower bound of a copy that agrees on everything; 0 where a class has too few rows."""
    return 0.0 if rows.min() < FEW_ROWS else 1 - _SURE * _error(np.ones(len(rows)), rows)


def _notes(rows: Array) -> tuple[str, ...]:
    rarest = int(rows.min())
    if rarest >= FEW_ROWS:
        return ()
    few = int((rows < FEW_ROWS).sum())
    wanted = -(-FEW_ROWS * int(rows.sum()) // rarest)
    return (
        f"{few} of {len(rows)} classes have fewer than {FEW_ROWS} test inputs (the rarest has"
        f" {rarest}): give more inputs of them, or, at this share, a budget of {2 * wanted:,}"
        f" queries and {4 * wanted:,} inputs",
    )


def is_uneven(labels: Array) -> bool:
    """Whether the largest class has so much more than its even share that a constant would do."""
    _, rows = np.unique(labels, return_counts=True)
    return bool(rows.max() >= max(_MOST, UNEVEN / len(rows)) * len(labels))


def are_too_few(labels: Array) -> bool:
    """Whether agreement has to be balanced, and a class has too few test inputs for that."""
    _, rows = np.unique(labels, return_counts=True)
    return is_uneven(labels) and bool(rows.min() < FEW_ROWS)


def rank_correlation(one: Array, other: Array) -> float:
    """Returns Spearman's rank correlation, at least 0; of a constant 0."""
    from scipy.stats import rankdata

    mine = rankdata(one)
    theirs = rankdata(other)
    if np.ptp(mine) == 0 or np.ptp(theirs) == 0:
        return 0.0
    return max(0.0, float(np.corrcoef(mine, theirs)[0, 1]))


def _balanced(given: Array, truth: Array) -> float:
    classes = np.unique(truth)
    return float(np.mean([(given == truth)[truth == each].mean() for each in classes]))


def share_error(share: float, rows: int) -> float:
    """Returns the standard error of a share of so many rows, with one more on either side, so that
    a share of all of them is not sure.
    """
    near = (share * rows + 1) / (rows + 2)
    return float(np.sqrt(near * (1 - near) / (rows + 2)))


def _nearest(vectors: Array) -> Array:
    """The nearest other row by cosine, shape (n,)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return np.asarray(alike.argmax(axis=1))
