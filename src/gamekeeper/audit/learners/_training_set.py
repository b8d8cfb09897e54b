"""What a learner learns from."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gamekeeper.audit.targets import Array

Predict = Callable[[Array], Array]
"""Inputs, shape (n, width), to labels, shape (n,)."""
Scores = Callable[[Array], Array]
"""Inputs, shape (n, width), to how likely each class is, shape (n, classes)."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Answers that a thief was given.

    Args:
        inputs: That were asked, shape (n, width).
        labels: Their answers, shape (n,).
        soft: Their answers as probabilities, shape (n, classes); None to learn from labels alone.
        real: The first so many inputs are of the domain, and judge; None for all.
        picture: Height and width of an input, if inputs are pictures in one channel.
        moves: Whether a picture moved a little gets the same answer; of pictures of another domain
            none does.
    """

    inputs: Array
    labels: Array
    soft: Array | None = None
    real: int | None = None
    picture: tuple[int, int] | None = None
    moves: bool = True

    def __len__(self) -> int:
        return len(self.inputs)

    def only(self, rows: Array) -> "TrainingSet":
        """Returns those at the rows."""
        soft = None if self.soft is None else self.soft[rows]
        return replace(
            self, inputs=self.inputs[rows], labels=self.labels[rows], soft=soft, real=None
        )


Learn = Callable[[TrainingSet], Predict]
