"""A target with a counted budget: every query is counted, paced, checked, kept, and paid for once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.journal import Journal, ids_of
from gamekeeper.audit.targets import Array, Target, TargetError
from gamekeeper.errors import GamekeeperError

_BATCH = 256


class SpentError(GamekeeperError):
    """A budget is used up."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an audit may take.

    Args:
        queries: Of the target, all runs together.
        per_s: Queries a second at most; None for as fast as it answers.
    """

    queries: int
    per_s: float | None = None


class Meter:
    """See the module.

    Args:
        target: What is asked.
        journal: What was answered before.
        limits: What may be taken.
        progress: Told of each query that is paid for.
        sleep: Waits, in seconds.
    """

    def __init__(
        self,
        target: Target,
        journal: Journal,
        limits: Limits,
        *,
        progress: Callable[[int], object] = lambda queries: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target, self._journal, self._limits = target, journal, limits
        self._progress, self._sleep = progress, sleep
        self._width: int | None = None
        self._asked: set[bytes] = set()
        self.paid = len(journal)
        self.kept_back = 0  # of the queries, which nobody may take for now

    @property
    def asked(self) -> int:
        """Different inputs that were asked since it was made, paid for now or before."""
        return len(self._asked)

    def ask(self, inputs: Array, turn: int = 0) -> Array:
        """Returns raw answers, shape (n, classes), or (n, 1) where the target gives labels.

        Args:
            inputs: Shape (n, width).
            turn: Another turn asks what was asked before once more, up to 255.

        Raises:
            SpentError: The budget does not hold what is not known yet; nothing of it was asked.
            TargetError: The target failed, or answered nonsense; what came before is kept.
        """
        ids = ids_of(inputs, turn)
        known = {
            id: np.frombuffer(answer, "<f8") for id, answer in self._journal.known(list(dict.fromkeys(ids))).items()
        }
        new = {id: i for i, id in enumerate(ids) if id not in known}
        left = max(0, self._limits.queries - self.kept_back - self.paid)
        if len(new) > left:
            raise SpentError(f"{len(new)} more queries are wanted, and {left} of {self._limits.queries} are left")
        self._asked.update(ids)
        fresh = list(new)
        for start in range(0, len(fresh), _BATCH):
            some = fresh[start : start + _BATCH]
            answers = self._answers(inputs[[new[id] for id in some]])
            self._journal.keep(some, [answer.astype("<f8").tobytes() for answer in answers])
            known |= dict(zip(some, answers, strict=True))
            self.paid += len(some)
            self._progress(len(some))
        return np.stack([known[id] for id in ids]) if ids else np.empty((0, self._width or 1))

    def _answers(self, inputs: Array) -> Array:
        if self._limits.per_s:
            self._sleep(len(inputs) / self._limits.per_s)
        answers = np.asarray(self._target.ask(inputs), np.float64)
        answers = answers[:, None] if answers.ndim == 1 else answers
        self._require_sound(answers, len(inputs))
        return answers

    def _require_sound(self, answers: Array, inputs: int) -> None:
        if answers.ndim != 2 or len(answers) != inputs:
            raise TargetError(f"{self._target.name} answered {answers.shape} to {inputs} inputs")
        if not np.isfinite(answers).all():
            rows = int((~np.isfinite(answers).all(axis=1)).sum())
            raise TargetError(f"{self._target.name} answered NaN or infinity to {rows} of {inputs} inputs")
        if self._width not in (None, answers.shape[1]):
            raise TargetError(f"{self._target.name} answered {answers.shape[1]} scores, before it {self._width}")
        self._width = answers.shape[1]
