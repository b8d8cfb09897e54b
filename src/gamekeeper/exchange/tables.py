"""Takes records out of tables that are one JSON value: rows under names, columns, rows by a key.

Sources: the query APIs of Azure Monitor, ClickHouse, Trino, Snowflake, BigQuery, InfluxDB and
OpenSearch SQL; the orientations of `DataFrame.to_json` of pandas; exports of Firebase.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Layer: TypeAlias = "list[Record] | None"


def words(text: str) -> frozenset[str]:
    """Returns the names that a text lists."""
    return frozenset(text.split())


TIME_NAMES = words(
    "time timestamp @timestamp ts datetime date created createdat createdtime start starttime"
    " starttimeunixnano timeunixnano timegenerated requesttime eventtime loggedat timestampms"
    " observedtimeunixnano requesttimestamp databricksrequesttime loggingtime"
    " completionstarttime timestamputc starttimestamp begintime"
)
"""Names of times, in lower case without underscores."""

_ASKED = words(
    "prompt prompts query question messages request requestbody requestpayload input inputs"
    " inputtext contents instruction userinput userprompt usermessage usertext body bodyjson"
)
_BESIDE = TIME_NAMES | words(
    "account accountid user userid username apikey apikeyid keyid apikeyhash customer"
    " customerid tenant tenantid teamid orgid organization organizationid model modelid"
    " startms startns"
)
_DATE_AND_CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_LOOKED_AT = 50
_HEADERS = (
    ("columns", ""),
    ("meta", ""),
    ("schema", "fields"),
    ("resultSetMetaData", "rowType"),
    ("fields", ""),
)
_ROWS = ("rows", "data", "datarows", "values")


def plain_name(name: Any) -> str:
    """Returns a name in lower case without underscores."""
    return str(name).lower().replace("_", "")


def lower_names(names: Iterable[Any]) -> set[str]:
    """Returns names in lower case."""
    return {str(name).lower() for name in names}


def is_exchange(value: Any) -> bool:
    """True if the names of an object say what was asked, and when, by whom or of which model."""
    if not isinstance(value, dict):
        return False
    names = set(map(plain_name, value))
    asked = names & _ASKED
    return bool(asked) and not names.isdisjoint(_BESIDE)


def of_table(record: Record) -> Layer:
    """Returns the records of a table, None if the record is not one."""
    for read in (_of_query, _of_columns, _of_keys):
        found = read(record)
        if found is not None:
            return found
    return None


# --- names once, then rows of cells


def _of_query(record: Record) -> Layer:
    for key in ("tables", "series"):
        tables = record.get(key)
        if isinstance(tables, list) and tables and all(map(_is_table, tables)):
            return [row for table in tables for row in _rows(table) or []]
    return _rows(record) if _is_table(record) else None


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and _rows(value) is not None


def _rows(table: Record) -> Layer:
    names = _names(table)
    rows = next((table[key] for key in _ROWS if isinstance(table.get(key), list)), None)
    if not names or rows is None:
        return None
    found = [_row(names, row) for row in rows]
    return None if any(row is None for row in found) else [row for row in found if row]


def _names(table: Record) -> list[str]:
    for key, inner in _HEADERS:
        header = table.get(key)
        if inner and isinstance(header, dict):
            header = header.get(inner)
        if isinstance(header, list) and header:
            names = [one.get("name") if isinstance(one, dict) else one for one in header]
            texts = [name for name in names if isinstance(name, str)]
            return texts if len(texts) == len(names) else []
    return []


def _row(names: list[str], row: Any) -> Record | None:
    if isinstance(row, dict) and isinstance(row.get("f"), list):  # BigQuery
        row = [cell.get("v") if isinstance(cell, dict) else cell for cell in row["f"]]
    if not isinstance(row, list) or len(row) != len(names):
        return None
    return {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}


# --- columns


def _of_columns(record: Record) -> Layer:
    """`{"time": [...], "account": [...]}`, or with the number of each row: pandas."""
    if len(record) < 2:
        return None
    if all(isinstance(values, list) for values in record.values()):
        columns = record
        is_table = any(map(_is_of_times, record, record.values()))
    else:
        columns = _without_numbers(record)
        is_table = bool(columns)
    if not is_table or len(set(map(len, columns.values()))) != 1:
        return None
    rows = zip(*columns.values(), strict=True)
    return [
        {name: cell for name, cell in zip(columns, row, strict=True) if cell is not None}
        for row in rows
    ]


def _without_numbers(record: Record) -> dict[str, list[Any]]:
    """Returns columns of cells by number as columns; nothing if they are not."""
    first = next(iter(record.values()))
    if not isinstance(first, dict) or not first or not all(map(_is_number, first)):
        return {}
    if any(not isinstance(one, dict) or one.keys() != first.keys() for one in record.values()):
        return {}
    return {name: [cells[number] for number in first] for name, cells in record.items()}


def _is_number(name: Any) -> bool:
    return isinstance(name, str) and name.isdecimal()


def _is_of_times(name: str, values: list[Any]) -> bool:
    first = values[0] if values else None
    if isinstance(first, dict | list) or first is None:
        return False
    is_text = isinstance(first, str) and _DATE_AND_CLOCK.match(first) is not None
    return is_text or plain_name(name) in TIME_NAMES


# --- rows by a key


def _of_keys(record: Record) -> Layer:
    """`{"r0": {...}, "r1": {...}}`: objects that have names in common and are numbered, or are all
    requests.
    """
    values = list(record.values())
    if not values or not all(isinstance(one, dict) and one for one in values):
        return None
    sample = values[:_LOOKED_AT]
    if any("role" in one for one in sample) or len(_common(sample)) < 2:
        return None
    are_numbered = all(str(name)[-1:].isdecimal() for name in record)
    are_parts = any(plain_name(name) in _ASKED for name in islice(record, _LOOKED_AT))
    are_rows = all(map(is_exchange, sample)) and not are_parts and len(values) > 1
    return values if are_numbered or are_rows else None


def _common(rows: list[Mapping[str, Any]]) -> set[str]:
    return set(rows[0]).intersection(*rows[1:])
