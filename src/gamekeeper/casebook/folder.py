"""The folder of a casebook: its files, and how complete lines are read and written.

entries.jsonl   the record, one entry in a line    key.pem       private key, stays in the folder
heads.jsonl     signed heads, one in a line        key.pub.pem   public key, for those who verify
witness/        time stamps of heads               lock          held by the writing process
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gamekeeper.base.errors import Fault, UsageError, input_error
from gamekeeper.casebook.entries import MAX_LINE_BYTES
from gamekeeper.casebook.faults import InUseError

ENTRIES = "entries.jsonl"
HEADS = "heads.jsonl"
WITNESS = "witness"
KEY = "key.pem"
PUBLIC_KEY = "key.pub.pem"
LOCK = "lock"
_KEEP = "keep the folder as it is, find out what changed it, and continue in a new folder"


class WholeLines:
    """Iterates over the complete lines of a file, without their line feeds.

    Bytes after the last line feed are an incomplete line, whose writing was interrupted. A file
    that does not exist has no lines.

    Args:
        path: The file.

    Attributes:
        whole_bytes: After iteration, the length of all complete lines.
        torn_bytes: After iteration, the length of the incomplete line at the end.
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
                elif len(piece) > MAX_LINE_BYTES:
                    # not incomplete but too long: the caller refuses its pieces
                    yield piece
                else:
                    self.torn_bytes = len(piece)


class Appender:
    """A file to which complete lines are appended.

    Args:
        path: The file; it is created if it does not exist.
        is_synced: Whether each line is on the disk before `append` returns. Otherwise a line
            survives the end of the process, but not a crash of the machine.
    """

    def __init__(self, path: Path, *, is_synced: bool) -> None:
        self._path = path
        self._is_synced = is_synced
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._bytes = os.fstat(self._file).st_size

    def append(self, line: bytes) -> None:
        """Appends a line, completely or not at all.

        Raises:
            InputError: Another program has changed the file.
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
            # the next line must not follow an incomplete one
            os.ftruncate(self._file, self._bytes)
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
                "the file was changed by another program",
                f"{found} bytes",
                f"{self._bytes} bytes",
                _KEEP,
            )


class Lock:
    """The lock of the process that writes in a folder.

    The operating system releases it when the process ends, in whatever way.

    Args:
        folder: The casebook.

    Raises:
        InUseError: Another process has the lock.
        UsageError: This system cannot lock files.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import fcntl
        except ImportError:
            raise UsageError(
                "this system cannot lock files: a casebook can be verified here, but not written"
            ) from None

        path = folder / LOCK
        self._file: IO[str] = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(20).strip() or "unknown"
            self._file.close()
            fault = Fault(
                where=str(path),
                problem="another process is writing this casebook",
                found=f"process {holder}",
                expected="one writer",
                try_="give each process its own folder, or let one of them write for all",
            )
            raise InUseError([fault]) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Releases the lock."""
        self._file.close()
