"""Times as logs write them -> microseconds UTC.

Numbers count from 1970 in seconds, milli-, micro- or nanoseconds, or are ticks of .NET or Windows,
which their magnitude tells apart: for the years 2000 to 2100 the ranges have nothing in common.
Text is read in the
spellings of `spellings`, objects as their writers mean them (`time_values`).

`10/11/2026` says a day and a month in an order that differs between countries. A value with a
number above 12 settles the order for its block, and for the blocks behind it in the same file;
until then such values are ambiguous and are not read, unless the user says the order. AM and PM
settle nothing: India and Australia write them behind the day as well. Before dots comes the day.

A time without a zone is read in the zone that the user named, and is a fault without one. A name
that several zones have (CST, IST) is read if the user's zone has it.
"""

import calendar
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.containers import Values
from gamekeeper.exchange.faults import excerpt
from gamekeeper.exchange.spellings import (
    DATE_SPELLINGS,
    EXCEL,
    ORDERS,
    SPELLINGS,
    UNITS,
    WITHOUT_YEAR,
    Unit,
    time_format,
)
from gamekeeper.exchange.time_parts import NAIVE, TIME, Order, composed, localised
from gamekeeper.exchange.time_values import plain_column, tidied, unwrapped

# 2000-01-01, 2100-01-01
_FIRST_S = 946_684_800
_LAST_S = 4_102_444_800
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+]?\d+)?$"
_ISO = (
    r"^\d{4}-\d\d-\d\d(?<joint>[T ])\d\d:\d\d:\d\d(?:\.\d+)?"
    r"(?:(?<utc>Z| ?UTC)|(?<offset>[+-]\d\d(?::?\d\d)?))?$"
)
_SLASHED = r"(?i)^(?:[a-z]{3,9}\.?,? )?(\d{1,2})[/-](\d{1,2})[/-]\d{4}(?:\D|$)"
_TWO_READINGS = re.compile(
    r"(?i)(?P<first>\d{1,2})(?P<sign>[/-])(?P<then>\d{1,2})[/-]\d{4}"
    r"(?:(?P<joint>[^\d]+)\d{1,2}:\d\d(?P<second>:\d\d)?(?:(?P<mark>[.,:])\d+)?"
    r"(?:(?P<blank> ?)(?P<half>[ap])\.? ?m\.?)?(?:(?P<gap> ?)(?P<offset>[+-]\d))?)?"
)
_EXCEL_START = datetime(1899, 12, 30)  # noqa: DTZ001
_EXCEL_DAYS = 100_000  # 2100 is day 73,051
_DAY_MS = 86_400_000
_ABSENT = ("", "NULL", "NONE", "NAN", "NAT", "NIL", "<NA>", "N/A", "-", "\\N")
_ISO_8601 = "ISO 8601, or a number from 1970 in s, ms, us or ns; 2000 to 2100"
_DATE_FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d. %m. %Y", "%Y. %m. %d."),
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y"),
    *("%d. %b %Y", "%b %d, %Y", "%b %d %Y", "%Y-%b-%d", "%Y %b %d", "%d-%b-%y", "%G-W%V-%u"),
    *("%a, %d %b %Y", "%A, %d %b %Y", "%A, %b %d, %Y", "%a %b %d %Y", "%GW%V%u"),
)
_UNKNOWN_ZONE = "--timezone ZONE, that of the writer, in which the zone's name has one meaning"
_FEWEST_DIGITS = 4  # of what may be a time: a day, a month and an hour

# why a value is not a time
_UNREADABLE = "unreadable"
_ZONELESS = "zoneless"
_AMBIGUOUS = "ambiguous"
_DATE = "date"
_YEARLESS = "yearless"

_NO_TIME = pl.lit(None, TIME)
_NO_TEXT = pl.lit(None, pl.String)
_Step: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeProblem:
    """Values of a field that are not read as times, and why.

    Args:
        problem: What is wrong, to be put behind the field's name.
        rows: Indices of the values, in order.
        expected: What should be there.
        try_: The remedy.
    """

    problem: str
    rows: list[int]
    expected: str
    try_: str


