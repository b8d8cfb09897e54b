"""Access tokens of an issuer (OIDC, RFC 9068): verified here, issued elsewhere.

A token counts when its signature holds by one of the issuer's own keys and one of the allowed
algorithms, it is for us (`aud`), of this issuer (`iss`), of this time (`exp`, `nbf`, `iat`) and
names an account. Verified tokens are remembered by their SHA-256 until they end, because a
signature costs some hundred microseconds.

An unknown `kid` asks for the issuer's keys anew, but at most once a minute: invented tokens make no
traffic.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from joserfc.jwk import Key

from gamekeeper.base.errors import GamekeeperError, UsageError
from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.jwks import (
    IssuerKey,
    fetch,
    is_url,
    read_key_file,
    read_keys,
    require_safe_url,
)
from gamekeeper.guard.identity.jws import (
    SIGNATURES,
    BadTokenError,
    Parsed,
    is_time,
    parse,
    verify_signature,
)
from gamekeeper.guard.identity.principal import Budget, CredentialError, Principal, is_name

_ACCESS_TOKENS = ("jwt", "at+jwt", "application/at+jwt")
_REMEMBERED = 4_096
_REFRESH_S = 600
_WANTED_S = 60
_WITHOUT_KEYS_S = 5
_MAX_SCOPES = 256


class _Verified(NamedTuple):
    principal: Principal
    since: float
    until: float


class JwtIssuer:
    """One issuer whose tokens are accepted.

    Args:
        issuer: The `iss` claim, to the letter.
        audience: The `aud` claim that means us.
        jwks: File or https URL of the issuer's keys. A URL is fetched by `refresh_if_due`, not
            before.
        account_claim: Claim that names who is charged; one that its subject cannot choose.
        models_claim: Claim that lists models, a list or words; without it in a token, none. None:
            all models.
        routes_claim: The same for routes.
        algorithms: Signatures that are accepted, of `SIGNATURES`.
        leeway_s: How far the issuer's clock may be off, s.
        max_age_s: Oldest token that is accepted, s since its `iat`.
        account_prefix: Put before the account, so that two issuers' names do not meet.
        budget: Limits of a day for each account.
        fetch: Returns what stands at a URL.

    Raises:
        UsageError: Algorithms or URL are not safe.
        InputError: The file of keys cannot be read.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks: str,
        account_claim: str = "sub",
        models_claim: str | None = None,
        routes_claim: str | None = None,
        algorithms: tuple[str, ...] = ("ES256", "RS256"),
        leeway_s: float = 30,
        max_age_s: float = 86_400,
        account_prefix: str = "",
        budget: Budget | None = None,
        fetch: Callable[[str], Awaitable[bytes]] = fetch,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(SIGNATURES):
            raise UsageError(f"algorithms of an issuer are among {', '.join(SIGNATURES)}")
        self.issuer = issuer
        self.account_prefix = account_prefix
        self.fault: str | None = None
        self._audience = audience
        self._jwks = jwks
        self._account_claim = account_claim
        self._scope_claims = models_claim, routes_claim
        self._algorithms = algorithms
        self._leeway_s = leeway_s
        self._max_age_s = max_age_s
        self._budget = budget or Budget()
        self._fetch = fetch
        self._remembered: Bounded[bytes, _Verified] = Bounded(_REMEMBERED)
        self._keys: tuple[IssuerKey, ...] = ()
        self._document: bytes | None = None
        self._wanted = False
        self._tried_at: float | None = None
        if is_url(jwks):
            require_safe_url(jwks)
        else:
            self._keys = read_key_file(Path(jwks))

    def verify(self, token: str, now: float) -> Principal:
        """Returns whose token this is.

        Args:
            token: As it was sent.
            now: Epoch s.

        Raises:
            CredentialError: It does not count.
        """
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        keys = self._keys
        known = self._remembered.get(digest)
        if known is None:
            try:
                known = self._verified(token)
            except BadTokenError:
                raise _invalid() from None
            if keys is self._keys:  # else it may have been verified by a key that is gone
                self._remembered.put(digest, known)
        if not known.since <= now < known.until:
            raise CredentialError("expired_token", "The access token is not valid at this time.")
        return known.principal

    async def refresh_if_due(self, now: float) -> bool:
        """Asks for the issuer's keys if it is time; returns whether they changed. Call it every few
        seconds.

        The last good keys stay when nothing better comes; `fault` then says why, for the operator.

        Args:
            now: Epoch s.
        """
        if not self._is_due(now):
            return False
        self._tried_at = now
        self._wanted = False
        try:
            changed = await self._refreshed()
        except (GamekeeperError, OSError) as error:
            self.fault = str(error)
            return False
        self.fault = None
        return changed

    def _is_due(self, now: float) -> bool:
        if self._tried_at is None:
            return True
        pause = _WITHOUT_KEYS_S if not self._keys else _WANTED_S if self._wanted else _REFRESH_S
        return not 0 <= now - self._tried_at < pause  # a clock that was set back does not stop it

    async def _refreshed(self) -> bool:
        if is_url(self._jwks):
            document = await self._fetch(self._jwks)
        else:
            document = await asyncio.to_thread(Path(self._jwks).read_bytes)
        if document == self._document:
            return False
        self._keys = read_keys(document, self._jwks)
        self._document = document
        self._remembered.clear()  # among them may be tokens of a key that was withdrawn
        return True

    def _verified(self, token: str) -> _Verified:
        parsed = parse(token)
        if "jwk" in parsed.header or not _is_access_token(parsed.header.get("typ", "JWT")):
            raise BadTokenError("not an access token")
        verify_signature(parsed, self._key_for(parsed), self._algorithms)
        claims = parsed.claims
        if claims.get("iss") != self.issuer or self._audience not in _audiences(claims.get("aud")):
            raise BadTokenError("of another issuer or for another audience")
        since, until = self._validity(claims)
        return _Verified(self._principal(claims), since, until)

    def _key_for(self, token: Parsed) -> Key:
        kid = token.header.get("kid")
        alg = token.header.get("alg")
        named = [key for key in self._keys if kid is not None and key.kid == kid]
        if kid is None and len(self._keys) == 1:
            named = list(self._keys)
        if not named:
            self._wanted = kid is not None
            raise BadTokenError("no such key")
        fitting = [key.key for key in named if key.alg in (None, alg)]
        if not fitting:
            raise BadTokenError("the key is for another algorithm")
        return fitting[0]

    def _validity(self, claims: Mapping[str, Any]) -> tuple[float, float]:
        exp = claims.get("exp")
        iat = claims.get("iat")
        nbf = claims.get("nbf", iat)
        if not (is_time(exp) and is_time(iat) and is_time(nbf)):
            raise BadTokenError("without times")
        since = max(iat, nbf) - self._leeway_s
        return since, min(exp, iat + self._max_age_s) + self._leeway_s

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        account = claims.get(self._account_claim)
        subject = claims.get("sub", "-")
        client = claims.get("azp", claims.get("client_id", "-"))
        if not isinstance(account, str) or not is_name(credential := f"{subject}/{client}"):
            raise BadTokenError("names nobody")
        if not account or not is_name(charged := self.account_prefix + account):
            raise BadTokenError("names nobody")
        jkt = _bound_to(claims.get("cnf"))
        # `iat` would not do: tokens are renewed without the person
        authenticated = claims.get("auth_time")
        return Principal(
            account=charged,
            credential=credential,
            kind="jwt",
            models=_scope(claims, self._scope_claims[0]),
            routes=_scope(claims, self._scope_claims[1]),
            budget=self._budget,
            bound=jkt is not None,
            jkt=jkt,
            authenticated_at=authenticated if is_time(authenticated) else None,
        )


def issuer_named(token: str) -> str | None:
    """Returns the `iss` that a token claims, unverified: good for choosing who verifies it, for
    nothing else.
    """
    try:
        claimed = parse(token).claims.get("iss")
    except BadTokenError:
        return None
    return claimed if isinstance(claimed, str) else None


def _invalid() -> CredentialError:
    return CredentialError("invalid_token", "The access token is not valid.")


def _is_access_token(typ: object) -> bool:
    return isinstance(typ, str) and typ.lower() in _ACCESS_TOKENS


def _audiences(aud: object) -> list[object]:
    return aud if isinstance(aud, list) else [aud]


def _scope(claims: Mapping[str, Any], claim: str | None) -> frozenset[str] | None:
    if claim is None:
        return None
    value = claims.get(claim)
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    if len(names) > _MAX_SCOPES:
        raise BadTokenError("too many scopes")
    return frozenset(name for name in names if is_name(name))


def _bound_to(cnf: object) -> str | None:
    if cnf is None:
        return None
    if isinstance(cnf, dict) and set(cnf) == {"jkt"} and is_name(cnf["jkt"]):
        return str(cnf["jkt"])
    raise BadTokenError("bound in a way that cannot be checked here")
