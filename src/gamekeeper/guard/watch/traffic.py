"""The log of what was answered: a file of JSON lines a day, appended to once a second.

A line that `kill -9` or a full disk cut short is cut off when the file is opened again.
"""

import os
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from gamekeeper.base.clock import day_of
from gamekeeper.base.log import get_logger

log = get_logger("gamekeeper.watch")

_SHARES = 50  # of all bytes; what one account may write in a day


class TrafficLog:
    """The log of answered exchanges, one file a day.

    Args:
        folder: Of the files `2026-11-23.jsonl`, readable by their owner only.
        keep_days: Days that are kept; 0 keeps none.
        keep_bytes: Most bytes of all files; the oldest days go first, and when a single day takes
            them all, the rest of that day is not kept. One account has a fiftieth of them a day, so
            that it cannot displace what others asked.
    """

    def __init__(self, folder: Path, keep_days: int, keep_bytes: int = sys.maxsize) -> None:
        self._folder = folder
        self._keep_days = keep_days
        self._keep_bytes = keep_bytes
        self._day = ""
        self._file = -1
        self._bytes = 0  # of all files
        self._used: dict[str, int] = {}  # bytes of the day, by account
        self._is_failing = False

    def append(self, lines: Sequence[bytes], now: float, accounts: Sequence[str] = ()) -> int:
        """Appends whole lines to the day's file; returns how many were not kept although they
        should be.

        Args:
            lines: Without their ends.
            now: Epoch seconds.
            accounts: Of each line; without them no account's share is counted.
        """
        if not self._keep_days or not lines:
            return 0
        try:
            if (day := day_of(now)) != self._day:
                self._turn(day)
            kept = self._within_share(lines, accounts) if accounts else lines
            content = b"\n".join(kept) + b"\n" if kept else b""
            if not self._make_room(len(content)):
                self._fail(f"it holds {self._keep_bytes:,} bytes (watch.keep_bytes)")
                return len(lines)
            self._write(content)
        except OSError as error:
            self.close()  # opened again, what was written in part is cut off
            self._fail(str(error))
            return len(lines)
        self._is_failing = False
        return len(lines) - len(kept)

    def files(self, now: float, days: int) -> list[Path]:
        """Returns the files of the last `days` days, oldest first."""
        first = (date.fromisoformat(day_of(now)) - timedelta(days=days - 1)).isoformat()
        return [path for path in self._all() if path.stem >= first]

    def close(self) -> None:
        """Closes the day's file."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._day = ""

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("????-??-??.jsonl"))

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._file, view) :]
        self._bytes += len(content)

    def _within_share(self, lines: Sequence[bytes], accounts: Sequence[str]) -> list[bytes]:
        """The lines of accounts that have not used up their share of the day."""
        most = self._keep_bytes // _SHARES
        kept = []
        for line, account in zip(lines, accounts, strict=True):
            used = self._used.get(account, 0) + len(line)
            if used <= most:
                self._used[account] = used
                kept.append(line)
        return kept

    def _make_room(self, size: int) -> bool:
        """Deletes the oldest days until so many bytes fit; whether they do. Nothing is deleted
        where that would not help.
        """
        if os.fstat(self._file).st_size + size > self._keep_bytes:
            return False
        for path in self._all():
            if self._bytes + size <= self._keep_bytes or path.stem == self._day:
                break
            self._delete(path)
        return self._bytes + size <= self._keep_bytes

    def _delete(self, path: Path) -> None:
        self._bytes -= path.stat().st_size
        path.unlink()

    def _fail(self, why: str) -> None:
        if not self._is_failing:
            log.error("the log of traffic is not written, and a restart will miss it: %s", why)
        self._is_failing = True

    def _turn(self, day: str) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{day}.jsonl"
        mend(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._day = day
        self._used = {}
        self._bytes = sum(each.stat().st_size for each in self._all())
        last = (date.fromisoformat(day) - timedelta(days=self._keep_days)).isoformat()
        for old in self._all():
            if old.stem <= last:
                self._delete(old)


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
