"""What was paid for: each input's answer, on disk before anybody sees it, so that nothing is paid
twice.

A SQLite file: it survives being killed, and an audit that is run again goes on where it stopped.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import InputError, input_error

_FORMAT = "gamekeeper/audit-journal@1"
_TABLES = """
create table if not exists about (name text primary key, value text not null);
create table if not exists answers (input blob primary key, answer blob not null) without rowid;
create table if not exists spent (
    row integer primary key check (row = 0), read integer not null, written integer
);
insert or ignore into spent values (0, 0, 0);
"""
_DIGEST_BYTES = 16


class Tokens(NamedTuple):
    """Tokens of a language model, as its usage counts them: read are the query's, written the
    answer's.
    """

    read: int
    written: int

    @property
    def total(self) -> int:
        """Of both kinds."""
        return self.read + self.written

    def __add__(self, others: object) -> "Tokens":
        """Adds kind by kind."""
        assert isinstance(others, Tokens)
        return Tokens(self.read + others.read, self.written + others.written)


NO_TOKENS = Tokens(0, 0)


class Journal:
    """The stored answers of an audit, in a SQLite file.

    Args:
        path: Of the file; made if it is not there.
        target: Name of the target; a journal is of one target.

    Raises:
        InputError: The file is not a journal, or belongs to another target.
    """

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.executescript(
                f"pragma journal_mode = wal; pragma synchronous = normal; {_TABLES}"
            )
            self._require("format", _FORMAT)
            self._require("target", target)
        except sqlite3.DatabaseError as error:
            raise self._unusable(
                "the file is not the journal of an audit", str(error), _FORMAT
            ) from error

    def __len__(self) -> int:
        return int(self._base.execute("select count(*) from answers").fetchone()[0])

    def known(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Returns the answers that are there, by the input's id."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = self._base.execute(
                f"select input, answer from answers where input in ({marks})", some
            )
            found |= dict(rows)
        return found

    @property
    def tokens(self) -> Tokens:
        """What all answers together cost."""
        return Tokens(*self._base.execute("select read, written from spent").fetchone())

    def keep(
        self, ids: Sequence[bytes], answers: Sequence[bytes], tokens: Tokens = NO_TOKENS
    ) -> None:
        """Keeps answers and what they cost, all or none."""
        rows = zip(ids, answers, strict=True)
        self._base.execute("begin")
        self._base.executemany("insert or ignore into answers values (?, ?)", rows)
        self._base.execute("update spent set read = read + ?, written = written + ?", tokens)
        self._base.execute("commit")

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def _require(self, name: str, value: str) -> None:
        self._base.execute("insert or ignore into about values (?, ?)", (name, value))
        found = self._base.execute("select value from about where name = ?", (name,)).fetchone()[0]
        if found != value:
            raise self._unusable(f"the journal belongs to another {name}", found, value)

    def _unusable(self, problem: str, found: str, expected: str) -> InputError:
        return input_error(self._path, problem, found, expected, "name another folder with --out")


def ids_of(inputs: Array, turn: int = 0) -> list[bytes]:
    """Returns an id for each input, by its numbers, and by the turn in which it is asked again."""
    rows = np.ascontiguousarray(inputs, "<f8")
    return [
        hashlib.blake2b(row.tobytes(), digest_size=_DIGEST_BYTES, salt=bytes([turn])).digest()
        for row in rows
    ]
