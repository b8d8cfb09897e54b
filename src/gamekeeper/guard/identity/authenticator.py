"""From a request's headers to who is charged; exactly one credential, or none counts.

A request that carries two credentials, one twice, or one under a name that another server might
read as the same header (`x_api_key`) is refused: guard and upstream must not see two different
callers.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from gamekeeper.base.errors import UsageError
from gamekeeper.base.names import NameMask
from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.dpop import Dpop
from gamekeeper.guard.identity.jwt import JwtIssuer, issuer_named
from gamekeeper.guard.identity.key_text import holds_key
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.principal import CredentialError, Principal, is_name
from gamekeeper.guard.identity.upstream import UpstreamAccounts

Headers = Iterable[tuple[bytes, bytes]]

_AUTHORIZATION = b"authorization"
_PROOF = b"dpop"
_BARE = (b"x-api-key", b"api-key")  # of the Anthropic SDK, of Azure
CREDENTIAL_HEADERS = frozenset((_AUTHORIZATION, *_BARE))
"""Headers, in lower case, that a client's credential may be in."""
_MAX_CHARS = 16_384
_PLAIN = 4_096  # names without a secret that are remembered, and their most characters
_PLAIN_CHARS = 512
_TOKEN = re.compile(r"[!-+\--~]+")  # visible ASCII; no comma, which joins two headers into one


class _Presented(NamedTuple):
    scheme: str
    token: str


class Authenticator:
    """Finds out who is charged for a request.

    What is given is what is accepted: keys, tokens of issuers, credentials that the upstream
    checks, or the word of the app around the guard.

    Args:
        keys: API keys of ours.
        issuers: Whose tokens are accepted.
        dpop: Checks proofs of bound credentials; without it, no bound credential counts.
        dpop_required: Whether keys and tokens count only if bound.
        upstream: Names accounts by credentials that only the upstream knows; keys and tokens come
            first.
        host_header: Header in which the app around the guard says the account. It must take that
            header out of what clients send. Then nothing else is looked at.

    Raises:
        UsageError: These do not fit together.
    """

    def __init__(
        self,
        *,
        keys: Keys | None = None,
        issuers: Sequence[JwtIssuer] = (),
        dpop: Dpop | None = None,
        dpop_required: bool = False,
        upstream: UpstreamAccounts | None = None,
        host_header: str | None = None,
        mask: NameMask | None = None,
    ) -> None:
        self._keys = keys
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._dpop = dpop
        self._dpop_required = dpop_required
        self._upstream = upstream
        self._host_header = _canonical(host_header.encode("ascii")) if host_header else None
        self._mask = mask
        own = (self._host_header,) if self._host_header else ()
        self._read_headers = frozenset((_AUTHORIZATION, _PROOF, *_BARE, *own))
        self._plain: Bounded[tuple[str, str], bool] = Bounded(_PLAIN)
        self._require_fitting(issuers)

    def authenticate(self, headers: Headers, method: str, url: str, now: float) -> Principal:
        """Returns who is charged.

        Args:
            headers: As ASGI gives them.
            method: Of the request.
            url: Of the request: scheme, host and path as the client wrote it (ASGI's `raw_path`).
            now: Epoch s.

        Raises:
            CredentialError: There is not exactly one credential, or it does not count.
            StoreGoneError: A proof could not be noted as used.
        """
        found = _collected(headers, self._read_headers)
        if self._host_header:
            return self._masked(self._told_by_host(found))
        presented = _presented(found)
        principal = self._identified(presented.token, now)
        self._require_sender(principal, presented, found, method, url, now)
        return self._masked(principal)

    def _masked(self, principal: Principal) -> Principal:
        """Returns a principal with the secrets in its names masked.

        Names without any are remembered: to look for secrets takes longer than the rest of the
        authentication, and most requests repeat an account. Names with a secret are not kept.
        """
        if self._mask is None or principal.kind == "upstream":  # these are digests
            return principal
        names = principal.account, principal.credential
        if self._plain.get(names):
            return principal
        masked = principal.masked(self._mask)
        if masked is principal and sum(map(len, names)) <= _PLAIN_CHARS:
            self._plain.put(names, True)
        return masked

    def is_blocking(self, headers: Headers) -> bool:
        """Returns whether `authenticate` may write to the store: then call it off the event
        loop.
        """
        if self._dpop is None:
            return False
        return any(name.lower() == _PROOF for name, _ in headers)

    def _identified(self, token: str, now: float) -> Principal:
        if holds_key(token):  # never passed on, whatever is accepted here
            if self._keys is None:
                raise CredentialError("keys_not_accepted", _NO_KEYS)
            return self._keys.find(token, now)
        if self._issuers and (issuer := self._issuers.get(issuer_named(token) or "")):
            return issuer.verify(token, now)
        if self._upstream:
            return self._upstream.find(token)
        if self._keys and not self._issuers:
            return self._keys.find(token, now)
        raise CredentialError("invalid_token", "The credential is not valid.")

    def _require_sender(
        self,
        principal: Principal,
        presented: _Presented,
        found: dict[bytes, list[bytes]],
        method: str,
        url: str,
        now: float,
    ) -> None:
        if not principal.bound:
            self._require_no_binding(principal, presented)
            return
        if self._dpop is None:
            raise CredentialError(
                "invalid_token",
                "Bound credentials are not accepted here.",
                account=principal.account,
            )
        proofs = found.get(_PROOF, [])
        if presented.scheme != "dpop" or len(proofs) != 1:
            raise self._dpop.missing(principal)
        proof = _text(proofs[0])
        self._dpop.verify(proof, principal, token=presented.token, method=method, url=url, now=now)

    def _require_no_binding(self, principal: Principal, presented: _Presented) -> None:
        required = self._dpop_required and principal.kind in ("key", "jwt")
        if self._dpop and (required or presented.scheme == "dpop"):
            raise self._dpop.unbound(principal)
        if presented.scheme == "dpop":
            raise CredentialError(
                "invalid_token", "The credential is not bound.", account=principal.account
            )

    def _told_by_host(self, found: dict[bytes, list[bytes]]) -> Principal:
        told = found.get(self._host_header or b"", [])
        try:
            account = told[0].decode("utf-8") if len(told) == 1 else ""
        except UnicodeDecodeError:
            account = ""
        if not is_name(account):
            raise CredentialError(
                "missing_account",
                "The request does not name the account that is charged.",
                www_authenticate="Bearer",
            )
        return Principal(account=account, credential="host", kind="host")

    def _require_fitting(self, issuers: Sequence[JwtIssuer]) -> None:
        if not (self._keys or self._issuers or self._upstream or self._host_header):
            raise UsageError(
                "no credential could be accepted: name keys, issuers, upstream or host"
            )
        if self._host_header and (self._keys or self._issuers or self._upstream):
            raise UsageError("where the app around the guard names the account, no other mode may")
        if self._dpop_required and (self._dpop is None or self._upstream or self._host_header):
            raise UsageError(
                "bound credentials can be required of keys and of issuers' tokens only"
            )
        if len(self._issuers) != len(issuers) or len({i.account_prefix for i in issuers}) != len(
            issuers
        ):
            raise UsageError(
                "two issuers need two names and two account prefixes: their accounts must differ"
            )


