"""Decides whether the first line of a table of text names its columns.

A guess that is wrong moves every answer by one row, or drops a row. So a line is read as names only
where it is unlike the lines below it, as data only where it is like them, and otherwise nothing is
guessed: the caller asks.

How unlike is estimated from the cells below: if the first line were data, how probable would it be?
A cell that is whole in a column of fractions is as probable as whole cells are there, a text that
occurs once as texts are that occur once. Columns are taken as independent.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

MISSING = ("", "?", "-", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none")
"""Texts that mean a missing number; in columns of text only the empty one does."""

BOOLEANS = {"true": 1.0, "false": 0.0}

_SAID_MISSING = re.compile(
    r"\W*|#.*[!?]|n\.?[ /]?[ad]\.?|(un|not?[ _-]|in)"
    r"(known|defined|available|applicable|recorded|measured|specified|valid|data|answer|value)"
    r"|missing|error|fail(ed|ure)?|empty|blank|void|nil|pending|tba|tbd",
    re.IGNORECASE,
)
"""Words for a value that is missing; files have others, too."""

_WHOLE = re.compile(r"\d+")
_LEADING_ZERO = r"^0\d"
_NUMBERS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_FRACTION = r"[.eE]"
_MIN_COUNTED = 3  # 0, 1 are ordinary values of two columns; 0, 1, 2 hardly of three
_MIN_SHUFFLED = 4  # columns; fewer small numbers are often data
_MIN_STEPS = 4  # 1, 2, 3 are ordinary values; of numbers from 0 to 9, four in steps are 1 in 400
_MIN_ORDERED = 6  # that increase by chance once in 720 times
_IMPROBABLE = 0.01  # of data that look like names, so many are asked about, or lose a line
_WITH_A_WORD = 0.34  # beside a text above numbers, which is itself a sign of names
_ORDERED_BELOW = 0.05  # of the lines, at most: in others the order of columns is that of values
_MIN_LINES = 20  # that say how far values reach; with fewer, others may be farther
_COUNTED_BY_CHANCE = 0.2  # beside cells that are 0, 1, 2, ...
_SHAPES = (r"\d", r"[^\W\d_]", r"\s", r"[-/:.@]", r"^\p{Lu}", r"_")


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
        """The cells below, as numbers if all of them are, and none begins with a needless 0."""
        return values_of(self.below, self.numbers)

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


def values_of(cells: pl.Series, numbers: pl.Series | None) -> pl.Series:
    """Returns a column as numbers, or as its text where it is text or a code such as 01001."""
    return cells if numbers is None or has_leading_zeros(cells) else numbers


def has_leading_zeros(cells: pl.Series) -> bool:
    """Whether a cell begins with a 0 that a number would lose."""
    return bool(cells.str.contains(_LEADING_ZERO).any())


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
        return _beside_index(columns[1:])
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


def _beside_index(columns: Sequence[Column]) -> Verdict:
    """Returns what cells are beside an empty one, which is above an index or is a missing value."""
    cells = [column.first for column in columns]
    if None in cells or not _is_distinct(cells):
        return Verdict.UNKNOWN
    if _are_counted(cells):
        return Verdict.NAMES
    are_texts = not any(column.has_number_first or column.recurs for column in columns)
    return Verdict.NAMES if are_texts else Verdict.UNKNOWN


def _text_above_numbers(columns: Sequence[Column]) -> Verdict:
    """One text above numbers may be a word for a missing value; several ones are not the same."""
    numbered = [column for column in columns if column.is_numeric and column.has_number_first]
    if numbered:
        are_names = all(_is_whole(column) for column in numbered) and _is_unlike(numbered)
        return Verdict.NAMES if are_names else Verdict.UNKNOWN
    words = [column.first or "" for column in columns if not column.is_text]
    texts = [column for column in columns if column.is_text]
    if all(map(_SAID_MISSING.fullmatch, words)) or any(column.recurs for column in texts):
        return Verdict.UNKNOWN
    if len(words) > 1:
        return Verdict.NAMES if len(set(words)) > 1 else Verdict.UNKNOWN
    are_names = not texts or _chance_of_texts(texts) <= _WITH_A_WORD
    return Verdict.NAMES if are_names else Verdict.UNKNOWN


def _text_above_text(columns: Sequence[Column]) -> Verdict:
    if any(column.recurs for column in columns):
        return Verdict.DATA
    are_names = _chance_of_texts(columns) <= _IMPROBABLE
    return Verdict.PROBABLY_NAMES if are_names else Verdict.UNKNOWN


def _chance_of_texts(columns: Sequence[Column]) -> float:
    """How probable texts are that do not occur below, if they are data."""
    return math.prod(_chance_of_text(column) for column in columns if column.first is not None)


def _chance_of_text(column: Column) -> float:
    """How probable a new text is: as texts that occur once are, or as texts are of another shape,
    such as without a digit where all below have some.

    Source: I. J. Good, The population frequencies of species, Biometrika 40, 1953.
    """
    cells = column.below.drop_nulls()
    once = int(cells.is_unique().sum())
    chance = min(1.0, (once + 1) / (len(cells) + 1))
    if any(_is_of_other_shape(column.first or "", cells, shape) for shape in _SHAPES):
        chance = min(chance, len(_SHAPES) / (len(cells) + 1))
    return chance


def _is_of_other_shape(first: str, cells: pl.Series, shape: str) -> bool:
    has = cells.str.contains(shape)
    is_first = bool(pl.Series([first]).str.contains(shape).item())
    return bool((has != is_first).all())


def _together(verdict: Verdict, texts: Sequence[Column]) -> Verdict:
    """Returns the verdict on the numbers, unless the texts beside them contradict it."""
    if any(column.recurs for column in texts):
        return Verdict.DATA
    if verdict is Verdict.DATA and any(column.is_repetitive for column in texts):
        return Verdict.UNKNOWN
    return verdict


def _numbers_above_numbers(columns: Sequence[Column]) -> Verdict:
    cells = [column.first for column in columns]
    if _are_counted(cells):
        is_unlike = _is_unlike(columns, _COUNTED_BY_CHANCE) or _is_above(columns)
        are_names = len(cells) >= _MIN_COUNTED and is_unlike
        return Verdict.NAMES if are_names else Verdict.UNKNOWN
    may_be_names = _is_distinct(cells) and (
        _are_shuffled(cells)
        or _is_unlike(columns)
        or _is_another_scale(columns)
        or _is_in_order(columns)
    )
    return Verdict.UNKNOWN if may_be_names else Verdict.DATA


def _are_counted(cells: Sequence[str | None]) -> bool:
    return list(cells) == [str(at) for at in range(len(cells))]


def _are_shuffled(cells: Sequence[str | None]) -> bool:
    """Whether they are the numbers of columns that were selected in another order."""
    counted = {str(at) for at in range(len(cells))}
    return len(cells) >= _MIN_SHUFFLED and set(cells) == counted


def _is_unlike(columns: Sequence[Column], chance: float = _IMPROBABLE) -> bool:
    """Whether all first cells are whole above fractions, or half of them far from all below.

    Programs write 5.0 as 5, so what counts is how often a column has whole numbers.

    Args:
        columns: With numbers in the first line and below.
        chance: Of whole numbers, at most, if the first line is data.
    """
    known = [column for column in columns if _varies(column) or _has_fractions(column)]
    far = sum(map(_is_far, known))
    if known and far * 2 >= len(known):
        return True
    fractions = [column for column in columns if _has_fractions(column)]
    if len(fractions) * 2 < len(columns) or not all(map(_is_whole, columns)):
        return False
    return math.prod(map(_chance_of_whole, fractions)) <= chance


def _chance_of_whole(column: Column) -> float:
    cells = column.below.drop_nulls()
    whole = int((~cells.str.contains(_FRACTION)).sum())
    return (whole + 1) / (len(cells) + 1)


def _is_another_scale(columns: Sequence[Column]) -> bool:
    """Whether whole numbers are outside of all below, and by a factor of two: half of them where
    there are several, each where there are many lines.
    """
    varied = [column for column in columns if _varies(column)]
    if not varied or not all(map(_is_whole, columns)) or not all(map(_is_outside, varied)):
        return False
    beyond = sum(map(_is_beyond, varied))
    if len(varied) >= _MIN_COUNTED:
        return beyond * 2 >= len(varied)
    return beyond == len(varied) and len(columns[0].below) >= _MIN_LINES


def _is_in_order(columns: Sequence[Column]) -> bool:
    """Whether numbers increase or decrease in equal steps, or at all where there are many, and
    lines below do not.
    """
    first = np.array([_value(column) for column in columns])
    if len(columns) < _MIN_STEPS or not np.isfinite(first).all():
        return False
    rows = np.stack([_array(column) for column in columns], axis=1)
    if _is_stepped(first[None])[0] and not _is_stepped(rows).any():
        return True
    sign = np.sign(first[1] - first[0])
    ordered = (np.diff(rows, axis=1) * sign > 0).all(axis=1)
    is_rare = (ordered.sum() + 1) / (len(rows) + 1) <= _ORDERED_BELOW
    is_ordered = bool((np.diff(first) * sign > 0).all())
    return is_ordered and is_rare and len(columns) >= _MIN_ORDERED


def _is_stepped(rows: np.ndarray) -> np.ndarray:
    steps = np.diff(rows, axis=1)
    is_even = np.isclose(steps, steps[:, :1], rtol=1e-9, atol=0)
    return np.asarray(is_even.all(axis=1) & (steps[:, 0] != 0))


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
    reach = (high - low) * max(1, _MIN_LINES / len(column.below))
    if not reach:
        return False
    return not low - reach <= _value(column) <= high + reach


def _is_outside(column: Column) -> bool:
    low, high = _extremes(column)
    return not low <= _value(column) <= high


def _is_beyond(column: Column) -> bool:
    low, high = _extremes(column)
    value = _value(column)
    return value * 2 < low or value > 2 * high


def _is_whole(column: Column) -> bool:
    return column.first is not None and _WHOLE.fullmatch(column.first) is not None


def _has_fractions(column: Column) -> bool:
    return bool(column.below.str.contains(_FRACTION).any())


def _value(column: Column) -> float:
    cell = column.first or ""
    truth = BOOLEANS.get(cell.lower())
    return float(cell) if truth is None else truth


def _array(column: Column) -> np.ndarray:
    assert column.numbers is not None
    values: np.ndarray = column.numbers.fill_null(float("nan")).to_numpy()
    return values


def _extremes(column: Column) -> tuple[float, float]:
    assert column.numbers is not None
    return float(column.numbers.min()), float(column.numbers.max())  # type: ignore[arg-type]


def _is_distinct(cells: Sequence[str | None]) -> bool:
    return len(set(cells)) == len(cells)
