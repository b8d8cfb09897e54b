"""Proof that whoever presents a credential holds the key it is bound to (DPoP, RFC 9449).

Each request carries a proof: a token signed by the client's own key, for this method and address,
of this moment, for this credential, used once. A stolen credential without that key is worth
nothing, and using it tells that it was stolen: such a refusal carries a signal.

    dpop-mismatch   no proof, or one by another key, for another credential, method or address
    dpop-replay     a proof that was used before

The checks are those of RFC 9449, section 4.3. A proof counts once in the store, which replicas
share, and once in this process by count rather than by time: a clock that was set forward and back
forgets nothing here.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gamekeeper.base.errors import UsageError
from gamekeeper.base.secret import is_same_secret
from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.jws import (
    SIGNATURES,
    BadTokenError,
    is_time,
    parse,
    public_key,
    verify_signature,
)
from gamekeeper.guard.identity.nonce import Nonces
from gamekeeper.guard.identity.principal import CredentialError, Principal
from gamekeeper.guard.store import Store

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
MISMATCH = "dpop-mismatch"
REPLAY = "dpop-replay"

_REMEMBERED = 65_536
_MAX_JTI_CHARS = 256
_PORTS = {"https": 443, "http": 80}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Dpop:
    """Checks proofs.

    Args:
        store: Where used proofs are remembered; replicas share it. `verify` writes to it and thus
            blocks.
        origin: Where clients reach this API, such as `https://api.example.com`. Without it the
            request's own address counts, and its host is a header of the client's: a proof made for
            another server could be relayed here by whoever got it there.
        algorithms: Signatures that are accepted, of `SIGNATURES`.
        window_s: How old a proof may be, s.
        skew_s: How far a client's clock may be ahead, s.
        nonces: Asks for nonces of ours in each proof; None does not.

    Raises:
        UsageError: Algorithms or origin do not fit.
    """

    def __init__(
        self,
        store: Store,
        *,
        origin: str | None = None,
        algorithms: tuple[str, ...] = ALGORITHMS,
        window_s: float = 60,
        skew_s: float = 10,
        nonces: Nonces | None = None,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(SIGNATURES):
            raise UsageError(f"algorithms of proofs are among {', '.join(SIGNATURES)}")
        self._store = store
        self._origin = None if origin is None else _required_origin(origin)
        self._algorithms = algorithms
        self._window_s = window_s
        self._skew_s = skew_s
        self._nonces = nonces
        self._used: Bounded[str, bool] = Bounded(_REMEMBERED)

    def verify(
        self, proof: str, principal: Principal, *, token: str, method: str, url: str, now: float
    ) -> None:
        """Verifies the proof of one request, which is thereby used up. Blocks for a write to the
        store.

        Args:
            proof: The `dpop` header.
            principal: Whose credential it is; bound.
            token: The credential.
            method: Of the request.
            url: Of the request, as the client wrote it; query and fragment do not count.
            now: Epoch s.

        Raises:
            CredentialError: The proof does not hold.
            StoreGoneError: The store cannot be reached.
        """
        claims, jkt = self._signed(proof, principal)
        if principal.jkt is None or not is_same_secret(
            jkt.encode(), principal.jkt.encode("utf-8", "replace")
        ):
            raise self._refused("invalid_token", principal, MISMATCH)
        if claims.get("htm") != method or not self._is_address(claims.get("htu"), url):
            raise self._refused("invalid_dpop_proof", principal, MISMATCH)
        if not _is_equal(claims.get("ath"), token_hash(token)):
            raise self._refused("invalid_dpop_proof", principal, MISMATCH)
        self._require_nonce(claims, principal, now)
        self._require_recent(claims, principal, now)
        self._require_first_use(claims, principal, jkt, now)

    def missing(self, principal: Principal) -> CredentialError:
        """Returns the refusal of a bound credential that came without a proof."""
        return self._refused("invalid_token", principal, MISMATCH)

    def unbound(self, principal: Principal) -> CredentialError:
        """Returns the refusal of a credential that is bound to nobody, where it must be."""
        return self._refused("invalid_token", principal, None)

    def _signed(self, proof: str, principal: Principal) -> tuple[Mapping[str, Any], str]:
        try:
            parsed = parse(proof)
            jwk = parsed.header.get("jwk")
            if parsed.header.get("typ") != "dpop+jwt" or not isinstance(jwk, dict):
                raise BadTokenError("not a proof")
            key = public_key(jwk)
        except BadTokenError:
            raise self._refused("invalid_dpop_proof", principal, None) from None
        try:
            verify_signature(parsed, key, self._algorithms)
        except BadTokenError:
            raise self._refused("invalid_dpop_proof", principal, MISMATCH) from None
        return parsed.claims, key.thumbprint()

    def _is_address(self, htu: object, url: str) -> bool:
        claimed = _address(htu)
        asked = _address(url)
        if claimed is None or asked is None:
            return False
        return claimed == ((self._origin or asked[0]), asked[1])

    def _require_nonce(self, claims: Mapping[str, Any], principal: Principal, now: float) -> None:
        if self._nonces is None or self._nonces.is_valid(claims.get("nonce"), now):
            return
        refused = self._refused("use_dpop_nonce", principal, None)
        refused.dpop_nonce = self._nonces.make(now)
        raise refused

    def _require_recent(self, claims: Mapping[str, Any], principal: Principal, now: float) -> None:
        made = claims.get("iat")
        if not is_time(made) or not -self._skew_s <= now - made <= self._window_s:
            raise self._refused("invalid_dpop_proof", principal, None)

    def _require_first_use(
        self, claims: Mapping[str, Any], principal: Principal, jkt: str, now: float
    ) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI_CHARS:
            raise self._refused("invalid_dpop_proof", principal, None)
        name = f"dpop:{jkt}:{_base64url(hashlib.sha256(jti.encode()).digest())}"
        expires = now + 2 * (self._window_s + self._skew_s)
        if not self._used.put_new(name, True) or not self._store.first_use(
            name, now=now, expires=expires
        ):
            raise self._refused("invalid_dpop_proof", principal, REPLAY)

    def _refused(self, code: str, principal: Principal, signal: str | None) -> CredentialError:
        algorithms = " ".join(self._algorithms)
        return CredentialError(
            code,
            _MESSAGES[code],
            www_authenticate=f'DPoP error="{code}", algs="{algorithms}"',
            signal=signal,
            account=principal.account,
            subject=principal.subject,
            authenticated_at=principal.authenticated_at,
        )


_MESSAGES = {
    "invalid_token": (
        "The credential does not count without a proof of the key that it is bound to."
    ),
    "invalid_dpop_proof": "The DPoP proof is not valid for this request.",
    "use_dpop_nonce": "The DPoP proof must carry the nonce of the dpop-nonce header.",
}


def token_hash(token: str) -> str:
    """Returns the `ath` claim that belongs to a credential."""
    return _base64url(hashlib.sha256(token.encode("utf-8", "replace")).digest())


def _is_equal(claim: object, wanted: str) -> bool:
    return isinstance(claim, str) and is_same_secret(
        claim.encode("utf-8", "replace"), wanted.encode("ascii")
    )


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _address(url: object) -> tuple[str, str] | None:
    """Origin and path, normalised as RFC 3986, sections 6.2.2 and 6.2.3; None if it is no http
    address.

    Dots in the path are not resolved: whoever asks for `/a/../b` proves `/a/../b`.
    """
    if (
        not isinstance(url, str)
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        return None
    try:
        parts = urlsplit(url)
        origin = _origin(parts)
    except ValueError:
        return None
    return None if origin is None else (origin, _ESCAPE.sub(_unescaped, parts.path or "/"))


def _origin(parts: SplitResult) -> str | None:
    scheme = parts.scheme.lower()
    host = parts.hostname
    port = parts.port
    if scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    return f"{scheme}://{host.lower()}:{_PORTS[scheme] if port is None else port}"


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _required_origin(text: str) -> str:
    address = _address(text)
    if address is None or address[1] != "/":
        raise UsageError(
            f"an origin is scheme, host and port, such as https://api.example.com; found {text}"
        )
    return address[0]
