"""Sources of bytes that are read in pieces: a file on disk, or a file in a sealed file."""

import os
from pathlib import Path
from typing import Protocol

from gamekeeper.base.files import open_plain, read_at


class ByteSource(Protocol):
    """A file that can be read at any offset, on disk or in a sealed file."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes from an offset; fewer only at the end."""
        ...


class HeldBytes:
    """Bytes in memory; a `ByteSource`.

    Args:
        content: The bytes.
    """

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._content = content

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes from an offset; fewer only at the end."""
        return self._content[at : at + max(0, length)]


class FileBytes:
    """The bytes of a file on disk; open until `close`. A context manager.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read, or is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_plain(path)
        self.size = os.fstat(self.file).st_size

    def __enter__(self) -> "FileBytes":
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes from an offset; fewer only at the end."""
        buffer = bytearray(max(0, min(length, self.size - at)))
        count = read_at(self.file, memoryview(buffer), at)
        return bytes(memoryview(buffer)[:count])

    def state(self) -> tuple[int, ...]:
        """Returns device, inode, size and modification time, which change when the file is replaced
        or written to.
        """
        state = os.fstat(self.file)
        return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns

    def close(self) -> None:
        """Closes the file."""
        os.close(self.file)
