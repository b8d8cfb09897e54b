"""Times in the spellings of the software that writes logs."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import cycle, pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.faults import excerpt
from gamekeeper.exchange.spellings import UNITS
from gamekeeper.exchange.times import TimeProblem, TimeReader, read_times

AT = datetime(2031, 5, 14, 16, 7, 9, tzinfo=UTC)
SECONDS = 1_936_541_229

CLEAR = {
    "basic": "20310514T160709Z",
    "comma": "2031-05-14T16:07:09,000Z",
    "lower case": "2031-05-14t16:07:09z",
    "twelve digits": "2031-05-14T16:07:09.000000000999Z",
    "blank before offset": "2031-05-14 18:07:09 +0200",
    "hour offset": "2031-05-14 16:07:09.00+00",
    "named UTC": "2031-05-14 16:07:09 UTC",
    "place in brackets": "2031-05-14T18:07:09+02:00[Europe/Berlin]",
    "place alone": "2031-05-14 18:07:09.000 Europe/Berlin",
    "ordinal": "2031-134T16:07:09Z",
    "week": "2031-W20-3T16:07:09Z",
    "basic week": "2031W203T160709Z",
    "halves in Spanish": "14/05/2031 04:07:09\u00a0p.\u00a0m. +00",
    "years in Chinese": "2031年5月14日 16:07:09 UTC",
    "Japanese": "2031年5月14日(水) 午後4時7分9秒 UTC",
    "Korean": "2031. 5. 14. 오후 4:07:09 +00:00",
    "Korean in words": "2031년 5월 14일 수요일 오후 4시 7분 9초 UTC",
    "Taiwan": "2031/5/14 下午4:07:09 UTC",
    "Greek": "14/5/2031, 4:07:09 μ.μ. UTC",
    "Windows": 135_810_148_290_000_000,
    "Windows as text": "135810148290000000",
    "loguru": {"repr": "2031-05-14 16:07:09.000+00:00", "timestamp": 1936541229.0},
    "mail": "Wed, 14 May 2031 12:07:09 -0400",
    "http": "Wed, 14 May 2031 16:07:09 GMT",
    "old http": "Wednesday, 14-May-31 16:07:09 GMT",
    "web server": "[14/May/2031:16:07:09 +0000]",
    "syslog": "2031 May 14 16:07:09 UTC",
    "ctime": "Wed May 14 16:07:09 UTC 2031",
    "java": "Wed May 14 18:07:09 CEST 2031",
    "javascript": "Wed May 14 2031 18:07:09 GMT+0200 (Central European Summer Time)",
    "go": "2031-05-14 16:07:09.000000001 +0000 UTC m=+7.512345678",
    ".net": "/Date(1936541229000)/",
    ".net offset": "\\/Date(1936541229000+0200)\\/",
    "kibana": "May 14, 2031 @ 16:07:09.000 UTC",
    "half day": "May 14, 2031, 4:07:09\u202fPM UTC",
    "named half": "May 14, 2031 at 4:07:09 p.m. UTC",
    "settled slashes": "5/14/2031, 4:07:09.000 PM +00:00",
    "dots": "14.05.2031 16:07:09 UTC",
    "oracle": "14-MAY-31 04.07.09.000000 PM +00:00",
    "quoted": '"2031-05-14T16:07:09Z"',
    "python": "datetime.datetime(2031, 5, 14, 16, 7, 9, tzinfo=datetime.timezone.utc)",
    "pandas": "Timestamp('2031-05-14 16:07:09+0000', tz='UTC')",
    "json text": '{"$date": "2031-05-14T16:07:09Z"}',
    "mongodb": {"$date": "2031-05-14T16:07:09Z"},
    "mongodb long": {"$date": {"$numberLong": "1936541229000"}},
    "protobuf": {"seconds": SECONDS, "nanos": 17},
    "protobuf text": "seconds:1936541229 nanos:17",
    "firestore": {"_seconds": SECONDS, "_nanoseconds": 0},
    "dynamodb": {"N": str(SECONDS)},
    "php": {
        "date": "2031-05-14 18:07:09.000000",
        "timezone_type": 3,
        "timezone": "Europe/Berlin",
    },
    "seconds": SECONDS,
    "milliseconds as text": "1936541229000",
    "microseconds": SECONDS * 10**6,
    "nanoseconds": SECONDS * 10**9,
    "scientific": "1.936541229E9",
    "decimal": Decimal("1936541229.000000"),
    "aware": datetime(2031, 5, 14, 18, 7, 9, tzinfo=timezone(timedelta(hours=2))),
}
LOCAL = {
    "logging": "2031-05-14 16:07:09,000",
    "slashes": "2031/05/14 16:07:09",
    "ctime": "Wed May 14 16:07:09 2031",
    "digits": 20310514160709,
    "ticks of .NET": 640_721_380_290_000_000,
    "milliseconds": "20310514160709000",
    "db2": "2031-05-14-16.07.09.000000",
    "java list": [2031, 5, 14, 16, 7, 9],
    "naive": datetime(2031, 5, 14, 16, 7, 9),  # noqa: DTZ001
    "python": "datetime.datetime(2031, 5, 14, 16, 7, 9)",
    "dots": "14.5.2031 16.07.09",
}
REFUSED = {
    "no time": ("yesterday", "cannot be read as a time", "--time-field"),
    "month 13": ("2031-13-14T16:07:09Z", "cannot be read as a time", "--time-format"),
    "hour 13 PM": ("May 14, 2031 13:07 PM", "cannot be read as a time", "--time-format"),
    "unknown zone": ("2031-05-14 16:07:09 IST", "cannot be read as a time", "--time-format"),
    "offset of 40 hours": ("2031-05-14T16:07:09+40:00", "cannot be read as a time", ""),
    "negative": (-SECONDS, "cannot be read as a time", "--time-f"),
    "year 1999": ("1999-05-14T16:07:09Z", "cannot be read as a time", ""),
    "truth": (True, "cannot be read as a time", ""),
    "infinite": (float("inf"), "cannot be read as a time", ""),
    "huge": (10**40, "cannot be read as a time", ""),
    "object": ({"a": {"b": []}}, "cannot be read as a time", ""),
    "half a pair": ("\ud83d", "cannot be read as a time", ""),
    "date": ("2031-05-14", "is a date without a time of day", '--time-format "%Y-%m-%d"'),
    "old syslog": ("<34>May 14 16:07:09 host", "has no year", "--time-field"),
    "left out hour": ("2031-03-30 02:30:00", "cannot be read as a time", ""),
}


def one(value: Any, zone: str | None = None, format: str | None = None) -> Any:
    """The time of one value; it has no problem."""
    read = read_times([value], zone, format)
    assert read.problems == ()
    return read.times[0]


def problem(values: Sequence[Any], zone: str | None = None) -> TimeProblem:
    """The only problem of values."""
    (found,) = read_times(list(values), zone).problems
    return found


@pytest.mark.parametrize("name", CLEAR)
def test_clear_time_is_read_by_itself(name: str) -> None:
    """A spelling that says one moment needs no option."""
    assert one(CLEAR[name]).replace(microsecond=0) == AT


@pytest.mark.parametrize("name", LOCAL)
def test_time_without_a_zone_needs_one(name: str) -> None:
    """It is a fault by itself, and read with the zone that the user names."""
    assert problem([LOCAL[name]]).problem == "has no time zone"
    assert one(LOCAL[name], "America/New_York") == AT + timedelta(hours=4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_time_is_refused_with_a_remedy(name: str) -> None:
    """The message says what is wrong and which option helps."""
    value, why, try_ = REFUSED[name]
    found = problem(["2031-05-14T16:07:09Z", value], "Europe/Berlin")
    assert (found.problem, found.rows) == (why, [1])
    assert try_ in found.try_ and found.expected


@pytest.mark.parametrize(
    "value", ["", " ", "NULL", "None", "nan", "NaT", "\\N", None, float("nan")]
)
def test_word_for_nothing_is_absent(value: Any) -> None:
    """It is missing, not invalid."""
    read = read_times([value, "2031-05-14T16:07:09Z"], None)
    assert read.times.to_list() == [None, AT] and not read.problems


def test_ambiguous_date_is_refused_with_both_readings() -> None:
    """Day and month could be either way round; the remedy is the format, as this log has it."""
    found = problem(["05/06/2031, 4:07:09.5 PM", "07/08/2031, 9:00:00.5 AM"], "UTC")
    assert found.rows == [0, 1]
    assert "5 June" in found.expected and "6 May" in found.expected
    assert '--time-format "%d/%m/%Y, %I:%M:%S.%f %p"' in found.try_
    assert one("05/06/2031, 4:07:09.5 PM", "UTC", "%d/%m/%Y, %I:%M:%S.%f %p").month == 6


def test_one_number_above_twelve_settles_the_order() -> None:
    """It does for its block, in whichever place it is."""
    months = read_times(["05/06/2031 10:00", "05/31/2031 10:00"], "UTC").times.dt.month()
    assert months.to_list() == [5, 5]
    months = read_times(["05/06/2031 10:00", "31/06/2031 10:00", "31/05/2031 10:00"], "UTC")
    assert months.times.dt.month().to_list() == [6, None, 5]


def test_settled_order_holds_for_later_blocks_and_never_for_earlier_ones() -> None:
    """A block is not read by a guess that a later one may belie."""
    reader = TimeReader("UTC")
    assert reader.read(["05/06/2031 10:00"]).problems[0].problem == "can be read as two dates"
    assert reader.read(["31/05/2031 10:00"]).times.dt.month().to_list() == [5]
    assert reader.read(["05/06/2031 10:00"]).times.dt.month().to_list() == [6]
    contradicting = reader.read(["05/31/2031 10:00"])
    assert contradicting.problems[0].rows == [0]


def test_file_that_contradicts_itself_is_not_read() -> None:
    """Both orders in one block settle nothing; a day that equals its month needs no order."""
    read = read_times(
        ["05/31/2031 1:00", "31/05/2031 1:00", "06/07/2031 1:00", "8/8/2031 1:00"], "UTC"
    )
    assert read.times[2] is None and read.times[1] is None
    assert read.times[3] == datetime(2031, 8, 8, 1, tzinfo=UTC)


def test_name_of_a_zone_with_several_meanings_is_read_in_the_users_zone() -> None:
    """CST is China's as well as Chicago's."""
    text = "Wed Jan 15 10:07:09 CST 2031"
    assert one(text, "America/Chicago").hour == 16
    assert one(text, "Asia/Shanghai").hour == 2
    assert problem([text], "UTC").problem == "cannot be read as a time"


FORMATS = {
    "%d/%m/%Y %H:%M:%S": "14/05/2031 16:07:09",
    "%m-%d-%y %I:%M:%S %p": "05-14-31 04:07:09 PM",
    "%Y%m%d%H%M%S%f": "20310514160709000000",
    "%A, %d. %B %Y %T.%3f": "Wednesday, 14. May 2031 16:07:09.000",
    "%Y-%jT%T%z": "2031-134T18:07:09+0200",
    "%s": "1936541229",
    "milliseconds": 1936541229000,
    "excel": 47982.671631944444,
    "ticks": "640721380290000000",
    "filetime": 135_810_148_290_000_000,
    "%G-W%V-%u %H:%M:%S": "[2031-W20-3 16:07:09]",
    "[%Y-%m-%d %H:%M:%S]": "[2031-05-14 16:07:09]",
    "month-first": "05/14/2031 4:07:09 PM",
}


@pytest.mark.parametrize("format", FORMATS)
def test_named_format_is_read(format: str) -> None:
    """Directives of strftime, and words for numbers."""
    assert one(FORMATS[format], "UTC", format) == AT


@pytest.mark.parametrize("format", ["%d/%m", "%Y", "%Y-%m-%d %Y", "%Y-%m-%d %q", "%Y-%m-%d %", ""])
def test_format_that_says_no_time_is_a_usage_error(format: str) -> None:
    """Before a file is opened."""
    with pytest.raises(UsageError, match="--time-format"):
        TimeReader("UTC", format)


def test_format_that_fits_nothing_is_a_usage_error_with_an_example() -> None:
    """If it fits some values, the others are faults."""
    with pytest.raises(UsageError, match=r"14\.05\.2031 16:07"):
        read_times(["14.05.2031 16:07"], "UTC", "%d/%m/%Y %H:%M")
    reader = TimeReader("UTC", "%d/%m/%Y %H:%M")
    assert reader.read(["14/05/2031 16:07", "x"]).problems[0].rows == [1]
    assert reader.read(["x"]).problems[0].rows == [0]


def test_date_is_midnight_where_dates_are_asked_for() -> None:
    """The day on which an account was made is one."""
    reader = TimeReader("UTC", dates=True)
    midnight = datetime(2031, 5, 14, tzinfo=UTC)
    assert reader.read(pl.Series([date(2031, 5, 14)])).times.to_list() == [midnight]
    assert reader.read(["14.05.2031", "2031-05-14"]).times.to_list() == [midnight] * 2


def test_unit_that_changes_is_a_problem_in_later_blocks_too() -> None:
    """Two writers share the file."""
    reader = TimeReader(None)
    assert not reader.read([SECONDS]).problems
    assert reader.read([SECONDS, SECONDS * 1000]).problems[0].rows == [1]


def test_repeated_hour_is_the_first() -> None:
    """In autumn an hour comes twice."""
    assert one("2031-10-26 02:30:00", "Europe/Berlin").hour == 0


SPELLINGS = (
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y%m%dT%H%M%S,%f+0000",
    "%d/%b/%Y:%H:%M:%S.%f +0000",
    "%a, %d %b %Y %H:%M:%S.%f GMT",
    "%b %d, %Y @ %I:%M:%S.%f %p UTC",
    "%d.%m.%Y %H:%M:%S,%f UTC",
    "%a %b %d %H:%M:%S.%f UTC %Y",
    "%Y/%m/%d %H.%M.%S.%f +00",
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(TIMES, st.sampled_from(SPELLINGS)), min_size=8, max_size=60))
def test_written_times_come_back_whatever_they_are_mixed_with(
    written: list[tuple[datetime, str]],
) -> None:
    """Each value is read by itself: a column reads as its values do one by one."""
    texts = [at.strftime(spelling) for at, spelling in written]
    assert read_times(texts, None).times.to_list() == [at for at, _ in written]
    assert one(texts[-1]) == written[-1][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$date", "seconds", "nanos", "t", "a"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def test_value_that_cannot_be_printed_is_a_fault_all_the_same() -> None:
    """A number of 5,000 digits, an object of 3,000 levels."""
    deep: dict[str, Any] = {}
    for _ in range(3_000):
        deep = {"$date": deep}
    for value in (10**5_000, deep, "[" * 5_000):
        assert problem([value, "x"]).rows == [0, 1]
        assert len(excerpt(value)) <= 80


@settings(max_examples=20, deadline=None)
@given(st.lists(JSON, max_size=20), st.sampled_from([None, "%d/%m/%Y", "seconds"]))
def test_any_value_is_a_time_or_a_problem_or_absent(values: list[Any], format: str | None) -> None:
    """Nothing raises but a format that fits nothing."""
    try:
        read = TimeReader("UTC", format).read(values)
    except UsageError:
        return
    faulty = {row for one_problem in read.problems for row in one_problem.rows}
    assert len(read.times) == len(values)
    assert all(read.times[row] is None for row in faulty)


CLOCKS = (
    *(
        " 09:14:03",
        ", 9:14",
        "T09:14:03.5",
        " @ 09:14:03,250",
        " 09.14.03",
        ":09:14:03",
        " at 9:14",
    ),
    *(
        " 09:14:03 a. m.",
        " 9:14:03 a.m.",
        " 9:14:03\u202fAM",
        "\u00a09:14:03 a.\u00a0m.",
        ", 9:14am",
    ),
    *(" 上午9:14:03", " 09:14:03 π.μ.", " klo 09.14", " 09:14:03 UTC", " 09:14:03 +0100"),
    *(" 09:14:03 AM GMT+1", " 09:14:03 CET", " 09:14:03 [Europe/Berlin]", " 09:14:03+01:00 (CET)"),
)
AROUND = ("{}", "[{}]", '"{}"', "Mon, {}", "\u200e{}")


SLASHED = [
    around.format(date_text + clock)
    for clock, around, date_text in zip(
        CLOCKS, cycle(AROUND), cycle(("02/11/2026", "2-11-2026")), strict=False
    )
]


@pytest.mark.parametrize("text", SLASHED)
def test_every_format_that_is_offered_for_two_readings_reads_the_value(text: str) -> None:
    """As a day of November and as one of February."""
    found = problem([text], "UTC")
    assert found.problem == "can be read as two dates"
    offered = re.findall(r'--time-format "([^"]+)"', found.try_)
    assert [one(text, "UTC", form).month for form in offered] == [11, 2]


DATES = (
    *(
        "2026-11-02",
        "2026/11/2",
        "2026.11.02",
        "20261102",
        "2.11.2026",
        "2. 11. 2026",
        "02/11/2026",
    ),
    *(
        "13-11-2026",
        "2 Nov 2026",
        "02-NOV-26",
        "November 2, 2026",
        "Mon, 02 Nov 2026",
        "2026-W45-1",
    ),
    *("2026年11月2日", "2026. 11. 2.", "2026-Nov-02", "02/Nov/2026", "Nov 2 2026", "Nov 2nd, 2026"),
    *("2. Nov. 2026", "Monday, November 2, 2026", "2026W451", "11/13/2026"),
)


@pytest.mark.parametrize("text", DATES)
def test_every_format_that_is_offered_for_a_date_reads_it(text: str) -> None:
    """As its midnight; a date in letters of its own is offered none."""
    found = problem([text], "UTC")
    assert found.problem == "is a date without a time of day"
    offered = re.findall(r'--time-format "([^"]+)"', found.try_)
    assert all(one(text, "UTC", form).hour == 0 for form in offered)
    assert offered or text == "Nov 2nd, 2026"


@pytest.mark.parametrize("value", [46_328.38, -5, 10**7, "5.5", "yesterday 12:345"])
def test_no_format_is_offered_that_does_not_read_the_value(value: Any) -> None:
    """The days of a spreadsheet from 2000 to 2100 are offered as such."""
    offered = re.findall(r'--time-format "([^"]+)"', problem([value], "UTC").try_)
    assert offered == (["excel"] if value == 46_328.38 else [])
    assert all(one(value, "UTC", form) for form in offered)


def test_numbers_of_all_units_are_apart() -> None:
    """No number is in two of the ranges of 2000 to 2100."""
    ranges = sorted(
        tuple((second - unit.start_s) * unit.per_second for second in (946_684_800, 4_102_444_800))
        for unit in UNITS.values()
    )
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
