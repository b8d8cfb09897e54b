"""Key pairs as recipients: data keys are wrapped by HPKE (RFC 9180).

There are two kinds. The hybrid `mlkem768-x25519` is secure as long as one of its halves is, also
against quantum computers: weights that are copied today can be kept until one exists. `x25519` is
for keys of older tools. A key file is PEM: one block for X25519, and in the hybrid a second one for
ML-KEM-768.

    wrapped = HPKE base mode, KEM of the kind, HKDF-SHA256, AES-256-GCM, info = context

Source: RFC 9180; draft-ietf-hpke-pq for the hybrid, as the cryptography package has it.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import disk_faults, new_file, write_at
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.pem import kinds_of, private_keys, public_keys
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza

X25519 = "x25519"
HYBRID = "mlkem768-x25519"
_SUITES = {
    X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    HYBRID: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}
_WRAPPED_BYTES = {X25519: 32 + KEY_BYTES + 16, HYBRID: 1120 + KEY_BYTES + 16}
_INLINE = re.compile(r"x25519:([0-9a-f]{64})", re.ASCII)
_EXPECTED = "X25519 in PEM, with or without ML-KEM-768"
_PUBLIC = 0o644
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A recipient: the public half of a key pair.

    Args:
        x25519: The X25519 key, which both kinds have.
        mlkem: The ML-KEM-768 key of the hybrid, or None.
    """

    x25519: X25519PublicKey
    mlkem: MLKEM768PublicKey | None = None

    @property
    def kind(self) -> str:
        """`x25519` or `mlkem768-x25519`."""
        return X25519 if self.mlkem is None else HYBRID

    @property
    def name(self) -> str:
        """Kind and beginning of a digest of the key, for people to compare."""
        raw = self.x25519.public_bytes_raw() + (
            self.mlkem.public_bytes_raw() if self.mlkem else b""
        )
        return f"{self.kind}:{hashlib.sha256(raw).hexdigest()[:_FINGERPRINT_DIGITS]}"

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the data key, wrapped for the holder of the private key."""
        whole: Any = MLKEM768X25519PublicKey(self.mlkem, self.x25519) if self.mlkem else self.x25519
        wrapped = _SUITES[self.kind].encrypt(data_key.reveal(), whole, context)
        return Stanza(
            kind=self.kind, name=self.name, values={"wrapped": base64.b64encode(wrapped).decode()}
        )

    def to_pem(self) -> bytes:
        """Returns the content of its key file."""
        halves: list[Any] = [self.x25519, *([self.mlkem] if self.mlkem else [])]
        return b"".join(
            one.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for one in halves
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """An identity: the private half of a key pair.

    Args:
        x25519: The X25519 key, which both kinds have.
        mlkem: The ML-KEM-768 key of the hybrid, or None.
    """

    x25519: X25519PrivateKey = field(repr=False)
    mlkem: MLKEM768PrivateKey | None = field(default=None, repr=False)

    @classmethod
    def generate(cls, *, is_hybrid: bool = True) -> "PrivateKey":
        """Returns a new key."""
        return cls(
            x25519=X25519PrivateKey.generate(),
            mlkem=MLKEM768PrivateKey.generate() if is_hybrid else None,
        )

    def public_key(self) -> PublicKey:
        """Returns the public half."""
        return PublicKey(
            x25519=self.x25519.public_key(), mlkem=self.mlkem.public_key() if self.mlkem else None
        )

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if it is wrapped for another recipient or damaged."""
        public = self.public_key()
        if (stanza.kind, stanza.name) != (public.kind, public.name):
            return None
        wrapped = decode_base64(stanza.values.get("wrapped", ""), _WRAPPED_BYTES[public.kind])
        if wrapped is None:
            return None
        whole: Any = (
            MLKEM768X25519PrivateKey(self.mlkem, self.x25519) if self.mlkem else self.x25519
        )
        try:
            return Secret(_SUITES[public.kind].decrypt(wrapped, whole, context))
        except (InvalidTag, ValueError):
            return None

    def to_pem(self) -> Secret[bytes]:
        """Returns the content of its key file."""
        halves: list[Any] = [self.x25519, *([self.mlkem] if self.mlkem else [])]
        blocks = [
            one.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for one in halves
        ]
        return Secret(b"".join(blocks))


def read_public_key(text: str | Path) -> PublicKey:
    """Reads a recipient: a file in PEM, or `x25519:` and 64 hexadecimal digits.

    Raises:
        InputError: It is neither.
    """
    inline = _INLINE.fullmatch(str(text))
    if inline:
        return PublicKey(x25519=X25519PublicKey.from_public_bytes(bytes.fromhex(inline[1])))
    halves = public_keys(Path(text))
    x25519 = [one for one in halves if isinstance(one, X25519PublicKey)]
    mlkem = [one for one in halves if isinstance(one, MLKEM768PublicKey)]
    if len(x25519) != 1 or len(x25519) + len(mlkem) != len(halves) or len(mlkem) > 1:
        raise input_error(
            text,
            "not the public key of a recipient",
            kinds_of(halves),
            _EXPECTED,
            "the public half of a key of `gamekeeper keypair NAME.pem`, without --signing",
        )
    return PublicKey(x25519=x25519[0], mlkem=mlkem[0] if mlkem else None)


def read_private_key(path: str | Path) -> PrivateKey:
    """Reads a private key that opens sealed files.

    Raises:
        InputError: It is not such a key, or other users can read it.
    """
    halves = private_keys(Path(path))
    x25519 = [one for one in halves if isinstance(one, X25519PrivateKey)]
    mlkem = [one for one in halves if isinstance(one, MLKEM768PrivateKey)]
    if len(x25519) != 1 or len(x25519) + len(mlkem) != len(halves) or len(mlkem) > 1:
        raise input_error(
            path,
            "not a private key that opens sealed files",
            kinds_of(halves),
            _EXPECTED,
            "a key of `gamekeeper keypair NAME.pem`, without --signing",
        )
    return PrivateKey(x25519=x25519[0], mlkem=mlkem[0] if mlkem else None)


def write_key_pair(key: PrivateKey, path: str | Path) -> Path:
    """Writes a private key, readable by its owner only, and its public half beside it.

    Returns:
        Path of the public half: `NAME.pub.pem` beside `NAME.pem`.
    """
    return write_pems(path, key.to_pem(), key.public_key().to_pem())


def write_pems(path: str | Path, private: Secret[bytes], public: bytes) -> Path:
    """Writes the two halves of a key pair.

    Returns:
        Path of the public half: `NAME.pub.pem` beside `NAME.pem`.

    Raises:
        InputError: One of the files exists already, or they cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f"{path.stem}.pub.pem")
    for one in (path, beside):
        if one.exists():
            try_ = "keys are never replaced: what only a lost key opens cannot be opened any more"
            raise input_error(one, "this name is already in use", "a file", "a new name", try_)
    with (
        disk_faults(path),
        new_file(path.parent) as secret,
        new_file(path.parent, _PUBLIC) as other,
    ):
        write_at(secret.file, private.reveal(), 0)
        write_at(other.file, public, 0)
        other.finish(beside)
        secret.finish(path)
    return beside


def decode_base64(text: str, length: int) -> bytes | None:
    """Returns the bytes that base64 encodes, or None if it is invalid or of another length."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return value if len(value) == length else None
