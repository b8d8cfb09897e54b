"""JSON as programs write it, where a strict parser refuses: NaN and Infinity (Python), control
characters inside of texts, half of a pair of surrogates (texts cut by their length).

A strict parser comes first; this is for what it refuses. A field that is NaN is absent, as pandas
means it; in a list it stays, so that a feature that is not a number is still seen. Half a pair
becomes the replacement character. nginx and Apache write bytes as `\\xNN`, which
JSON does not know.

Source: nginx, ngx_http_log_module, `log_format` with `escape=default`.
"""

import json
import math
import re
from typing import Any

import orjson

_DECODER = json.JSONDecoder(strict=False)
_BYTES = re.compile(r"\\[^x]|((?:\\x[0-9A-Fa-f]{2})+)")


def value_at(text: str, at: int) -> tuple[Any, int]:
    """Returns the JSON value that begins at a place of a text, and where it ends.

    Raises:
        json.JSONDecodeError: There is no whole value; its `pos` says where it is not as expected.
        ValueError: A number has more digits, or a value more levels, than can be read.
    """
    try:
        value, end = _DECODER.raw_decode(text, at)
        return _strict(text[at:end], value), end
    except RecursionError:
        raise ValueError("the value has too many levels") from None


def with_json_escapes(text: str) -> str:
    r"""Returns a text with bytes that are written as `\x22` as JSON writes their characters."""
    return _BYTES.sub(_as_json, text) if "\\x" in text else text


def _as_json(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    plain = bytes.fromhex(match[1].replace("\\x", "")).decode(errors="replace")
    return json.dumps(plain, ensure_ascii=False)[1:-1]


def _strict(text: str, value: Any) -> Any:
    """Returns what the strict parser makes of a text: its numbers differ beyond 64 bits."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _mended(value)


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(key): None if _is_nan(item) else _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
