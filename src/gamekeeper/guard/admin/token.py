"""The token of the admin API: made on first start, kept in the state folder, readable by its owner
only.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.files import new_file, write_at

FILE = "admin.token"

_BYTES = 32
_SHORTEST = 32  # characters; an operator may put a token of their own there


def admin_token(folder: Path, entropy: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """Returns the token of a state folder; the first call makes it.

    Args:
        folder: Of the guard's state.
        entropy: Draws n random bytes, as text that a URL can hold.

    Raises:
        InputError: What the file holds is too short for a secret, or not text.
    """
    path = folder / FILE
    if not path.exists():
        _draw(path, entropy(_BYTES))
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if len(token) < _SHORTEST or not token.isprintable() or " " in token:
        raise _unusable(path, f"{len(token)} characters")
    return token


def _draw(path: Path, token: str) -> None:
    """Writes a token whole or not at all; of two processes that start together, one does."""
    with suppress(FileExistsError), new_file(path.parent) as new:
        write_at(new.file, f"{token}\n".encode("ascii"), 0)
        new.finish(path)


def _unusable(path: Path, found: str) -> InputError:
    return input_error(
        path,
        "the admin token cannot be used",
        found,
        f"at least {_SHORTEST} printable ASCII characters without spaces",
        "remove the file: the next start makes a new one",
    )
