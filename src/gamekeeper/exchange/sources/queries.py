"""The rows of a query: `--sql "select ..." --database postgres://host/base`.

Rows stream: no driver keeps more than a batch. A query only reads: one statement that begins as a
query does, in a session that is read-only wherever the database has such sessions. Passwords are
those that the database's own tools take (PGPASSWORD, ~/.pgpass), or in the address, which is never
printed whole.
"""

import importlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import polars as pl

from gamekeeper.base.errors import GamekeeperError, MissingExtraError, UsageError
from gamekeeper.base.text import MASK, one_line
from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.sources.addresses import scheme_of, secrets_of, shown, without_secrets
from gamekeeper.exchange.sources.source import TableSource

FILES = "duckdb://"
"""DuckDB without a file of its own: queries of files, `select * from 'logs/*.parquet'`."""

_BATCH_ROWS = 10_000
_REASON_CHARS = 300
_TO_ENCODE = frozenset("@/#?%")  # signs of a password that divide an address
_QUERIES = ("select", "with", "values", "table", "from", "(")
_SKIPPED = re.compile(
    r"""(?xs)
      '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | --[^\n]* | /\*.*?\*/
    """
)

Frames = Iterator[pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Database:
    """How a kind of database is queried.

    Args:
        module: Of its driver.
        extra: That brings it.
        frames: Yields the rows of a query (`frames(address, sql)`).
    """

    module: str
    extra: str
    frames: Callable[[str, str], Frames]


def query(sql: str, database: str | None) -> TableSource:
    """Returns the rows of a query as a source.

    Args:
        sql: The query, or `@` and the file that holds it.
        database: An address; None: files, through DuckDB.

    Raises:
        UsageError: It is not a query, or the kind of database is not known.
        MissingExtraError: The driver is not installed.
        UnreadableFileError: The file of the query cannot be read.
    """
    address = database or FILES
    text = _text(sql)
    require_query(text)
    kind = DATABASES.get(scheme_of(address))
    if kind is None:
        raise UsageError(_not_known(address))
    try:
        importlib.import_module(kind.module)
    except ModuleNotFoundError:
        feature = f"querying {scheme_of(address)}://"
        raise MissingExtraError(feature, kind.extra) from None
    name = f"{shown(address)} --sql"

    def frames() -> Frames:  # a function of its own: the repr of a partial shows the password
        return _guarded(kind, address, text, name)

    return TableSource(name=name, frames=frames)


def _not_known(address: str) -> str:
    known = ", ".join(f"{one}://" for one in DATABASES)
    said = f'--database "{shown(address)}" is not known; known: {known}'
    if not os.path.isfile(address):
        return said
    kind = "duckdb" if Path(address).suffix in (".duckdb", ".ddb") else "sqlite"
    return f"{said}. It is a file: try --database {kind}://{address}"


def require_query(sql: str) -> None:
    """Raises `UsageError` unless a text is one statement that begins as a query does.

    Example:
        >>> require_query("select 1; drop table x")
        Traceback (most recent call last):
        gamekeeper.base.errors.UsageError: --sql holds more than one statement; one query is read
    """
    # what is quoted, and comments, may hold anything
    bare = _SKIPPED.sub(lambda m: " " if m[0].startswith(("--", "/*")) else "''", sql)
    statements = [one.strip() for one in bare.split(";") if one.strip()]
    if len(statements) > 1:
        raise UsageError("--sql holds more than one statement; one query is read")
    if not statements or not statements[0].lower().startswith(_QUERIES):
        begins = excerpt(statements[0][:40]) if statements else "nothing"
        raise UsageError(f"--sql must be a query, which begins with select or with; found {begins}")


def _text(sql: str) -> str:
    if not sql.startswith("@"):
        return sql.strip().rstrip(";")
    file = sql[1:]
    try:
        return Path(file).read_text(encoding="utf-8-sig").strip().rstrip(";")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise unreadable(file, "the query cannot be read", str(reason), "a text file") from None


def _guarded(kind: Database, address: str, sql: str, name: str) -> Frames:
    """Yields the rows; what a driver raises becomes a fault without secrets."""
    try:
        yield from (frame for frame in kind.frames(address, sql) if frame.height)
    except GamekeeperError:
        raise
    except Exception as error:  # each driver has errors of its own
        raise _failed(name, error, address) from None


def _failed(name: str, error: Exception, address: str) -> UnreadableFileError:
    reason = without_secrets(str(error))
    for secret in secrets_of(address):
        reason = reason.replace(secret, MASK)
    return unreadable(
        name,
        "the query failed",
        one_line(reason, _REASON_CHARS) or type(error).__name__,
        "a query that the database answers",
        _remedy(address),
    )


def _remedy(address: str) -> str:
    if address == FILES:
        return "--database ADDRESS: without it the query is about files, select * from 'a.parquet'"
    if any(set(secret) & _TO_ENCODE for secret in secrets_of(address)[:1]):
        return "write @ : / # ? and % of a password in percent-encoding: @ is %40"
    return ""


def _as_frames(batches: Iterable[Any]) -> Frames:
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        yield frame.with_columns(map(_stored, frame))


def _stored(column: pl.Series) -> pl.Series:
    """Returns a column of a database's own type as what it is stored as: JSON as text."""
    if not isinstance(column.dtype, pl.Extension):
        return column
    stored = column.ext.storage()
    if '"numeric"' in str(column.dtype.ext_metadata()):  # of PostgreSQL, which comes as text
        return stored.cast(pl.Float64, strict=False)
    return stored


def _duckdb(address: str, sql: str) -> Frames:
    import duckdb

    file = address.removeprefix("duckdb://")
    settings: dict[str, Any] = {"read_only": True} if file else {}
    with duckdb.connect(file or ":memory:", **settings) as connection:
        yield from _as_frames(connection.sql(sql).to_arrow_reader(_BATCH_ROWS))


def _postgres(address: str, sql: str) -> Frames:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("set transaction read only")
        cursor.execute(sql)
        yield from _as_frames(cursor.fetch_record_batch())


def _sqlite(address: str, sql: str) -> Frames:
    file = address.removeprefix("sqlite://")
    if not os.path.isfile(file):
        raise unreadable(
            shown(address), "no such database", shown(file), "sqlite:///PATH, or sqlite://PATH"
        )
    with closing(sqlite3.connect(f"file:{quote(file)}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_BATCH_ROWS):
            columns = zip(names, zip(*rows, strict=True), strict=True)
            yield pl.DataFrame([_series(name, values) for name, values in columns])


def _series(name: str, values: tuple[Any, ...]) -> pl.Series:
    """Returns a column of SQLite, whose rows may be of different types: then it is text."""
    types = {type(value) for value in values if value is not None}
    if len(types) <= 1:
        return pl.Series(name, values)
    if types == {int, float}:
        return pl.Series(name, values, dtype=pl.Float64)
    return pl.Series(name, [_as_text(value) for value in values])


def _as_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _clickhouse(address: str, sql: str) -> Frames:
    import clickhouse_connect

    dsn = re.sub(r"^clickhouses://", "https://", address)
    dsn = re.sub(r"^clickhouse://", "http://", dsn)
    # 2: reads, and takes the settings that this client sends with a query
    settings = {"readonly": 2}
    with (
        closing(clickhouse_connect.get_client(dsn=dsn)) as client,
        client.query_arrow_stream(sql, settings=settings) as batches,
    ):
        yield from _as_frames(batches)


def _bigquery(address: str, sql: str) -> Frames:
    from google.cloud import bigquery

    parts = urlsplit(address)
    location = _option(parse_qs(parts.query), "location")
    client = bigquery.Client(project=parts.netloc or None, location=location)
    with closing(client):
        trial = client.query(sql, bigquery.QueryJobConfig(dry_run=True))
        if trial.statement_type != "SELECT":
            raise UsageError(f"--sql must be a query; BigQuery says {trial.statement_type}")
        yield from _as_frames(client.query(sql).result().to_arrow_iterable())


def _snowflake(address: str, sql: str) -> Frames:
    from adbc_driver_snowflake import dbapi

    address = address.removeprefix("snowflake://")
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        yield from _as_frames(cursor.fetch_record_batch())


def _option(options: Mapping[str, list[str]], name: str) -> str | None:
    values = options.get(name)
    return values[0] if values else None


_POSTGRES = Database("adbc_driver_postgresql", "sql", _postgres)

DATABASES: dict[str, Database] = {
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "sqlite": Database("sqlite3", "sql", _sqlite),
    "duckdb": Database("duckdb", "sql", _duckdb),
    "clickhouse": Database("clickhouse_connect", "clickhouse", _clickhouse),
    "clickhouses": Database("clickhouse_connect", "clickhouse", _clickhouse),
    "bigquery": Database("google.cloud.bigquery", "bigquery", _bigquery),
    "snowflake": Database("adbc_driver_snowflake", "snowflake", _snowflake),
}
"""By the scheme of the address."""
