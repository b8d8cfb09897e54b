"""Addresses of logs: which scheme they have, and how they are shown.

An address may hold a password (`https://user:password@host`) or a signature that opens a file to
anyone who has it (`?X-Amz-Signature=...`). What is shown holds neither.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from gamekeeper.base.text import MASK

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>]+")
_CREDENTIALS = re.compile(r"[^\s'\"<>/:@]+:(?!//)[^\s'\"<>]+@")
"""A user and a password before a host, also where `://` was forgotten."""

_PASSWORD = re.compile(
    r"(?i)(?P<name>\b(?:password|passwd|pwd|sslpassword|token|secret\w*|account_?key|sas\w*))"
    r"(?P<sign>\s*=\s*)(?:'[^']*'|[^\s;&'\"]+)"
)


def scheme_of(name: str) -> str:
    """Returns the scheme of an address in small letters; empty for a path.

    Example:
        >>> scheme_of("s3://bucket/logs"), scheme_of("C:/logs"), scheme_of("logs/a:b")
        ('s3', '', '')
    """
    found = _SCHEME.match(name)
    return found["scheme"].lower() if found else ""


def shown(address: str) -> str:
    """Returns an address without the user, the password and the values of its query.

    Example:
        >>> shown("https://ann:pw@example.com/a.jsonl?sig=abc&v=1")
        'https://***@example.com/a.jsonl?sig=***&v=***'
    """
    found = _SCHEME.match(address)
    if found is None:
        return _CREDENTIALS.sub(f"{MASK}@", address)
    before, at, behind = address[found.end() :].rpartition("@")
    if at and ":" in before.partition("/")[0]:
        # a password may hold any sign as it is: what is before the last "@" is not shown
        return f"{found[0]}{MASK}@{_without_values(behind)}"
    return f"{found[0]}{_without_values(before + at + behind)}"


def _without_values(address: str) -> str:
    rest, hash_sign, _ = address.partition("#")
    path, mark, query = rest.partition("?")
    user, at, place = path.partition("@")
    if at and "/" not in user:  # a user alone, or a token in its place
        path = f"{MASK}@{place}"
    parts = [part.partition("=")[0] for part in query.split("&")] if mark else []
    values = "&".join(f"{name}={MASK}" for name in parts)
    end = f"#{MASK}" if hash_sign else ""
    return f"{path}{mark}{values}{end}"


def without_secrets(text: str) -> str:
    """Returns the text of a driver's error with its addresses as they are shown, and no password.

    Example:
        >>> without_secrets("no answer from http://a:b@h/x?t=1, password=abc")
        'no answer from http://***@h/x?t=*** password=***'
    """
    masked = _ADDRESS.sub(lambda found: shown(found[0]), text)
    masked = _CREDENTIALS.sub(f"{MASK}@", masked)
    return _PASSWORD.sub(rf"\g<name>\g<sign>{MASK}", masked)


def secrets_of(address: str) -> tuple[str, ...]:
    """Returns the password of an address, as it is written and decoded; none if it has none."""
    found = _SCHEME.match(address)
    user = address[found.end() :].rpartition("@")[0] if found else ""
    password = user.partition(":")[2]
    return tuple({password, unquote(password), quote(password)}) if password else ()


def path_of(address: str) -> str:
    """Returns the path of an address, decoded, without its query."""
    return unquote(urlsplit(address).path)
