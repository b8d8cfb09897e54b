"""Recipients wrap a data key, identities unwrap it; a stanza is the wrapped key as it stands in the
file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gamekeeper.base.secret import Secret

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """A data key, wrapped for one recipient.

    Args:
        kind: How: `x25519`, `mlkem768-x25519`, `passphrase`, `awskms`, `vault`, `pkcs11`.
        name: For whom, as people know it; public, and unique in one file.
        values: What unwrapping needs, as text (binary values in base64); public.
    """

    kind: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)


class Recipient(Protocol):
    """Somebody for whom a data key can be wrapped."""

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the data key, 32 bytes, wrapped so that only this recipient can unwrap it.

        Args:
            data_key: What to wrap.
            context: What it is a key for; unwrapping with another context fails. 16 to 256 bytes.

        Raises:
            InputError: The key service cannot be reached or refuses.
        """
        ...


class Identity(Protocol):
    """Somebody who can unwrap."""

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None where the stanza is for somebody else or does not unwrap
        with this key.

        Raises:
            InputError: The key service cannot be reached or refuses, or the stanza cannot be read.
        """
        ...
