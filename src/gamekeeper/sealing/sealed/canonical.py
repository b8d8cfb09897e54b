"""Canonical JSON: one way to write a value, so that what is signed or authenticated has no second reading."""

import json
import re
from typing import Any

_HEX = re.compile(r"[0-9a-f]*")


def canonical(value: dict[str, Any]) -> bytes:
    """Returns a JSON object with sorted names, without spaces, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def parsed(text: bytes) -> dict[str, Any] | None:
    """Returns the object that a canonical text is, or None if it is none."""
    try:
        value = json.loads(text)
        return value if isinstance(value, dict) and canonical(value) == text else None
    except (ValueError, RecursionError):
        return None


def hex_bytes(value: object, length: int) -> bytes | None:
    """Returns so many bytes from lower-case hexadecimal digits, or None if they are none."""
    if isinstance(value, str) and len(value) == 2 * length and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None
