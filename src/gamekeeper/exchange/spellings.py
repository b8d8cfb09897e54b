r"""How times are spelled, as patterns that name the parts of a time.

A spelling is a regular expression whose groups are parts of a time:

    year month day         numbers; `short` is a year of two digits, `name` an English month,
                           `ordinal` a day of the year
    week weekday           of ISO 8601
    first then             a day and a month in an order that the text does not say
    hour minute second     numbers; `half` is the a or p of AM and PM, `fraction` the digits behind
                           the second, `micro` a number of microseconds
    offset zone zulu       `+01:00`; `UTC`, `CET` or `Europe/Berlin`; Z where an offset may be

The spellings that are read by themselves are dates times clocks, so that a clock with AM is known
behind every date. A format of `strftime` becomes such a spelling as well, and all are put together
in one place.

Sources: ISO 8601, RFC 9110 section 5.6.7 (HTTP), RFC 5322 section 3.3 (mail), the common log format
of web servers, C's `asctime`, `Date.toString` of Java and JavaScript, `time.Time.String` of Go,
`NLS_TIMESTAMP_FORMAT` of Oracle, the timestamps of Db2.
"""

import re
from dataclasses import dataclass

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.time_parts import Order

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTH_NAME = rf"(?<name>{_MONTHS})[a-z]*\.?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?"
_YEAR = r"(?<year>\d{4})"
_MONTH = r"(?<month>\d{1,2})"
_DAY = r"(?<day>\d{1,2})"
_OFFSET = r"(?<offset>[+-]\d{1,2}(?::?\d{2})?)"
_ZONE_NAME = r"(?<zone>[a-z]+(?:[_-][a-z]+)*(?:/[a-z0-9_+-]+)*)"
# behind an offset a name says the same again: `+0000 UTC`, `+01:00[Europe/Berlin]`
_SAME_AGAIN = r"(?: ?[\[(]?[a-z][a-z0-9_/+. -]*[\])]?)?"
_ZONE = (
    rf"(?: ?(?:(?:utc|gmt|ut|z)? ?{_OFFSET}{_SAME_AGAIN}|\[?{_ZONE_NAME}\]?(?: ?[\[(].*[\])])?))?"
)
_HALF = r"(?: ?(?<half>[ap])\.? ?m\.?)?"

# each reads the same in every country
_DATES = (
    rf"{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}",  # 2026-11-02, 2026/11/02
    rf"{_YEAR}\. ?{_MONTH}\. ?{_DAY}\.?",  # 2026. 11. 2., Korea and Hungary
    rf"{_DAY}\.? ?[ /-]{_MONTH_NAME},?[ /-]{_YEAR}",  # 02 Nov 2026, 05/Oct/2026
    rf"{_MONTH_NAME} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",  # Oct 5, 2026
    rf"{_YEAR}[- /]{_MONTH_NAME}[- /]{_DAY}",  # 2026-Nov-02
    rf"{_DAY}-{_MONTH_NAME}-(?<short>\d{{2}})",  # 02-NOV-26, Oracle and RFC 850
    r"(?<first>\d{1,2})[/-](?<then>\d{1,2})[/-](?<year>\d{4})",
    rf"{_DAY}\. ?{_MONTH}\. ?{_YEAR}",  # dots: Central, Northern and Eastern Europe
)
_BASIC_DATES = (
    r"(?<year>\d{4})(?<month>\d{2})(?<day>\d{2})",
    r"(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})",
)
_ORDINAL_DATE = r"(?<year>\d{4})-?(?<ordinal>\d{3})"
_WEEK_DATE = r"(?<year>\d{4})-?w(?<week>\d{2})-?(?<weekday>[1-7])"
_CLOCK = r"(?<hour>\d{1,2}):(?<minute>\d{1,2})(?::(?<second>\d{1,2})(?:[.,:](?<fraction>\d+))?)?"
_DOTTED_CLOCK = (
    r"(?<hour>\d{1,2})\.(?<minute>\d{2})(?:\.(?<second>\d{2})(?:[.,](?<fraction>\d+))?)?"
)
_BASIC_CLOCK = r"(?<hour>\d{2})(?<minute>\d{2})(?:(?<second>\d{2})(?:[.,](?<fraction>\d+))?)?"
_GO_MONOTONIC = r"(?: m=[+-][\d.]+)?"
# datetime.datetime(2026, 11, 2, 9, 14, 3, 120000, tzinfo=datetime.timezone.utc)
_PYTHON = (
    rf"datetime\.datetime\({_YEAR}, {_MONTH}, {_DAY}, (?<hour>\d+), (?<minute>\d+)"
    r"(?:, (?<second>\d+)(?:, (?<micro>\d+))?)?"
    rf"(?:, tzinfo=(?:[a-z_.<]*\.|<|[a-z.]*zoneinfo\(key=')?{_ZONE_NAME}[')>(]*)?\)"
)
_JOINT = r"(?:t|:|_|,? (?:@ |at |um |klo )?|,)"


