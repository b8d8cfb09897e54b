"""CSV, also with tabs, semicolons or bars: a header, then rows. A quoted cell may hold line ends.

Whole rows of a few megabytes are read by Polars, which is fast and lets many things pass, and the
result is checked against the text: as many line ends, delimiters and quotes outside of the cells
as a table of its shape has (`_is_exact`). Where that fails, the rows are read by `csv`, which is
strict and says the line of each fault. tests/exchange compares the two.

Dialects: single quotes, where all cells of text at the beginning are within them; `csv` reads such
tables. Quotes with a backslash before them (Spark, Snowflake, MySQL) are doubled before they are
read. A first line `sep=;` names the delimiter. Lines of `#` before the header are comments, unless
one is `#Fields:` (W3C, Zeek): then it is the header, and `-` is an absent value.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.containers.lines import (
    MAX_LINE_BYTES,
    Lines,
    note_long_line,
    note_not_utf8,
)
from gamekeeper.exchange.containers.reprs import with_values
from gamekeeper.exchange.faults import Tally, excerpt, unreadable

_DELIMITERS = ",\t;|"
_SEP = re.compile(rb'"?sep=(.)"?\r?\n?$', re.IGNORECASE | re.DOTALL)
_FIELDS = re.compile(rb"#fields:?[ \t]", re.IGNORECASE)
_ESCAPED = re.compile(rb'\\(["\\])')
_ESCAPED_SINGLE = re.compile(rb"\\(['\\])")
_EXCERPT_BYTES = 1_000
_PROBED_BYTES = 1 << 20
_LOOK_AT_LINES = 20
_BACKSLASH_QUOTE = b'\\"'
_QUOTED_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    Args:
        delimiter: Between cells.
        names: Of the columns, each once.
        is_escaped: Quotes inside of cells have a backslash before them.
        is_commented: Lines that begin with # are comments, and - is an absent value.
        quote: Around cells.
    """

    delimiter: str
    names: list[str]
    is_escaped: bool = False
    is_commented: bool = False
    quote: str = '"'


def looks_like_csv(head: bytes) -> bool:
    """True if the first lines have a delimiter and the same number of cells."""
    lines = [line for line in head.split(b"\n")[:_LOOK_AT_LINES] if line.strip()]
    if any(_SEP.match(line) or _FIELDS.match(line) for line in lines):
        return True
    line = next((line for line in lines if not line.startswith(b"#")), b"")
    return len(_split_header(line, _delimiter(line))) > 1


def has_even_rows(head: bytes) -> bool:
    """True if the lines after the first have as many cells as it: a table whose last column is
    JSON, not lines of text that end with JSON.
    """
    lines = [line for line in head.split(b"\n")[:_LOOK_AT_LINES] if line.strip()]
    if not lines or b"{" in lines[0]:
        return False
    delimiter = _delimiter(lines[0])
    cells = [len(_split_header(line, delimiter)) for line in lines]
    return len(cells) > 1 and cells[0] > 1 and cells[1:-1].count(cells[0]) == len(cells[1:-1])


