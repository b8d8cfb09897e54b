"""Bytes that lie somewhere and are read in pieces."""

import os
from pathlib import Path
from typing import Protocol

from gamekeeper.base.files import open_plain, read_at


class Bytes(Protocol):
    """A file, or what a sealed file holds."""

    @property
    def size(self) -> int:
        """Their number."""
        ...

    def read(self, at: int, length: int) -> bytes:
        """Returns so many bytes from a place on; fewer only at the end."""
        ...


class FileBytes:
    """The bytes of a file on disk; open until `close`.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read, or is no plain file.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_plain(path)
        self.size = os.fstat(self.file).st_size

    def read(self, at: int, length: int) -> bytes:
        """Returns so many bytes from a place on; fewer only at the end."""
        buffer = bytearray(max(0, min(length, self.size - at)))
        return bytes(memoryview(buffer)[: read_at(self.file, memoryview(buffer), at)])

    def mark(self) -> tuple[int, ...]:
        """Returns what tells the file from another, and from itself once it was written to."""
        state = os.fstat(self.file)
        return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self.file)
