"""Converts raw values of one field to a column of the type in `SCHEMA`, and says which are invalid.

The fast path converts a whole column at once; only a column with an unexpected value is converted
value by value. Both accept the same: a whole float as an integer, a number
written as text (CSV has nothing else), a number as an identifier, true and false as 1 and 0.
Nothing is rounded, cut or guessed.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.exchange.containers import Values

REQUEST = "request_id"
_TYPES = {**SCHEMA, REQUEST: pl.String()}
# often written as numbers
_IDENTIFIERS = frozenset({"account", "conversation", "payment", REQUEST})
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_UNBUILDABLE = (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError)

DESCRIPTIONS = {
    pl.String(): "text",
    pl.Int64(): "a whole number",
    pl.Float64(): "a number",
    pl.Boolean(): "true or false",
    pl.List(pl.Float64()): "a list of numbers",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A column, null where a value was invalid, and the indices of those values."""

    column: pl.Series
    wrong: list[int]


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
    if isinstance(values, pl.Series):
        return _from_series(name, values)
    try:
        return Typed(pl.Series(name, values, dtype=kind, strict=True), [])
    except _UNBUILDABLE:
        return _from_texts(name, values) or _one_by_one(name, values)


def _from_texts(name: str, values: list[Any]) -> Typed | None:
    """Returns the numbers of a column that is all text, as in CSV; None if it is not such a
    column.
    """
    if _TYPES[name] not in (pl.Int64, pl.Float64):
        return None
    try:
        texts = pl.Series(name, values, dtype=pl.String, strict=True)
    except _UNBUILDABLE:
        return None
    numbers = texts.cast(_TYPES[name], strict=False)
    sound = numbers.null_count() == texts.null_count() and bool(numbers.is_finite().all())
    return Typed(numbers, []) if sound else None


def _from_series(name: str, values: pl.Series) -> Typed:
    kind = _TYPES[name]
    if values.dtype == kind or _casts_whole(name, values.dtype):
        return Typed(values.cast(kind).rename(name), [])
    return _one_by_one(name, values.to_list())


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


def _one_by_one(name: str, values: list[Any]) -> Typed:
    convert = _converter(name)
    column: list[Any] = []
    wrong: list[int] = []
    for index, value in enumerate(values):
        try:
            column.append(None if value is None else convert(value))
        except (TypeError, ValueError, OverflowError):
            column.append(None)
            wrong.append(index)
    return Typed(pl.Series(name, column, dtype=_TYPES[name]), wrong)


def _converter(name: str) -> Callable[[Any], Any]:
    if name in _IDENTIFIERS:
        return _identifier
    kind = _TYPES[name]
    if kind == pl.String:
        return _text
    return {pl.Int64: _whole, pl.Float64: _number, pl.Boolean: _truth}.get(type(kind), _numbers)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # a lone surrogate is not text
    return value


def _identifier(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _whole(value: Any) -> int:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ValueError
        return int(value)
    if value != int(value) or not -(2**63) <= value < 2**63:
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, list | dict):
        raise TypeError
    number = float(value)
    if isinstance(value, str) and not math.isfinite(number):
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.lower()) or _false(
            value
        )
    if value in (0, 1):
        return bool(value)
    raise ValueError


def _false(value: str) -> bool:
    if value.lower() not in ("false", "0"):
        raise ValueError
    return False


def _numbers(value: Any) -> list[float | None]:
    if isinstance(value, str):
        value = orjson.loads(value)
    if not isinstance(value, list):
        raise TypeError
    return [None if item is None else _inner_number(item) for item in value]


def _inner_number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError
    return float(value)