def without_our_keys(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Returns the headers without those that hold one of our keys: no other server may see it."""
    return [
        (name, value)
        for name, value in headers
        if b"gk_" not in value or not holds_key(value.decode("latin-1"))
    ]


@lru_cache(4_096)
def _canonical(name: bytes) -> bytes:
    """A header's name as the most lenient server would read it."""
    return name.strip().lower().replace(b"_", b"-")


def _collected(headers: Headers, wanted: frozenset[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        canonical = _canonical(name)
        if canonical in wanted:
            if canonical != name.lower():
                raise _malformed()
            found.setdefault(canonical, []).append(value)
    return found


def _presented(found: dict[bytes, list[bytes]]) -> _Presented:
    values = [(name, value) for name in (_AUTHORIZATION, *_BARE) for value in found.get(name, [])]
    if not values:
        message = "Send a credential: Authorization: Bearer ..., or x-api-key."
        raise CredentialError("missing_credential", message, www_authenticate="Bearer")
    if len(values) > 1:
        raise CredentialError(
            "ambiguous_credential", "Send exactly one credential.", www_authenticate=_BAD_REQUEST
        )
    name, value = values[0]
    scheme, token = ("bearer", _text(value)) if name in _BARE else _split(_text(value))
    if not _TOKEN.fullmatch(token):
        raise _malformed()
    return _Presented(scheme, token)


def _split(value: str) -> tuple[str, str]:
    scheme, _, token = value.partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        raise _malformed()
    return scheme.lower(), token.lstrip(" ")


def _text(value: bytes) -> str:
    if len(value) > _MAX_CHARS or not value.isascii():
        raise _malformed()
    return value.decode("ascii")


_NO_KEYS = "This is an API key of gamekeeper, and this guard does not accept such keys."
_BAD_REQUEST = 'Bearer error="invalid_request"'


def _malformed() -> CredentialError:
    return CredentialError(
        "malformed_credential", "The credential is not well-formed.", www_authenticate=_BAD_REQUEST
    )
