"""Decides whether the first line of a table of text names its columns.

A guess that is wrong moves every answer by one row, or drops a row. So a line is read as names only
where it is unlike the lines below it, as data only where it is like them, and otherwise nothing is
guessed: the caller asks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import polars as pl

MISSING = ("", "?", "-", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none")
"""Texts that mean a missing number; in columns of text only the empty one does."""

BOOLEANS = {"true": 1.0, "false": 0.0}

_WHOLE = re.compile(r"\d+")
_NUMBERS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_FRACTION = r"[.eE]"
_MIN_COUNTED = 3  # 0, 1 are ordinary values of two columns; 0, 1, 2 hardly of three


class Verdict(StrEnum):
    """What the first line is."""

    NAMES = "names"
    PROBABLY_NAMES = "probably names"
    DATA = "data"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the cell of the first line, and the cells below it.

    Args:
        first: Cell of the first line; None if it is empty.
        below: Cells below, as text.
        numbers: The cells below as numbers, or None if they are text.
    """

    first: str | None
    below: pl.Series
    numbers: pl.Series | None

    @property
    def cells(self) -> pl.Series:
        """The cells below, as numbers if all of them are."""
        return self.below if self.numbers is None else self.numbers

    @property
    def is_numeric(self) -> bool:
        """Whether there are numbers below."""
        return self.numbers is not None and self.numbers.null_count() < len(self.numbers)

    @property
    def is_text(self) -> bool:
        """Whether there is text below."""
        return self.numbers is None

    @property
    def has_number_first(self) -> bool:
        """Whether the first line has a number here."""
        return self.first is not None and is_number(self.first)

    @property
    def has_text_first(self) -> bool:
        """Whether the first line has a text here that is not a missing number."""
        return self.first is not None and not is_number(self.first) and self.first not in MISSING

    @property
    def recurs(self) -> bool:
        """Whether the first cell occurs again below."""
        return bool((self.below == self.first).any())

    @property
    def is_repetitive(self) -> bool:
        """Whether each value below occurs twice in the mean, or more often."""
        return self.below.n_unique() * 2 <= len(self.below)


def is_number(cell: str) -> bool:
    """Whether a text is a number, or one of two truth values."""
    return _NUMBERS.fullmatch(cell) is not None or cell.lower() in BOOLEANS


def as_numbers(cells: pl.DataFrame) -> list[pl.Series | None]:
    """Returns each column as numbers, null where one is missing; None if a cell of it is text."""
    cast = cells.select(pl.all().cast(pl.Float64, strict=False))
    return [_numbers(text, number) for text, number in zip(cells, cast, strict=True)]


def _numbers(cells: pl.Series, cast: pl.Series) -> pl.Series | None:
    if cast.null_count() == cells.null_count():
        return cast.fill_nan(None)
    others = cells.filter(cast.is_null() & cells.is_not_null())
    if others.is_in(MISSING).all():
        return cast.fill_nan(None)
    if (others.str.to_lowercase().is_in(list(BOOLEANS)) | others.is_in(MISSING)).all():
        truths = cells.str.to_lowercase().replace_strict(
            BOOLEANS, default=None, return_dtype=pl.Float64
        )
        return truths if cast.null_count() == len(cast) else None
    return None


def is_index(column: Column) -> bool:
    """Whether a column without a name is an index: whole numbers or texts, each once."""
    if column.below.null_count() or column.below.n_unique() != len(column.below):
        return False
    return column.is_text or bool(column.below.str.contains(rf"^{_WHOLE.pattern}$").all())


