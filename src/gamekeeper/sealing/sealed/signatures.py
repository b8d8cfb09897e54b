"""Signatures of sealed files: Ed25519 over the digests of the file.

    gamekeeper/sealed-signature@1
    <SHA-256 of the header, hexadecimal>
    <BLAKE3 of the encrypted index>
    <BLAKE3 of the list of the chunks' BLAKE3 digests>

Digests are signed rather than authentication tags (docs/decisions/0009), so the signature can be
checked without a decryption key.
"""

import hashlib
from pathlib import Path

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gamekeeper.base.errors import input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.pem import kinds_of, private_keys, public_keys
from gamekeeper.sealing.recipients.keypairs import write_pems

FORMAT = "gamekeeper/sealed-signature@1"


def digest(data: memoryview | bytes | bytearray) -> bytes:
    """Returns the BLAKE3 digest, 32 bytes."""
    return blake3(data).digest()


def header_digest(header: bytes) -> bytes:
    """Returns the digest of a header: SHA-256 of its JSON, 32 bytes."""
    return hashlib.sha256(header).digest()


def signed_text(header: bytes, index: bytes, digests: bytes) -> bytes:
    """Returns the text that is signed.

    Args:
        header: The header as JSON.
        index: The encrypted index.
        digests: Concatenated digests of the chunks, 32 bytes each.
    """
    signed = [header_digest(header), digest(index), digest(digests)]
    lines = [FORMAT, *(part.hex() for part in signed)]
    return "".join(f"{line}\n" for line in lines).encode()


def is_signed(signer: bytes, signature: bytes, text: bytes) -> bool:
    """Returns whether a signature of a text verifies with an Ed25519 public key, 32 bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def read_signing_key(path: str | Path) -> Ed25519PrivateKey:
    """Reads a private key that signs sealed files, Ed25519 in PEM.

    Raises:
        InputError: It is not such a key, or other users can read it.
    """
    keys = private_keys(Path(path))
    key = keys[0]
    if len(keys) > 1 or not isinstance(key, Ed25519PrivateKey):
        raise input_error(
            path,
            "not a key that signs sealed files",
            kinds_of(keys),
            "an Ed25519 key in PEM",
            "gamekeeper keypair owner.pem --signing",
        )
    return key


def read_signer(path: str | Path) -> bytes:
    """Reads the public key of the signer of a sealed file, Ed25519 in PEM; returns its 32 bytes.

    Raises:
        InputError: It is not such a key.
    """
    keys = public_keys(Path(path))
    key = keys[0]
    if len(keys) > 1 or not isinstance(key, Ed25519PublicKey):
        found = kinds_of(keys)
        raise input_error(path, "not a signer of sealed files", found, "an Ed25519 key in PEM")
    return key.public_bytes_raw()


def write_signing_pair(path: str | Path) -> tuple[Path, str]:
    """Generates a key pair that signs sealed files, and writes it as `write_pems` does.

    Returns:
        Path of the public key, and the public key in hexadecimal.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public_path = write_pems(path, Secret(private), public)
    return public_path, key.public_key().public_bytes_raw().hex()
