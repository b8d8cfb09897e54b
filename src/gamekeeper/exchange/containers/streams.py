"""Bytes that can be looked at before they are read, from whatever a source opens.

What was read before an error is delivered before the error: the rows of half a file count. A file
that must be read from its end (Parquet, zip) and is not one on disk is copied to a temporary file
first, so its size is bounded by the disk and not by memory.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.sources import STDIN, ByteSource

CHUNK_BYTES = 1 << 20


class Stream:
    """A stream of bytes with a head.

    Args:
        read: Returns up to n bytes, none at the end.
        file: The same bytes as a file on disk, where they are one.
    """

    def __init__(self, read: Callable[[int], bytes], file: BinaryIO | None = None) -> None:
        self._read = read
        self._ahead = b""
        self._error: Exception | None = None
        self.file = file

    def head(self, size: int) -> bytes:
        """Returns the next `size` bytes, fewer only at the end, without taking them."""
        pieces = [self._ahead]
        missing = size - len(self._ahead)
        while missing > 0 and (chunk := self._next(max(missing, CHUNK_BYTES))):
            pieces.append(chunk)
            missing -= len(chunk)
        self._ahead = b"".join(pieces)
        return self._ahead[:size]

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Returns up to `size` bytes, none at the end."""
        if self._ahead:
            taken = self._ahead[:size]
            self._ahead = self._ahead[size:]
            return taken
        if self._error is not None:
            error = self._error
            self._error = None
            raise error
        return self._read(size)

    def read_exactly(self, size: int) -> bytes:
        """Returns `size` bytes, fewer only at the end."""
        pieces = []
        while size > 0 and (chunk := self.read(min(size, CHUNK_BYTES))):
            pieces.append(chunk)
            size -= len(chunk)
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """Yields all bytes that are left."""
        return iter(self.read, b"")

    def _next(self, size: int) -> bytes:
        if self._error is not None:
            return b""
        try:
            return self._read(size)
        except Exception as error:
            self._error = error  # raised once what came before it has been read
            return b""


@contextmanager
def opened(source: ByteSource, on_read: Callable[[int], None]) -> Iterator[Stream]:
    """Opens a source; `on_read` is called with the bytes that were read so far.

    Raises:
        UnreadableFileError: It cannot be opened or read.
    """
    try:
        raw = source.open()
    except Exception as error:
        raise _unopened(source.name, error) from None
    try:
        yield Stream(_counted(raw, source.name, on_read), _on_disk(raw))
    finally:
        if source.name != STDIN:  # standard input is the caller's to close
            raw.close()


def _counted(raw: BinaryIO, name: str, on_read: Callable[[int], None]) -> Callable[[int], bytes]:
    once = getattr(raw, "read1", raw.read)  # what is there now: a pipe need not fill a buffer
    total = 0

    def read(size: int) -> bytes:
        nonlocal total
        try:
            chunk = cast(bytes, once(size))
        except Exception as error:  # stores raise errors of their own
            raise _unopened(name, error) from None
        total += len(chunk)
        on_read(total)
        return chunk

    return read


def _on_disk(raw: BinaryIO) -> BinaryIO | None:
    try:
        raw.fileno()
        is_file = raw.seekable() and os.path.isfile(raw.fileno())
    except (OSError, AttributeError, ValueError):
        return None
    return raw if is_file else None


def _unopened(file: str, error: Exception) -> UnreadableFileError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return unreadable(file, "the file cannot be read", excerpt(str(reason)), "a readable file")


@contextmanager
def on_disk(name: str, stream: Stream) -> Iterator[io.BufferedReader]:
    """Gives the whole of a stream as a file that can be read from any place.

    Raises:
        UnreadableFileError: There is not enough room for temporary files.
    """
    if stream.file is not None:
        rewind(stream.file)
        yield cast(io.BufferedReader, stream.file)
        return
    with tempfile.TemporaryFile() as copy:
        try:
            shutil.copyfileobj(cast(BinaryIO, stream), copy, CHUNK_BYTES)
            copy.flush()
        except OSError as error:
            raise _no_room(name, error) from None
        rewind(copy)
        yield cast(io.BufferedReader, copy)


def rewind(file: IO[bytes]) -> None:
    """Moves to the beginning, also for Polars, which reads where the system's own place is.

    A seek inside of what is buffered would not move that.
    """
    file.seek(0, os.SEEK_END)
    file.seek(0)


def _no_room(name: str, error: OSError) -> UnreadableFileError:
    return unreadable(
        name,
        "the file cannot be copied to a temporary one",
        error.strerror or str(error),
        "room for the whole of it: it is read from its end, and is not a file on disk",
        "set TMPDIR to a folder with room, or copy the file to disk and name that",
    )
