"""An issuer's public keys (JWKS, RFC 7517): from a file, or fetched."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from joserfc.jwk import Key

from gamekeeper.base.errors import InputError, MissingExtraError, UsageError, input_error
from gamekeeper.guard.identity.jws import BadTokenError, public_key

_MAX_BYTES = 1 << 20
_FETCH_S = 10


class IssuerKey(NamedTuple):
    """One public key of an issuer.

    Args:
        kid: Its name, None if it has none.
        alg: The one algorithm that it is for, None if the issuer does not say.
        key: The key.
    """

    kid: str | None
    alg: str | None
    key: Key


def read_keys(document: bytes, where: str) -> tuple[IssuerKey, ...]:
    """Returns the keys of a JWKS that verify signatures.

    Those of unknown types are passed over, as RFC 7517 wants; so are symmetric ones and any that
    shows private members, for everybody may sign with these.

    Raises:
        InputError: It is no JWKS, or holds no such key.
    """
    try:
        entries = orjson.loads(document)["keys"]
    except (ValueError, KeyError, TypeError):
        raise _no_jwks(where, "not a set of keys", "no list of keys") from None
    entries = entries if isinstance(entries, list) else []
    keys = tuple(key for entry in entries if isinstance(entry, dict) and (key := _usable(entry)))
    if not keys:
        raise _no_jwks(
            where, "no key that verifies signatures", f"{len(entries)} entries, none of them usable"
        )
    return keys


def read_key_file(path: Path) -> tuple[IssuerKey, ...]:
    """Returns the keys of a JWKS file, see `read_keys`.

    Raises:
        InputError: There is no such file, or it is no JWKS.
    """
    try:
        return read_keys(path.read_bytes(), str(path))
    except OSError as error:
        raise _no_jwks(str(path), "cannot be read", error.strerror or "an error") from error


def is_url(place: str) -> bool:
    """Returns whether keys are to be fetched rather than read from a file."""
    return "://" in place


def require_safe_url(url: str) -> None:
    """Raises unless what is fetched is what the issuer sent.

    Raises:
        UsageError: Neither https nor this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        return
    raise UsageError(f"an issuer's keys are fetched by https, or from this machine; found {url}")


async def fetch(url: str) -> bytes:
    """Returns what stands at a URL, at most 1 MiB; follows no redirection, so that only the named
    host is asked.

    Raises:
        InputError: It did not come.
        MissingExtraError: aiohttp is not installed.
    """
    try:
        from aiohttp import ClientError, ClientSession, ClientTimeout
    except ImportError as missing:
        raise MissingExtraError("fetching an issuer's keys", "guard") from missing
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=_FETCH_S)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_MAX_BYTES + 1) if answer.status == 200 else b""
            while 0 < len(body) <= _MAX_BYTES and (more := await answer.content.read(_MAX_BYTES)):
                body += more
            status = answer.status
    except (ClientError, TimeoutError, OSError) as error:
        raise _no_jwks(url, "cannot be fetched", type(error).__name__) from error
    if status != 200 or len(body) > _MAX_BYTES:
        raise _no_jwks(url, "cannot be fetched", f"status {status}, {len(body)} bytes")
    return body


def _usable(entry: Mapping[str, Any]) -> IssuerKey | None:
    kid = entry.get("kid")
    alg = entry.get("alg")
    operations = entry.get("key_ops")
    if entry.get("use", "sig") != "sig" or (
        isinstance(operations, list) and "verify" not in operations
    ):
        return None
    if not isinstance(kid, str | None) or not isinstance(alg, str | None):
        return None
    try:
        return IssuerKey(kid, alg, public_key(entry))
    except BadTokenError:
        return None


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _no_jwks(where: str, problem: str, found: str) -> InputError:
    expected = '{"keys": [...]} with a public RSA, EC or OKP key for signatures'
    try_ = "the address is in the issuer's /.well-known/openid-configuration as jwks_uri"
    return input_error(where, problem, found, expected, try_)