def read_csv(
    file: str, blocks: Iterable[Lines], tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    """Yields the rows as tables of text, an empty cell being null.

    A name that the header has twice is `name_2` the second time. A cell that is a list or dict as
    Python writes them is that list or dict.

    Args:
        file: Named in faults.
        blocks: All lines.
        tally: Where bad rows are noted.
        tell: Called after each block of lines.

    Raises:
        UnreadableFileError: The header cannot be used.
    """
    csv.field_size_limit(MAX_LINE_BYTES)  # its own is 131,072 characters: less than a long prompt
    lines = iter(blocks)
    first = next(lines, None)
    if first is None:
        return
    if first.text is None:
        note_long_line(file, first.first, tally)
        return
    dialect, rest = _header(file, first)
    reader = _Reader(file, dialect, tally)
    for block in reader.read(_chained(rest, lines, tell)):
        if block.places:
            yield block


def _chained(first: Lines, others: Iterator[Lines], tell: Callable[[], None]) -> Iterator[Lines]:
    yield first
    tell()
    for block in others:
        yield block
        tell()


# --- the header


def _header(file: str, block: Lines) -> tuple[Dialect, Lines]:
    """Returns the dialect, and the lines after the header."""
    text = block.text or b""
    place = block.first
    delimiter = ""
    is_commented = False
    comment = b""
    while text:
        line, end, rest = text.partition(b"\n")
        if match := _SEP.match(line):
            delimiter = match[1].decode(errors="replace")
        elif _FIELDS.match(line):
            is_commented = True
            comment = line
        elif line.startswith(b"#"):
            comment = comment if is_commented else line
        elif line.strip():
            break
        text = rest
        place += len(end)
    if is_commented:
        return _of_fields(comment), Lines(place, text)
    if _is_header(comment, text.partition(b"\n")[0]):
        text = comment[1:] + b"\n" + text
        place -= 1
    delimiter = delimiter or _delimiter(text.partition(b"\n")[0])
    quote = _quote(text, delimiter)
    is_escaped = _is_escaped(text, delimiter, quote)
    names, used = _names(file, place, text, Dialect(delimiter, [], is_escaped, quote=quote))
    dialect = Dialect(delimiter, names, is_escaped, quote=quote)
    return dialect, Lines(place + text[:used].count(b"\n"), text[used:])


def _quote(text: bytes, delimiter: str) -> str:
    """Returns the sign around cells: a single quote if all of the first rows have it around each
    cell that is not a number or empty.
    """
    cell = rb"(?:'(?:[^'\\]|\\.|'')*'|[\d.eE+-]*)"
    row = re.compile(
        cell + rb"(?:" + re.escape(delimiter.encode()) + cell + rb")*\r?(?:\n|\Z)", re.S
    )
    start = text[:_QUOTED_BYTES]
    header, _, rows = start.partition(b"\n")
    if not header.startswith(b"'") and b'"' not in header:
        start = rows
    at = 0
    has_rows = False
    for _ in range(_LOOK_AT_LINES):
        match = row.match(start, at) if at < len(start) else None
        if match is None:
            break
        has_rows = has_rows or b"'" in match[0]
        at = match.end()
    else:
        return "'" if has_rows else '"'
    is_whole = at == len(start) or len(text) > _QUOTED_BYTES
    return "'" if has_rows and is_whole else '"'


def _of_fields(line: bytes) -> Dialect:
    delimiter = "\t" if b"\t" in line else " "
    names = line.decode(errors="replace").strip().split(delimiter)[1:]
    return Dialect(delimiter, unique(names), is_commented=True)


def _is_header(comment: bytes, row: bytes) -> bool:
    """True if a line of # has the names of a table: as many cells as the row after it."""
    delimiter = _delimiter(comment)
    cells = len(_split_header(comment, delimiter))
    return bool(comment) and cells > 1 and cells == len(_split_header(row, delimiter))


def _split_header(line: bytes, delimiter: str) -> list[str]:
    with suppress(csv.Error, StopIteration):
        return next(csv.reader([line.decode(errors="replace")], delimiter=delimiter))
    return []


def _delimiter(line: bytes) -> str:
    text = re.sub(r'"[^"]*"', "", line.decode(errors="replace"))
    return max(_DELIMITERS, key=text.count)


def _names(file: str, place: int, text: bytes, dialect: Dialect) -> tuple[list[str], int]:
    """Returns the names of the header, and how many bytes of the text it takes."""
    plain = _unescaped(text, dialect.quote) if dialect.is_escaped else text
    lines = (line.decode(errors="replace") + "\n" for line in plain.split(b"\n"))
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote)
    try:
        names = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
    except csv.Error:
        names = []
    if not any(names):
        raise unreadable(
            f"{file}:{place}",
            "the header cannot be used",
            excerpt(text[:_EXCERPT_BYTES].decode(errors="replace").partition("\n")[0]),
            "a name for each column",
        )
    used = 0
    for _ in range(reader.line_num):
        used = text.find(b"\n", used) + 1 or len(text)
    return unique(names), used


