"""Addresses of logs: which scheme they have, and how they are shown.

An address may hold a password (`https://user:password@host`) or a signature that opens a file to
anyone who has it (`?X-Amz-Signature=...`). What is shown holds neither.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from gamekeeper.base.text import MASK

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>]+")
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
        return address
    rest, hash_sign, _ = address[found.end() :].partition("#")
    path, mark, query = rest.partition("?")
    # a password may hold "/" or "@" as they are: all up to the last "@" before the query is masked
    user, at, place = path.rpartition("@")
    if at and not _is_user(user):
        user, at, place = "", "", path
    parts = [part.partition("=")[0] for part in query.split("&")] if mark else []
    values = "&".join(f"{name}={MASK}" for name in parts)
    end = f"#{MASK}" if hash_sign else ""
    return f"{found[0]}{MASK if at else ''}{at}{place}{mark}{values}{end}"


def without_secrets(text: str) -> str:
    """Returns the text of a driver's error with its addresses as they are shown, and no password.

    Example:
        >>> without_secrets("no answer from http://a:b@h/x?t=1, password=abc")
        'no answer from http://***@h/x?t=*** password=***'
    """
    masked = _ADDRESS.sub(lambda found: shown(found[0]), text)
    return _PASSWORD.sub(rf"\g<name>\g<sign>{MASK}", masked)


def secrets_of(address: str) -> tuple[str, ...]:
    """Returns the password of an address, as it is written and decoded; none if it has none."""
    found = _SCHEME.match(address)
    user = address[found.end() :].partition("?")[0].rpartition("@")[0] if found else ""
    password = user.partition(":")[2]
    return tuple({password, unquote(password), quote(password)}) if password else ()


def path_of(address: str) -> str:
    """Returns the path of an address, decoded, without its query."""
    return unquote(urlsplit(address).path)


def _is_user(text: str) -> bool:
    """Returns whether what is before `@` is a user: an object's name may hold one, behind `/`."""
    return "/" not in text or ":" in text.partition("/")[0]
