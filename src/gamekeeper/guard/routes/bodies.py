"""Bytes -> JSON object -> bytes: the one parser that the guard judges by, and the writer of what it
forwards.

What orjson already refuses: NaN, Infinity, numbers that overflow, lone surrogates, bytes that are
not UTF-8, nesting deeper than 1,024. Of equal keys the last one counts; that there were two cannot
be seen afterwards, and does not matter as long as only what `serialise` returns is forwarded.
Integers beyond 64 bits become floats, for the upstream too.
"""

import orjson

from gamekeeper.guard.routes._route import Json, UnreadableRequestError

__all__ = ["Json", "parse", "serialise"]

_WRITABLE_LEVELS = 254  # of nesting: orjson reads deeper than it writes


def parse(raw: bytes) -> Json:
    """Returns the JSON object that a body holds.

    Raises:
        UnreadableRequestError: It is not JSON, not an object, or could not be written again.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UnreadableRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise UnreadableRequestError("the body is JSON but not an object")
    if raw.count(b"[") + raw.count(b"{") > _WRITABLE_LEVELS:
        serialise(body)
    return body


def serialise(body: Json) -> bytes:
    """Returns the JSON text of an object.

    Raises:
        UnreadableRequestError: It cannot be written, as when it is nested deeper than 254 levels.
    """
    try:
        return orjson.dumps(body)
    except TypeError as error:  # orjson's own error is one
        raise UnreadableRequestError(f"the body cannot be written as JSON: {error}") from None
