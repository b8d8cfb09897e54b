"""Keys and certificates in PEM files, and the reason why one cannot be read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.private_files import require_private_file
from gamekeeper.sealing.faults import read_faults

Password = str | Callable[[], str] | None
"""The password of a key; a function is called if the key has one; None: it has none."""

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----", re.ASCII)
# RFC 1421 headers, as older versions of openssl write them, have hyphens.
_LOCKED = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\r?\n"
    rb"Proc-Type: 4,ENCRYPTED\r?\nDEK-Info: [A-Z0-9,-]+\r?\n[^-]*-----END \1-----",
    re.ASCII,
)
_MAX_FILE_BYTES = 1 << 16
_PRIVATE = "PRIVATE KEY"
_PUBLIC = "PUBLIC KEY"
_KINDS = {
    "DH": "a Diffie-Hellman key",
    "DSA": "a DSA key",
    "Ed25519": "an Ed25519 key",
    "Ed448": "an Ed448 key",
    "MLKEM768": "an ML-KEM-768 key",
    "RSA": "an RSA key",
    "X25519": "an X25519 key",
    "X448": "an X448 key",
}
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def pem_blocks(path: Path) -> list[bytes]:
    """Returns the PEM blocks of a small file.

    Raises:
        InputError: It cannot be read, is too large, or has no PEM block.
    """
    with read_faults(path, "the key cannot be read", "a file in PEM"), path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise _not_a_key(path, f"over {_MAX_FILE_BYTES:,} bytes")
    found = [match for one in (_BLOCK, _LOCKED) for match in one.finditer(content)]
    if not found:
        raise _not_a_key(path, "no PEM block")
    return [match[0] for match in sorted(found, key=lambda match: match.start())]


def private_keys(path: Path, password: Password = None) -> list[Any]:
    """Returns the private keys of a file; there is at least one.

    Args:
        path: The file; it may have other blocks, such as the parameters of a curve.
        password: The password of the keys, if they have one.

    Raises:
        InputError: It has none, one cannot be read, or other users can read it.
        UsageError: A password is given for a key without one.
    """
    blocks = pem_blocks(path)
    private = [block for block in blocks if label_of(block).endswith(_PRIVATE)]
    if not private:
        raise _another_block(path, blocks, "a private key")
    require_private_file(path)
    return [_unlocked(path, block, password) for block in private]


def public_keys(path: Path) -> list[Any]:
    """Returns the public keys of a file; there is at least one.

    Raises:
        InputError: It has none, or one cannot be read.
    """
    blocks = pem_blocks(path)
    if any(label_of(block) != _PUBLIC for block in blocks):
        raise _another_block(path, blocks, "a public key")
    try:
        return [load_pem_public_key(block + b"\n") for block in blocks]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    raise input_error(path, "the key cannot be read", "a damaged or unknown key", "a public key")


def label_of(block: bytes) -> str:
    """Returns what a PEM block says that it is, such as `PRIVATE KEY`."""
    return block.partition(b"-----BEGIN ")[2].partition(b"-----")[0].decode("ascii")


def kind_of(key: Any) -> str:
    """Returns the kind of a key for messages, such as `an RSA key`."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        curve = key.curve.name
        return f"a key on the curve {_CURVES.get(curve, curve)}"
    name = type(key).__name__.removesuffix("Key").removesuffix("Private").removesuffix("Public")
    return _KINDS.get(name, f"a key of the kind {name}")


def kinds_of(keys: list[Any]) -> str:
    """Returns the kinds of several keys for messages."""
    return ", ".join(map(kind_of, keys))


def _unlocked(path: Path, block: bytes, password: Password) -> Any:
    is_locked = b"ENCRYPTED" in block
    if is_locked and password is None:
        raise input_error(
            path,
            "the key has a passphrase",
            "an encrypted private key",
            "one without, readable by its owner only",
            f"openssl pkey -in {path} -out NEW.pem",
        )
    if isinstance(password, str) and not is_locked:
        raise UsageError(f"{path}: the key has no passphrase, but one is given")
    given = password() if callable(password) and is_locked else password
    try:
        secret = given.encode() if isinstance(given, str) else None
        return load_pem_private_key(block + b"\n", password=secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    found = "a damaged or unknown key"
    if is_locked:
        found = "it does not decrypt: another passphrase, or a damaged key"
    elif label_of(block).startswith("OPENSSH"):
        found = "a key in OpenSSH's own format"
    raise input_error(path, "the key cannot be read", found, "a private key in PEM (PKCS #8)")


def _another_block(path: Path, blocks: list[bytes], expected: str) -> InputError:
    """Returns the error for a file with something else, which is the other half of a key pair or a
    certificate."""
    labels = ", ".join(sorted({label_of(block) for block in blocks}))
    return input_error(path, f"not {expected}", labels, f"{expected} in PEM")


def _not_a_key(path: Path, found: str) -> InputError:
    try_ = "gamekeeper keypair NAME.pem makes one"
    return input_error(path, "not a key", found, "a file in PEM", try_)
