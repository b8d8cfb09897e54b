"""Progress of a long run on stderr: a bar on a terminal, else a line for each stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich import filesize
from rich import progress as bars
from rich.console import Console

from gamekeeper.base.progress import OnProgress, ignore_progress

_EVERY_S = 10.0  # between two lines of one stage
_BRIEF_S = 1.0  # a stage that is not worth a line


class Progress:
    """Shows stages with done/total, rate and time left.

    Where there is no terminal, a stage is a line every ten seconds and one when it ends, so that a
    run in a pipe is not silent for minutes; a stage of less than a second says nothing.

    Args:
        console: Where to draw; stderr if None.
        quiet: Say nothing.

    Example:
        >>> progress = Progress()
        >>> with progress("reading", unit="B") as on_progress:
        ...     on_progress(512, 1024)
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True)
        self._is_silent = quiet

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
        if not self._console.is_terminal:
            with self._lines(stage, unit) as on_progress:
                yield on_progress
            return
        with bars.Progress(*_columns(unit), console=self._console, transient=True) as bar:
            task = bar.add_task(stage, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total or None)

    @contextmanager
    def _lines(self, stage: str, unit: str) -> Iterator[OnProgress]:
        began = monotonic()
        last = (0, 0)
        said = began

        def on_progress(done: int, total: int) -> None:
            nonlocal last, said
            last = (done, total)
            if monotonic() - said >= _EVERY_S:
                said = monotonic()
                self._say(f"{stage}: {_done(done, total, unit)}")

        yield on_progress
        took = monotonic() - began
        if took >= _BRIEF_S:
            self._say(f"{stage}: {_done(*last, unit)}, {took:,.1f} s")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _done(done: int, total: int, unit: str) -> str:
    """What is done of what there is, with its unit: `12,000 of 40,000 prompts`."""
    numbers = [filesize.decimal(n) if unit == "B" else f"{n:,}" for n in (done, total)]
    of = f"{numbers[0]} of {numbers[1]}" if total > done else numbers[0]
    if unit in ("", "B"):
        return of
    return f"{of} {unit.removesuffix('s') if of == '1' else unit}"


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
