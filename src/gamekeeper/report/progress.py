"""Progress of a long run: a bar on stderr, only on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console

from gamekeeper.base.progress import OnProgress, ignore_progress


class Progress:
    """Shows stages with done/total, rate and time left; silent when quiet or not on a terminal.

    Args:
        console: Where to draw; stderr if None.
        quiet: Draw nothing.

    Example:
        >>> progress = Progress()
        >>> with progress("reading", unit="B") as on_progress:
        ...     on_progress(512, 1024)
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True)
        self._is_silent = quiet or not self._console.is_terminal

    @contextmanager
    def __call__(self, stage: str, unit: str = "") -> Iterator[OnProgress]:
        """Yields the callback of one stage; the bar leaves the screen when the stage ends.

        Args:
            stage: What is done, as a word: `reading`.
            unit: `B` counts bytes in kB and MB; any other is written behind the rate: `exchanges`.
        """
        if self._is_silent:
            yield ignore_progress
            return
        with bars.Progress(*_columns(unit), console=self._console, transient=True) as bar:
            task = bar.add_task(stage, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _columns(unit: str) -> tuple[bars.ProgressColumn, ...]:
    head = (bars.TextColumn("{task.description}"), bars.BarColumn())
    if unit == "B":
        return *head, bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn()
    return *head, bars.MofNCompleteColumn(), _Rate(unit), bars.TimeRemainingColumn()


class _Rate(bars.ProgressColumn):
    """Units done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: bars.Task) -> str:
        """Returns the rate, or nothing before the first update."""
        return f"{task.speed:,.0f} {self._unit}/s".replace(" /", "/") if task.speed else ""
