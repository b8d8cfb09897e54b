"""What the guard keeps: in SQLite on one machine, in Redis where replicas share."""

from pathlib import Path

from gamekeeper.guard.store._shared import Changed, SharedStore
from gamekeeper.guard.store._store import (
    RefusedError,
    SlowedState,
    SlowedStore,
    Spent,
    Store,
    StoreGoneError,
)
from gamekeeper.guard.store.sqlite import SqliteStore

__all__ = [
    "Changed",
    "RefusedError",
    "SharedStore",
    "SlowedState",
    "SlowedStore",
    "Spent",
    "SqliteStore",
    "Store",
    "StoreGoneError",
    "open_store",
]


def open_store(state: str) -> Store:
    """Returns the store of a state.

    Args:
        state: A folder, or `redis://HOST:PORT/DB` (also `rediss://`, `unix://`).

    Raises:
        InputError: There is something else in its place.
        StoreGoneError: It cannot be reached.
    """
    if "://" in state:
        from gamekeeper.guard.store.redis import RedisStore

        return RedisStore(state)
    return SqliteStore(Path(state) / "guard.sqlite")
