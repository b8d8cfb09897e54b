"""The path of a request, cleaned: two servers that clean paths differently must not see two
operations.

Percent-encoding is taken off once. What is left must be plain segments of ASCII letters, digits and
a few signs; an encoded slash or percent sign, dot segments, empty segments, backslashes, parameters
after a semicolon and whatever else some server treats specially make the path none of ours.
"""

import re
from urllib.parse import unquote_to_bytes

_SEGMENT = re.compile(r"[A-Za-z0-9._~@+:=,-]+")
_MAX_CHARS = 2048


def clean_path(path: str, prefix: str = "") -> str | None:
    """Returns the path that routes match, and that is forwarded after the prefix; None if it is
    odd.

    Args:
        path: As sent, still percent-encoded, without the query string (`raw_path` of an ASGI
            scope).
        prefix: Under which the guard is reached, such as `/openai`; taken off.
    """
    if len(path) > _MAX_CHARS or not path.startswith("/"):
        return None
    segments = [_clean_segment(segment) for segment in path[1:].split("/")]
    if None in segments:
        return None
    clean = "/" + "/".join(segment for segment in segments if segment)
    prefix = prefix.rstrip("/")
    return clean.removeprefix(prefix) if clean.startswith(f"{prefix}/") else None


def _clean_segment(segment: str) -> str | None:
    try:
        plain = unquote_to_bytes(segment).decode("ascii")
    except ValueError:
        return None
    return plain if _SEGMENT.fullmatch(plain) and plain not in (".", "..") else None
