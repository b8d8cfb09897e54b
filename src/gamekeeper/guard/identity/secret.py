"""Secrets: a type that shows nothing, the one comparison, and keys that all replicas share."""

import hmac
import secrets
from collections.abc import Callable
from typing import NoReturn

import orjson

from gamekeeper.errors import Fault, InputError
from gamekeeper.guard.store import Store

TABLE = "keys"

_FORMAT = "gamekeeper/state-secret@1"
_BYTES = 32


class Secret:
    """Text that may be read once and shows itself nowhere else: not in repr, str, format, pickle or copies."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: str | None = value

    def reveal(self) -> str:
        """Returns the text, the first time.

        Raises:
            RuntimeError: It was revealed before.
        """
        if self._value is None:
            raise RuntimeError("a secret is revealed once")
        value, self._value = self._value, None
        return value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")


def is_same_secret(one: bytes, other: bytes) -> bool:
    """Returns whether two secrets or digests are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def state_secret(store: Store, name: str, entropy: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
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
    return InputError(
        [
            Fault(
                where=f"state, {TABLE}/{id}",
                problem="a secret of the state is unreadable",
                found="another format",
                expected=_FORMAT,
                try_="use the gamekeeper version that wrote this state",
            )
        ]
    )
