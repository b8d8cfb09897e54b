"""The store of several guards: a Redis (or Valkey) server; extra `redis`.

Records are hashes, a table each. Counters are sent as what was added, in numbered batches: a batch
whose answer never came is sent again under its number before anything else, so that a server that
hangs and wakes up later counts it once. How long a write outlives the server is the server's own
setting (`appendfsync always` for every one of them). One server and its own replicas; a sharded
cluster is not supported.

Every call waits at most half a second for a connection and a second for an answer.
"""

import secrets
from collections.abc import Iterator, Mapping
from math import ceil
from threading import Lock
from typing import Any, NamedTuple

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.guard.store._redis import (
    ADD,
    FIELDS,
    KEPT_S,
    batch_of,
    client_of,
    day_keys,
    fields_of,
    require_redis,
    told_as_gone,
)
from gamekeeper.guard.store._shared import Changed
from gamekeeper.guard.store._store import Spent

FORMAT = "gamekeeper/guard-state@1"

_FORMAT = "gamekeeper:format"
_VERSION = "gamekeeper:version"
_AT_ONCE = 1_000
"""Accounts in one command: some 20 ms of the server, which does nothing else meanwhile."""


class _Batch(NamedTuple):
    number: int
    day: str
    spent: dict[str, Spent]


class RedisStore:
    """See `SharedStore` and the module.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix://PATH?db=DB`; may hold user and
            password.

    Raises:
        MissingExtraError: The client is not installed.
        InputError: The URL is none of Redis, or something else stands in this database.
        StoreGoneError: The server cannot be reached.
    """

    def __init__(self, url: str) -> None:
        require_redis()
        import redis

        self._redis = client_of(redis.Redis, url)
        self._add = self._redis.register_script(ADD)
        self._name = secrets.token_hex(8)
        self._number = 0
        self._adding = Lock()
        self._unsure: _Batch | None = None
        self._ahead: dict[str, Spent] = {}
        self._require_format()

    def load(self, table: str) -> dict[str, bytes]:
        """See `Store`."""
        with told_as_gone():
            return {
                id.decode(): record for id, record in self._redis.hgetall(_table(table)).items()
            }

    def put(self, table: str, id: str, record: bytes) -> None:
        """See `Store`."""
        self._write("hset", table, id, record)

    def put_new(self, table: str, id: str, record: bytes) -> bool:
        """See `Store`."""
        return bool(self._write("hsetnx", table, id, record))

    def delete(self, table: str, id: str) -> bool:
        """See `Store`."""
        return bool(self._write("hdel", table, id))

    def version(self) -> int:
        """See `Store`; changes with every write, one's own included."""
        with told_as_gone():
            return int(self._redis.get(_VERSION) or 0)

    def add(self, day: str, spent: Mapping[str, Spent]) -> None:
        """See `Store`. Whoever calls it again after a failure brings what failed along, as the
        guard does.
        """
        with self._adding:
            if self._unsure is not None:
                self._send(self._unsure)
            for part in _parts(_less(spent, self._ahead)):
                self._number += 1
                self._send(_Batch(self._number, day, part))
            self._ahead = {}

    def spent(self, day: str) -> dict[str, Spent]:
        """See `Store`."""
        return self.changed(day, 0).spent

    def changed(self, day: str, since: int) -> Changed:
        """See `SharedStore`."""
        found: dict[str, Spent] = {}
        at = since if since <= self._last_number(day) else 0  # the server began anew
        while names := self._touched(day, at):
            found |= self._counters(day, list(names))
            at = max(names.values())
        return Changed(at, found)

    def first_use(self, token: str, *, now: float, expires: float) -> bool:
        """See `Store`."""
        lives_ms = max(1, ceil((expires - now) * 1000))
        with told_as_gone():
            return bool(self._redis.set(f"gamekeeper:used:{token}", b"", nx=True, px=lives_ms))

    def close(self) -> None:
        """See `Store`."""
        self._redis.close()

    def __repr__(self) -> str:
        return "RedisStore(...)"  # the client's own repr has the address

    def _require_format(self) -> None:
        # The version begins anywhere: a server that lost everything must not come back with one
        # that was seen.
        with told_as_gone():
            self._redis.set(_VERSION, secrets.randbits(40), nx=True)
            self._redis.set(_FORMAT, FORMAT, nx=True)
            found = self._redis.get(_FORMAT).decode(errors="replace")
        if found != FORMAT:
            self.close()
            raise _not_ours(found)

    def _write(self, command: str, table: str, *arguments: Any) -> Any:
        with told_as_gone(), self._redis.pipeline(transaction=True) as both:
            getattr(both, command)(_table(table), *arguments)
            both.incr(_VERSION)
            return both.execute()[0]

    def _send(self, batch: _Batch) -> None:
        """Adds a batch; if that fails the server may have taken it all the same."""
        self._unsure = batch
        keys = [*day_keys(batch.day), f"gamekeeper:batches:{self._name}"]
        with told_as_gone():
            self._add(keys=keys, args=[KEPT_S, batch.number, *batch_of(batch.spent)])
        self._unsure = None
        for account, used in batch.spent.items():
            self._ahead[account] = self._ahead.get(account, Spent()).plus(used)

    def _last_number(self, day: str) -> int:
        with told_as_gone():
            return int(self._redis.get(day_keys(day)[2]) or 0)

    def _touched(self, day: str, after: int) -> dict[str, int]:
        """Accounts charged after a number, the next some of them, in their order."""
        key = day_keys(day)[1]
        with told_as_gone():
            found = self._redis.zrange(
                key, f"({after}", "+inf", byscore=True, offset=0, num=_AT_ONCE, withscores=True
            )
        return {account.decode(): int(number) for account, number in found}

    def _counters(self, day: str, accounts: list[str]) -> dict[str, Spent]:
        fields = [field for account in accounts for field in fields_of(account)]
        with told_as_gone():
            values = iter(
                [int(value or 0) for value in self._redis.hmget(day_keys(day)[0], fields)]
            )
        return {account: Spent(*(next(values) for _ in FIELDS)) for account in accounts}


def _table(table: str) -> str:
    return f"gamekeeper:records:{table}"


def _less(spent: Mapping[str, Spent], ahead: Mapping[str, Spent]) -> dict[str, Spent]:
    """What is left of counts when those that the server already has are taken off."""
    left = {account: _minus(used, ahead.get(account, Spent())) for account, used in spent.items()}
    return {account: used for account, used in left.items() if any(used)}


def _minus(one: Spent, other: Spent) -> Spent:
    return Spent(*(a - b for a, b in zip(one, other, strict=True)))


def _parts(spent: dict[str, Spent]) -> Iterator[dict[str, Spent]]:
    listed = list(spent.items())
    for at in range(0, len(listed), _AT_ONCE):
        yield dict(listed[at : at + _AT_ONCE])


def _not_ours(found: str) -> InputError:
    return input_error(
        "policy, state.redis",
        "not a state that this gamekeeper reads",
        found[:80],
        FORMAT,
        "name another database of the server: redis://HOST:PORT/DB",
    )
