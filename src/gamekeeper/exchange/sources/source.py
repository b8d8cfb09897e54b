"""What a log is read from: bytes that are parsed, or a table whose rows come as columns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import polars as pl

from gamekeeper.base.errors import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteSource:
    """A file, an object in a store, or standard input.

    Args:
        name: As it is shown and named in faults, without credentials.
        open: Returns the bytes from their beginning; the reader closes them. Standard input is
            not closed.
        size: Bytes in all; 0 if it is not known.
        is_named: The caller named it. What a folder holds by chance is left out, and said, if it
            cannot be read; what was named is a fault.
        partition: Columns that the folder names hold (Hive: `day=2026-11-02`), for rows without
            them.
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int = 0
    is_named: bool = True
    partition: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """Rows that come as columns: the result of a query, a topic.

    Args:
        name: As it is shown and named in faults, without credentials.
        frames: Yields the rows, in order, some at a time.
    """

    name: str
    frames: Callable[[], Iterator[pl.DataFrame]]
    size: int = 0
    is_named: bool = True
    partition: Mapping[str, str] = field(default_factory=dict)


Source: TypeAlias = ByteSource | TableSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the names stand for, each once.

    Args:
        sources: In the order in which they are read.
        faults: Names that lead to nothing.
        remarks: What was left out on the way, as sentences: a transaction log, a hidden file.
    """

    sources: tuple[Source, ...]
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()
