"""The text of an API key: `gk_<id>_<secret><checksum>`.

id        12 characters of base32, lower case: 60 random bits; public, names the key in lists and
          logs
secret    43 characters of base62: 256 random bits
checksum  6 characters of base62: CRC-32 of everything before it

The fixed prefix and the checksum let a scanner of repositories recognise a leaked key without
asking us, and a typing error be told from a wrong key. Only letters, digits and `_`: a double click
selects the whole.
"""

import base64
import re
import zlib

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS = 12
_SECRET_CHARS = 43
_CHECKSUM_CHARS = 6
_KEY = re.compile(r"(gk_([a-z2-7]{12})_[0-9A-Za-z]{43})([0-9A-Za-z]{6})", re.ASCII)
_WORDS = re.compile(r"[^0-9A-Za-z_]+")
_ID = re.compile(r"[a-z2-7]{12}", re.ASCII)

PREFIX = "gk_"
ID_BYTES = 8
SECRET_BYTES = 32


def holds_key(text: str) -> bool:
    """Returns whether a credential is one of our keys, or holds one; cut short and mistyped ones
    count. Such a text is ours to check, and never anybody else's to see.
    """
    return any(word.startswith(PREFIX) for word in _WORDS.split(text)) or bool(_KEY.search(text))


def key_id(entropy: bytes) -> str:
    """Returns an id made of 8 random bytes, of which 60 bits count."""
    return base64.b32encode(entropy).decode("ascii").lower()[:_ID_CHARS]


def key_text(id: str, entropy: bytes) -> str:
    """Returns the key's text, its secret made of 32 random bytes."""
    text = f"{PREFIX}{id}_{_base62(int.from_bytes(entropy, 'big'), _SECRET_CHARS)}"
    return text + _checksum(text)


def is_key_id(text: str) -> bool:
    """Returns whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None


def id_of(text: str) -> str | None:
    """Returns the id in a key's text; None if it is not a key, was cut short or mistyped."""
    parts = _KEY.fullmatch(text)
    return parts[2] if parts and _checksum(parts[1]) == parts[3] else None


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECKSUM_CHARS)


def _base62(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
