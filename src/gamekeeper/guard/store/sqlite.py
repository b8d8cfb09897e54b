"""The store of one machine: a SQLite file, readable by its owner only.

WAL with full synchronisation: a record that `put` returned for survives `kill -9` and loss of
power. Other processes (the command line) may write the same file; `version` sees it.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.guard.store._store import MOST, RefusedError, SlowedState, Spent, StoreGoneError

FORMAT = "gamekeeper/guard-state@1"

_TABLES = """
create table if not exists meta (name text primary key, value text) strict;
create table if not exists records (tab text, id text, record blob, primary key (tab, id))
    strict, without rowid;
create table if not exists spent (day text, account text, requests integer, tokens integer,
    micro_usd integer, cells integer, primary key (day, account)) strict, without rowid;
create table if not exists used (token text primary key, expires real) strict, without rowid;
create table if not exists slowed (account text primary key, at real, tokens text, proofs integer)
    strict, without rowid;
"""
_COUNTS = Spent._fields
_ADD = f"""
insert into spent values (?, ?, {", ".join(f"max(0, min({MOST}, ?))" for _ in _COUNTS)})
    on conflict (day, account) do update set
    {", ".join(f"{name} = max(0, min({MOST}, {name} + ?))" for name in _COUNTS)}
"""


class SqliteStore:
    """See `Store`.

    Args:
        path: The file; made, with its folder, if there is none.

    Raises:
        InputError: The file is not a gamekeeper state file, or one of a later format.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(_TABLES)
            self._db.execute("insert or ignore into meta values ('format', ?)", (FORMAT,))
            found = self._db.execute("select value from meta where name = 'format'").fetchone()[0]
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise _not_ours(path, str(error)) from error
        if found != FORMAT:
            self._db.close()
            raise _not_ours(path, found)

    def load(self, table: str) -> dict[str, bytes]:
        """See `Store`."""
        with self._transaction("deferred") as db:
            return dict(db.execute("select id, record from records where tab = ?", (table,)))

    def put(self, table: str, id: str, record: bytes) -> None:
        """See `Store`."""
        with self._transaction() as db:
            db.execute("insert or replace into records values (?, ?, ?)", (table, id, record))

    def put_new(self, table: str, id: str, record: bytes) -> bool:
        """See `Store`."""
        with self._transaction() as db:
            return (
                db.execute(
                    "insert or ignore into records values (?, ?, ?)", (table, id, record)
                ).rowcount
                == 1
            )

    def delete(self, table: str, id: str) -> bool:
        """See `Store`."""
        with self._transaction() as db:
            return (
                db.execute("delete from records where tab = ? and id = ?", (table, id)).rowcount
                == 1
            )

    def version(self) -> int:
        """See `Store`; changes when another connection wrote, whatever it wrote."""
        with self._lock, _told_as_gone():
            return int(self._db.execute("pragma data_version").fetchone()[0])

    def add(self, day: str, spent: Mapping[str, Spent]) -> None:
        """See `Store`."""
        with self._transaction() as db:
            db.executemany(_ADD, [(day, account, *used, *used) for account, used in spent.items()])

    def spent(self, day: str) -> dict[str, Spent]:
        """See `Store`."""
        with self._transaction("deferred") as db:
            rows = db.execute(
                "select account, requests, tokens, micro_usd, cells from spent where day = ?",
                (day,),
            )
            return {account: Spent(*used) for account, *used in rows}

    def first_use(self, token: str, *, now: float, expires: float) -> bool:
        """See `Store`."""
        with self._transaction() as db:
            db.execute("delete from used where expires < ?", (now,))
            return (
                db.execute("insert or ignore into used values (?, ?)", (token, expires)).rowcount
                == 1
            )

    def keep_slowed(self, states: Mapping[str, SlowedState], oldest: float) -> None:
        """See `SlowedStore`."""
        rows = [
            (account, state.at, orjson.dumps(state.tokens).decode(), state.proofs)
            for account, state in states.items()
        ]
        with self._transaction() as db:
            db.executemany("insert or replace into slowed values (?, ?, ?, ?)", rows)
            db.execute("delete from slowed where at < ?", (oldest,))

    def slowed(self) -> dict[str, SlowedState]:
        """See `SlowedStore`."""
        with self._transaction("deferred") as db:
            rows = db.execute("select account, at, tokens, proofs from slowed")
            return {
                account: SlowedState(at, tuple(orjson.loads(tokens)), proofs)
                for account, at, tokens, proofs in rows
            }

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self, kind: str = "immediate") -> Iterator[sqlite3.Connection]:
        with self._lock, _told_as_gone():
            self._db.execute(f"begin {kind}")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")


@contextmanager
def _told_as_gone() -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise RefusedError(str(error)) from error
    except sqlite3.Error as error:
        raise StoreGoneError(str(error)) from error


def _not_ours(path: Path, found: str) -> InputError:
    return input_error(
        path,
        "not a state file that this gamekeeper reads",
        found,
        FORMAT,
        "name another folder with --state",
    )
