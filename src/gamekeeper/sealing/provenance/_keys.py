"""Keys and certificates of OpenSSF's format, read before the library reads them.

The format knows ECDSA on the NIST curves P-256, P-384 and P-521 only; the library meets any other
key with an error of its own code. The keys of `gamekeeper seal --sign` are Ed25519 and sign nothing
here.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import Certificate, load_pem_x509_certificates

from gamekeeper.base.errors import input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.pem import Password, kind_of, kinds_of, private_keys, public_keys
from gamekeeper.sealing.recipients.keypairs import write_pems

CURVES = ("secp256r1", "secp384r1", "secp521r1")
_EXPECTED = "a key on the curve P-256, P-384 or P-521"
_MAKE = "gamekeeper keypair signer.pem --signing --curve p256"


def read_model_key(path: Path, password: Password = None) -> ec.EllipticCurvePrivateKey:
    """Reads a private key that signs models.

    Raises:
        InputError: It is not such a key, or other users can read it.
        UsageError: A password is given for a key without one.
    """
    keys = private_keys(path, password)
    key = keys[0]
    if (
        len(keys) > 1
        or not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.curve.name not in CURVES
    ):
        problem = "not a key that signs models in OpenSSF's format"
        raise input_error(path, problem, kinds_of(keys), _EXPECTED, _MAKE)
    return key


def require_model_signer(path: Path) -> None:
    """Checks that a file is the public key of a signer of models.

    Raises:
        InputError: It is not.
    """
    keys = public_keys(path)
    key = keys[0]
    if (
        len(keys) > 1
        or not isinstance(key, ec.EllipticCurvePublicKey)
        or key.curve.name not in CURVES
    ):
        problem = "not the public key of a signer of models in OpenSSF's format"
        raise input_error(path, problem, kinds_of(keys), _EXPECTED)


def read_certificates(path: Path) -> list[Certificate]:
    """Reads the certificates of a file; there is at least one.

    Raises:
        InputError: It has none, or cannot be read.
    """
    expected = "certificates in PEM"
    with read_faults(path, "the certificate cannot be read", expected):
        content = path.read_bytes()
    try:
        return load_pem_x509_certificates(content)
    except ValueError:
        pass
    raise input_error(path, "not a certificate", "no certificate, or a damaged one", expected)


def require_certificate_of(key: ec.EllipticCurvePrivateKey, path: Path) -> None:
    """Checks that a certificate is one of this key.

    Raises:
        InputError: It is of another key, or cannot be read.
    """
    certified = read_certificates(path)[0].public_key()
    if certified != key.public_key():
        found = f"a certificate of another key: {kind_of(certified)}"
        raise input_error(path, "not the signer's certificate", found, "one of the signing key")


@contextmanager
def as_file(key: ec.EllipticCurvePrivateKey) -> Iterator[Path]:
    """Gives the library, which reads keys from files only, a key that is already read.

    The path is that of a pipe: the key is on no disk, and can be read once. A key in PEM is far
    smaller than what a pipe takes without a reader.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb") as stream:
            stream.write(pem)
        yield Path(f"/dev/fd/{reader}")
    finally:
        os.close(reader)


def write_model_pair(path: str | Path) -> tuple[Path, str]:
    """Generates a key pair on P-256 that signs models, and writes it as `write_pems` does.

    Returns:
        Path of the public key, and its name: the digest by which signatures name it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return write_pems(path, Secret(private), public), hashlib.sha256(public).hexdigest()
