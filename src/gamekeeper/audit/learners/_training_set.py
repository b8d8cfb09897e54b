"""What a learner learns from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from gamekeeper.audit.targets import Array

Predict = Callable[[Array], Array]
"""Inputs, shape (n, width), to labels, shape (n,); or, of a target that answers numbers, to values,
shape (n, outputs)."""
Scores = Callable[[Array], Array]
"""Inputs, shape (n, width), to how likely each class is, shape (n, classes)."""


@runtime_checkable
class Scored(Protocol):
    """A `Predict` of labels that has scores too."""

    def __call__(self, inputs: Array) -> Array:
        """Returns labels, shape (n,)."""
        ...

    def scores(self, inputs: Array) -> Array:
        """Returns probabilities, shape (n, classes)."""
        ...


class ByScores:
    """A `Scored` that takes the class of the highest score.

    Args:
        scores: Probabilities of inputs, shape (n, width), shape (n, classes).
    """

    def __init__(self, scores: Scores) -> None:
        self.scores = scores

    def __call__(self, inputs: Array) -> Array:
        """See `Scored`."""
        return np.asarray(self.scores(inputs).argmax(axis=1))


class ByLogOdds:
    """A `Scored` that takes the class of the highest log-odds.

    Args:
        log_odds: Of inputs, shape (n, width), up to what is common to all classes, shape (n,
            classes).
    """

    def __init__(self, log_odds: Scores) -> None:
        self._log_odds = log_odds

    def __call__(self, inputs: Array) -> Array:
        """See `Scored`."""
        return np.asarray(self._log_odds(inputs).argmax(axis=1))

    def scores(self, inputs: Array) -> Array:
        """See `Scored`."""
        from scipy.special import softmax

        return np.asarray(softmax(self._log_odds(inputs), axis=1))


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Answers that an attacker was given.

    Args:
        inputs: That were asked, shape (n, width).
        labels: Their answers, shape (n,); all 0 where answers are numbers.
        soft: Their answers as probabilities, shape (n, classes); None to learn from labels alone.
        values: Their answers as numbers, shape (n, outputs); None for classes.
        real: The first so many inputs are of the domain, and judge; None for all.
        picture: Height and width of an input, if inputs are pictures in one channel.
        moves: Whether a picture moved a little gets the same answer; of pictures of another domain
            none does.
        categories: Columns whose numbers are codes of categories.
        has_gaps: Whether values may be missing, NaN.
        is_balanced: Whether each class counts alike, however rare.
    """

    inputs: Array
    labels: Array
    soft: Array | None = None
    values: Array | None = None
    real: int | None = None
    picture: tuple[int, int] | None = None
    moves: bool = True
    categories: tuple[int, ...] = ()
    has_gaps: bool = False
    is_balanced: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def only(self, rows: Array) -> "TrainingSet":
        """Returns those at the rows."""
        return replace(
            self,
            inputs=self.inputs[rows],
            labels=self.labels[rows],
            soft=None if self.soft is None else self.soft[rows],
            values=None if self.values is None else self.values[rows],
            real=None,
        )


Learn = Callable[[TrainingSet], Predict]
