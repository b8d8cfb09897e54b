r"""Converts raw values of a field to a column of the type in `SCHEMA`, and says which are invalid.

The fast path converts a whole column at once; only a column with an unexpected value is converted
value by value. Both accept the same:

    identifiers   text without the blanks around it, UUIDs, whole numbers (3.0 of pandas is 3); a
                  truth or a number with a fraction is not an identifier
    numbers       also as text, which CSV alone has; a whole float as an integer
    truths        true and false, t and f, yes and no, 1 and 0
    absent        null, the NaN of pandas and the words for it (`NULL`, `None`, `\N`), but where
                  somebody may have written them: of prompts and answers `\N` alone is absent

A word in the place of an identifier ("-", "[REDACTED]") is absent as well: shared by all rows it
would link them. Of accounts it stays, because the row is then counted as one that names nobody.
An object or a list in an optional column of text, numbers or truths is not ours: the log has a
field of its own with that name. Nothing is rounded, cut or guessed.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from numbers import Integral
from typing import Any, Literal
from uuid import UUID

import orjson
import polars as pl

from gamekeeper.exchange.columns import OPTIONAL, SCHEMA
from gamekeeper.exchange.containers import Values
from gamekeeper.exchange.placeholders import MAY_BE_NO_NAME, is_nobody, is_redacted

REQUEST = "request_id"
_TYPES = {**SCHEMA, REQUEST: pl.String()}
_CONTENT = frozenset({"prompt", "system", "answer"})
# often written as numbers
_IDENTIFIERS = frozenset({"account", "conversation", "payment", "owner", "alias", REQUEST})
# a word in place of a request's id links nothing, and tools are our hash
_NEVER_SHARED = frozenset({REQUEST, "tools"})
_MAY_BE_FOREIGN = frozenset({*OPTIONAL, REQUEST})
_AROUND = " \t\r\n\x0b\x0c\x85\xa0\x00"  # columns of a fixed width are filled up with NUL
_SQL_NULL = "\\N"
_ABSENT = ("", "null", "none", "nan", "nat", "nil", "<na>", "n/a", "na", "-", "\\n", "undefined")
_TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
_WHOLE = re.compile(r"([+-]?\d{1,18})(?:\.0*)?")
_WHOLE_TEXT = r"^[+-]?\d{1,18}(?:\.0*)?$"
_WHOLE_FLOAT = re.compile(r"^([0-9]{1,15})\.0$")
_EXACT = 2**53
"""From here on two whole numbers may be the same float, and two accounts one."""
_MOST_DIGITS = 100
_UNBUILDABLE = (
    TypeError,
    ValueError,
    OverflowError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,  # of a Decimal that is not a number, inside a list
)
_BUILT_FROM: dict[type[pl.DataType], set[type]] = {
    pl.String: {str},
    pl.Int64: {int},
    pl.Float64: {float, int},
    pl.Boolean: {bool},
    pl.List: {list},
}
"""What Polars builds a column of without looking at each value twice."""

DESCRIPTIONS = {
    pl.String(): "text",
    pl.Int64(): "a whole number",
    pl.Float64(): "a number",
    pl.Boolean(): "true or false",
    pl.List(pl.Float64()): "a list of numbers",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A column, null where a value was invalid, absent or not ours.

    Args:
        column: The values.
        wrong: Indices of invalid values.
        not_ours: Indices of objects and lists in an optional column that has neither: the log has
            another field of that name.
    """

    column: pl.Series
    wrong: list[int]
    not_ours: list[int] = field(default_factory=list)


def typed(name: str, values: Values | None, height: int) -> Typed:
    """Returns the column `name` of raw values.

    Args:
        name: A column of `SCHEMA` that is not a time, or `REQUEST`.
        values: Raw values, shape (height,); None: the log does not have the field.
        height: Number of rows.
    """
    kind = _TYPES[name]
    if values is None:
        return Typed(pl.Series(name, [None], dtype=kind).new_from_index(0, height), [])
    read = _from_series(name, values) if isinstance(values, pl.Series) else _from_list(name, values)
    return Typed(_cleaned(name, read.column), read.wrong, read.not_ours)


