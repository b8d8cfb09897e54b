"""Secrets that the state keeps: all replicas that share it get the same bytes."""

import secrets
from collections.abc import Callable

import orjson

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.names import NameMask
from gamekeeper.guard.store import Store

TABLE = "keys"

_FORMAT = "gamekeeper/state-secret@1"
_BYTES = 32


def state_secret(
    store: Store, name: str, entropy: Callable[[int], bytes] = secrets.token_bytes
) -> bytes:
    """Returns the 32 random bytes that the state keeps under a name; drawn by whoever asks first.

    Args:
        store: The state; replicas that share it get the same bytes.
        name: What it is for, such as `upstream`.
        entropy: Draws n random bytes.

    Raises:
        InputError: What the state holds under that name is not such a secret.
    """
    id = f"secret.{name}"
    drawn = {"format": _FORMAT, "secret": entropy(_BYTES).hex()}
    store.put_new(TABLE, id, orjson.dumps(drawn))
    kept = store.load(TABLE)[id]
    try:
        record = orjson.loads(kept)
        value = bytes.fromhex(record["secret"])
        if record["format"] != _FORMAT or len(value) != _BYTES:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _unreadable(id) from None
    return value


def _unreadable(id: str) -> InputError:
    return input_error(
        f"state, {TABLE}/{id}",
        "a secret of the state is unreadable",
        "another format",
        _FORMAT,
        "use the gamekeeper version that wrote this state",
    )


def account_mask(store: Store) -> NameMask:
    """Returns what masks accounts that hold a secret; replicas that share a state mask alike."""
    return NameMask(state_secret(store, "names"))
