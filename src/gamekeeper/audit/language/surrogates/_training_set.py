"""What a surrogate learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Write = Callable[[Sequence[str]], list[str]]
"""Prompts to final answers, one each."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Answers that a thief was given.

    Args:
        prompts: That were asked.
        answers: Their final answers, as many.
        traces: The reasoning before each; None to learn from answers alone.
    """

    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    traces: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.prompts)

    def only(self, rows: Sequence[int]) -> "TrainingSet":
        """Returns those at the rows."""
        prompts, answers = (
            tuple(column[i] for i in rows) for column in (self.prompts, self.answers)
        )
        return TrainingSet(
            prompts, answers, None if self.traces is None else tuple(self.traces[i] for i in rows)
        )


Learn = Callable[[TrainingSet], Write]
