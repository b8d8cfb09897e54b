"""What was paid for: each input's answer, on disk before anybody sees it, so that nothing is paid
twice. Queries that the target refuses as such are kept too, so that they are not made again; so
are those that failed otherwise in three runs.

Labels that come as text are numbered as they come; the numbers stay the same in later runs.

A SQLite file: it survives being killed, and an audit that is run again goes on where it stopped.
"""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import InputError, input_error

_FORMAT = "gamekeeper/audit-journal@1"
_TABLES = """
create table if not exists about (name text primary key, value text not null);
create table if not exists answers (input blob primary key, answer blob not null) without rowid;
create table if not exists refused (input blob primary key, reason text not null) without rowid;
create table if not exists failed (
    input blob primary key, runs integer not null, reason text not null
) without rowid;
create table if not exists labels (number integer primary key, label text unique not null);
create table if not exists spent (
    row integer primary key check (row = 0), read integer not null, written integer
);
insert or ignore into spent values (0, 0, 0);
"""
_DIGEST_BYTES = 16
_MOST_RUNS = 3  # in which a query fails: what was a fault for a while is mended by then


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
            self.require("format", _FORMAT)
            self.require("target", target)
        except sqlite3.DatabaseError as error:
            raise self._unusable(
                "the file is not the journal of an audit", str(error), _FORMAT
            ) from error

    def __len__(self) -> int:
        counted = "select (select count(*) from answers) + (select count(*) from refused)"
        return int(self._base.execute(counted).fetchone()[0])

    @property
    def answered(self) -> int:
        """Answers that are there, without what was refused."""
        return int(self._base.execute("select count(*) from answers").fetchone()[0])

    def known(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Returns the answers that are there, by the input's id."""
        return self._found("select input, answer from answers where input in", ids)

    def refused(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Returns why queries were refused, by the input's id."""
        return self._found("select input, reason from refused where input in", ids)

    def _found(self, select: str, ids: Sequence[bytes]) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            marks = ",".join("?" * len(some))
            found |= dict(self._base.execute(f"{select} ({marks})", some))
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

    def keep_refused(self, reasons: Mapping[bytes, str], tokens: Tokens = NO_TOKENS) -> None:
        """Keeps queries that the target refuses, with its reasons and what they cost."""
        self._base.execute("begin")
        self._base.executemany("insert or ignore into refused values (?, ?)", [*reasons.items()])
        self._base.execute("update spent set read = read + ?, written = written + ?", tokens)
        self._base.execute("commit")

    def count_failed(self, reasons: Mapping[bytes, str]) -> None:
        """Counts a run in which queries failed without being refused; after three runs they are
        kept as refused.
        """
        counted = [*reasons.items()]
        most = (_MOST_RUNS,)
        self._base.execute("begin")
        self._base.executemany(
            "insert into failed values (?, 1, ?) on conflict (input)"
            " do update set runs = runs + 1, reason = excluded.reason",
            counted,
        )
        self._base.execute(
            "insert or ignore into refused select input, reason from failed where runs >= ?", most
        )
        self._base.execute("delete from failed where runs >= ?", most)
        self._base.execute("commit")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that came as text, in the order of their numbers from 0."""
        rows = self._base.execute("select label from labels order by number").fetchall()
        return tuple(label for (label,) in rows)

    def numbers_of(self, labels: Sequence[str]) -> list[int]:
        """Returns the numbers of labels; those that are new get the next ones."""
        known = {label: number for number, label in enumerate(self.labels)}
        new = [label for label in dict.fromkeys(labels) if label not in known]
        rows = [*enumerate(new, len(known))]
        self._base.execute("begin")
        self._base.executemany("insert into labels values (?, ?)", rows)
        self._base.execute("commit")
        known |= {label: number for number, label in rows}
        return [known[label] for label in labels]

    def note(self, name: str, value: str) -> None:
        """Keeps a value under a name, in place of an earlier one."""
        self._base.execute("insert or replace into about values (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """Returns what was kept under a name; None if nothing was."""
        row = self._base.execute("select value from about where name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def require(self, name: str, value: str) -> None:
        """Keeps a value under a name, once for all.

        Raises:
            InputError: Another was kept before: answers belong to that one.
        """
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
