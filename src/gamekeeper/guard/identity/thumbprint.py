"""RFC 7638 thumbprint of a client's public key: what a credential is bound to."""

import re
from pathlib import Path
from typing import Any

import orjson

from gamekeeper.base.errors import InputError, MissingExtraError, input_error

_THUMBPRINT = re.compile(r"[0-9A-Za-z_-]{43}", re.ASCII)


def read_thumbprint(text: str) -> str:
    """Returns a thumbprint that is given itself, or of the key in a file.

    Args:
        text: 43 characters of base64url; or a file that holds a public key, as JWK or PEM.

    Raises:
        InputError: The file cannot be read, holds no key, or holds a private one.
        MissingExtraError: joserfc is not installed.
    """
    if _THUMBPRINT.fullmatch(text):
        return text
    try:
        content = Path(text).read_bytes()
    except OSError as error:
        raise _no_key(text, error.strerror or "cannot be read") from error
    if b"PRIVATE KEY" in content:
        raise _no_key(text, "a private key, which should not leave its client")
    try:
        from gamekeeper.guard.identity.jws import BadTokenError, public_key
    except ImportError as missing:
        raise MissingExtraError("a key bound to its sender", "guard") from missing
    try:
        return str(public_key(_jwk(content)).thumbprint())
    except BadTokenError as error:
        raise _no_key(text, str(error)) from None
    except (ValueError, TypeError):
        raise _no_key(text, "neither a JWK nor PEM") from None


def _jwk(content: bytes) -> dict[str, Any]:
    if content.lstrip().startswith(b"{"):
        jwk: dict[str, Any] = orjson.loads(content)
        return jwk
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    key = load_pem_public_key(content)
    if isinstance(key, EllipticCurvePublicKey):
        return dict(ECKey.import_key(key).as_dict())
    if isinstance(key, RSAPublicKey):
        return dict(RSAKey.import_key(key).as_dict())
    return dict(OKPKey.import_key(key).as_dict())  # type: ignore[arg-type]  # raises for what is none


def _no_key(where: str, found: str) -> InputError:
    expected = "a public key (RSA, EC or Ed25519) as JWK or PEM, or its thumbprint of 43 characters"
    return input_error(where, "no public key to bind to", found, expected)
