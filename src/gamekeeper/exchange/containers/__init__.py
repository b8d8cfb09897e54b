"""Reads a source as blocks of rows. What a file is, its content says; its suffix is the last hint.

Off come, in this order: compression (up to three layers), an archive, the frames of a collector,
the encoding and the line ends of a text. What is left is a table of columns, a
drawn table, CSV or JSON.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gamekeeper.exchange.containers.archives import (
    HEAD_BYTES,
    is_tar,
    is_zip,
    tar_members,
    zip_members,
)
from gamekeeper.exchange.containers.block import Block, Record, RecordBlock, TableBlock, Values
from gamekeeper.exchange.containers.columnar import kind_of, read_columns, table_blocks
from gamekeeper.exchange.containers.compression import uncompressed
from gamekeeper.exchange.containers.csvs import has_even_rows, looks_like_csv, read_csv
from gamekeeper.exchange.containers.drawn import is_drawn, read_drawn
from gamekeeper.exchange.containers.framed import is_framed, messages
from gamekeeper.exchange.containers.jsons import is_json, read_json
from gamekeeper.exchange.containers.lines import BLOCK_BYTES, line_blocks
from gamekeeper.exchange.containers.signatures import refused
from gamekeeper.exchange.containers.streams import Stream, on_disk, opened
from gamekeeper.exchange.containers.texts import as_utf8, encoding_of, with_newlines
from gamekeeper.exchange.faults import Tally, unreadable
from gamekeeper.exchange.paths import dig
from gamekeeper.exchange.sources import Source, TableSource, known_suffix

__all__ = ["Block", "Record", "RecordBlock", "TableBlock", "Values", "dig", "read_blocks"]

_HEAD_BYTES = 64 << 10
_MAX_ARCHIVES = 3
_TABLES = (".csv", ".tsv")


def read_blocks(source: Source, tally: Tally, advance: Callable[[int], None]) -> Iterator[Block]:
    """Yields the rows of a source; rows that cannot be parsed are noted in `tally`.

    A source without content yields no block. Columns that the names of folders hold are added to
    rows that lack them.

    Args:
        source: What to read.
        tally: Where bad rows are noted, and lines that are not records.
        advance: Called now and then with the bytes of the source that are done.

    Raises:
        UnreadableFileError: The source cannot be read, or not to its end; blocks before that were
            yielded.
    """
    for block in _blocks(source, tally, advance):
        yield _with_partition(block, source.partition) if source.partition else block


def _blocks(source: Source, tally: Tally, advance: Callable[[int], None]) -> Iterator[Block]:
    if isinstance(source, TableSource):
        yield from table_blocks(source.frames())
        return
    done = 0

    def on_read(total: int) -> None:
        nonlocal done
        done = total

    with opened(source, on_read) as stream:
        reader = _Reader(source.name, tally, lambda: advance(done))
        reader.on_share = lambda share: advance(int(share * source.size))
        yield from reader.read(source.name, stream, _MAX_ARCHIVES)


def _with_partition(block: Block, partition: Mapping[str, str]) -> Block:
    if isinstance(block, RecordBlock):
        return replace(block, rows=[{**partition, **row} for row in block.rows])
    assert isinstance(block, TableBlock)
    count = len(block.places)
    added = {n: [value] * count for n, value in partition.items() if n not in block.columns}
    return replace(block, columns={**block.columns, **added})


class _Reader:
    """Reads one source.

    Args:
        source: Its name.
        tally: Where bad rows are noted.
        tell: Called after each block of a text.
    """

    def __init__(self, source: str, tally: Tally, tell: Callable[[], None]) -> None:
        self._source = source
        self._tally = tally
        self._tell = tell
        self.on_share: Callable[[float], None] = lambda share: None

    def read(self, name: str, stream: Stream, archives: int) -> Iterator[Block]:
        """Yields the rows of a file, or of a member of an archive.

        Args:
            name: Named in faults: `logs.zip/a.jsonl` for a member.
            stream: Its content.
            archives: How many archives inside of each other there may be.
        """
        stream = uncompressed(name, stream)
        head = stream.head(HEAD_BYTES)
        if is_zip(head) or is_tar(head):
            return self._read_archive(name, stream, is_zip(head), archives)
        kind = kind_of(head, known_suffix(name))
        if kind:
            return self._read_columns(name, kind, stream)
        if is_framed(head):
            return self._read_text(name, Stream(_reader_of(messages(name, stream))))
        return self._read_text(name, stream)

    def _read_archive(
        self, name: str, stream: Stream, is_zip: bool, archives: int
    ) -> Iterator[Block]:
        if not archives:
            raise unreadable(
                name,
                f"more than {_MAX_ARCHIVES} archives inside of each other",
                "an archive inside an archive",
                "logs",
                "unpack it first, and name the folder",
            )
        if not is_zip:
            yield from self._members(name, tar_members(name, stream, self._tally), archives)
            return
        with on_disk(name, stream) as file:
            yield from self._members(name, zip_members(name, file, self._tally), archives)

    def _members(
        self, name: str, members: Iterator[tuple[str, Stream]], archives: int
    ) -> Iterator[Block]:
        for member, content in members:
            path = f"{name}/{member}"
            for block in self.read(path, content, archives - 1):
                inner = block.member or path.removeprefix(f"{self._source}/")
                yield replace(block, member=inner)  # type: ignore[type-var]

    def _read_columns(self, name: str, kind: str, stream: Stream) -> Iterator[Block]:
        with on_disk(name, stream) as file:
            yield from read_columns(name, kind, file, self.on_share)

    def _read_text(self, name: str, stream: Stream) -> Iterator[Block]:
        head = stream.head(_HEAD_BYTES)
        encoding = encoding_of(head)
        if encoding == "utf-8" and (refusal := refused(name, head)):
            raise refusal
        text = Stream(_reader_of(as_utf8(name, stream.chunks(), encoding)))
        text = Stream(_reader_of(with_newlines(text.chunks(), text.head(_HEAD_BYTES))))
        head = _first_lines(text)
        if not head.strip():
            _require_nothing(name, text)
            return
        if is_drawn(head):
            yield from read_drawn(name, line_blocks(text.chunks()), self._tally, self._tell)
        elif _is_csv(name, head):
            yield from read_csv(name, line_blocks(text.chunks()), self._tally, self._tell)
        else:
            yield from read_json(name, text.chunks(), head, self._tally, self._tell)


def _reader_of(chunks: Iterator[bytes]) -> Callable[[int], bytes]:
    """Returns what reads the next chunk that is not empty, whatever its size."""

    def read(size: int) -> bytes:
        return next(filter(None, chunks), b"")

    return read


def _first_lines(text: Stream) -> bytes:
    """Returns the beginning of a text with its first line, unless that is above `BLOCK_BYTES`."""
    head = text.head(_HEAD_BYTES)
    if b"\n" in head.lstrip():
        return head
    return text.head(BLOCK_BYTES)


def _require_nothing(name: str, text: Stream) -> None:
    """Reads a text that begins with nothing to its end, where its compression may be damaged."""
    for chunk in text.chunks():
        if chunk.strip():
            raise unreadable(
                name,
                f"the file begins with {BLOCK_BYTES >> 20} MB of white space",
                "blanks and line ends",
                "rows",
            )


def _is_csv(name: str, head: bytes) -> bool:
    start = head.lstrip()
    if start.startswith((b"{", b"[")):
        return False
    if known_suffix(name) in _TABLES:
        return True
    if is_json(head):
        return has_even_rows(head)
    return looks_like_csv(start)
