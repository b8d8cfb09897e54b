"""Key material that never prints, and the one comparison of secrets."""

import hmac
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)


class Secret(Generic[T]):
    """Text or bytes that are in no repr, str, format, pickle or copy of the object that holds them.

    Python cannot wipe memory: what is revealed lives until it is collected, and may be swapped out.

    Args:
        value: The secret.
        once: Whether it may be revealed a single time, as the text of a new API key.

    Example:
        >>> key = Secret(b"sixteen byte key")
        >>> print(key, len(key))
        Secret(...) 16
    """

    __slots__ = ("_is_once", "_value")
    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __init__(self, value: T, *, once: bool = False) -> None:
        self._value: T | None = value
        self._is_once = once

    def reveal(self) -> T:
        """Returns the secret, for the call that needs it: do not keep it in a variable.

        Raises:
            RuntimeError: It may be revealed once, and was.
        """
        if self._value is None:
            raise RuntimeError("this secret is revealed once, and was")
        value = self._value
        if self._is_once:
            self._value = None
        return value

    def __len__(self) -> int:
        return 0 if self._value is None else len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or self._value is None or other._value is None:
            return False
        return is_same_secret(_bytes(self._value), _bytes(other._value))

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")


def is_same_secret(one: bytes, other: bytes) -> bool:
    """Returns whether two secrets, tags or digests are equal, in time that does not depend on where
    they differ.
    """
    return hmac.compare_digest(one, other)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
