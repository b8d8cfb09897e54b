"""The folder of a casebook: its files, how they are read, and how lines get into them whole.

entries.jsonl   the record, one line an entry      key.pem       who signs; never leaves the folder
heads.jsonl     signed heads, one a line           key.pub.pem   goes to whoever is to check
witness/        time stamps of heads               lock          held by the one who writes
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gamekeeper.base.errors import Fault, UsageError, input_error
from gamekeeper.casebook.faults import InUseError
from gamekeeper.casebook.lines import MAX_LINE_BYTES

ENTRIES = "entries.jsonl"
HEADS = "heads.jsonl"
WITNESS = "witness"
KEY = "key.pem"
PUBLIC_KEY = "key.pub.pem"
LOCK = "lock"
_KEEP = "keep the folder as it is, find out who did it, and go on in a new folder"


class Lines:
    """The whole lines of a file, read once, without their line feeds.

    What stands behind the last line feed was cut short while it was written and is no line:
    `torn_bytes` says how much it is, after the reading. A file that is not there has no lines.
    """

    def __init__(self, path: Path) -> None:
        self.whole_bytes = 0
        self.torn_bytes = 0
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            while piece := file.readline(MAX_LINE_BYTES + 1):
                if piece.endswith(b"\n"):
                    self.whole_bytes += len(piece)
                    yield piece[:-1]
                elif (
                    len(piece) > MAX_LINE_BYTES
                ):  # not torn but too long: let the reader refuse its pieces
                    yield piece
                else:
                    self.torn_bytes = len(piece)


class Appender:
    """A file that only grows, by whole lines.

    Args:
        path: The file; made if it is not there.
        is_synced: Whether each line is on the disk before `append` returns. Without it a line
            survives the death of the process, but not of the machine.
    """

    def __init__(self, path: Path, *, is_synced: bool) -> None:
        self._path = path
        self._is_synced = is_synced
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._bytes = os.fstat(self._file).st_size

    def append(self, line: bytes) -> None:
        """Adds a line, whole or not at all.

        Raises:
            InputError: Somebody else has changed the file.
            OSError: The disk is full or broken.
        """
        self._require_untouched()
        rest = line + b"\n"
        self._bytes += len(rest)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if self._is_synced:
                os.fsync(self._file)
        except OSError:
            self._bytes -= len(line) + 1
            os.ftruncate(self._file, self._bytes)  # the next line must not follow half a line
            raise

    def sync(self) -> None:
        """Returns when all lines are on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _require_untouched(self) -> None:
        found = os.fstat(self._file).st_size
        if found != self._bytes:
            raise input_error(
                self._path,
                "the file was changed by another hand",
                f"{found} bytes",
                f"{self._bytes} bytes",
                _KEEP,
            )


class Lock:
    """The right to write in a folder; the system gives it back when the process dies, however it
    dies.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import fcntl
        except ImportError:
            raise UsageError(
                "this system cannot lock files: a casebook can be checked here, not written"
            ) from None

        path = folder / LOCK
        self._file: IO[str] = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(20).strip() or "unknown"
            self._file.close()
            raise InUseError(
                [
                    Fault(
                        where=str(path),
                        problem="another process writes this casebook",
                        found=f"process {holder}",
                        expected="one writer",
                        try_="give each process its own folder, or let one of them write for all",
                    )
                ]
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Lets the next one write."""
        self._file.close()
