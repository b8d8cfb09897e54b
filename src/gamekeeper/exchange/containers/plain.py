"""Columns of Polars -> plain values, the same that JSON or CSV of the same rows would give.

Text, numbers, truths and times stay columns, because the fast paths after this one take columns.
What is nested becomes lists and dicts. A decimal is a number, whole where all of its column are;
bytes that are text are text, 16 bytes are a UUID; a map is a dict; a category is its text; a
duration is its seconds; a time of day is its ISO text. A time outside the years that Python knows
is null: Polars panics when it has to show one.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import polars as pl

from gamekeeper.exchange.containers.block import Values

_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_CONTROLS = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32))))
_UUID_BYTES = 16
_UUID = r"^(.{8})(.{4})(.{4})(.{4})(.{12})$"
_DATES = (pl.Date, pl.Datetime)
# within the years 1 to 9999, a day's room for zones
_FIRST_DAY = -719_000
_LAST_DAY = 2_932_000
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_OF_A_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAP: Any = getattr(pl, "Map", ())  # a type of its own in newer releases of Polars

Convert: TypeAlias = Callable[[Any], Any]


def plain_columns(frame: pl.DataFrame) -> dict[str, Values]:
    """Returns the columns of a frame as plain values."""
    return {column.name: plain(column) for column in frame}


def plain(column: pl.Series) -> Values:
    """Returns one column as plain values."""
    kind = column.dtype
    if kind in _DATES:
        return _in_calendar(column)
    if kind == pl.Binary:
        return _from_bytes(column)
    if kind == pl.Decimal:
        return _from_decimals(column)
    if isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if kind == pl.Duration:
        return column.to_physical().cast(pl.Float64) / _PER_SECOND[_unit(kind)]
    if kind == pl.Time:
        return column.cast(pl.String)
    if kind.is_nested() and not _is_numbers(kind):
        return _from_nested(column)
    if kind == pl.Object:
        return [_from_object(value) for value in column.to_list()]
    return column


def _is_numbers(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List) and kind.inner is not None and _inner(kind).is_numeric()


def _unit(kind: Any) -> str:
    """Returns the unit of a time or duration, empty for a date."""
    unit: str | None = getattr(kind, "time_unit", None)
    return unit or ""


def _inner(kind: Any) -> pl.DataType:
    found: pl.DataType = kind.inner
    return found


def _in_calendar(column: pl.Series) -> pl.Series:
    unit = _unit(column.dtype)
    per_day = _PER_SECOND[unit] * _SECONDS_OF_A_DAY if unit else 1
    days = column.to_physical() // per_day
    inside = days.is_between(_FIRST_DAY, _LAST_DAY)
    return column if inside.all() else column.set(~inside, None)


def _from_bytes(column: pl.Series) -> Values:
    """Returns bytes that are UTF-8 throughout as text, and UUIDs in 16 bytes as their text.

    JSON and text without Parquet's own mark for them are read as bytes. What holds control
    characters is not text, even where its bytes happen to be UTF-8; it is left as it is, and
    refused later.
    """
    text = None
    with suppress(pl.exceptions.PolarsError):
        text = column.cast(pl.String)
    if text is not None and not text.str.contains(_CONTROL).any():
        return text
    if (column.bin.size().drop_nulls() == _UUID_BYTES).all():
        return column.bin.encode("hex").str.replace(_UUID, "$1-$2-$3-$4-$5")
    return [None if value is None else _text_of(value) for value in column.to_list()]


def _text_of(value: bytes) -> str | bytes:
    with suppress(UnicodeDecodeError):
        text = value.decode()
        if _CONTROLS.isdisjoint(text):
            return text
    if len(value) == _UUID_BYTES:
        digits = value.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return value


def _from_decimals(column: pl.Series) -> pl.Series:
    """Returns whole numbers if all are whole, so that a key of 18 digits keeps each of them."""
    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count() == column.null_count() and (whole.cast(column.dtype) == column).all():
        return whole
    if getattr(column.dtype, "scale", None) == 0:
        return column.cast(pl.Int128)
    return column.cast(pl.Float64)


def _from_nested(column: pl.Series) -> list[Any]:
    # Times are converted here, one by one: Polars panics on one beyond the calendar.
    values = column.cast(_with_whole_times(column.dtype)).to_list()
    convert = _converter(column.dtype)
    return values if convert is None else [None if v is None else convert(v) for v in values]


def _with_whole_times(kind: Any) -> Any:
    if kind in _DATES or kind == pl.Duration:
        return pl.Int32() if kind == pl.Date else pl.Int64()
    if isinstance(kind, pl.List):
        return pl.List(_with_whole_times(kind.inner))
    if isinstance(kind, pl.Array):
        return pl.Array(_with_whole_times(kind.inner), kind.size)
    if isinstance(kind, pl.Struct):
        return pl.Struct({f.name: _with_whole_times(f.dtype) for f in kind.fields})
    if _MAP and isinstance(kind, _MAP):
        return _MAP(kind.key, _with_whole_times(kind.value))
    return kind


def _converter(kind: Any) -> Convert | None:
    """Returns what makes a value of a nested column plain; None if it is plain already."""
    if isinstance(kind, pl.Struct):
        return _of_struct({f.name: c for f in kind.fields if (c := _converter(f.dtype))})
    if _MAP and isinstance(kind, _MAP):
        return _of_map(_converter(kind.value))
    if isinstance(kind, pl.List | pl.Array):
        return _of_list(kind, _converter(kind.inner))
    if kind in _DATES:
        return _of_time(kind)
    if kind == pl.Duration:
        per_second = _PER_SECOND[_unit(kind)]
        return lambda value: value / per_second
    return _SCALARS.get(kind.base_type())


def _of_struct(fields: dict[str, Convert]) -> Convert | None:
    def convert(value: dict[str, Any]) -> dict[str, Any]:
        for name, inner in fields.items():
            if value[name] is not None:
                value[name] = inner(value[name])
        return value

    return convert if fields else None


def _of_list(kind: Any, inner: Convert | None) -> Convert | None:
    if _is_entries(kind.inner):
        return lambda values: {entry["key"]: entry["value"] for entry in values if entry}
    if inner is None:
        return None
    return lambda values: [None if value is None else inner(value) for value in values]


def _is_entries(kind: Any) -> bool:
    """True for a map as older releases of Polars read it; attributes of OpenTelemetry, whose
    values say their type, are not one.
    """
    if _MAP or not isinstance(kind, pl.Struct):
        return False
    types = {f.name: f.dtype for f in kind.fields}
    return types.keys() == {"key", "value"} and not types["value"].is_nested()


def _of_map(inner: Convert | None) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        entries = value.items() if isinstance(value, dict) else map(_pair, value)
        return {
            key: inner(item) if inner is not None and item is not None else item
            for key, item in entries
        }

    return convert


def _pair(entry: Any) -> tuple[Any, Any]:
    return (entry["key"], entry["value"]) if isinstance(entry, dict) else (entry[0], entry[1])


def _of_time(kind: Any) -> Convert:
    unit = _unit(kind)
    zone = getattr(kind, "time_zone", None)

    def convert(value: int) -> datetime | str | None:
        seconds = value / _PER_SECOND[unit] if unit else value * _SECONDS_OF_A_DAY
        if not _FIRST_DAY < seconds / _SECONDS_OF_A_DAY < _LAST_DAY:
            return None
        if not unit:
            return (_EPOCH + timedelta(days=value)).date().isoformat()
        moment = _EPOCH + timedelta(microseconds=value * 10**6 // _PER_SECOND[unit])
        return moment if zone else moment.replace(tzinfo=None)

    return convert


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _from_object(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text_of(value)
    if isinstance(value, Decimal):
        return _number(value) if value.is_finite() else math.nan
    if isinstance(value, date | str | int | float | list | dict) or value is None:
        return value
    return str(value)


_SCALARS: dict[Any, Convert] = {
    pl.Binary: _text_of,
    pl.Decimal: _number,
    pl.Time: lambda value: value.isoformat(),
    pl.Object: _from_object,
}
