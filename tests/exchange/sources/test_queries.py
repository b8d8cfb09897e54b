"""Rows of a query: SQLite, DuckDB and a PostgreSQL of our own."""

import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.faults import UnreadableFileError
from gamekeeper.exchange.sources import TableSource, find_sources
from gamekeeper.exchange.sources.addresses import shown, without_secrets
from gamekeeper.exchange.sources.queries import require_query


def rows(sql: str, database: str | None) -> pl.DataFrame:
    found = find_sources([], sql=sql, database=database)
    assert not found.faults
    (source,) = found.sources
    assert isinstance(source, TableSource)
    return pl.concat(source.frames())


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("create table calls(account, tokens, body)")
        values = [("a", 1, "x"), ("b", 2.5, b"y"), (None, None, 3)]
        connection.executemany("insert into calls values (?, ?, ?)", values)
    connection.close()
    return f"sqlite://{tmp_path}/log.db"


def test_rows_of_sqlite_are_read_whatever_their_types(sqlite: str) -> None:
    """SQLite lets each row have its own: such a column is text."""
    assert rows("select * from calls;", sqlite).to_dicts() == [
        {"account": "a", "tokens": 1.0, "body": "x"},
        {"account": "b", "tokens": 2.5, "body": "y"},
        {"account": None, "tokens": None, "body": "3"},
    ]


def test_a_query_is_read_from_a_file(sqlite: str, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("-- the accounts\nselect account from calls;\n")
    assert rows(f"@{tmp_path}/q.sql", sqlite).columns == ["account"]
    assert find_sources([], sql="@nowhere.sql", database=sqlite).faults


@pytest.mark.parametrize(
    "sql",
    [
        "delete from calls",
        "select 1; drop table calls",
        "/* select */ drop table calls",
        "pragma writable_schema = 1",
        "copy calls to 'x'",
        "attach 'x' as y",
        "",
        "--select",
        ";",
    ],
)
def test_what_is_not_a_query_is_refused(sql: str) -> None:
    with pytest.raises(UsageError):
        require_query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ';' as a",
        "(select 1)",
        "-- a; b\nwith x as (select 1) select * from x",
        "from calls",
    ],
)
def test_what_is_a_query_is_taken(sql: str) -> None:
    require_query(sql)


def test_a_query_that_fails_is_a_fault(sqlite: str) -> None:
    (source,) = find_sources([], sql="select absent from calls", database=sqlite).sources
    with pytest.raises(UnreadableFileError, match="the query failed") as caught:
        list(source.frames())  # type: ignore[union-attr]
    assert "no such column" in caught.value.fault.found


def test_a_query_cannot_change_sqlite(sqlite: str) -> None:
    """However it is written: the file is opened to read."""
    (source,) = find_sources(
        [], sql="with x as (select 1) delete from calls", database=sqlite
    ).sources
    with pytest.raises(UnreadableFileError):
        list(source.frames())  # type: ignore[union-attr]
    assert rows("select * from calls", sqlite).height == 3


def test_a_kind_of_database_that_is_not_known_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match="is not known") as caught:
        find_sources([], sql="select 1", database="oracle://ann:hunter2@host/x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.extra
def test_duckdb_queries_files_and_its_own_databases(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    pl.DataFrame({"account": ["a", "b"], "tags": [["x"], []]}).write_parquet(tmp_path / "a.parquet")
    sql = f"select * from '{tmp_path}/*.parquet' order by account"
    assert rows(sql, None).to_dicts()[0] == {"account": "a", "tags": ["x"]}
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("create table calls as select 7 as n")
    assert rows("from calls", f"duckdb://{tmp_path}/x.duckdb").to_dicts() == [{"n": 7}]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("adbc_driver_postgresql")
    programs = sorted(glob("/usr/lib/postgresql/*/bin"))
    folder = tmp_path_factory.mktemp("postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:  # the server refuses to run as root
        folder = Path("/tmp") / f"gamekeeper-postgres-{port}"
        folder.mkdir()
        shutil.chown(folder, "postgres")

    def run(program: str, *words: str) -> None:
        command = [*user, f"{programs[-1]}/{program}", "-D", f"{folder}/data", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-o", settings, "-l", f"{folder}/log", "-w", "start")
    try:
        yield f"postgres://postgres:hunter2@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.mark.extra
def test_postgres_streams_rows_and_is_not_changed(postgres: str) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "create table calls as select '2026-11-02T09:14:03Z'::timestamptz as time,"
            " 'acct' || i as account, jsonb_build_object('q', i) as body, i / 4.0 as cost"
            " from generate_series(1, 20000) i"
        )
        connection.commit()
    calls = rows("select * from calls order by cost", postgres)
    assert calls.height == 20_000
    assert calls.schema["time"] == pl.Datetime("us", "UTC")
    assert calls.row(0)[1:] == ("acct1", '{"q": 1}', 0.25)
    deleting = "with x as (delete from calls returning *) select * from x"
    (source,) = find_sources([], sql=deleting, database=postgres).sources
    assert "hunter2" not in repr(source)
    with pytest.raises(UnreadableFileError) as caught:
        list(source.frames())  # type: ignore[union-attr]
    assert "read-only" in caught.value.fault.found
    assert rows("select count(*) as n from calls", postgres)["n"].to_list() == [20_000]


@pytest.mark.parametrize(
    "address",
    [
        "postgres//bob:Gehe1mpass@h/db",  # the colon was forgotten
        "s3://AKIA:Gehe1mpass@bucket/x",
        "sqlite://bob:Gehe1mpass@spend.db",
        "postgres://bob:Gehe1m@pass/x#1@h/db",
        "postgres://bob:pass?Gehe1m@h/db",
        "https://Gehe1mpass@h/a.jsonl",
    ],
)
def test_no_part_of_a_password_is_shown(address: str) -> None:
    """Whatever sign it holds, and wherever the address is wrong."""
    for text in (shown(address), without_secrets(f'Invalid name "{address}": retry')):
        assert not any(part in text for part in ("Gehe1m", "pass", "x#1"))