def unique(names: list[str]) -> list[str]:
    """Returns names each once: `name_2` for one that comes a second time."""
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        given = name if seen[name] == 1 else f"{name}_{seen[name]}"
        while given in unique and given != name:
            seen[name] += 1
            given = f"{name}_{seen[name]}"
        unique.append(given)
        seen.setdefault(given, 1)
    return unique


# --- rows


@dataclass(slots=True)
class _Reader:
    """Reads rows by Polars while they are well-formed, else by `csv`.

    Args:
        file: Named in faults.
        dialect: How the table is written.
        tally: Where bad rows are noted.
    """

    file: str
    dialect: Dialect
    tally: Tally

    def read(self, blocks: Iterator[Lines]) -> Iterator[TableBlock]:
        """Yields the rows of all lines."""
        if self.dialect.is_escaped:
            blocks = (_with_standard_quotes(block, self.dialect.quote) for block in blocks)
        if self.dialect.is_commented or self.dialect.quote != '"':
            yield from self._exact(blocks)
            return
        rows = _whole_rows(blocks)
        for block in rows:
            if block.text is None:
                note_long_line(self.file, block.first, self.tally)
                continue
            table = self._fast(block)
            if table is not None:
                yield table
            elif _has_sound_quotes(block.text, self.dialect.delimiter):
                yield from self._exact(iter([block]))
            elif self._is_escaped_after_all(block.text):
                escaped = replace(self.dialect, is_escaped=True)
                reader = _Reader(self.file, escaped, self.tally)
                yield from reader.read(_rejoined(block, rows))
            else:
                # a quote too many: where rows begin after it, `csv` alone can say
                yield from self._exact(_rejoined(block, rows))

    def _fast(self, block: Lines) -> TableBlock | None:
        """Returns the rows, None if they may differ from what `csv` makes of them."""
        text = block.text or b""
        delimiter = self.dialect.delimiter
        if _has_lone_returns(text):
            return None
        is_narrow = len(self.dialect.names) == 1
        if is_narrow and (b"\n\n" in text or b"\n\r\n" in text or text[:1] in (b"\n", b"\r")):
            return None  # a row without a cell, which Polars takes for a cell
        is_quoted = b'"' in text
        if is_quoted and not _has_standard_quotes(text, delimiter):
            return None
        frame = _parsed(text, self.dialect)
        if frame is None:
            return None
        inner_ends = _inside(frame, "\n") if is_quoted else 0
        if not _is_exact(text, frame, delimiter, inner_ends):
            return None
        return _table(block.first, text, frame, bool(inner_ends))

    def _is_escaped_after_all(self, text: bytes) -> bool:
        """True if quotes turn out to have backslashes, after rows that had none."""
        if self.dialect.is_escaped or _BACKSLASH_QUOTE not in text:
            return False
        return _has_sound_quotes(_unescaped(text), self.dialect.delimiter)

    def _exact(self, blocks: Iterator[Lines]) -> Iterator[TableBlock]:
        texts = _Texts(self.file, self.tally, self.dialect)
        width = len(self.dialect.names)
        places: list[int] = []
        cells: list[list[str]] = []
        for place, row in _rows(self.file, texts, blocks, self.tally):
            if len(row) != width:
                note_ragged(self.file, place, row, width, self.tally)
                continue
            places.append(place)
            cells.append(row)
            if len(cells) == BLOCK_ROWS:
                yield self._of_cells(places, cells)
                places = []
                cells = []
        if places:
            yield self._of_cells(places, cells)

    def _of_cells(self, places: list[int], cells: list[list[str]]) -> TableBlock:
        none = ("", "-", "(empty)") if self.dialect.is_commented else ("",)
        columns = {
            name: [None if value in none else value for value in values]
            for name, values in zip(self.dialect.names, zip(*cells, strict=True), strict=True)
        }
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        return TableBlock(places, with_values(frame))


