"""FlatBuffers: TFLite models, and CatBoost's .cbm, which has one inside.

A root table with its list of fields is followed and has to be inside of the file.
Source: flatbuffers.dev/internals; tensorflow, schema.fbs ("TFL3"); catboost, model.cpp ("CBM1").
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_TFLITE = b"TFL3"
_CATBOOST = b"CBM1"
_CATBOOST_START = 8  # magic and length of the core


def recognise_tflite(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a TFLite model.

    Raises:
        ContentsError: It is damaged.
    """
    if data.read(4, 4) != _TFLITE:
        return None
    _require_root_table(data, 0, data.size)
    return Recognised(name="TFLite", is_model=True)


def recognise_catboost(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a CatBoost model.

    Raises:
        ContentsError: It is damaged.
    """
    if data.read(0, 4) != _CATBOOST:
        return None
    length = int.from_bytes(data.read(4, 4), "little")
    if _CATBOOST_START + length > data.size:
        raise ContentsError(f"a core of {length:,} bytes in a file of {data.size:,}")
    _require_root_table(data, _CATBOOST_START, length)
    return Recognised(name="CatBoost", is_model=True)


def _require_root_table(data: ByteSource, start: int, length: int) -> None:
    """Checks that the root table of a buffer and its fields are inside of the buffer."""

    def number(at: int, size: int) -> int:
        if not 0 <= at <= length - size:
            raise ContentsError("its root table is outside of the file")
        return int.from_bytes(data.read(start + at, size), "little", signed=size == 4)

    root = number(0, 4)
    fields = root - number(root, 4)
    fields_bytes = number(fields, 2)
    table_bytes = number(fields + 2, 2)
    if fields_bytes < 4 or fields_bytes % 2 or not 4 <= table_bytes <= length - root:
        raise ContentsError("its root table is not a table")
    offsets = [number(fields + at, 2) for at in range(4, fields_bytes, 2)]
    if any(offset >= table_bytes for offset in offsets):
        raise ContentsError("a field of its root table is outside of the table")
