"""GGUF: models of llama.cpp.

    "GGUF", version, number of tensors, number of fields, fields, tensor infos, padding, tensors

Source: github.com/ggml-org/ggml, docs/gguf.md.
"""

import math

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import MAX_DIMS, ContentsError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_FIXED_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32 = 4
_STRING = 8
_ARRAY = 9
_MAX_NAME_BYTES = 1 << 16
_MAX_ARRAYS = 4  # arrays in arrays; real files have one
_ALIGNMENT = 32
# Elements and bytes of a block, by type. A type that is not listed is located, but not measured.
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    30: (1, 2),
}


def recognise_gguf(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a GGUF file by parsing its fields and the places of its tensors.

    Raises:
        ContentsError: It is damaged, or of a version that is not known.
    """
    if data.read(0, 4) != _MAGIC:
        return None
    # A file of either byte order has the same magic; the version tells which it is.
    is_big = data.read(4, 2) == bytes(2)
    cursor = Cursor(data, 4, "big" if is_big else "little")
    version = cursor.unsigned(4)
    if version not in _VERSIONS:
        raise ContentsError(f"GGUF of version {version}", "unknown")
    tensors = cursor.unsigned(8)
    fields = cursor.unsigned(8)
    alignment = _ALIGNMENT
    has_template = False
    for _ in range(fields):
        key = _string(cursor)
        kind = cursor.unsigned(4)
        has_template = has_template or key.startswith(b"tokenizer.chat_template")
        if key == b"general.alignment" and kind == _UINT32:
            alignment = cursor.unsigned(4)
        else:
            _skip_value(cursor, kind)
    if alignment <= 0:
        raise ContentsError("an alignment of 0")
    ends = [_tensor_end(cursor) for _ in range(tensors)]
    begin = -(-cursor.at // alignment) * alignment
    if ends and begin + max(ends) > data.size:
        raise ContentsError(
            f"its tensors end at byte {begin + max(ends):,}, the file at {data.size:,}"
        )
    code = ("chat template (Jinja)",) if has_template else ()
    return Recognised(name="GGUF", is_model=True, code=code)


def _string(cursor: Cursor) -> bytes:
    length = cursor.unsigned(8)
    if length > _MAX_NAME_BYTES:
        raise ContentsError(f"a name of {length:,} bytes")
    return cursor.take(length)


def _skip_value(cursor: Cursor, kind: int, depth: int = 0) -> None:
    if kind in _FIXED_BYTES:
        cursor.skip(_FIXED_BYTES[kind])
    elif kind == _STRING:
        cursor.skip(cursor.unsigned(8))
    elif kind == _ARRAY and depth < _MAX_ARRAYS:
        inner = cursor.unsigned(4)
        count = cursor.unsigned(8)
        if inner in _FIXED_BYTES:
            cursor.skip(count * _FIXED_BYTES[inner])
            return
        if count > cursor.left:  # each value has a byte or more
            raise ContentsError(f"an array of {count:,} values")
        for _ in range(count):
            _skip_value(cursor, inner, depth + 1)
    else:
        raise ContentsError(f"a field of type {kind}")


def _tensor_end(cursor: Cursor) -> int:
    """Returns where a tensor ends, counted from the start of the tensors."""
    name = _string(cursor)
    axes = cursor.unsigned(4)
    if axes > MAX_DIMS:
        raise ContentsError(f"a tensor of {axes:,} axes")
    elements = math.prod(cursor.unsigned(8) for _ in range(axes))
    kind = cursor.unsigned(4)
    begin = cursor.unsigned(8)
    block, length = _BLOCKS.get(kind, (1, 0))
    if elements % block:
        raise ContentsError(f"tensor {ascii(name)[:80]} is not a whole number of blocks")
    return begin + elements // block * length
