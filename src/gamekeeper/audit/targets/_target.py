"""What every target is: something that answers rows of numbers.

An audit is for a model of one's own. What a target answers is taken as its interface gives it out;
`gamekeeper.audit.answers` recognises what that is.
"""

from typing import Protocol

import numpy as np

from gamekeeper.audit.columns import Columns
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.base.errors import GamekeeperError

Array = np.ndarray


class TargetError(GamekeeperError):
    """The target failed, or answered what cannot be used. What was paid for is kept."""

    exit_code = 3


class QueryError(TargetError):
    """The target failed on queries that were asked together, and may answer others.

    A request is then divided, down to single queries; those that still fail are left out.

    Args:
        message: What happened, in the target's own words.
        is_refused: Whether the target refused the queries as such: asked again, it refuses again.
        read: Tokens of the queries that were charged all the same.
        written: Tokens of the answers, likewise.
    """

    def __init__(
        self, message: str, *, is_refused: bool = False, read: int = 0, written: int = 0
    ) -> None:
        super().__init__(message)
        self.is_refused = is_refused
        self.read = read
        self.written = written


class Target(Protocol):
    """The model under audit, as an interface that answers queries."""

    @property
    def name(self) -> str:
        """By which reports call it."""
        ...

    def ask(self, inputs: Array) -> Array:
        """Returns answers to inputs.

        Args:
            inputs: float64, shape (n, width).

        Returns:
            Numbers, float64, shape (n,) or (n, width); or labels as text, shape (n,).

        Raises:
            QueryError: It cannot answer one of these inputs.
            TargetError: It cannot answer at all.
        """
        ...

    @property
    def answers(self) -> AnswerKind | None:
        """What its source knows that it answers, such as an estimator with classes; None if it does
        not know.
        """
        ...


def classes_of(target: object) -> tuple[str, ...]:
    """Returns the names of a target's classes in the order of its scores or of the numbers of its
    labels; empty if it does not know them.
    """
    return tuple(getattr(target, "classes", ()))


def columns_of(target: object) -> Columns | None:
    """Returns the columns that decide what a row of numbers means to a target; None where only the
    numbers do.
    """
    return getattr(target, "columns", None)


def remarks_of(target: object) -> tuple[str, ...]:
    """Returns what was recognised of a target, each a sentence for people. There may be more after
    its first answer.
    """
    return tuple(getattr(target, "remarks", ()))
