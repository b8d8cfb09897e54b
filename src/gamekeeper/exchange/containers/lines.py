"""Splits the bytes of a file into whole lines, in blocks of a few megabytes.

Memory stays bounded whatever the file holds: a block is about `BLOCK_BYTES`, and a line above
`MAX_LINE_BYTES` is skipped while it is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gamekeeper.exchange.faults import Tally

BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive whole lines.

    Args:
        first: Number of the first, from 1.
        text: The lines with their ends, which the last of a file may lack; None for one line
            above `MAX_LINE_BYTES`, which was skipped.
    """

    first: int
    text: bytes | None

    def split(self) -> list[bytes | None]:
        """Returns the lines without their ends, None for one above `MAX_LINE_BYTES`."""
        if self.text is None:
            return [None]
        lines: list[bytes | None] = [*self.text.split(b"\n")]
        if not lines[-1]:
            lines.pop()
        if len(self.text) > MAX_LINE_BYTES:
            return [line if len(line or b"") <= MAX_LINE_BYTES else None for line in lines]
        return lines


def note_long_line(file: str, place: int, tally: Tally) -> None:
    """Notes a line above `MAX_LINE_BYTES`, which was skipped."""
    tally.add_bad_line(
        file,
        place,
        "the line is too long",
        f"more than {MAX_LINE_BYTES >> 20} MB without a line end",
        "one exchange a line",
        "check whether line ends were lost in a transfer",
    )


def note_not_utf8(
    file: str, place: int, line: bytes, bad: UnicodeDecodeError, tally: Tally
) -> None:
    """Notes a line whose bytes are not UTF-8."""
    found = f"byte 0x{line[bad.start]:02x} at position {bad.start + 1} of the line"
    tally.add_bad_line(
        file,
        place,
        "bytes are not UTF-8",
        found,
        "UTF-8 text",
        "convert the log: iconv -f ENCODING -t UTF-8",
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
        # joining pieces that hold no line end again and again would be quadratic
        self._has_end = False
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
            return self._numbered(None) if last else None
        joined = b"".join(self._pieces)
        end = len(joined) if last else joined.rfind(b"\n") + 1
        self._keep(joined[end:])
        return self._numbered(joined[:end]) if end else None

    def _drop(self, chunk: bytes) -> Lines | None:
        _, end, rest = chunk.partition(b"\n")
        if not end:
            return None
        self._dropping = False
        self._keep(rest)
        return self._numbered(None)

    def _numbered(self, text: bytes | None) -> Lines:
        block = Lines(self._number, text)
        self._number += text.count(b"\n") if text is not None else 1
        return block

    def _keep(self, rest: bytes) -> None:
        self._pieces = [rest]
        self._bytes = len(rest)
        self._has_end = b"\n" in rest
