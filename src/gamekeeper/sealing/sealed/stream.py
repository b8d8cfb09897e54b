"""Encryption of chunks one by one, which detects changed, moved, repeated, missing and truncated
chunks.

    nonce of chunk i = i (11 bytes, big-endian), 1 if it is the last else 0 (1 byte)
    associated data  = SHA-256 of the header

The STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (Online Authenticated-Encryption
and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015), with AES-256-GCM under a key that is used for
one file only.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gamekeeper.base.secret import Secret
from gamekeeper.sealing.sealed.layout import TAG_BYTES

_COUNTER_BYTES = 11
_INDEX_NONCE = bytes(12)  # the index has its own key, which is used once


class ChunkCipher:
    """The cipher of one file's chunks; may be called from several threads and in any order.

    Args:
        key: The subkey for the payload, 32 bytes.
        associated: Associated data of every chunk, the digest of the header.
        chunks: Number of chunks.
    """

    def __init__(self, key: Secret[bytes], associated: bytes, chunks: int) -> None:
        self._cipher = AESGCM(key.reveal())
        self._associated = associated
        self._chunks = chunks

    def seal(self, number: int, chunk: memoryview, into: memoryview) -> None:
        """Encrypts a chunk into a buffer that is 16 bytes longer."""
        self._cipher.encrypt_into(self._nonce(number), chunk, self._associated, into)

    def open(self, number: int, sealed: memoryview, into: memoryview) -> bool:
        """Decrypts a chunk into a buffer that is 16 bytes shorter.

        Returns:
            Whether the chunk is authentic. If not, the buffer contains zeros.
        """
        if len(sealed) != len(into) + TAG_BYTES:
            raise ValueError("the output buffer must be 16 bytes shorter than the chunk")
        try:
            self._cipher.decrypt_into(self._nonce(number), sealed, self._associated, into)
        except InvalidTag:
            into[:] = bytes(len(into))  # OpenSSL decrypts before it compares the tag
            return False
        return True

    def _nonce(self, number: int) -> bytes:
        if not 0 <= number < self._chunks:
            raise ValueError(f"there is no chunk {number}")
        return number.to_bytes(_COUNTER_BYTES) + bytes([number == self._chunks - 1])


def seal_index(key: Secret[bytes], index: bytes, associated: bytes) -> bytes:
    """Returns the encrypted index, which is 16 bytes longer."""
    return AESGCM(key.reveal()).encrypt(_INDEX_NONCE, index, associated)


def open_index(key: Secret[bytes], sealed: bytes, associated: bytes) -> bytes | None:
    """Returns the decrypted index, or None if it is not authentic."""
    try:
        return AESGCM(key.reveal()).decrypt(_INDEX_NONCE, sealed, associated)
    except InvalidTag:
        return None