@dataclass(frozen=True, slots=True)
class Times:
    """Times that were read, and why the others were not.

    Args:
        times: Microseconds UTC; null where there was nothing or nothing readable.
        problems: What was there and is not a time. Only those whose unit changes have a time.
    """

    times: pl.Series
    problems: tuple[TimeProblem, ...] = ()


def require_zone(zone: str | None) -> None:
    """Raises `UsageError` if `zone` is not in the time zone database."""
    if zone is None:
        return
    try:
        pl.Series([datetime(2026, 1, 1)], dtype=NAIVE).dt.replace_time_zone(zone)  # noqa: DTZ001
    except pl.exceptions.PolarsError:
        raise UsageError(
            f'--timezone "{zone}" is not a time zone; examples are UTC and Europe/Berlin'
        ) from None


def require_time_format(text: str | None) -> None:
    """Raises `UsageError` if `text` does not say how times are written."""
    if text is not None:
        time_format(text)


def read_times(values: Values, zone: str | None, format: str | None = None) -> Times:
    """Reads the times of a field whose values are all there; see `TimeReader`."""
    return TimeReader(zone, format).read(values)


class TimeReader:
    """Reads the times of one field of one file, block by block.

    What a block settles (the order of day and month, the unit of numbers) holds for those behind
    it.

    Args:
        zone: Zone of times without one; None: such times are not read. An hour that it leaves out
            in spring is unreadable, one that it repeats in autumn is the first.
        format: Directives of `strftime`, or one of `spellings.WORDS`; None: recognise each value.
        dates: Whether a date without a time of day is read, as its midnight.

    Raises:
        UsageError: `format` does not say how times are written.

    Example:
        >>> read = TimeReader(None).read(["05/Oct/2026:06:41:27 +0000"])
        >>> read.times[0].isoformat()
        '2026-10-05T06:41:27+00:00'
    """

    def __init__(self, zone: str | None, format: str | None = None, *, dates: bool = False) -> None:
        self.zone = zone
        self.dates = dates
        named = None if format is None else time_format(format)
        self._order: Order | None = None if named is None else named.order
        self.format = named if named is None or named.order is None else None
        self._unit: str | None = None
        self._has_fit = False

    def read(self, values: Values) -> Times:
        """Reads times as numbers, text, objects or timestamps, mixed or not.

        Args:
            values: Raw values, shape (n,).

        Returns:
            Times of the same length.

        Raises:
            UsageError: The user's format reads none of the first values.
        """
        if isinstance(values, pl.Series) and isinstance(values.dtype, pl.Datetime):
            read = self._from_timestamps(values)
        else:
            read = self._from_column(plain_column(values))
        read = _plausible(read)
        self._require_fit(read, values)
        return Times(read["time"], tuple(self._problems(read, values)))

    def _from_timestamps(self, values: pl.Series) -> pl.DataFrame:
        is_zoneless = getattr(values.dtype, "time_zone", None) is None
        raw = pl.col("raw")
        time = localised(raw.cast(NAIVE), self.zone) if is_zoneless else raw.cast(TIME)
        lacks_zone = raw.is_not_null() & pl.lit(is_zoneless and self.zone is None)
        return pl.DataFrame({"raw": values}).select(
            time=time,
            unit=_NO_TEXT,
            flaw=pl.when(lacks_zone).then(pl.lit(_ZONELESS)),
            given=raw.is_not_null(),
        )

    def _from_column(self, column: pl.Series) -> pl.DataFrame:
        """Returns time, unit, flaw and given; each step reads what those before it left."""
        left = (
            pl.DataFrame({"raw": column}).with_row_index("row").filter(pl.col("raw").is_not_null())
        )
        done: list[pl.DataFrame] = []
        for step in self._steps(column.dtype):
            left = _take(step, left, done)
        absent = left["raw"].cast(pl.String).str.strip_chars().str.to_uppercase().is_in(_ABSENT)
        done.append(_result(left.filter(~absent), flaw=pl.lit(_UNREADABLE)))
        done = [frame for frame in done if frame.height] or done[:1]
        read = pl.concat(done).with_columns(given=pl.lit(True))
        if read.height == len(column):
            return read if read["row"].is_sorted() else read.sort("row")
        rows = pl.DataFrame({"row": pl.int_range(len(column), dtype=pl.UInt32, eager=True)})
        whole = rows.join(read, on="row", how="left", maintain_order="left")
        return whole.with_columns(pl.col("given").fill_null(False))

    def _steps(self, kind: pl.DataType) -> tuple[_Step, ...]:
        numbers: _Step = self._numbers if kind.is_numeric() else self._number_texts
        form = self.format
        if form is not None:
            return (self._formatted,) if form.unit is None else (numbers,)
        first: _Step = self._numbers if kind.is_numeric() else self._iso
        rest = (_unwrap, self._number_texts, self._spelled, self._dates, _yearless)
        return (first, *rest)

    def _numbers(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads a column of numbers."""
        raw = pl.col("raw")
        is_whole = left.schema["raw"].is_integer()
        whole = raw.cast(pl.Int64, strict=False) if is_whole else pl.lit(None, pl.Int64)
        return self._counted(left.with_columns(whole=whole, part=raw.cast(pl.Float64)))

    def _number_texts(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads texts that are numbers."""
        raw = pl.col("raw").str.strip_chars("\"' ")
        number = pl.when(raw.str.contains(_NUMBER)).then(raw)
        # nanoseconds do not fit a double
        whole = number.str.extract(r"^\+?(\d+)(?:\.0*)?$").cast(pl.Int64, strict=False)
        part = number.cast(pl.Float64, strict=False)
        return self._counted(left.with_columns(whole=whole, part=part))

    def _counted(self, numbers: pl.DataFrame) -> pl.DataFrame:
        """Reads the numbers `part`, and `whole`, which is exact where it is not null."""
        form = self.format
        if form is not None and form.unit == EXCEL:
            return self._excel(numbers)
        name = _NO_TEXT
        time = _NO_TIME
        flaw = _NO_TEXT
        for known in UNITS if form is None else (form.unit or "",):
            unit = UNITS[known]
            moment = _microseconds(unit)
            fits = pl.col("part").is_between(*_range(unit))
            name = pl.when(fits).then(pl.lit(known)).otherwise(name)
            if unit.is_local:
                naive = moment.cast(NAIVE)
                flaw = pl.when(fits).then(self._zoneless(naive))
                time = pl.when(fits).then(localised(naive, self.zone)).otherwise(time)
            else:
                time = pl.when(fits).then(moment.cast(TIME)).otherwise(time)
        return _result(numbers, time=time, unit=name, flaw=flaw)

    def _excel(self, numbers: pl.DataFrame) -> pl.DataFrame:
        days = pl.col("part")
        in_range = pl.when(days.is_between(0, _EXCEL_DAYS)).then((days * _DAY_MS).round())
        naive = pl.lit(_EXCEL_START, NAIVE) + pl.duration(milliseconds=in_range)
        return _result(numbers, time=localised(naive, self.zone), flaw=self._zoneless(naive))

    def _iso(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads what is spelled as the first value, if that is ISO 8601 in full: the fast path."""
        first = left["raw"].head(1).str.extract_groups(_ISO).to_list()
        if not first or not first[0]["joint"]:
            return _result(left)
        end = "%#z" if first[0]["offset"] else first[0]["utc"] or ""
        time = pl.col("raw").str.to_datetime(
            f"%Y-%m-%d{first[0]['joint']}%H:%M:%S%.f{end}",
            time_unit="us",
            time_zone="UTC" if first[0]["offset"] else None,
            strict=False,
        )
        if first[0]["offset"]:
            return _result(left, time=time)
        if first[0]["utc"]:
            return _result(left, time=time.dt.replace_time_zone("UTC"))
        left = left.select("row", naive=time)
        naive = pl.col("naive")
        return _result(left, time=localised(naive, self.zone), flaw=self._zoneless(naive))

    def _zoneless(self, naive: pl.Expr) -> pl.Expr:
        lacks_zone = naive.is_not_null() & pl.lit(self.zone is None)
        return pl.when(lacks_zone).then(pl.lit(_ZONELESS))

    def _formatted(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads what is written in the user's format."""
        assert self.format is not None and self.format.pattern is not None
        if left.schema["raw"] != pl.String:
            left = left.with_columns(pl.col("raw").cast(pl.String))
        patterns = (self.format.pattern,)
        done: list[pl.DataFrame] = []
        for opened in (tidied, unwrapped):  # brackets may be in the format
            step = partial(self._matched_in, opened, patterns)
            left = _take(step, left, done)
        return pl.concat(done)

    def _matched_in(
        self,
        opened: Callable[[pl.Series], pl.Series],
        patterns: Iterable[str],
        left: pl.DataFrame,
    ) -> pl.DataFrame:
        return self._matched(left.with_columns(opened(left["raw"])), patterns)

    def _spelled(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads what is in any of the spellings."""
        self._settle_order(left["raw"])
        return self._matched(left, SPELLINGS)

    def _settle_order(self, texts: pl.Series) -> None:
        if self._order is not None:
            return
        pairs = texts.str.extract_groups(_SLASHED).struct.unnest()
        largest = pairs.select(pl.all().cast(pl.Int64, strict=False).max().fill_null(0)).row(0)
        if (largest[0] > 12) != (largest[1] > 12):
            self._order = "day first" if largest[0] > 12 else "month first"

    def _dates(self, left: pl.DataFrame) -> pl.DataFrame:
        """Reads dates without a time of day."""
        read = self._matched(left, DATE_SPELLINGS)
        if self.dates:
            return read
        return _result(read, flaw=pl.lit(_DATE))

    def _matched(self, left: pl.DataFrame, patterns: Iterable[str]) -> pl.DataFrame:
        """Reads what matches one of the patterns, those that match the first value first."""
        done: list[pl.DataFrame] = []
        for pattern in _by_first(left["raw"], patterns):
            left = _take(partial(self._in_pattern, pattern), left, done)
        return pl.concat(done) if done else _result(left.clear())

    def _in_pattern(self, pattern: str, left: pl.DataFrame) -> pl.DataFrame:
        matches = left.filter(pl.col("raw").str.contains(pattern))
        if matches.is_empty():
            return _result(matches)
        parts = matches["raw"].str.extract_groups(pattern).struct.unnest()
        matched = matches.select("row").hstack(parts)
        times = composed(matched.drop("row"), self.zone, self._order)
        flaw = (
            pl.when("is_ambiguous")
            .then(pl.lit(_AMBIGUOUS))
            .when("is_zoneless")
            .then(pl.lit(_ZONELESS))
            .when(pl.col("time").is_null())
            .then(pl.lit(_UNREADABLE))
        )
        return _result(matched.select("row").hstack(times), time=pl.col("time"), flaw=flaw)

    def _require_fit(self, read: pl.DataFrame, values: Values) -> None:
        """Raises `UsageError` if the user's format reads none of the first values."""
        if self.format is None or self._has_fit or not read["given"].any():
            return
        bad = read["given"] & (read["flaw"] == _UNREADABLE)
        if int(bad.sum()) < int(read["given"].sum()):
            self._has_fit = True
            return
        example = excerpt(values[int(bad.arg_true()[0])])
        raise UsageError(
            f'--time-format "{self.format.text}" does not read "{example}"; leave it out, or'
            " describe this value: %Y-%m-%d %H:%M:%S is 2026-11-02 09:14:03"
        )

    def _problems(self, read: pl.DataFrame, values: Values) -> Iterator[TimeProblem]:
        rows = {
            flaw: (read["flaw"] == flaw).fill_null(False).arg_true().to_list()
            for flaw in read["flaw"].unique().drop_nulls().to_list()
        }
        if _UNREADABLE in rows:
            yield self._unreadable(rows[_UNREADABLE], values)
        if _ZONELESS in rows:
            yield TimeProblem(
                problem="has no time zone",
                rows=rows[_ZONELESS],
                expected="an offset: 2026-11-02T12:00:00Z",
                try_="--timezone UTC, or --timezone Europe/Berlin: the zone of the writer",
            )
        if _AMBIGUOUS in rows:
            yield _ambiguous(rows[_AMBIGUOUS], values, self.zone)
        if _DATE in rows:
            offered = _offers(values[rows[_DATE][0]], _DATE_FORMATS, self.zone)
            as_midnight = f"; or {offered}, which reads it as midnight" if offered else ""
            yield TimeProblem(
                problem="is a date without a time of day",
                rows=rows[_DATE],
                expected="when the query was asked, to the second",
                try_=f"--time-field FIELD{as_midnight}",
            )
        if _YEARLESS in rows:
            yield TimeProblem(
                problem="has no year",
                rows=rows[_YEARLESS],
                expected="2026-11-02T09:14:03Z, as RFC 5424 has it",
                try_="--time-field FIELD, or let the log's writer add the year",
            )
        yield from self._other_units(read["unit"])

    def _unreadable(self, rows: list[int], values: Values) -> TimeProblem:
        if self.format is not None:
            expected = f'times as --time-format "{self.format.text}" describes them; 2000 to 2100'
            return TimeProblem(
                problem="is not in the time format that was given",
                rows=rows,
                expected=expected,
                try_="leave --time-format out, if the file has times of several forms",
            )
        return TimeProblem(
            problem="cannot be read as a time",
            rows=rows,
            expected=_ISO_8601,
            try_=_remedy(values[rows[0]], self.zone),
        )

    def _other_units(self, units: pl.Series) -> Iterator[TimeProblem]:
        known = units.drop_nulls()
        if self._unit is None and not known.is_empty():
            self._unit = known[0]
        rows = (units != self._unit).fill_null(False).arg_true().to_list() if len(known) else []
        if rows:
            yield TimeProblem(
                problem="changes its unit within the file",
                rows=rows,
                expected=f"{self._unit}, as before in this file",
                try_="split the log where its unit changes",
            )


def _plausible(read: pl.DataFrame) -> pl.DataFrame:
    """Makes times before 2000 and after 2100, and those that are missing, unreadable."""
    is_plausible = pl.col("time").is_between(_moment(_FIRST_S), _moment(_LAST_S)).fill_null(False)
    lost = pl.col("given") & ~is_plausible & pl.col("flaw").is_null()
    return read.with_columns(
        flaw=pl.when(lost).then(pl.lit(_UNREADABLE)).otherwise("flaw"),
        time=pl.when(is_plausible & pl.col("flaw").is_null()).then("time"),
    )


def _moment(seconds: int) -> pl.Expr:
    return pl.lit(seconds * 10**6).cast(TIME)


def _range(unit: Unit) -> tuple[int, int]:
    """Returns the numbers of the years 2000 to 2100."""
    first, last = ((second - unit.start_s) * unit.per_second for second in (_FIRST_S, _LAST_S))
    return first, last


def _microseconds(unit: Unit) -> pl.Expr:
    """Returns microseconds from 1970."""
    whole = pl.col("whole")
    part = pl.col("part")
    if unit.per_second <= 10**6:
        factor = 10**6 // unit.per_second
        return pl.coalesce(whole * factor, (part * factor).round().cast(pl.Int64, strict=False))
    divisor = unit.per_second // 10**6
    counted = pl.coalesce(whole // divisor, (part / divisor).round().cast(pl.Int64, strict=False))
    return counted + unit.start_s * 10**6


def _result(
    frame: pl.DataFrame,
    time: pl.Expr = _NO_TIME,
    unit: pl.Expr = _NO_TEXT,
    flaw: pl.Expr = _NO_TEXT,
) -> pl.DataFrame:
    """Returns what a step has read; rows with neither a time nor a flaw are left to the next."""
    return frame.select("row", time=time, unit=unit, flaw=flaw)


def _take(step: _Step, left: pl.DataFrame, done: list[pl.DataFrame]) -> pl.DataFrame:
    """Returns the rows that a step leaves to the next, and adds what it has read to `done`."""
    if left.is_empty():
        return left
    read = step(left)
    if read.columns == left.columns:  # the step only prepares the next
        return read
    is_read = read["time"].is_not_null() | read["flaw"].is_not_null()
    if not is_read.all():
        read = read.filter(is_read)
    done.append(read)
    if read.height == left.height:
        return left.clear()
    return left.join(read, on="row", how="anti", maintain_order="left")


def _unwrap(left: pl.DataFrame) -> pl.DataFrame:
    return left.with_columns(unwrapped(left["raw"].cast(pl.String)))


def _yearless(left: pl.DataFrame) -> pl.DataFrame:
    lacks_year = pl.col("raw").str.contains(WITHOUT_YEAR)
    return _result(left, flaw=pl.when(lacks_year).then(pl.lit(_YEARLESS)))


def _by_first(texts: pl.Series, patterns: Iterable[str]) -> list[str]:
    first = texts.head(1)
    return sorted(patterns, key=lambda pattern: not first.str.contains(pattern).any())


def _remedy(value: Any, zone: str | None) -> str:
    text = excerpt(value)
    if re.match(_NUMBER, text) is not None:
        offered = _offers(value, (EXCEL,), zone)
        as_days = f", or {offered} for the days of a spreadsheet" if offered else ""
        return f"--time-field FIELD{as_days}"
    if sum(map(str.isdigit, text)) < _FEWEST_DIGITS:
        return "--time-field FIELD"
    return (
        "--time-field FIELD, or --time-format with the directives of strftime that describe it:"
        " %Y-%m-%d %H:%M:%S is 2026-11-02 09:14:03"
    )


def _offers(value: Any, formats: Iterable[str], zone: str | None) -> str:
    """Returns the formats that read a value, as they are given."""
    found = [form for form in formats if _is_read(value, form, zone or "UTC")]
    return " or ".join(f'--time-format "{form}"' for form in found)


def _is_read(value: Any, format: str, zone: str) -> bool:
    try:
        return read_times([value], zone, format).times[0] is not None
    except UsageError:
        return False


def _ambiguous(rows: list[int], values: Values, zone: str | None) -> TimeProblem:
    value = values[rows[0]]
    found = _TWO_READINGS.search(unwrapped(plain_column([value]))[0])
    assert found is not None  # what is ambiguous was matched by its spelling
    first = int(found["first"])
    then = int(found["then"])
    clock = _clock_format(found)
    dates = [found["sign"].join((*order, "%Y")) for order in (("%d", "%m"), ("%m", "%d"))]
    offered = _offers(value, [f"{date}{clock}" for date in dates], zone)
    return TimeProblem(
        problem="can be read as two dates",
        rows=rows,
        expected=f"{_named(first, then)} if the day comes first, {_named(then, first)} if the month"
        " does; no number above 12 settles it",
        try_=offered or _offers(value, ORDERS, zone) or _UNKNOWN_ZONE,
    )


def _named(day: int, month: int) -> str:
    return f"{day} {calendar.month_name[month]}"


def _clock_format(found: re.Match[str]) -> str:
    """Returns the directives of the clock in `10/11/2026, 9:14:03.000 AM`."""
    hour = "%I" if found["half"] else "%H"
    parts = [found["joint"] or " ", hour, ":%M"]
    if found["second"]:
        parts.append(":%S")
    if found["mark"]:
        parts.append(f"{found['mark']}%f")
    if found["half"]:
        parts.append(f"{found['blank']}%p")
    if found["offset"]:
        parts.append(f"{found['gap']}%z")
    return "".join(parts)
