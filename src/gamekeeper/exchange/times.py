"""Times as logs write them -> microseconds UTC.

Text is ISO 8601 in its common spellings; numbers count from 1970 in seconds, milli-, micro- or
nanoseconds, which their magnitude tells apart: for the years 2000 to 2100 the four ranges are a
factor of 230 apart.
"""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.containers import Values

TIME = pl.Datetime("us", "UTC")
# 2000-01-01, 2100-01-01
_FIRST_S = 946_684_800
_LAST_S = 4_102_444_800
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+]?\d+)?$"
_DATE_TIME = "%Y-%m-%dT%H:%M:%S%.f"
_OFFSET = r"T.*[+-]\d{2}(:?\d{2})?$"


@dataclass(frozen=True, slots=True)
class Times:
    """Times that were read, and why the others were not.

    Args:
        times: Microseconds UTC; null where there was nothing or nothing readable.
        units: Unit of the times that are numbers, else null.
        unreadable: Indices of values that are not a time between 2000 and 2100.
        zoneless: Indices of times without a zone while none was given.
    """

    times: pl.Series
    units: pl.Series
    unreadable: list[int]
    zoneless: list[int]


def require_zone(zone: str | None) -> None:
    """Raises `UsageError` if `zone` is not in the time zone database."""
    if zone is None:
        return
    try:
        pl.Series([datetime(2026, 1, 1)], dtype=pl.Datetime("us")).dt.replace_time_zone(zone)  # noqa: DTZ001
    except pl.exceptions.PolarsError:
        raise UsageError(
            f'--timezone "{zone}" is not a time zone; examples are UTC and Europe/Berlin'
        ) from None


def read_times(values: Values, zone: str | None) -> Times:
    """Reads times as numbers, text or timestamps, mixed or not.

    Args:
        values: Raw values, shape (n,).
        zone: Zone of times without one; None: such times are not read.

    Returns:
        Times of the same length; an hour that a zone leaves out in spring is unreadable, one that
        it repeats in autumn is the first.
    """
    if isinstance(values, pl.Series) and isinstance(values.dtype, pl.Datetime):
        frame = _from_timestamps(values, zone)
    else:
        frame = _from_text(_as_text(values), zone)
    plausible = pl.col("time").is_between(_moment(_FIRST_S), _moment(_LAST_S))
    frame = frame.with_columns(time=pl.when(plausible).then("time"))
    lost = pl.col("given") & pl.col("time").is_null()
    marks = frame.select(unreadable=lost & ~pl.col("zoneless"), zoneless=lost & pl.col("zoneless"))
    return Times(
        frame["time"], frame["unit"], *(marks[name].arg_true().to_list() for name in marks.columns)
    )


def _moment(seconds: int) -> pl.Expr:
    return pl.lit(seconds * 10**6).cast(TIME)


def _from_timestamps(values: pl.Series, zone: str | None) -> pl.DataFrame:
    zoneless = getattr(values.dtype, "time_zone", None) is None
    raw = pl.col("raw")
    return pl.DataFrame({"raw": values}).select(
        time=_localised(raw.cast(pl.Datetime("us")), zone) if zoneless else raw.cast(TIME),
        unit=pl.lit(None, pl.String),
        given=pl.col("raw").is_not_null(),
        zoneless=pl.lit(zoneless and zone is None),
    )


def _localised(naive: pl.Expr, zone: str | None) -> pl.Expr:
    if zone is None:
        return pl.lit(None, TIME)
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").cast(TIME)


def _as_text(values: Values) -> pl.Series:
    if isinstance(values, pl.Series):
        if values.dtype == pl.String or values.dtype.is_numeric():
            return values.cast(pl.String)
        values = values.to_list()
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, date):  # datetimes are dates
        return value.isoformat()
    return None if value is None else repr(value)


def _from_text(text: pl.Series, zone: str | None) -> pl.DataFrame:
    frame = pl.DataFrame({"text": text}).select(
        text=pl.col("text")
        .str.strip_chars()
        .str.to_uppercase()
        .str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T")
    )
    is_number = pl.col("text").str.contains(_NUMBER)
    has_offset = pl.col("text").str.contains(r"(Z|UTC|GMT)$") | pl.col("text").str.contains(_OFFSET)
    frame = frame.with_columns(
        unit=pl.when(is_number).then(_unit()),
        naive=pl.col("text").str.to_datetime(_DATE_TIME, time_unit="us", strict=False),
    )
    return frame.select(
        time=pl.when(is_number)
        .then(_from_numbers())
        .when(has_offset)
        .then(_with_offset())
        .otherwise(_localised(pl.col("naive"), zone)),
        unit="unit",
        given=pl.col("text").is_not_null(),
        zoneless=pl.col("naive").is_not_null() & pl.lit(zone is None),
    )


def _with_offset() -> pl.Expr:
    text = (
        pl.col("text")
        .str.replace(r" ?(Z|UTC|GMT)$", "+00:00")
        .str.replace(r" ?([+-]\d{2})$", "${1}:00")
    )
    return text.str.to_datetime(_DATE_TIME + "%#z", time_unit="us", time_zone="UTC", strict=False)


def _unit() -> pl.Expr:
    number = pl.col("text").cast(pl.Float64, strict=False)
    unit = pl.lit(None, pl.String)
    for name, per_second in _UNITS.items():
        fits = number.is_between(_FIRST_S * per_second, _LAST_S * per_second)
        unit = pl.when(fits).then(pl.lit(name)).otherwise(unit)
    return unit


def _from_numbers() -> pl.Expr:
    whole = pl.col("text").cast(pl.Int64, strict=False)  # nanoseconds do not fit a double
    part = pl.col("text").cast(pl.Float64, strict=False)
    time = pl.lit(None, pl.Int64)
    for name, per_second in _UNITS.items():
        if per_second <= 10**6:
            us = pl.coalesce(
                whole * (10**6 // per_second),
                (part * (10**6 // per_second)).round().cast(pl.Int64, strict=False),
            )
        else:
            us = pl.coalesce(whole // 1000, (part / 1000).round().cast(pl.Int64, strict=False))
        time = pl.when(pl.col("unit") == name).then(us).otherwise(time)
    return time.cast(TIME)
