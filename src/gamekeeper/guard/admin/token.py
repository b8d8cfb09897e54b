"""The token of the admin API: made on first start, kept in the state folder, readable by its owner only."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gamekeeper.errors import Fault, InputError

FILE = "admin.token"

_BYTES = 32
_SHORTEST = 32  # characters; an operator may put a token of their own there


def admin_token(folder: Path, entropy: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """Returns the token of a state folder; whoever asks first draws it.

    Args:
        folder: Of the guard's state.
        entropy: Draws n random bytes, as text that a URL can hold.

    Raises:
        InputError: What the file holds is too short for a secret, or no text.
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
    """Writes a token whole or not at all; of two processes that start together, one wins."""
    beside = path.with_name(f".{FILE}.{secrets.token_hex(4)}")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(f"{token}\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink()


def _unusable(path: Path, found: str) -> InputError:
    return InputError(
        [
            Fault(
                where=str(path),
                problem="the admin token cannot be used",
                found=found,
                expected=f"at least {_SHORTEST} printable ASCII characters without spaces",
                try_="remove the file: the next start makes a new one",
            )
        ]
    )
