"""Account names that hold a secret, masked so that they stay unique.

Some gateways log the API key itself as the account. Such a name becomes its beginning, `***` and a
keyed digest:

    sk-proj-4fQz9Lm2Xc7Vb1Nn8Ka3   ->   sk-proj-***5b1f0c9ae27d4c38

The digest is HMAC-SHA256 of the secret, so the same name gives the same digest and joins between
files still work, and nobody can test a guess at the key without the digest's own key. That one is

    GAMEKEEPER_NAME_KEY   in the environment, at least 16 characters: for machines that share their
                          results
    name.key              else, in the user's state folder, made when the first such name is seen
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from gamekeeper.base.errors import UsageError, input_error
from gamekeeper.base.files import new_file, open_plain, write_at
from gamekeeper.base.log import get_logger
from gamekeeper.base.private_files import require_private_file
from gamekeeper.base.text import MASK, has_secret, replace_spans, secret_spans, shown_part

VARIABLE = "GAMEKEEPER_NAME_KEY"
_LOG = get_logger("gamekeeper.names")
_FILE = "name.key"
_MIN_CHARS = 16
_KEY_BYTES = 32
_DIGEST_DIGITS = 16


class NameMask:
    """Masks names under one key.

    Args:
        key: Secret bytes, at least 16; the same key gives the same masked names.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mask(self, name: str) -> str:
        """Returns the name, each secret in it replaced by its beginning, `***` and its digest.

        Example:
            >>> NameMask(bytes(16)).mask("sk-proj-4fQz9Lm2Xc7Vb1Nn8Ka3")
            'sk-proj-***2429fdd7a528e7ff'
        """

        def masked(start: int, end: int) -> str:
            secret = name[start:end]
            return f"{shown_part(secret)}{MASK}{self._digest(secret)}"

        return replace_spans(name, secret_spans(name), masked)

    def _digest(self, secret: str) -> str:
        text = secret.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256).hex()[:_DIGEST_DIGITS]


def mask_name(name: str) -> str:
    """Returns a name as `NameMask.mask` does, under this user's key; a name without a secret is
    unchanged.

    Raises:
        UsageError: `GAMEKEEPER_NAME_KEY` is too short.
    """
    return _user_mask(os.environ.get(VARIABLE)).mask(name) if has_secret(name) else name


@cache
def _user_mask(given: str | None) -> NameMask:
    if given:
        if len(given.strip()) < _MIN_CHARS:
            raise UsageError(
                f"{VARIABLE} has {len(given)} characters, and needs {_MIN_CHARS} or more: it keeps "
                "masked account names from being guessed"
            )
        return NameMask(given.encode("utf-8", "surrogateescape"))
    return NameMask(_stored_key(_state_folder() / _FILE))


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "gamekeeper"


def _stored_key(path: Path) -> bytes:
    """Returns the key of a file, made if it is not there.

    Where no file can be made, it is a key for this process, and a log line says so.

    Raises:
        InputError: The file is damaged, or others can read it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            with suppress(FileExistsError), new_file(path.parent) as new:
                write_at(new.file, secrets.token_bytes(_KEY_BYTES), 0)
                new.finish(path)
        file = open_plain(path)
    except (OSError, RuntimeError) as fault:
        _LOG.warning(
            "no key for masked account names can be kept in %s (%s): they will be others in the"
            " next run; set %s",
            path.parent,
            fault,
            VARIABLE,
        )
        return secrets.token_bytes(_KEY_BYTES)
    try:
        key = os.pread(file, _KEY_BYTES + 1, 0)
    finally:
        os.close(file)
    require_private_file(path)
    if len(key) != _KEY_BYTES:
        found = f"{len(key)} bytes"
        expected = f"{_KEY_BYTES} bytes"
        try_ = f"remove {path}; masked account names will then be others"
        raise input_error(path, "the key of masked names is damaged", found, expected, try_)
    return key
