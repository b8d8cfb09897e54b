"""The guard's state, as the verbs open it that work beside a guard."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gamekeeper.base.errors import InputError, input_error

if TYPE_CHECKING:
    from gamekeeper.guard.store import Store

_FILE = "guard.sqlite"
_EXPECTED = (
    "a folder that `gamekeeper keys issue` or `gamekeeper guard` made, or redis://HOST:PORT/NUMBER"
)


@contextmanager
def opened_store(state: str, *, is_new: bool = False) -> Iterator["Store"]:
    """Opens the store of a guard's state, and closes it.

    Args:
        state: A folder, or the address of a Redis.
        is_new: Whether a folder may be made; without it a mistyped name is an error, not a state
            without keys.

    Raises:
        InputError: It is not the state of a guard, or cannot be reached.
    """
    from gamekeeper.guard.store import StoreGoneError, open_store

    if not is_new:
        _require_state(state)
    try:
        store = open_store(state)
        try:
            yield store
        finally:
            store.close()
    except StoreGoneError as error:
        raise _unusable(without_password(state), "cannot be reached", str(error)) from error


def _require_state(state: str) -> None:
    folder = Path(state)
    if "://" in state or (folder / _FILE).exists():
        return
    found = f"no {_FILE} in it" if folder.exists() else "no such folder"
    raise _unusable(state, "not the state of a guard", found)


def _unusable(where: str, problem: str, found: str) -> InputError:
    return input_error(where, problem, found, _EXPECTED, "name it with --state")


def without_password(state: str) -> str:
    """Returns where a state is, as it may be shown."""
    return re.sub(r"//[^/]*@", "//", state)
