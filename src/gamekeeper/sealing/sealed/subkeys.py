"""Derives a subkey for each use from the data key.

    subkey(use) = HKDF-SHA256(data key, salt = file id, info = "gamekeeper/sealed@1 " + use)

The commitment is such a subkey, published in the header. After unwrapping, a data key is checked
against it before use. HKDF-SHA256 makes it hard to find two data keys with the same commitment,
which GCM alone does not (Albertini et al., How to Abuse and Fix Authenticated Encryption Without
Key Commitment, USENIX Security 2022).
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gamekeeper.base.secret import Secret
from gamekeeper.sealing.sealed.layout import FORMAT

_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Subkeys:
    """The subkeys of a data key.

    Args:
        payload: Encrypts the chunks.
        index: Encrypts the index; used once.
        slots: Authenticates the key slots.
        commitment: Commits to the data key; public.
    """

    payload: Secret[bytes]
    index: Secret[bytes]
    slots: Secret[bytes]
    commitment: bytes


def derive_subkeys(data_key: Secret[bytes], file_id: bytes) -> Subkeys:
    """Derives the subkeys of a data key, 32 bytes, for one file."""
    return Subkeys(
        payload=Secret(_derive(data_key, file_id, "payload")),
        index=Secret(_derive(data_key, file_id, "index")),
        slots=Secret(_derive(data_key, file_id, "slots")),
        commitment=_derive(data_key, file_id, "commitment"),
    )


def context_of(file_id: bytes) -> bytes:
    """Returns the context to which the wrapped data keys of one file are bound."""
    return f"{FORMAT} data key ".encode() + file_id


def _derive(data_key: Secret[bytes], file_id: bytes, use: str) -> bytes:
    info = f"{FORMAT} {use}".encode()
    kdf = HKDF(algorithm=hashes.SHA256(), length=_BYTES, salt=file_id, info=info)
    return kdf.derive(data_key.reveal())
