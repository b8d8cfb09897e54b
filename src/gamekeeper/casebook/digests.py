"""Salted digests, which replace texts in entries when these texts must be erasable.

A plain hash of a prompt can be confirmed by guessing the prompt. The salt is stored with the text
and erased with it; what remains in the casebook then reveals nothing of the text. While text and
salt exist, they still prove which text the entry refers to.
"""

import hashlib
import hmac

from gamekeeper.base.errors import UsageError

_MIN_SALT_BYTES = 16


def salted_digest(text: str, salt: bytes) -> str:
    """Returns HMAC-SHA256 of a text under a salt, as 64 hexadecimal digits.

    Args:
        text: Such as a prompt or an answer; lone surrogates, which occur in logs, are accepted.
        salt: At least 16 random bytes; a separate salt for each text that may be erased
            separately.

    Raises:
        UsageError: The salt is too short to prevent guessing.

    Example:
        >>> salted_digest("a prompt", bytes(16))[:8]
        '3888e314'
    """
    if len(salt) < _MIN_SALT_BYTES:
        raise UsageError(f"a salt needs at least {_MIN_SALT_BYTES} bytes; found {len(salt)}")
    return hmac.digest(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
