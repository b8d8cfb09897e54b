"""CSV, also with tabs, semicolons or bars: a header, then rows. A quoted cell may hold line
ends.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.containers.jsons import note_long_line, note_not_utf8
from gamekeeper.exchange.containers.lines import MAX_LINE_BYTES, Lines
from gamekeeper.exchange.faults import Tally, excerpt, unreadable

_DELIMITERS = ",\t;|"


def read_csv(
    file: str, start: bytes, blocks: Iterable[Lines], tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    """Yields the rows as tables of text, an empty cell being null.

    Args:
        file: Named in faults.
        start: The first bytes of the content: its first line decides the delimiter.
        blocks: All lines.
        tally: Where bad rows are noted.
        tell: Called after each block of lines.

    Raises:
        UnreadableFileError: The header cannot be used.
    """
    csv.field_size_limit(MAX_LINE_BYTES)  # its own is 131,072 characters: less than a long prompt
    rows = _rows(file, _Text(file, blocks, tally, tell), _delimiter(start), tally)
    header = _header(file, next(rows, (1, []))[1])
    places: list[int] = []
    cells: list[list[str]] = []
    place = 0
    for place, row in rows:
        if len(row) != len(header):
            _note_ragged(file, place, row, header, tally)
            continue
        places.append(place)
        cells.append(row)
        if len(cells) == BLOCK_ROWS:
            yield _table(header, places, cells)
            places = []
            cells = []
    if not place and not tally.files[file].rows:
        raise unreadable(file, "the file is empty", "a header without rows", "one row or more")
    yield _table(header, places, cells)


class _Text:
    """The lines as text, one by one as `csv.reader` asks for them, and the numbers of those that
    are not valid UTF-8.
    """

    def __init__(
        self, file: str, blocks: Iterable[Lines], tally: Tally, tell: Callable[[], None]
    ) -> None:
        self._file = file
        self._blocks = blocks
        self._tally = tally
        self._tell = tell
        self.bad_lines: set[int] = set()

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from self._texts(block)
            self._tell()

    def _texts(self, block: Lines) -> Iterable[str]:
        whole = [line for line in block.lines if line is not None]
        if len(whole) == len(block.lines):
            with suppress(UnicodeDecodeError):  # then line by line, to find which
                return [line + "\n" for line in b"\n".join(whole).decode().split("\n")]
        return map(self._decoded, count(block.first), block.lines)

    def _decoded(self, place: int, line: bytes | None) -> str:
        if line is None:
            note_long_line(self._file, place, self._tally)
            return "\n"  # keeps the count of lines
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as bad:
            note_not_utf8(self._file, place, line, bad, self._tally)
            self.bad_lines.add(place)
            return line.decode(errors="replace") + "\n"


def _rows(file: str, text: _Text, delimiter: str, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        place = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            tally.add_bad_line(
                file,
                place,
                "the quoting of the row is broken",
                str(error),
                'quotes around a cell, "" inside it',
            )
            continue
        if row and not _spans(text.bad_lines, place, reader.line_num):
            yield place, row


def _spans(bad_lines: set[int], first: int, last: int) -> bool:
    return bool(bad_lines) and any(place in bad_lines for place in range(first, last + 1))


def _delimiter(start: bytes) -> str:
    first = start.partition(b"\n")[0].decode(errors="replace")
    return max(_DELIMITERS, key=first.count)


def _header(file: str, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if not any(names) or len(set(names)) < len(names):
        raise unreadable(
            f"{file}:1",
            "the header cannot be used",
            excerpt(",".join(names)),
            "a different name for each column",
        )
    return names


def _note_ragged(file: str, place: int, row: list[str], header: list[str], tally: Tally) -> None:
    tally.add_bad_line(
        file,
        place,
        "the row and the header have different numbers of cells",
        f"{len(row)} cells: {excerpt(','.join(row))}",
        f"{len(header)} cells",
        "quote cells that hold a delimiter or a line end",
    )


def _table(header: list[str], places: list[int], cells: list[list[str]]) -> TableBlock:
    columns = zip(*cells, strict=True) if cells else ([] for _ in header)
    return TableBlock(
        places, {n: [v or None for v in values] for n, values in zip(header, columns, strict=True)}
    )