def _from_list(name: str, values: list[Any]) -> Typed:
    kind = _TYPES[name]
    found = set(map(type, values)) - {type(None)}
    if found == {str} and kind != pl.String:
        return _from_texts(name, values) or _one_by_one(name, values)
    if not found <= _BUILT_FROM[type(kind)]:
        return _one_by_one(name, values)
    try:
        column = pl.Series(name, values, dtype=kind, strict=True)
    except _UNBUILDABLE:
        return _one_by_one(name, values)
    return _finite(column) or _one_by_one(name, values)


def _from_series(name: str, values: pl.Series) -> Typed:
    kind = _TYPES[name]
    if values.dtype == kind or _casts_whole(name, values.dtype):
        return _finite(values.cast(kind).rename(name)) or _one_by_one(name, values.to_list())
    if values.dtype.is_float() and (name in _IDENTIFIERS or kind == pl.Int64):
        return _from_floats(name, values)
    if values.dtype == pl.String:
        return _from_texts(name, values) or _one_by_one(name, values.to_list())
    return _one_by_one(name, values.to_list())


def _finite(column: pl.Series) -> Typed | None:
    """Returns a column without the NaN of pandas; None if infinity is in it."""
    if column.dtype != pl.Float64:
        return Typed(column, [])
    column = column.fill_nan(None)
    return None if column.is_infinite().any() else Typed(column, [])


def _from_floats(name: str, values: pl.Series) -> Typed:
    """Returns whole numbers that a missing value among them made floats."""
    floats = values.cast(pl.Float64).fill_nan(None)
    is_whole = (floats == floats.floor()) & (floats.abs() < _EXACT)
    whole = floats.set(~is_whole.fill_null(True), None).cast(pl.Int64)
    wrong = (~is_whole).fill_null(False).arg_true().to_list()
    return Typed(whole.cast(_TYPES[name]).rename(name), wrong)


def _from_texts(name: str, values: Values) -> Typed | None:
    """Returns the numbers of a column that is all text, as in CSV; None if it is not such a
    column.
    """
    kind = _TYPES[name]
    if kind not in (pl.Int64, pl.Float64):
        return None
    try:
        texts = pl.Series(name, values, dtype=pl.String, strict=True)
    except _UNBUILDABLE:
        return None
    text = pl.col(name).str.strip_chars()
    given = texts.to_frame().select(pl.when(~text.str.to_lowercase().is_in(_ABSENT)).then(text))
    numbers = given[name].cast(kind, strict=False)
    if kind == pl.Int64 and numbers.null_count() > given[name].null_count():
        whole = pl.when(pl.col(name).str.contains(_WHOLE_TEXT)).then(
            pl.col(name).str.extract(r"^([+-]?\d+)")
        )
        numbers = given.select(whole.cast(kind, strict=False)).to_series()
    is_sound = numbers.null_count() == given[name].null_count() and numbers.is_finite().all()
    return Typed(numbers, []) if is_sound else None


def _casts_whole(name: str, found: pl.DataType) -> bool:
    """True if every value of type `found` has one of the column's type that says the same."""
    if isinstance(found, pl.List | pl.Array):
        return name == "features" and found.inner.is_numeric() and isinstance(found, pl.List)
    if found == pl.Null:
        return True
    if _TYPES[name] == pl.String:
        return found in (pl.Categorical, pl.Enum) or (name in _IDENTIFIERS and found.is_integer())
    small = found.is_integer() and found != pl.UInt64 and found not in (pl.Int128, pl.UInt128)
    return (_TYPES[name] == pl.Int64 and small) or (
        _TYPES[name] == pl.Float64 and (small or found == pl.Float32)
    )