def _spellings() -> tuple[str, ...]:
    whole = [f"{_WEEKDAY}{date}{_JOINT}{_CLOCK}{_HALF}{_ZONE}{_GO_MONOTONIC}" for date in _DATES]
    dotted = [f"{_WEEKDAY}{date}(?:[ -]|,? klo ){_DOTTED_CLOCK}{_HALF}{_ZONE}" for date in _DATES]
    basic = [
        rf"{_BASIC_DATES[0]}[t _]?{_BASIC_CLOCK}{_ZONE}",
        rf"{_BASIC_DATES[0]}(?<hour>\d{{2}})(?<minute>\d{{2}})(?<second>\d{{2}})(?<fraction>\d{{3}})",
        rf"{_BASIC_DATES[0]}[t ]{_CLOCK}{_ZONE}",
        rf"{_BASIC_DATES[1]}t{_BASIC_CLOCK}{_ZONE}",
        *(
            f"{date}[t ]{clock}{_ZONE}"
            for date in (_ORDINAL_DATE, _WEEK_DATE)
            for clock in (_CLOCK, _BASIC_CLOCK)
        ),
    ]
    year_last = [
        rf"{_WEEKDAY}{_MONTH_NAME} {_DAY} {_CLOCK}{zone} {_YEAR}"
        for zone in ("", rf" (?:(?:utc|gmt)?{_OFFSET}|{_ZONE_NAME})")
    ]
    return tuple(f"(?i)^{one}$" for one in (*whole, *dotted, *basic, *year_last, _PYTHON))


SPELLINGS = _spellings()
"""Dates with a time of day, read by themselves."""

DATE_SPELLINGS = tuple(f"(?i)^{_WEEKDAY}{date}$" for date in (*_DATES, _BASIC_DATES[0], _WEEK_DATE))
"""Dates without a time of day."""

WITHOUT_YEAR = rf"(?i)^(?:<\d+>)?{_WEEKDAY}{_MONTH_NAME} +{_DAY},? {_CLOCK}"
"""Syslog of RFC 3164: `Nov  2 09:14:03`."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts.

    Args:
        per_second: How many are a second.
        start_s: Where it begins, in seconds from 1970.
        is_local: It counts what a clock shows, in a zone that the number does not say.
    """

    per_second: int
    start_s: int = 0
    is_local: bool = False


UNITS = {
    "seconds": Unit(1),
    "milliseconds": Unit(10**3),
    "microseconds": Unit(10**6),
    "nanoseconds": Unit(10**9),
    "ticks": Unit(10**7, start_s=-62_135_596_800, is_local=True),
    "filetime": Unit(10**7, start_s=-11_644_473_600),
}
"""Units of numbers. Ticks are .NET's, of 100 ns from the year 1; a `DateTime` has no zone. Those of
Windows are from 1601, in UTC."""

EXCEL = "excel"
ORDERS: dict[str, Order] = {"day-first": "day first", "month-first": "month first"}
WORDS = (*UNITS, EXCEL, *ORDERS)
"""What a time format may be besides directives."""

