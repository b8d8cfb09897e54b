"""Canonical JSON: one way to write a value, so that what is signed or hashed has no second reading.

Two forms exist because the files that hold them are read forever: `gamekeeper/casebook@1` was
defined as UTF-8 and `gamekeeper/sealed@1` as ASCII. Both sort names and use no spaces. New formats
take `canonical_json`.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """Returns a JSON object in UTF-8 with sorted names and without spaces.

    Numbers that JSON lacks (NaN, infinities) become null: refuse them before, where they matter.

    Raises:
        orjson.JSONEncodeError: A value is of no JSON type.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def canonical_ascii_json(value: Mapping[str, Any]) -> bytes:
    """Returns a JSON object in ASCII with sorted names and without spaces.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode()


def parse_object(text: bytes) -> dict[str, Any] | None:
    """Returns the JSON object that a text holds, in whatever form, or None if it holds none."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def parse_canonical_ascii(text: bytes) -> dict[str, Any] | None:
    """Returns the object that `canonical_ascii_json` wrote as `text`, or None if it wrote no such
    text.
    """
    try:
        value = json.loads(text)
        is_canonical = isinstance(value, dict) and canonical_ascii_json(value) == text
    except (ValueError, RecursionError):
        return None
    return value if is_canonical else None
