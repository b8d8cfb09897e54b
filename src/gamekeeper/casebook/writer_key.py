"""The writer's Ed25519 key pair in PEM, generated once for each folder.

The private key is readable by its owner only.
"""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import read_whole, replace_file
from gamekeeper.base.private_files import require_private_file
from gamekeeper.casebook.folder import KEY, PUBLIC_KEY


def make_key(folder: Path) -> Ed25519PrivateKey:
    """Generates a key pair and writes it to `key.pem` (mode 0600) and `key.pub.pem`."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(folder / KEY, secret, mode=0o600)
    write_public_key(folder, key)
    return key


def write_public_key(folder: Path, key: Ed25519PrivateKey) -> None:
    """Writes `key.pub.pem`."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    replace_file(folder / PUBLIC_KEY, public, mode=0o644)


def read_key(folder: Path) -> Ed25519PrivateKey:
    """Reads `key.pem`.

    Raises:
        InputError: It is missing, not an Ed25519 key, or readable by other users.
    """
    path = folder / KEY
    content = read_whole(path)
    require_private_file(path)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise input_error(
            path, "not a private key of a casebook", "something else", "Ed25519 in PEM"
        )
    return key


def parse_public_key(pem: bytes, where: str = "public key") -> Ed25519PublicKey:
    """Parses a public key in the form of `key.pub.pem`.

    Raises:
        InputError: It is not an Ed25519 key in PEM.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise input_error(
            where,
            "not a public key of a casebook",
            "something else",
            f"Ed25519 in PEM, as in {PUBLIC_KEY}",
        )
    return key


def public_key_hex(key: Ed25519PublicKey) -> str:
    """Returns a public key as 64 hexadecimal digits."""
    return key.public_bytes_raw().hex()
