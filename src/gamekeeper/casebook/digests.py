"""What stands in an entry in place of a text that must be erasable.

A plain hash of a prompt can be guessed by whoever guesses the prompt. With a salt that is kept
beside the text and erased with it, what is left in the casebook says nothing of the text, and while
both exist they still prove which text was meant.
"""

import hashlib
import hmac

from gamekeeper.base.errors import UsageError

_MIN_SALT_BYTES = 16


def salted_digest(text: str, salt: bytes) -> str:
    """Returns HMAC-SHA256 of a text under a salt, as 64 hexadecimal digits.

    Args:
        text: Such as a prompt or an answer; halves of surrogate pairs, as logs hold them, are let
            through.
        salt: At least 16 random bytes, one for each text that is to be erased alone.

    Raises:
        UsageError: The salt is too short to keep the text from being guessed.

    Example:
        >>> salted_digest("a prompt", bytes(16))[:8]
        '3888e314'
    """
    if len(salt) < _MIN_SALT_BYTES:
        raise UsageError(f"a salt has at least {_MIN_SALT_BYTES} bytes; found {len(salt)}")
    return hmac.digest(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
