"""Splits the bytes of a file into lines, decompressed, in blocks of a few megabytes.

Compression is recognised by magic bytes, not by suffix: logs are renamed more often than they are
recompressed. Memory stays bounded whatever the file holds: a block is about `BLOCK_BYTES`, and a
line above `MAX_LINE_BYTES` is skipped while it is read.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gamekeeper.base.zstd import ZstdError, ZstdFile
from gamekeeper.exchange.faults import unreadable

BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 64 << 20
_READ_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines without their ends; None stands for one that was above `MAX_LINE_BYTES`."""

    first: int
    lines: list[bytes | None]


def decompressed(file: str, stream: BinaryIO, head: bytes) -> Iterator[bytes]:
    """Yields the content of `stream`, whose first bytes are `head` (peeked, not read).

    Raises:
        UnreadableFileError: The compressed data end early or are damaged; all before was yielded.
    """
    if head.startswith(_GZIP_MAGIC):
        return _gunzip(file, stream)
    if head.startswith(_ZSTD_MAGIC):
        return _unzstd(file, stream)
    return iter(lambda: stream.read(_READ_BYTES), b"")


def _gunzip(file: str, stream: BinaryIO) -> Iterator[bytes]:
    unpacked = gzip.GzipFile(fileobj=stream)
    try:
        while chunk := unpacked.read1(_READ_BYTES):
            yield chunk
    except EOFError:
        raise _truncated(file, "gzip") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(file, "gzip", error) from None


def _unzstd(file: str, stream: BinaryIO) -> Iterator[bytes]:
    unpacked = ZstdFile(stream)
    try:
        while chunk := unpacked.read1(_READ_BYTES):
            yield chunk
    except EOFError:
        raise _truncated(file, "zstd") from None
    except ZstdError as error:
        raise _damaged(file, "zstd", error) from None


def _truncated(file: str, kind: str) -> Exception:
    return unreadable(
        file,
        f"the {kind} data are truncated",
        "the end of the file inside the compressed data",
        f"a complete {kind} file",
        "copy the file again; it may have been incomplete",
    )


def _damaged(file: str, kind: str, error: Exception) -> Exception:
    return unreadable(
        file,
        f"the {kind} data are damaged",
        str(error),
        f"an undamaged {kind} file",
        f"{kind} -t {file}",
    )


def line_blocks(chunks: Iterator[bytes]) -> Iterator[Lines]:
    """Splits `chunks` at newlines into blocks of about `BLOCK_BYTES`, a block not ending inside a
    line.

    If `chunks` raises, the complete lines before it are yielded first: they count.
    """
    splitter = _Splitter()
    try:
        for chunk in chunks:
            if block := splitter.feed(chunk):
                yield block
    except Exception:
        if block := splitter.cut():
            yield block
        raise
    if block := splitter.cut(last=True):
        yield block


class _Splitter:
    """Gathers chunks until they hold a block of whole lines."""

    def __init__(self) -> None:
        self._number = 1
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._has_end = (
            False  # joining pieces that hold no line end again and again would be quadratic
        )
        self._dropping = False

    def feed(self, chunk: bytes) -> Lines | None:
        """Takes a chunk; returns a block when one is full."""
        if self._dropping:
            return self._drop(chunk)
        self._pieces.append(chunk)
        self._bytes += len(chunk)
        self._has_end = self._has_end or b"\n" in chunk
        if self._has_end and self._bytes >= BLOCK_BYTES:
            return self.cut()
        if not self._has_end and self._bytes > MAX_LINE_BYTES:
            self._keep(b"")
            self._dropping = True
        return None

    def cut(self, last: bool = False) -> Lines | None:
        """Returns the whole lines gathered, None if there are none; `last` makes the rest a line
        too.
        """
        if self._dropping:
            return self._number_lines([None]) if last else None
        whole, end, rest = b"".join(self._pieces).rpartition(b"\n")
        self._keep(rest)
        if last:
            whole = whole + end + rest
            end = b"\n"
        return self._number_lines(self._split(whole)) if end else None

    def _drop(self, chunk: bytes) -> Lines | None:
        _, end, rest = chunk.partition(b"\n")
        if not end:
            return None
        self._dropping = False
        self._keep(rest)
        return self._number_lines([None])

    def _split(self, whole: bytes) -> list[bytes | None]:
        if self._number == 1:
            whole = whole.removeprefix(_BOM)
        return [line if len(line) <= MAX_LINE_BYTES else None for line in whole.split(b"\n")]

    def _number_lines(self, lines: list[bytes | None]) -> Lines:
        block = Lines(self._number, lines)
        self._number += len(lines)
        return block

    def _keep(self, rest: bytes) -> None:
        self._pieces = [rest]
        self._bytes = len(rest)
        self._has_end = b"\n" in rest
