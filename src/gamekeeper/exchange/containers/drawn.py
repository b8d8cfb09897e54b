"""Tables as Markdown and the shells of databases draw them: cells between bars, a rule of dashes.

    | time | account |        time | account         +------+---------+
    |------|---------|       ------+---------        | time | account |
    | 9:14 | a       |        9:14 | a               +------+---------+

Blanks around a cell and the rules are how the table looks and are left out, as is psql's last line
with the number of rows. A bar inside of a cell has a backslash before it. A row that has not as
many cells as the header is a fault: a cell may have a bar that is not marked.

Sources: GitHub Flavored Markdown 4.10; the outputs of psql, mysql, sqlite3 and Trino's shell.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import polars as pl

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.containers.csvs import note_ragged, unique
from gamekeeper.exchange.containers.lines import Lines, note_long_line, note_not_utf8
from gamekeeper.exchange.faults import Tally

_RULE = re.compile(rb"[ \t]*[|+]?(?:[ \t]*:?[-=]+:?[ \t]*[|+])*[ \t]*:?[-=]+:?[ \t]*[|+]?\s*")
_BAR = re.compile(r"(?<!\\)\|")
_COUNT = re.compile(r"\(\d+ rows?\)")
_HEADER_LINES = 2


def is_drawn(head: bytes) -> bool:
    """True if a text begins with a header of several cells between bars and a rule, or with a rule
    and such a header.
    """
    lines = [line for line in head.split(b"\n", 8)[:8] if line.strip()][: _HEADER_LINES + 1]
    rules = [line for line in lines[:_HEADER_LINES] if _is_rule(line)]
    headers = [line for line in lines[:_HEADER_LINES] if b"|" in line and not _is_rule(line)]
    return len(rules) == len(headers) == 1 and _bars(rules[0]) == headers[0].count(b"|")


def _bars(rule: bytes) -> int:
    return rule.count(b"|") + rule.count(b"+")


def _is_rule(line: bytes) -> bool:
    return _RULE.fullmatch(line) is not None and _bars(line) > 0


def read_drawn(
    file: str, blocks: Iterable[Lines], tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    """Yields the rows as tables of text, an empty cell being null.

    Args:
        file: Named in faults.
        blocks: All lines.
        tally: Where bad rows are noted.
        tell: Called after each block of lines.
    """
    names: list[str] = []
    has_edges = False
    places: list[int] = []
    rows: list[list[str]] = []
    for block in blocks:
        for place, text in _rows(file, block, tally):
            has_edges = has_edges or (not names and text.startswith("|"))
            cells = _cells(text, has_edges)
            if not names:
                names = unique(cells)
            elif len(cells) != len(names):
                note_ragged(file, place, cells, len(names), tally)
            else:
                places.append(place)
                rows.append(cells)
            if len(rows) == BLOCK_ROWS:
                yield _table(names, places, rows)
                places = []
                rows = []
        tell()
    if rows:
        yield _table(names, places, rows)


def _rows(file: str, block: Lines, tally: Tally) -> Iterator[tuple[int, str]]:
    """Yields the lines that are rows."""
    for place, line in enumerate(block.split(), block.first):
        if line is None:
            note_long_line(file, place, tally)
            continue
        if not line.strip() or _is_rule(line):
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError as bad:
            note_not_utf8(file, place, line, bad, tally)
            continue
        if _COUNT.fullmatch(text.strip()) is None:
            yield place, text


def _cells(text: str, has_edges: bool) -> list[str]:
    """Returns the cells of a line, which has bars at its edges or only between cells."""
    cells = _BAR.split(text.strip() if has_edges else text)
    if has_edges:
        cells = cells[not cells[0] : len(cells) - (not cells[-1])]
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _table(names: list[str], places: list[int], rows: list[list[str]]) -> TableBlock:
    columns = {
        name: [value or None for value in values]
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    return TableBlock(places, {name: pl.Series(columns[name], dtype=pl.String) for name in columns})
