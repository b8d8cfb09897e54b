"""Puts a time together from its parts (year, month, ..., offset), a column at a time.

    time = date + clock - offset        with an offset, or a zone's name that is an offset
    time = (date + clock) in a zone     otherwise

A part out of its range makes no time; nothing is carried over, but for the second 60 of a leap
second and the hour 24 of ISO 8601, which are the beginning of the next minute and day.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

TIME = pl.Datetime("us", "UTC")
NAIVE = pl.Datetime("us")

Order: TypeAlias = Literal["day first", "month first"]

_NUMBERS = ("year", "short", "month", "day", "ordinal", "week", "weekday", "first", "then", "hour",
            "minute", "second", "micro")  # fmt: skip
_TEXTS = ("name", "half", "fraction", "offset", "zone", "zulu")
_MONTH_NUMBERS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_HOUR_S = 3_600
_LARGEST_OFFSET_S = 18 * _HOUR_S
_ABBREVIATIONS = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "zulu": 0,
    "edt": -4, "est": -5, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8,
    "wet": 0, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9,
}  # fmt: skip
"""Hours from UTC of names that have one meaning: RFC 5322 section 4.3 without CST, which is China's
as well, and those of Europe, Japan and Korea."""


def localised(naive: pl.Expr, zone: str | None) -> pl.Expr:
    """Returns a time without a zone as one in `zone`; null for None, and for an hour that the zone
    leaves out.
    """
    if zone is None:
        return pl.lit(None, TIME)
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").cast(TIME)


def composed(parts: pl.DataFrame, zone: str | None, order: Order | None) -> pl.DataFrame:
    """Returns the columns `time`, `is_ambiguous` and `is_zoneless` of parts.

    Args:
        parts: The groups of a spelling as text; null or not there: not said.
        zone: Zone of times without one.
        order: What comes first in a date whose text does not say it.
    """
    missing = [name for name in (*_NUMBERS, *_TEXTS) if name not in parts.columns]
    parts = parts.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
    numbers = [pl.col(name).cast(pl.Int64, strict=False) for name in _NUMBERS]
    parts = parts.with_columns(numbers)
    parts = parts.with_columns(naive=_date(order).cast(NAIVE) + _clock())
    parts = parts.with_columns(offset_s=_offset_s(), name_s=_name_s(parts["zone"], zone))
    says_offset = pl.col("offset").is_not_null() | pl.col("zulu").is_not_null()
    says_zone = says_offset | pl.col("zone").is_not_null()
    moved = pl.col("naive") - pl.duration(seconds=pl.coalesce("offset_s", "name_s"))
    time = (
        pl.when(says_offset | pl.col("name_s").is_not_null())
        .then(moved.dt.replace_time_zone("UTC"))
        .when(says_zone)
        .then(_in_named_zones(parts["zone"]))
        .otherwise(localised(pl.col("naive"), zone))
    )
    both = [pl.col(name).is_between(1, 12) for name in ("first", "then")]
    two_readings = pl.all_horizontal(both).fill_null(False) & (pl.col("first") != pl.col("then"))
    return parts.select(
        time=time,
        is_ambiguous=two_readings & pl.lit(order is None),
        is_zoneless=~says_zone & pl.col("naive").is_not_null() & pl.lit(zone is None),
    )


def _date(order: Order | None) -> pl.Expr:
    first, then = ("then", "first") if order == "day first" else ("first", "then")
    month_of_name = (
        pl.col("name")
        .str.to_lowercase()
        .replace_strict(_MONTH_NUMBERS, default=None, return_dtype=pl.Int64)
    )
    century = pl.when(pl.col("short") < 70).then(2000).otherwise(1900)
    year = pl.coalesce("year", pl.col("short") + century)
    month = pl.coalesce("month", month_of_name, first)
    day = pl.coalesce("day", then)
    date = _day_of(year, month, day)
    ordinal = pl.col("ordinal")
    of_year = _day_of(year, pl.lit(1), pl.lit(1)) + pl.duration(days=ordinal - 1)
    of_week = pl.concat_str([year, pl.col("week"), pl.col("weekday")], separator="-")
    return (
        pl.when(pl.col("week").is_not_null())
        .then(of_week.str.to_date("%G-%V-%u", strict=False))
        .when(ordinal.is_null())
        .then(date)
        .when((ordinal >= 1) & (of_year.dt.year() == year))
        .then(of_year)
    )


def _day_of(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    numbers = [one.cast(pl.String) for one in (year, month, day)]
    text = pl.concat_str([numbers[0], *(one.str.zfill(2) for one in numbers[1:])], separator="-")
    return text.str.to_date("%Y-%m-%d", strict=False)


def _clock() -> pl.Expr:
    """Returns the time since midnight; a text without a clock is midnight."""
    half = pl.col("half").str.to_lowercase()
    hour = pl.col("hour").fill_null(0)
    in_half = pl.when(hour.is_between(1, 12)).then(hour % 12)
    hour = pl.when(half == "p").then(in_half + 12).when(half == "a").then(in_half).otherwise(hour)
    minute = pl.col("minute").fill_null(0)
    second = pl.col("second").fill_null(0)
    digits = pl.col("fraction").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64, strict=False)
    micro = pl.coalesce(digits, "micro", pl.lit(0))
    seconds = hour * _HOUR_S + minute * 60 + second
    is_clock = (hour < 24) & (minute < 60) & (second <= 60) & (micro < 10**6)
    is_end_of_day = (seconds == 24 * _HOUR_S) & (hour == 24) & (micro == 0)
    valid = pl.when(is_clock | is_end_of_day).then(seconds * 10**6 + micro)
    return pl.duration(microseconds=valid)


def _offset_s() -> pl.Expr:
    groups = pl.col("offset").str.extract_groups(r"^([+-])(\d{1,2}?):?(\d{2})?$")
    hours = groups.struct.field("2").cast(pl.Int64, strict=False)
    minutes = groups.struct.field("3").cast(pl.Int64, strict=False).fill_null(0)
    size = hours * _HOUR_S + minutes * 60
    sign = pl.when(groups.struct.field("1") == "-").then(-1).otherwise(1)
    valid = pl.when((size <= _LARGEST_OFFSET_S) & (minutes < 60)).then(size * sign)
    return pl.when(pl.col("zulu").is_not_null()).then(0).otherwise(valid)


def _name_s(names: pl.Series, zone: str | None) -> pl.Expr:
    """Returns the offset that a zone's name is, in seconds; null for places, such as
    `Europe/Berlin`.
    """
    known = {name: hours * _HOUR_S for name, hours in _ABBREVIATIONS.items()}
    known |= _names_in(zone)
    found = {name: known.get(name.lower()) for name in names.unique().drop_nulls().to_list()}
    return pl.col("zone").replace_strict(found, default=None, return_dtype=pl.Int64)


@cache
def _names_in(zone: str | None) -> dict[str, int]:
    """Returns what a zone calls its offsets: CST is known where the zone is America/Chicago."""
    try:
        there = ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return {}
    names: dict[str, int] = {}
    for month in range(1, 13):
        moment = datetime(2026, month, 1, tzinfo=there)
        offset = moment.utcoffset() or timedelta()
        names[(moment.tzname() or "").lower()] = int(offset.total_seconds())
    return names


def _in_named_zones(names: pl.Series) -> pl.Expr:
    time = pl.lit(None, TIME)
    for name in names.unique().drop_nulls().to_list():
        place = _places().get(name.lower())
        if place is not None:
            there = localised(pl.col("naive"), place)
            time = pl.when(pl.col("zone") == name).then(there).otherwise(time)
    return time


@cache
def _places() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if "/" in name}
