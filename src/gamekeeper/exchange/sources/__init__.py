"""Finds and opens what a log is read from: files, folders, stores, tables, queries, topics."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from gamekeeper.base.errors import Fault, UsageError
from gamekeeper.exchange.faults import UnreadableFileError
from gamekeeper.exchange.sources.addresses import scheme_of
from gamekeeper.exchange.sources.folders import Found
from gamekeeper.exchange.sources.local import add_local
from gamekeeper.exchange.sources.source import ByteSource, Source, Sources, TableSource
from gamekeeper.exchange.sources.standard_input import STDIN, standard_input

__all__ = [
    "STDIN",
    "ByteSource",
    "Source",
    "Sources",
    "TableSource",
    "find_sources",
    "known_suffix",
]

SUFFIXES = (".jsonl", ".ndjson", ".json", ".log", ".csv", ".tsv", ".parquet", ".pq")
COMPRESSED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")


def find_sources(
    names: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    sql: str | None = None,
    database: str | None = None,
) -> Sources:
    """Returns what the names stand for, each once.

    Args:
        names: Files, folders, patterns, `-` for standard input, addresses of a store
            (`s3://bucket/logs/`) or of a Kafka topic (`kafka://broker:9092/topic`).
        stdin: What `-` reads; `sys.stdin` if None.
        sql: A query whose rows are the log, in place of names; `@file.sql` is read from a file.
        database: Where the query runs: `postgres://...`; files through DuckDB if None.

    Raises:
        UsageError: The arguments do not fit together, or a scheme is not known.
        MissingExtraError: A name needs a package that is not installed.
    """
    if sql is not None or database is not None:
        return _of_query(names, sql, database)
    found = Found()
    for name in names:
        try:
            _add(found, name, stdin)
        except UnreadableFileError as problem:
            found.faults.append(problem.fault)
    if not found.sources and not found.faults:
        found.faults.append(_nothing(names))
    return found.result()


def known_suffix(file: str) -> str:
    """Returns the suffix that tells the container, without the compression's; empty if it is not
    known.
    """
    name = file.partition("?")[0] if scheme_of(file) else file
    path = Path(name.lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix if path.suffix in SUFFIXES else ""


def _add(found: Found, name: str, stdin: BinaryIO | None) -> None:
    scheme = scheme_of(name)
    if name == STDIN:
        found.add(STDIN, standard_input(stdin or sys.stdin.buffer))
    elif not scheme:
        add_local(found, name)
    elif scheme == "file":
        add_local(found, url2pathname(urlsplit(name).path))
    elif scheme == "kafka":
        from gamekeeper.exchange.sources.topics import topic

        found.add(name, topic(name))
    else:
        from gamekeeper.exchange.sources.stores import add_stored

        add_stored(found, name)


def _of_query(names: Sequence[str], sql: str | None, database: str | None) -> Sources:
    from gamekeeper.exchange.sources.queries import query

    if sql is None:
        raise UsageError("--database names where a query runs: add --sql 'select ...'")
    if names:
        raise UsageError("--sql reads the rows of a query: name no logs beside it")
    try:
        return Sources(sources=(query(sql, database),))
    except UnreadableFileError as problem:
        return Sources(sources=(), faults=(problem.fault,))


def _nothing(names: Sequence[str]) -> Fault:
    return Fault(
        where=", ".join(names),
        problem="the log is empty",
        found="files without a byte",
        expected="a file with rows",
    )
