"""Signed tokens, read strictly: the part that access tokens and DPoP proofs share.

joserfc does the cryptography. Around it stands what lets no choice to the sender: keys never come
from a token's own `jwk`, `jku` or `x5u` header (a DPoP proof's `jwk` is asked for by its own name),
extensions (`crit`) are refused, and the algorithm must be one that was asked for and must fit the
key's type, so that `none` and HMAC with a public key as its secret never verify.
Source: RFC 7515, RFC 7517; RFC 8725, sections 2.1 and 3.
"""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import orjson
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from gamekeeper.base.errors import GamekeeperError

SIGNATURES = (
    "ES256",
    "ES384",
    "ES512",
    "PS256",
    "PS384",
    "PS512",
    "RS256",
    "RS384",
    "RS512",
    "EdDSA",
    "Ed25519",
)
"""Asymmetric algorithms that may be asked for."""

_MAX_HEADER_CHARS = 4_096
_MAX_PAYLOAD_CHARS = 16_384
_MAX_SIGNATURE_CHARS = 1_024
_SENDERS_CHOICE = ("jku", "x5u", "crit", "b64")
_MEMBERS: dict[str, tuple[type[Key], tuple[str, ...]]] = {
    "EC": (ECKey, ("crv", "x", "y")),
    "RSA": (RSAKey, ("n", "e")),
    "OKP": (OKPKey, ("crv", "x")),
}
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_MIN_RSA_BITS = 2_048
_MAX_RSA_BITS = 4_096
_MAX_EXPONENT_CHARS = 6
_LATEST = 1 << 40  # epoch s; beyond it a number is no time


class BadTokenError(GamekeeperError):
    """A token or key that is not to be believed; the message is for the operator and quotes nothing
    of it.
    """


class Parsed(NamedTuple):
    """A token that nobody has verified.

    Args:
        header: Its header.
        claims: Its payload.
        signed: What joserfc verifies.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: jws.CompactSignature


class _Registry(jws.JWSRegistry):
    """joserfc's, without its own ideas of what is allowed: an empty list there means its defaults,
    HS256 too.
    """

    max_header_length = _MAX_HEADER_CHARS
    max_payload_length = _MAX_PAYLOAD_CHARS
    max_signature_length = _MAX_SIGNATURE_CHARS

    def get_alg(self, name: str) -> Any:  # joserfc does not export the type
        if name not in SIGNATURES or name not in (self.allowed or ()):
            raise BadTokenError("algorithm not allowed")
        return self.algorithms[name]


_READING = _Registry(strict_check_header=False)


def parse(token: str) -> Parsed:
    """Reads a token without verifying it.

    Raises:
        BadTokenError: It is no signed JSON token, is too long, or wants to choose how it is
            verified.
    """
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=_READING)
        header = signed.headers()
        claims = orjson.loads(signed.payload or b"")
    except Exception:  # whatever hostile bytes do to a parser; the cause would quote the token
        raise BadTokenError("not a signed JSON token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadTokenError("header and payload are objects")
    if any(name in header for name in _SENDERS_CHOICE):
        raise BadTokenError("header wants to choose how it is verified")
    return Parsed(header, claims, signed)


def verify_signature(token: Parsed, key: Key, algorithms: tuple[str, ...]) -> None:
    """Verifies the signature, by an algorithm that is allowed and fits the key.

    Raises:
        BadTokenError: It does not hold.
    """
    registry = _Registry(algorithms=algorithms, strict_check_header=False)
    try:
        holds = jws.validate_compact(token.signed, key, registry=registry)
    except Exception:  # a key of another type, a signature of another length, ...
        holds = False
    if not holds:
        raise BadTokenError("signature does not hold")


def public_key(jwk: Mapping[str, Any]) -> Key:
    """Returns the key that a public JWK stands for.

    Only the members that make the key are looked at: `use`, `alg` and the like are for whoever
    chose the key.

    Raises:
        BadTokenError: It is symmetric, holds private members, or is too weak or too large.
    """
    if _PRIVATE & jwk.keys():
        raise BadTokenError("JWK is symmetric or holds private members")
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _MEMBERS:
        raise BadTokenError("JWK is of no known asymmetric type")
    kind, members = _MEMBERS[kty]
    if not all(isinstance(jwk.get(name), str) for name in members):
        raise BadTokenError("JWK lacks members")
    if kty == "RSA":
        _require_sound_rsa(jwk)
    try:
        return kind.import_key({"kty": kty, **{name: jwk[name] for name in members}})
    except Exception:
        raise BadTokenError("JWK is not a key") from None


def is_time(value: object) -> TypeGuard[int | float]:
    """Returns whether a claim is a time; JSON's numbers hold more than that."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST


def _require_sound_rsa(jwk: Mapping[str, Any]) -> None:
    try:
        modulus = base64.urlsafe_b64decode(jwk["n"] + "==")
    except ValueError:
        raise BadTokenError("JWK is not a key") from None
    bits = int.from_bytes(modulus, "big").bit_length()
    if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS or len(jwk["e"]) > _MAX_EXPONENT_CHARS:
        raise BadTokenError("RSA key too weak or too large")
