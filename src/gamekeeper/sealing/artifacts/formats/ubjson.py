"""UBJSON, as XGBoost writes models (.ubj). Numbers are big-endian.

Source: ubjson.org, draft 12; xgboost, doc/tutorials/saving_model.rst.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised, suffix_of
from gamekeeper.sealing.contents import ContentsError

_INTEGERS = {b"i": 1, b"I": 2, b"l": 4, b"L": 8}
_FIXED_BYTES = {b"U": 1, b"C": 1, b"d": 4, b"D": 8, **_INTEGERS}
_EMPTY = {b"Z", b"N", b"T", b"F"}
_STRINGS = {b"S", b"H"}
_LEARNER = b"learner"
_MAX_DEPTH = 64


def recognise_ubjson(data: ByteSource, path: str) -> Recognised | None:
    """Recognises an XGBoost model in UBJSON by parsing all of it.

    Raises:
        ContentsError: Its name says that it is UBJSON, and it is damaged.
    """
    if data.read(0, 1) != b"{":
        return None
    is_named = suffix_of(path) == ".ubj"
    try:
        keys = _all_keys(data)
    except ContentsError:
        if is_named:
            raise
        return None  # JSON begins like this too
    is_model = _LEARNER in keys
    return Recognised(name="UBJSON", is_model=is_model) if is_model or is_named else None


def _all_keys(data: ByteSource) -> set[bytes]:
    """Returns the keys of the outermost object of a file."""
    cursor = Cursor(data, 1, "big")
    keys = _skip_object(cursor, 1)
    if cursor.left:
        raise ContentsError(f"{cursor.left:,} bytes after its end")
    return keys


def _skip_value(cursor: Cursor, marker: bytes, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ContentsError(f"values in values, more than {_MAX_DEPTH} deep")
    if marker in _FIXED_BYTES:
        cursor.skip(_FIXED_BYTES[marker])
    elif marker in _STRINGS:
        cursor.skip(_length(cursor, cursor.take(1)))
    elif marker == b"[":
        _skip_array(cursor, depth + 1)
    elif marker == b"{":
        _skip_object(cursor, depth + 1)
    elif marker not in _EMPTY:
        raise ContentsError(f"a value of type {marker!a}")


def _skip_object(cursor: Cursor, depth: int) -> set[bytes]:
    """Skips an object after its brace, and returns its keys."""
    kind, count = _type_and_count(cursor)
    keys = set()
    done = 0
    while not _is_end(cursor, b"}", count, done):
        keys.add(cursor.take(_length(cursor, cursor.take(1))))
        _skip_value(cursor, kind or cursor.take(1), depth)
        done += 1
    return keys


def _skip_array(cursor: Cursor, depth: int) -> None:
    kind, count = _type_and_count(cursor)
    if count is not None and kind in _FIXED_BYTES:
        cursor.skip(count * _FIXED_BYTES[kind])
        return
    done = 0
    while not _is_end(cursor, b"]", count, done):
        _skip_value(cursor, kind or cursor.take(1), depth)
        done += 1


def _type_and_count(cursor: Cursor) -> tuple[bytes, int | None]:
    """Returns type and number of a container's values; empty and None if they are not given."""
    kind = b""
    if cursor.peek() == b"$":
        cursor.skip(1)
        kind = cursor.take(1)
        if kind in _EMPTY or cursor.peek() != b"#":
            raise ContentsError("a container of values without bytes, or without their number")
    if cursor.peek() != b"#":
        return kind, None
    cursor.skip(1)
    return kind, _length(cursor, cursor.take(1))


def _is_end(cursor: Cursor, mark: bytes, count: int | None, done: int) -> bool:
    if count is not None:
        return done >= count
    if cursor.peek() != mark:
        return False
    cursor.skip(1)
    return True


def _length(cursor: Cursor, marker: bytes) -> int:
    if marker == b"U":
        return cursor.unsigned(1)
    if marker not in _INTEGERS:
        raise ContentsError(f"a length of type {marker!a}")
    return cursor.signed(_INTEGERS[marker])
