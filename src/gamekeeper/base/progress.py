"""Callbacks that long work reports to. Who draws a bar is elsewhere (`report.progress`)."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with what is done and what there is in all; 0 in all: not known, as with a pipe."""

OnStage = Callable[[str, int, int], None]
"""Called with the name of a stage, what of it is done and what there is in all."""


def ignore_progress(done: int, total: int) -> None:
    """Takes a report that nobody watches."""


def ignore_stage(stage: str, done: int, total: int) -> None:
    """Takes a report of a stage that nobody watches."""
