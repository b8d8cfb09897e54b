"""Key material that shows itself nowhere, and the one comparison of secrets."""

import hmac
from typing import NoReturn


class SecretBytes:
    """Bytes that are in no repr, str, format, pickle or copy of the object that holds them.

    Python cannot wipe memory: what is revealed lives until it is collected, and may be swapped out.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Returns the bytes, for the call that needs them: do not keep them in a variable."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretBytes) and is_same(self._value, other._value)

    def __repr__(self) -> str:
        return "SecretBytes(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")


def is_same(one: bytes, other: bytes) -> bool:
    """Returns whether two secrets, tags or digests are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)
