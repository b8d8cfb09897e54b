"""Standard input as a source."""

import io
from functools import partial
from typing import BinaryIO

from gamekeeper.exchange.sources.source import ByteSource

STDIN = "-"


def standard_input(stream: BinaryIO) -> ByteSource:
    """Returns standard input as a source."""
    return ByteSource(name=STDIN, open=partial(_open, stream))


def _open(stream: BinaryIO) -> BinaryIO:
    return io.BufferedReader(_Kept(stream), 1 << 16)


class _Kept(io.RawIOBase):
    """A stream that stays open when its reader closes it: it is the caller's."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        # a pipe gives what is there: the whole buffer may come late
        read = getattr(self._stream, "read1", self._stream.read)
        content = read(len(view))
        view[: len(content)] = content
        return len(content)

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()
