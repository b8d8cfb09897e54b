"""A block: consecutive rows of one file as the file has them, whatever the container.

A block either holds records (dicts, from JSON) or a table (columns, from CSV and Parquet); both
answer to the same questions, so that formats need not know the container. Blocks are cut by bytes
or rows of the file, never by the caller's batch size: what is found in a log does not depend on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import polars as pl

Record: TypeAlias = dict[str, Any]
Values: TypeAlias = pl.Series | list[Any]

BLOCK_ROWS = 16_384


class Block(Protocol):
    """Consecutive rows of one file."""

    @property
    def places(self) -> Sequence[int]:
        """Line or row of each in the file, from 1."""

    def names(self) -> set[str]:
        """Returns the fields that any row has."""

    def records(self) -> list[Record]:
        """Returns each row as a dict."""

    def column(self, path: str) -> Values:
        """Returns the values of a field, or of one inside another: `request.user_id`."""

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Rows that are JSON objects."""

    places: Sequence[int]
    rows: list[Record]

    def names(self) -> set[str]:
        """Returns the fields that any row has."""
        return set().union(*self.rows)

    def records(self) -> list[Record]:
        """Returns each row as a dict."""
        return self.rows

    def column(self, path: str) -> Values:
        """Returns the values of one field."""
        if "." in path:
            return [dig(row, path) for row in self.rows]
        return [row.get(path) for row in self.rows]

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""
        return self.rows[index]


@dataclass(frozen=True, slots=True)
class TableBlock:
    """Rows that are columns already."""

    places: Sequence[int]
    columns: Mapping[str, Values]

    def names(self) -> set[str]:
        """Returns the fields that any row has."""
        return set(self.columns)

    def records(self) -> list[Record]:
        """Returns each row as a dict, nulls left out."""
        names = list(self.columns)
        rows = zip(*self.columns.values(), strict=True)
        return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]

    def column(self, path: str) -> Values:
        """Returns the values of one column, or of a field inside a struct column."""
        if path in self.columns:
            return self.columns[path]
        return [dig(row, path) for row in self.records()]

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""
        return {
            name: values[index]
            for name, values in self.columns.items()
            if values[index] is not None
        }


def dig(record: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a dotted path, None where it leads nowhere; keys that hold dots come
    first.
    """
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
