"""Finds private keys in files of any name: PEM in all its forms, JWK, OpenSSH, PuTTY, age.

    escaped     JSON may write any character as `\\u002d`; others write `\\x2d`, `%2D`, `&#x2d;`
    in lines    of any length, quoted or indented: what is between the characters does not count
    encoded     base64 of a whole PEM file, as in a Kubernetes secret; DER in base64 without labels

A text about keys has the label of PEM only; a key has base64 after it. Sources: RFC 7468, RFC 1421,
RFC 7517 (JWK), RFC 5958 (the beginnings of a private key in DER).
"""

import base64
import re

_LABEL = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_HEADERS = re.compile(rb"(?:\s|\\+[nr]|[A-Za-z-]+: [^\r\n\\]*(?=[\r\n\\]))*")
_ENCRYPTED = b"Proc-Type: 4,ENCRYPTED"
_RUN = re.compile(rb"[A-Za-z0-9+/=]{32}|(?:[A-Za-z0-9+/=]{16,}[^A-Za-z0-9+/=]+){2}")
_BETWEEN = re.compile(rb"\\+[nrt]|[^A-Za-z0-9+/=]")
# DER begins with a SEQUENCE, OpenSSH's format with its name; a sentence begins with neither.
_BEGINNING = re.compile(rb"M[A-P][A-Za-z0-9+/=]{30}|b3BlbnNzaC1rZXkt")
_AFTER_LABEL_BYTES = 1 << 11
_OTHERS = re.compile(rb"AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{40}|PuTTY-User-Key-File-\d")
_OTHERS_HINTS = (b"AGE-SECRET-KEY-", b"PuTTY-User-Key-File-")
_JWK_KIND = re.compile(rb"""kty[\\"']*\s*:\s*[\\"']*(?:EC|OKP|RSA|AKP|oct)\b""")
_JWK_SECRET = re.compile(rb"""\b(?:d|k|priv)[\\"']*\s*:\s*[\\"']*[A-Za-z0-9_-]{22}""")
_ESCAPED = re.compile(
    rb"\\+u00([0-9A-Fa-f]{2})|\\+x([0-9A-Fa-f]{2})|%([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});"
)
_ESCAPES = (b"\\u00", b"\\x", b"%20", b"%2D", b"%2d", b"&#x")  # most texts have none: quicker
_SPACE = b" \t\r\n\\"
# What RSA, curves, Ed25519 and X25519 begin with in PKCS #8: version 0, then the algorithm. Public
# keys have no version.
_PKCS8 = tuple(
    map(
        bytes.fromhex,
        (
            "020100300d06092a864886f70d010101050004",
            "020100301306072a8648ce3d0201",
            "020100300506032b657004220420",
            "020100300506032b656e04220420",
        ),
    )
)


def has_private_key(content: bytes) -> bool:
    """Returns whether a file has a private key.

    Args:
        content: All of it.
    """
    if _has_key(content):
        return True
    if b"\0" in content:  # not a text: nothing is escaped or encoded in it
        return False
    text = content
    if any(sign in content for sign in _ESCAPES):
        text = _ESCAPED.sub(_character, content)
    is_jwk = b"kty" in text and _JWK_KIND.search(text) and _JWK_SECRET.search(text)
    return bool(is_jwk) or _has_key(text) or _is_encoded(text)


def _has_key(text: bytes) -> bool:
    if any(hint in text for hint in _OTHERS_HINTS) and _OTHERS.search(text):
        return True
    if b"PRIVATE KEY" not in text:
        return False
    return any(_is_key(text[found.end() :][:_AFTER_LABEL_BYTES]) for found in _LABEL.finditer(text))


def _is_key(after: bytes) -> bool:
    """Returns whether a key follows the label of PEM."""
    headers = _HEADERS.match(after)
    body = after[headers.end() :] if headers else after
    if _ENCRYPTED in after or _RUN.match(body):
        return True
    return bool(_BEGINNING.match(_BETWEEN.sub(b"", body)))


def _is_encoded(text: bytes) -> bool:
    squeezed = text.replace(b"\\n", b"").replace(b"\\r", b"").translate(None, _SPACE)
    return any(part in squeezed for part in _ENCODED)


def _encoded(content: bytes) -> list[bytes]:
    """Returns what base64 makes of some bytes inside of others, at each of three places.

    The first and the last group of four characters depend on the bytes before and after.
    """
    wholes = [base64.b64encode(bytes(place) + content) for place in range(3)]
    return [whole[4 if place else 0 : -4] for place, whole in enumerate(wholes)]


def _character(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[escaped.lastindex or 0], 16)])


_ENCODED = [part for each in (b"PRIVATE KEY-----", *_PKCS8) for part in _encoded(each)]
