"""Builders of keys, tokens and proofs, true and forged; what a test does not name has a plain
value.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key

from gamekeeper.guard.identity.dpop import token_hash
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.principal import CredentialError, Principal
from gamekeeper.guard.store import SqliteStore

NOW = 1_800_000_000.0
ISSUER = "https://login.example"
AUDIENCE = "gamekeeper"
URL = "https://api.example/v1/chat/completions"
ISSUERS_KEY = ECKey.derive_key("issuer")
CLIENTS_KEY = ECKey.derive_key("client")
THIEFS_KEY = ECKey.derive_key("thief")


_OPENED: list[SqliteStore] = []


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def __call__(self) -> float:
        """Returns what it was set to."""
        return self.at


def make_store(folder: Path, kind: type[SqliteStore] = SqliteStore) -> SqliteStore:
    _OPENED.append(kind(folder / "guard.sqlite"))
    return _OPENED[-1]


def close_stores() -> None:
    while _OPENED:
        _OPENED.pop().close()


def make_keys(folder: Path, clock: Clock | None = None) -> Keys:
    return Keys(make_store(folder), clock or Clock())


def jwks(*keys: Key, **members: Any) -> bytes:
    entries = [
        key.as_dict(private=False) | {"kid": f"k{n}"} | members for n, key in enumerate(keys)
    ]
    return json.dumps({"keys": entries}).encode()


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(
    header: dict[str, Any], claims: Any, key: Any = None, *, signature: bytes | None = None
) -> str:
    """A token; `signature` stands in for a true one, and needs no key."""
    content = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
    if signature is None:
        signature = jws.JWSRegistry.algorithms[header["alg"]].sign(content.encode(), key)
    return f"{content}.{base64url(signature)}"


def make_claims(**claims: Any) -> dict[str, Any]:
    plain = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "azp": "app",
        "iat": NOW - 5,
        "exp": NOW + 300,
    }
    return {name: value for name, value in (plain | claims).items() if value is not ...}


def make_token(key: Any = ISSUERS_KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """An access token; a claim of `...` is left out."""
    return signed(
        {"alg": "ES256", "typ": "at+jwt", "kid": "k0"} | (header or {}), make_claims(**claims), key
    )


def make_proof(
    token: str,
    key: Any = CLIENTS_KEY,
    header: dict[str, Any] | None = None,
    jti: str = "one",
    **claims: Any,
) -> str:
    """A DPoP proof; a header or claim of `...` is left out."""
    plain_header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)} | (
        header or {}
    )
    plain = {"jti": jti, "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(token)} | claims
    kept = [{name: v for name, v in of.items() if v is not ...} for of in (plain_header, plain)]
    return signed(kept[0], kept[1], key)


def make_principal(**fields: Any) -> Principal:
    return Principal(**({"account": "acme", "credential": "c", "kind": "key"} | fields))


def bound(key: Key = CLIENTS_KEY) -> Principal:
    return make_principal(bound=True, jkt=key.thumbprint())


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class refused:  # reads as a word in `with refused("code")`
    """Expects a refusal with a code, and keeps it as `.error`."""

    def __init__(self, code: str, *, signal: str | None = None) -> None:
        self.code = code
        self.signal = signal
        self._raises = pytest.raises(CredentialError)

    def __enter__(self) -> "refused":
        self._caught = self._raises.__enter__()
        return self

    def __exit__(self, *of: Any) -> bool:
        caught = bool(self._raises.__exit__(*of))
        self.error = self._caught.value
        assert (self.error.code, self.error.signal) == (self.code, self.signal)
        assert self.error.status in (401, 403) and self.error.__cause__ is None
        return caught
