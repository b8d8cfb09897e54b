"""Tables beside a model, such as examples of its inputs: Parquet and Arrow, in files and streams.

Neither runs code, but pyarrow before 14.0.1 unpickled the parameters of an extension type of one
name (CVE-2023-47248). A schema has this name in plain bytes, or in base64 in Parquet.
Source: parquet-format, README; arrow, docs/source/format/Columnar.rst and Message.fbs.
"""

import base64

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_PARQUET = b"PAR1"
_ARROW = b"ARROW1"
_FOOTER_BYTES = 4
_MAX_FOOTER_BYTES = 1 << 26
_PICKLED_TYPE = b"arrow.py_extension_type"
_STREAM = b"\xff\xff\xff\xff"
_ARROW_START_BYTES = 8
_MAX_METADATA_BYTES = 1 << 26
_BODY_LENGTH = 3  # number of the field of a message


def _base64_of(text: bytes, before: int) -> bytes:
    """Returns what of a text is always the same in base64, after a number of bytes modulo 3."""
    encoded = base64.b64encode(bytes(before) + text)
    whole = (before + len(text)) // 3 * 4  # the last characters depend on what follows
    return encoded[-(-before * 8 // 6) : whole]


_SPELLINGS = (_PICKLED_TYPE, *(_base64_of(_PICKLED_TYPE, before) for before in range(3)))


def recognise_table(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a Parquet file by its footer, and Arrow by all of its messages.

    Raises:
        ContentsError: It is damaged, or has a type that pyarrow once unpickled.
    """
    if data.read(0, len(_PARQUET)) == _PARQUET:
        _require_no_pickled_type(_footer(data, _PARQUET))
        return Recognised(name="Parquet")
    if data.read(0, len(_ARROW)) == _ARROW:
        _require_no_pickled_type(_footer(data, _ARROW))
        _walk_messages(data, _ARROW_START_BYTES)
        return Recognised(name="Arrow")
    if data.read(0, len(_STREAM)) == _STREAM:
        if _walk_messages(data, 0) != data.size:
            raise ContentsError("bytes after the end of the stream", "unknown")
        return Recognised(name="Arrow")
    return None


def _walk_messages(data: ByteSource, begin: int) -> int:
    """Checks the messages of a stream, and returns where it ends."""
    cursor = Cursor(data, begin)
    while cursor.left:
        if cursor.take(len(_STREAM)) != _STREAM:
            return cursor.at - len(_STREAM)
        length = cursor.unsigned(4)
        if length > _MAX_METADATA_BYTES:
            raise ContentsError(f"an Arrow message of {length:,} bytes", "unknown")
        if not length:
            break
        message = cursor.take(length)
        _require_no_pickled_type(message)
        cursor.skip(_body_bytes(message))
    return cursor.at


def _body_bytes(message: bytes) -> int:
    """Returns how many bytes follow a message, a field of its root table."""
    root = int.from_bytes(message[:4], "little")
    fields = root - int.from_bytes(message[root : root + 4], "little", signed=True)
    if not 0 <= fields <= len(message) - 4 or root > len(message) - 4:
        raise ContentsError("an Arrow message without its fields")
    count = int.from_bytes(message[fields : fields + 2], "little") // 2 - 2
    if count <= _BODY_LENGTH:
        return 0
    at = fields + 4 + 2 * _BODY_LENGTH
    offset = int.from_bytes(message[at : at + 2], "little")
    return int.from_bytes(message[root + offset : root + offset + 8], "little") if offset else 0


def _footer(data: ByteSource, magic: bytes) -> bytes:
    tail = data.read(max(0, data.size - _FOOTER_BYTES - len(magic)), _FOOTER_BYTES + len(magic))
    length = int.from_bytes(tail[:_FOOTER_BYTES], "little")
    if not tail.endswith(magic) or length > data.size - len(tail) - len(magic):
        raise ContentsError("it has no footer at its end")
    if length > _MAX_FOOTER_BYTES:
        raise ContentsError(f"a footer of {length:,} bytes", "unknown")
    return data.read(data.size - len(tail) - length, length)


def _require_no_pickled_type(schema: bytes) -> None:
    if any(spelling in schema for spelling in _SPELLINGS):
        raise ContentsError("a type whose parameters pyarrow unpickles", "unpickled")
