"""A block: consecutive rows of one file as the file has them, whatever the container.

A block either holds records (dicts, from JSON) or a table (columns, from CSV and Parquet); both
answer to the same questions, so that formats need not know the container. Blocks are cut by bytes
or rows of the file, never by the caller's batch size: what is found in a log does not depend on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import polars as pl

from gamekeeper.exchange.paths import column as column_at

Record: TypeAlias = dict[str, Any]
Values: TypeAlias = pl.Series | list[Any]

BLOCK_ROWS = 16_384


class Block(Protocol):
    """Consecutive rows of one file."""

    @property
    def places(self) -> Sequence[int]:
        """Line or row of each in the file, from 1."""

    @property
    def member(self) -> str:
        """The file of an archive that the rows are from; empty if the source is one file."""

    def names(self) -> set[str]:
        """Returns the fields that any row has."""

    def records(self) -> list[Record]:
        """Returns each row as a dict of plain values."""

    def column(self, path: str) -> Values:
        """Returns the values of a field, or of one inside another: `request.user_id`."""

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Rows that are JSON objects."""

    places: Sequence[int]
    rows: list[Record]
    member: str = ""

    def names(self) -> set[str]:
        """Returns the fields that any row has."""
        return set().union(*self.rows)

    def records(self) -> list[Record]:
        """Returns each row as a dict."""
        return self.rows

    def column(self, path: str) -> Values:
        """Returns the values of one field."""
        if "." in path:
            return column_at(self, path)
        return [row.get(path) for row in self.rows]

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""
        return self.rows[index]


@dataclass(frozen=True, slots=True)
class TableBlock:
    """Rows that are columns already.

    Args:
        places: Line or row of each in the file.
        columns: Values by name. A `pl.Series` is one whose values are plain: text, numbers,
            truths and times, or lists of numbers; what is nested is a list of plain values.
        member: The file of an archive that the rows are from.
    """

    places: Sequence[int]
    columns: Mapping[str, Values]
    member: str = ""

    def names(self) -> set[str]:
        """Returns the fields that any row has."""
        return set(self.columns)

    def records(self) -> list[Record]:
        """Returns each row as a dict, nulls left out."""
        names = list(self.columns)
        # a column at a time: a cell at a time is fifty times slower
        rows = zip(*map(_listed, self.columns.values()), strict=True)
        return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]

    def column(self, path: str) -> Values:
        """Returns the values of one column, or of a field inside another column."""
        if path in self.columns:
            return self.columns[path]
        return column_at(self, path)

    def record(self, index: int) -> Record:
        """Returns one row as a dict."""
        cells = ((name, _cell(values, index)) for name, values in self.columns.items())
        return {name: value for name, value in cells if value is not None}


def _listed(values: Values) -> list[Any]:
    return values.to_list() if isinstance(values, pl.Series) else values


def _cell(values: Values, index: int) -> Any:
    value = values[index]
    return value.to_list() if isinstance(value, pl.Series) else value