def _table(first: int, text: bytes, frame: pl.DataFrame, has_ends: bool) -> TableBlock:
    places: Sequence[int] = range(first, first + frame.height)
    if has_ends:
        places = _places(first, frame)
    if b'""' in text:
        frame = frame.select(pl.all().replace("", None))
    return TableBlock(places, with_values(frame))


def _parsed(text: bytes, dialect: Dialect) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            text,
            has_header=False,
            schema=dict.fromkeys(dialect.names, pl.String),
            separator=dialect.delimiter,
            quote_char='"',
            encoding="utf8",
        )
    except (Exception, pl.exceptions.PanicException):  # whatever it is, `csv` says it better
        return None


def _has_standard_quotes(text: bytes, delimiter: str) -> bool:
    """True if each quote opens or closes a cell, or is one of two beside each other inside of one.

    Two beside each other close a cell and open it again, so that quotes open and close by turns.
    """
    codes = np.frombuffer(text, np.uint8)
    places = np.flatnonzero(codes == ord('"'))
    if places.size % 2:
        return False
    around = np.zeros(256, dtype=bool)
    around[[ord(delimiter), ord("\n"), ord('"')]] = True
    padded = np.concatenate(([ord("\n")], codes, [ord("\n")]))
    before = padded[places[::2]]
    after = padded[places[1::2] + 2]
    is_open = around[before]
    around[ord("\r")] = True
    return bool(is_open.all() and around[after].all())


def _is_exact(text: bytes, frame: pl.DataFrame, delimiter: str, inner_ends: int) -> bool:
    """True if the table has as many rows and cells as the text.

    Polars fills a short row with nulls, which leaves delimiters missing; a row that is too long it
    refuses.
    """
    height, width = frame.shape
    is_cut = not text.endswith(b"\n")  # the last line of a file may have no end
    if _count(text, b"\n") + is_cut != height + inner_ends:
        return False
    delimiters = _count(text, delimiter.encode())
    if b'"' in text:
        delimiters -= _inside(frame, delimiter)
    return delimiters == height * (width - 1)


def _inside(frame: pl.DataFrame, sign: str) -> int:
    """Counts a sign inside of cells."""
    counts = pl.all().str.count_matches(sign, literal=True).sum()
    return int(frame.select(pl.sum_horizontal(counts)).item() or 0)


def _has_lone_returns(text: bytes) -> bool:
    codes = np.frombuffer(text, np.uint8)
    following = np.flatnonzero(codes == ord("\r")) + 1
    return bool(following.size) and (
        following[-1] == codes.size or bool((codes[following] != ord("\n")).any())
    )


