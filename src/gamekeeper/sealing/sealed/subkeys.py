"""One data key, derived into a key for each use.

    subkey(use) = HKDF-SHA256(data key, salt = file id, info = "gamekeeper/sealed@1 " + use)

The commitment is such a subkey, published: whoever unwraps a key checks it before use. HKDF-SHA256
makes it hard to find two data keys with one commitment, which GCM alone does not (Albertini et al.,
How to Abuse and Fix Authenticated Encryption Without Key Commitment, USENIX Security 2022).
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gamekeeper.base.secret import Secret
from gamekeeper.sealing.sealed.layout import FORMAT

_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Subkeys:
    """What a data key is used as.

    Args:
        payload: For the chunks.
        index: For the index; used once.
        slots: Authenticates the key slots.
        commitment: Public.
    """

    payload: Secret[bytes]
    index: Secret[bytes]
    slots: Secret[bytes]
    commitment: bytes


def subkeys(data_key: Secret[bytes], file_id: bytes) -> Subkeys:
    """Derives the subkeys of a data key, 32 bytes, for one file."""
    return Subkeys(
        payload=Secret(_derive(data_key, file_id, "payload")),
        index=Secret(_derive(data_key, file_id, "index")),
        slots=Secret(_derive(data_key, file_id, "slots")),
        commitment=_derive(data_key, file_id, "commitment"),
    )


def context_of(file_id: bytes) -> bytes:
    """Returns what the wrapped data keys of one file are bound to."""
    return f"{FORMAT} data key ".encode() + file_id


def _derive(data_key: Secret[bytes], file_id: bytes, use: str) -> bytes:
    info = f"{FORMAT} {use}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=_BYTES, salt=file_id, info=info).derive(
        data_key.reveal()
    )