def _cleaned(name: str, column: pl.Series) -> pl.Series:
    """Returns text without blanks around identifiers, and without what says that it is absent."""
    if column.dtype != pl.String or column.null_count() == len(column):
        return column
    if name in _CONTENT:
        is_null = column == _SQL_NULL
        return column.set(is_null, None) if is_null.any() else column
    if name in _NEVER_SHARED:
        return column
    names = column.unique()  # few, so that the pattern and what follows cost little
    names = names.filter(names.str.contains(MAY_BE_NO_NAME))
    if names.is_empty():
        return column
    kind = "account" if name == "account" else "identifier" if name in _IDENTIFIERS else "text"
    changes = {text: clean for text in names.to_list() if (clean := _clean(text, kind)) != text}
    return column.replace(changes) if changes else column


@lru_cache(maxsize=65_536)
def _clean(text: str, kind: Literal["account", "identifier", "text"]) -> str | None:
    """Returns a name as it is meant, None for a word in the place of a name."""
    plain = text.strip(_AROUND)
    if kind != "text":
        plain = _WHOLE_FLOAT.sub(r"\1", plain)
    if kind != "account" and (is_nobody(plain) or is_redacted(plain)):
        return None
    return plain


def _one_by_one(name: str, values: list[Any]) -> Typed:
    convert = _converter(name)
    may_be_foreign = name in _MAY_BE_FOREIGN
    column: list[Any] = []
    wrong: list[int] = []
    not_ours: list[int] = []
    for index, value in enumerate(values):
        converted = None
        if may_be_foreign and isinstance(value, list | dict):
            not_ours.append(index)
        elif not _is_absent(value):
            try:
                converted = convert(value)
            except (TypeError, ValueError, OverflowError, ArithmeticError):
                wrong.append(index)
        column.append(converted)
    return Typed(pl.Series(name, column, dtype=_TYPES[name]), wrong, not_ours)


def _is_absent(value: Any) -> bool:
    if isinstance(value, Decimal):  # one that signals cannot be compared
        return value.is_nan()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _converter(name: str) -> Callable[[Any], Any]:
    if name in _IDENTIFIERS:
        return _identifier
    if name in _CONTENT:
        return _content
    kind = _TYPES[name]
    if kind == pl.String:
        return _text
    return {pl.Int64: _whole, pl.Float64: _number, pl.Boolean: _truth}.get(type(kind), _numbers)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # a lone surrogate is not text
    return value


def _content(value: Any) -> str:
    """Returns what somebody wrote. An emoji that was cut in half is not worth a row."""
    if not isinstance(value, str):
        return _text(value)
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _identifier(value: Any) -> str:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float | Decimal):
        return str(_whole_of(value))
    return _text(str(value) if isinstance(value, UUID) else value)


def _whole_of(value: float | Decimal) -> int:
    if isinstance(value, float) and abs(value) >= _EXACT:
        raise ValueError
    if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > _MOST_DIGITS):
        raise ValueError
    if value != int(value):
        raise ValueError
    return int(value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        if _means_absent(value):
            return None
        found = _WHOLE.fullmatch(value.strip())
        if found is None:
            raise ValueError
        return int(found[1])
    if isinstance(value, Decimal):
        value = _whole_of(value)
    if value != int(value) or not -(2**63) <= value < 2**63:
        raise ValueError
    return int(value)


def _number(value: Any) -> float | None:
    if isinstance(value, list | dict | bytes):
        raise TypeError
    if isinstance(value, str) and _means_absent(value):
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        if _means_absent(value):
            return None
        truth = _TRUTHS.get(value.strip().lower())
        if truth is None:
            raise ValueError
        return truth
    if value in (0, 1):
        return bool(value)
    raise ValueError


def _means_absent(text: str) -> bool:
    return text.strip().lower() in _ABSENT


def _numbers(value: Any) -> list[float | None]:
    if isinstance(value, str):
        value = orjson.loads(value)
    if not isinstance(value, list):
        raise TypeError
    return [None if item is None else _inner_number(item) for item in value]


def _inner_number(value: Any) -> float:
    if not isinstance(value, int | float | Decimal):
        raise TypeError
    return float(value)