def _count(text: bytes, sign: bytes) -> int:
    """Counts a byte, faster than `bytes.count` does where it is frequent."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == sign[0]))


def _places(first: int, frame: pl.DataFrame) -> list[int]:
    """Returns the line of each row: rows with line ends in their cells take several."""
    ends = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)))
    extra = ends.to_series().cast(pl.Int64)
    before = (extra + 1).cum_sum().shift(1, fill_value=0)
    return (before + first).to_list()


def _whole_rows(blocks: Iterator[Lines]) -> Iterator[Lines]:
    """Yields blocks that end with a row, if quotes are well-formed: after an even number of them.

    A block without such an end is joined with the next, up to `MAX_LINE_BYTES`.
    """
    held = Lines(1, b"")
    for block in blocks:
        if block.text is None or held.text is None:
            if held.text:
                yield held
            yield block
            held = Lines(block.first + 1, b"")
            continue
        first = held.first if held.text else block.first
        text = held.text + block.text
        end = _end_of_rows(text)
        if not end and len(text) > MAX_LINE_BYTES:
            end = len(text)
        if end:
            yield Lines(first, text[:end])
        held = Lines(first + text[:end].count(b"\n"), text[end:])
    if held.text:
        yield held


def _end_of_rows(text: bytes) -> int:
    """Returns where the last whole row ends, 0 if there is none."""
    odd = _count(text, b'"') % 2
    end = len(text)
    while odd and end > 0:
        start = text.rfind(b"\n", 0, end - 1) + 1
        odd = (odd + text.count(b'"', start, end)) % 2
        end = start
    return end


def _rejoined(block: Lines, rows: Iterator[Lines]) -> Iterator[Lines]:
    yield block
    yield from rows


# --- the exact path


class _Texts:
    """The lines as text, one by one as `csv.reader` asks for them, and the numbers of those that
    are not valid UTF-8.
    """

    def __init__(self, file: str, tally: Tally, dialect: Dialect) -> None:
        self._file = file
        self._tally = tally
        self.dialect = dialect
        self.bad_lines: set[int] = set()
        self.first = 1

    def of(self, blocks: Iterator[Lines]) -> Iterator[str]:
        """Yields the lines with their ends."""
        for block in blocks:
            yield from self._of_block(block)

    def _of_block(self, block: Lines) -> Iterable[str]:
        for place, line in enumerate(block.split(), block.first):
            yield self._decoded(place, line)

    def _decoded(self, place: int, line: bytes | None) -> str:
        if line is None:
            note_long_line(self._file, place, self._tally)
            return "\n"  # keeps the count of lines
        if self.dialect.is_commented and line.startswith(b"#"):
            return "\n"
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as bad:
            note_not_utf8(self._file, place, line, bad, self._tally)
            self.bad_lines.add(place)
            return line.decode(errors="replace") + "\n"


def _rows(
    file: str, texts: _Texts, blocks: Iterator[Lines], tally: Tally
) -> Iterator[tuple[int, list[str]]]:
    first = next(blocks, None)
    if first is None:
        return
    before = first.first - 1
    lines = texts.of(_rejoined(first, blocks))
    dialect = texts.dialect
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    while True:
        place = before + reader.line_num + 1
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
        if row and not _spans(texts.bad_lines, place, before + reader.line_num):
            yield place, row


def _spans(bad_lines: set[int], first: int, last: int) -> bool:
    return bool(bad_lines) and any(place in bad_lines for place in range(first, last + 1))


def note_ragged(file: str, place: int, row: list[str], width: int, tally: Tally) -> None:
    """Notes a row that has not as many cells as the table has columns."""
    tally.add_bad_line(
        file,
        place,
        "the row and the header have different numbers of cells",
        f"{len(row)} cells: {excerpt(','.join(row))}",
        f"{width} cells",
        "quote cells that hold a delimiter or a line end",
    )


# --- quotes with backslashes


def _unescaped(text: bytes, quote: str = '"') -> bytes:
    r"""Returns a text with `\"` as `""` and `\\` as `\`; another backslash stays as it is."""
    return (_ESCAPED if quote == '"' else _ESCAPED_SINGLE).sub(_standard, text)


def _with_standard_quotes(block: Lines, quote: str) -> Lines:
    return block if block.text is None else Lines(block.first, _unescaped(block.text, quote))


def _standard(match: re.Match[bytes]) -> bytes:
    return b"\\" if match[1] == b"\\" else match[1] * 2


def _is_escaped(text: bytes, delimiter: str, quote: str) -> bool:
    """True if the rows are well-formed with backslashes before quotes, and are not without."""
    start = text[:_PROBED_BYTES]
    if quote != '"':
        return b"\\'" in start
    if _BACKSLASH_QUOTE not in start:
        return False
    start = start[: _end_of_rows(_unescaped(start)) or None] if len(text) > len(start) else start
    if _has_sound_quotes(start, delimiter):
        return False
    return _has_sound_quotes(_unescaped(start), delimiter)


def _has_sound_quotes(text: bytes, delimiter: str) -> bool:
    """True if `csv` finds no fault in the quotes, so that the text ends with a row."""
    lines = (line + "\n" for line in text.decode(errors="replace").split("\n"))
    try:
        for _ in csv.reader(lines, delimiter=delimiter, strict=True):
            pass
    except csv.Error:
        return False
    return True
