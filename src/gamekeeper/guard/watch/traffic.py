"""The log of what was answered: a file of JSON lines a day, appended to once a second.

A line that `kill -9` or a full disk cut short is cut off when the file is opened again.
"""

import os
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from gamekeeper.base.clock import day_of


class TrafficLog:
    """The log of answered exchanges, one file a day.

    Args:
        folder: Of the files `2026-11-23.jsonl`, readable by their owner only.
        keep_days: Days that are kept; 0 keeps none.
    """

    def __init__(self, folder: Path, keep_days: int) -> None:
        self._folder = folder
        self._keep = keep_days
        self._day = ""
        self._file = -1

    def append(self, lines: Sequence[bytes], now: float) -> None:
        """Appends whole lines, without their ends, to the day's file."""
        if not self._keep or not lines:
            return
        if (day := day_of(now)) != self._day:
            self._turn(day)
        view = memoryview(b"\n".join(lines) + b"\n")
        while view:
            view = view[os.write(self._file, view) :]

    def files(self, now: float, days: int) -> list[Path]:
        """Returns the files of the last `days` days, oldest first."""
        first = (date.fromisoformat(day_of(now)) - timedelta(days=days - 1)).isoformat()
        return sorted(path for path in self._folder.glob("????-??-??.jsonl") if path.stem >= first)

    def close(self) -> None:
        """Closes the day's file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _turn(self, day: str) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{day}.jsonl"
        mend(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._day = day
        last = (date.fromisoformat(day) - timedelta(days=self._keep)).isoformat()
        for old in self._folder.glob("????-??-??.jsonl"):
            if old.stem <= last:
                old.unlink()


def mend(path: Path) -> None:
    """Cuts off a last line that has no end."""
    if not path.exists() or not (size := path.stat().st_size):
        return
    with path.open("rb+") as file:
        end = size
        while end:
            start = max(0, end - 65_536)
            file.seek(start)
            if (found := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + found + 1
                break
            end = start
        if end != size:
            file.truncate(end)
