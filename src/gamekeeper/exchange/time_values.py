"""Times that are objects, as their writers mean them -> numbers or text.

MongoDB's extended JSON (`{"$date": ...}`), protobuf and Firestore (`seconds` and `nanos`), Java
(`epochSecond` and `nano`; lists of a local time's numbers), DynamoDB (`{"N": ...}`), PHP, Avro's
unions, the clients of BigQuery and Parse; the same as JSON text, and what Python, .NET and
JavaScript print of an object.

Source: MongoDB Extended JSON v2; protobuf's Timestamp; Jackson's and Gson's java.time modules.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import orjson
import polars as pl

from gamekeeper.exchange.containers import Values

_WRAPPERS = (
    "$date",
    "$numberLong",
    "$numberInt",
    "$numberDouble",
    "$numberDecimal",
    "$timestamp",
    "t",
    "N",
    "S",
    "value",
    "timestamp",  # Loguru
    "iso",
    "long",
    "string",
)
_SECONDS = ("seconds", "_seconds", "epochSecond", "Seconds")
_NANOS = ("nanos", "nanoseconds", "_nanoseconds", "nano", "Nanos")
_MAX_DEPTH = 4
_LOCAL_TIME = range(5, 8)  # year, month, day, hour, minute, then second, then nanosecond

_PRINTED = re.compile(
    r"""(?x)
    \\?/?Date\((?P<ms>\d+)(?:[+-]\d{4})?\)\\?/?                    # .NET
    | (?:ISODate|Timestamp|DateTime|(?:new\ )?Date|(?:np\.|numpy\.)?datetime64)
        \(['"](?P<text>[^'"]+)['"].*\)                              # pandas, the shell of MongoDB
    | (?:new\ Date|Date|Timestamp|NumberLong)\(['"]?(?P<number>\d+)['"]?(?:,\ ?\d+)?\)
    | seconds:\ ?(?P<seconds>\d+)(?:,?\ nanos:\ ?(?P<nanos>\d+))?  # protobuf's text format
    """
)
_WRAPPED = r"^[\[{\\/'\"]|\(|^seconds:"
_SPACES = "[\u00a0\u2000-\u200a\u202f\u3000]"  # before AM, as newer JavaScript and Java write it
_NOT_ASCII = r"[^\x00-\x7f]"
_IN_ENGLISH = (  # 2026年11月2日(月) 午後9時14分3秒, 2026년 11월 2일 오후 9:14:03
    (r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일号]", "$1-$2-$3 "),
    (
        r"(?:[(（].[)）]|星期.|礼拜.|[月火水木金土日]曜日?|周[一二三四五六日]|[월화수목금토일]요일)",
        "",
    ),
    (r"(\d{1,2}) ?[時时点點시] ?(\d{1,2}) ?[分분] ?(\d{1,2}) ?[秒초]", "$1:$2:$3"),
    (r"(\d{1,2}) ?[時时点點시] ?(\d{1,2}) ?[分분]", "$1:$2"),
    (r"(?:上午|午前|오전) ?(\d[\d:.,]*)", "$1 AM"),
    (r"(?:下午|午後|午后|오후) ?(\d[\d:.,]*)", "$1 PM"),
    (r"(?i)(\d) ?(?:π\. ?μ\.|上午|ص)", "$1 AM"),
    (r"(?i)(\d) ?(?:μ\. ?μ\.|下午|م)", "$1 PM"),
    (" +", " "),
)
"""China, Taiwan, Japan, Korea; the halves of the day of Greece and in Arabic as well."""
_MARKS = "[\u200e\u200f\u202a-\u202e\ufeff]"


def plain_column(values: Values) -> pl.Series:
    """Returns values as a column of numbers if all are, else of text; null where nothing is."""
    if isinstance(values, pl.Series):
        if values.dtype == pl.String or values.dtype.is_integer() or values.dtype.is_float():
            return values
        values = values.to_list()
    kinds = set(map(type, values)) - {type(None)}
    for kind, dtype in ((str, pl.String), (int, pl.Int64), (float, pl.Float64)):
        if kinds == {kind}:
            try:
                return pl.Series(values, dtype=dtype, strict=True)
            except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
                break
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    found = _plain(value, 0)
    if found is None:  # the name of a type is not a time, and can be written of any value
        return type(value).__name__
    return found.encode(errors="replace").decode()  # a lone surrogate is not text


def _plain(value: Any, depth: int) -> str | None:
    """Returns a time as text, None if it is not one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or depth > _MAX_DEPTH:
        return None
    if isinstance(value, date):  # datetimes are dates
        return value.isoformat()
    if isinstance(value, Integral):
        return str(int(value)) if abs(int(value)) < 10**30 else None
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and abs(value) < 10**30 else None
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Mapping):
        return _of_object(value, depth)
    return _of_list(value) if isinstance(value, list | tuple) else None


def _of_object(value: Mapping[str, Any], depth: int) -> str | None:
    for name in _SECONDS:
        if name in value:
            nanos = next((value[nano] for nano in _NANOS if nano in value), 0)
            return _of_seconds(_plain(value[name], depth + 1), _plain(nanos, depth + 1))
    if "timezone_type" in value:  # PHP's DateTime
        return f"{value.get('date')} {value.get('timezone')}"
    for name in _WRAPPERS:
        if value.get(name) is not None:
            return _plain(value[name], depth + 1)
    return None


def _of_seconds(seconds: str | None, nanos: str | None) -> str | None:
    if seconds is None or nanos is None:
        return None
    if not seconds.isdecimal() or not nanos.isdecimal() or len(nanos) > 9:
        return seconds if nanos == "0" else None
    return f"{seconds}.{nanos.zfill(9)}"


def _of_list(value: list[Any] | tuple[Any, ...]) -> str | None:
    numbers = [
        n for n in value if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10**9
    ]
    if len(value) not in _LOCAL_TIME or len(numbers) != len(value):
        return None
    year, month, day, hour, minute, second, nano = (*numbers, 0, 0)[:7]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nano:09}"