_DIRECTIVES = {
    "Y": r"(?<year>\d{4})",
    "G": r"(?<year>\d{4})",
    "V": r"(?<week>\d{2})",
    "u": r"(?<weekday>[1-7])",
    "y": r"(?<short>\d{2})",
    "m": r" ?(?<month>\d{1,2})",
    "d": r" ?(?<day>\d{1,2})",
    "e": r" ?(?<day>\d{1,2})",
    "j": r"(?<ordinal>\d{3})",
    "b": _MONTH_NAME,
    "B": _MONTH_NAME,
    "h": _MONTH_NAME,
    "a": r"[a-z]{2,10}\.?",
    "A": r"[a-z]{2,10}",
    "H": r" ?(?<hour>\d{1,2})",
    "k": r" ?(?<hour>\d{1,2})",
    "I": r" ?(?<hour>\d{1,2})",
    "l": r" ?(?<hour>\d{1,2})",
    "M": r"(?<minute>\d{1,2})",
    "S": r"(?<second>\d{1,2})",
    "f": r"(?<fraction>\d{1,9})",
    "L": r"(?<fraction>\d{3})",
    "N": r"(?<fraction>\d{1,9})",
    ".f": r"(?:\.(?<fraction>\d+))?",
    ".3f": r"\.(?<fraction>\d{3})",
    ".6f": r"\.(?<fraction>\d{6})",
    ".9f": r"\.(?<fraction>\d{9})",
    "3f": r"(?<fraction>\d{3})",
    "6f": r"(?<fraction>\d{6})",
    "9f": r"(?<fraction>\d{9})",
    "p": r"(?<half>[ap])\.? ?m\.?",
    "P": r"(?<half>[ap])\.? ?m\.?",
    "z": rf"(?:{_OFFSET}|(?<zulu>z))",
    ":z": rf"(?:{_OFFSET}|(?<zulu>z))",
    "Z": _ZONE_NAME,
    "n": " ",
    "t": " ",
    "%": "%",
}
_SHORTHANDS = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y", "r": "%I:%M:%S %p"}
_DIRECTIVE = re.compile(r"%(\.?[369]?f|:z|-?[A-Za-z%])")
_GROUP = re.compile(r"\?<(\w+)>")


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a log writes its times.

    Args:
        text: What the user wrote.
        pattern: The spelling, None for numbers.
        unit: A name of `UNITS`, `EXCEL`, or None for text.
        order: Of day and month, in any of the spellings that are read by themselves.
    """

    text: str
    pattern: str | None = None
    unit: str | None = None
    order: Order | None = None


def time_format(text: str) -> TimeFormat:
    """Returns the format that directives of `strftime`, or one of `WORDS`, describe.

    Raises:
        UsageError: A directive is unknown, comes twice, or the day or its year is not in it.
    """
    word = {"%s": "seconds", "%Q": "milliseconds"}.get(text.strip(), text.strip().lower())
    if word in ORDERS:
        return TimeFormat(text, order=ORDERS[word])
    if word in WORDS:
        return TimeFormat(text, unit=word)
    pattern = _pattern(_without_shorthands(text))
    groups = _GROUP.findall(pattern)
    twice = sorted({name for name in groups if groups.count(name) > 1})
    if twice:
        raise _wrong(text, f"says the {twice[0]} twice")
    if not {"year", "short"} & set(groups):
        raise _wrong(text, "has no year (%Y)")
    is_week = {"week", "weekday"} <= {*groups}
    if (
        "ordinal" not in groups
        and not is_week
        and not ({"day"} < {*groups} and {"month", "name"} & {*groups})
    ):
        raise _wrong(text, "has no day (%d) and month (%m or %b)")
    return TimeFormat(text, pattern=f"(?i)^{pattern}$")


def _without_shorthands(text: str) -> str:
    for letter, meaning in _SHORTHANDS.items():
        text = text.replace(f"%{letter}", meaning)
    return text


def _pattern(text: str) -> str:
    parts: list[str] = []
    at = 0
    for found in _DIRECTIVE.finditer(text):
        parts.append(_literal(text[at : found.start()]))
        name = found[1].removeprefix("-")
        if name not in _DIRECTIVES:
            raise _wrong(text, f"has %{name}, which is not known")
        parts.append(_DIRECTIVES[name])
        at = found.end()
    rest = text[at:]
    if "%" in rest:
        raise _wrong(text, "ends within a directive")
    return "".join([*parts, _literal(rest)])


def _literal(text: str) -> str:
    # values come with single spaces
    return re.sub(r"\s+", " ", "".join(re.escape(c) if not c.isspace() else " " for c in text))


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(
        f'--time-format "{text}" {why}; examples are "%d/%m/%Y %H:%M:%S" and "%Y%m%d %H%M%S.%f",'
        f" or one of {', '.join(WORDS)}"
    )