def judge_first_line(columns: Sequence[Column]) -> Verdict:
    """Returns what the first line is, from all its cells and those below; at least one is below."""
    if columns[0].first is None and len(columns) > 1 and is_index(columns[0]):
        rest = [column.first for column in columns[1:]]
        return Verdict.NAMES if None not in rest and _is_distinct(rest) else Verdict.UNKNOWN
    if any(column.is_numeric and column.has_text_first for column in columns):
        return _text_above_numbers(columns)
    numeric = [column for column in columns if column.is_numeric]
    if not numeric:
        return _text_above_text(columns)
    if not all(column.has_number_first for column in numeric):
        return Verdict.DATA
    verdict = _numbers_above_numbers(numeric)
    texts = [column for column in columns if column.is_text]
    return _together(verdict, texts) if texts else verdict


def _text_above_numbers(columns: Sequence[Column]) -> Verdict:
    numbered = [column for column in columns if column.is_numeric and column.has_number_first]
    if not numbered:
        return Verdict.NAMES
    are_names = all(_is_whole(column) for column in numbered) and _is_unlike(numbered)
    return Verdict.NAMES if are_names else Verdict.UNKNOWN


def _text_above_text(columns: Sequence[Column]) -> Verdict:
    if any(column.recurs for column in columns):
        return Verdict.DATA
    is_repetitive = any(column.is_repetitive for column in columns)
    return Verdict.PROBABLY_NAMES if is_repetitive else Verdict.UNKNOWN


def _together(verdict: Verdict, texts: Sequence[Column]) -> Verdict:
    """Returns the verdict on the numbers, unless the texts beside them contradict it."""
    if any(column.recurs for column in texts):
        return Verdict.DATA
    if verdict is Verdict.DATA and any(column.is_repetitive for column in texts):
        return Verdict.UNKNOWN
    return verdict


def _numbers_above_numbers(columns: Sequence[Column]) -> Verdict:
    cells = [column.first for column in columns]
    if cells == [str(at) for at in range(len(cells))]:
        are_names = len(cells) >= _MIN_COUNTED and (_is_unlike(columns) or _is_above(columns))
        return Verdict.NAMES if are_names else Verdict.UNKNOWN
    values = [_value(column) for column in columns]
    increases = all(a < b for a, b in pairwise(values))
    return Verdict.UNKNOWN if increases and _is_unlike(columns) else Verdict.DATA


def _is_unlike(columns: Sequence[Column]) -> bool:
    """Whether at least half of the first cells are whole above fractions, or far from all below.

    In fewer than three columns only distance counts: programs write 5.0 as 5.
    """
    is_wide = len(columns) >= _MIN_COUNTED
    known = [column for column in columns if _varies(column) or _has_fractions(column)]
    unlike = [
        (is_wide and _is_whole(column) and _has_fractions(column)) or _is_far(column)
        for column in known
    ]
    return bool(known) and sum(unlike) * 2 >= len(known)


def _is_above(columns: Sequence[Column]) -> bool:
    """Whether at least half of the first cells are above all values below: 0, 1, 2, ... over
    hundreds of pixels.
    """
    varied = [column for column in columns if _varies(column)]
    above = [_value(column) > _extremes(column)[1] for column in varied]
    return bool(varied) and sum(above) * 2 >= len(varied)


def _varies(column: Column) -> bool:
    low, high = _extremes(column)
    return low < high


def _is_far(column: Column) -> bool:
    low, high = _extremes(column)
    reach = high - low
    if not reach:
        return False
    return not low - reach <= _value(column) <= high + reach


def _is_whole(column: Column) -> bool:
    return column.first is not None and _WHOLE.fullmatch(column.first) is not None


def _has_fractions(column: Column) -> bool:
    return bool(column.below.str.contains(_FRACTION).any())


def _value(column: Column) -> float:
    cell = column.first or ""
    truth = BOOLEANS.get(cell.lower())
    return float(cell) if truth is None else truth


def _extremes(column: Column) -> tuple[float, float]:
    assert column.numbers is not None
    return float(column.numbers.min()), float(column.numbers.max())  # type: ignore[arg-type]


def _is_distinct(cells: Sequence[str | None]) -> bool:
    return len(set(cells)) == len(cells)
