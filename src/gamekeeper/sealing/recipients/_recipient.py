"""Recipients wrap a data key, identities unwrap it; a stanza is a wrapped key in a sealed file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gamekeeper.base.secret import Secret

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """A data key, wrapped for one recipient.

    Args:
        kind: How it is wrapped: `x25519`, `mlkem768-x25519`, `passphrase`, `awskms`, `vault`,
            `pkcs11`.
        name: Name of the recipient, for people; public, and unique in one file.
        values: Values for unwrapping, as text (binary values in base64); public.
    """

    kind: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)


class Recipient(Protocol):
    """The public side of a key: wraps data keys."""

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the data key, 32 bytes, wrapped so that only this recipient can unwrap it.

        Args:
            data_key: The key to wrap.
            context: Bytes to which it is bound, 16 to 256: unwrapping with other ones fails.

        Raises:
            InputError: The key service cannot be reached or refuses.
        """
        ...


class Identity(Protocol):
    """The secret side of a key: unwraps data keys."""

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if the stanza is for another recipient or does not unwrap
        with this key.

        Raises:
            InputError: The key service cannot be reached or refuses, or the stanza cannot be read.
        """
        ...