def tidied(texts: pl.Series) -> pl.Series:
    """Returns texts with single plain spaces, and what other languages write of a time as English
    does.
    """
    name = texts.name
    tidy = (
        pl.col(name)
        .str.replace_all(_MARKS, "")
        .str.replace_all(_SPACES, " ")
        .str.replace_all("\u2212", "-")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars(" ")
    )
    plain = texts.to_frame().select(tidy).to_series()
    if not plain.str.contains(_NOT_ASCII).any():
        return plain
    for pattern, english in _IN_ENGLISH:
        plain = plain.str.replace_all(pattern, english)
    return plain.str.strip_chars(" ")


def unwrapped(texts: pl.Series) -> pl.Series:
    """Returns tidy texts out of quotes, brackets, JSON and what programs print of an object."""
    plain = tidied(texts)
    is_wrapped = plain.str.contains(_WRAPPED).fill_null(False)
    if not is_wrapped.any():
        return plain
    opened = [_opened(text) for text in plain.filter(is_wrapped).to_list()]
    return plain.scatter(is_wrapped.arg_true(), pl.Series(opened, dtype=pl.String))


def _opened(text: str) -> str:
    inner = text.strip("\"' ")
    printed = _PRINTED.fullmatch(inner)
    if printed is not None:
        if printed["seconds"] is not None:
            return _of_seconds(printed["seconds"], printed["nanos"] or "0") or text
        return printed["ms"] or printed["text"] or printed["number"] or text
    if inner.startswith("[") and inner.endswith("]"):
        listed = _of_json(inner)
        return listed or inner[1:-1].strip("\"' ")
    return (_of_json(inner) if inner.startswith("{") else None) or inner


def _of_json(text: str) -> str | None:
    try:
        return _plain(orjson.loads(text), 0)
    except orjson.JSONDecodeError:
        return None
