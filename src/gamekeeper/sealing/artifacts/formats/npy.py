"""Arrays of numpy: .npy, whose header is parsed in full, and .npz, a zip archive of nothing else.

An array of objects is a pickle: its type has an `O` at any depth, which numpy itself is asked for.
Source: numpy.lib.format.
"""

import ast
import math
import re
from typing import Any
from zipfile import ZipFile

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.artifacts.formats._zip import EMPTY_BYTES, PartBytes, open_zip, parts_of
from gamekeeper.sealing.contents import ContentsError

_MAGIC = b"\x93NUMPY"
_START_BYTES = 8
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length, by version
_ENCODINGS = {1: "latin-1", 2: "latin-1", 3: "utf-8"}
_LONG = re.compile(r"(?<=\d)L(?=[,)\s])")  # a number as Python 2 wrote it
_MAX_HEADER_BYTES = 1 << 20
_FIELDS = {"descr", "fortran_order", "shape"}


def recognise_npy(data: ByteSource, path: str) -> Recognised | None:
    """Recognises an array of numbers.

    Raises:
        ContentsError: It is an array of objects, or damaged.
    """
    if data.read(0, len(_MAGIC)) != _MAGIC:
        return None
    end = 0
    while data.read(end, len(_MAGIC)) == _MAGIC:  # numpy reads one array after another
        end = _array_end(data, end)
    if end > data.size:
        raise ContentsError(f"an array that ends at byte {end:,}, the file at {data.size:,}")
    if end < data.size:
        raise ContentsError(f"{data.size - end:,} bytes after its end", "unknown")
    return Recognised(name="npy", is_model=True)


def _array_end(data: ByteSource, at: int) -> int:
    """Returns where an array ends that begins at this place."""
    start = data.read(at, _START_BYTES)
    version = start[6] if len(start) == _START_BYTES else 0
    length_bytes = _LENGTH_BYTES.get(version)
    if length_bytes is None:
        raise ContentsError("a version of the header that is not known", "unknown")
    begin = at + _START_BYTES + length_bytes
    length = int.from_bytes(data.read(at + _START_BYTES, length_bytes), "little")
    if length > _MAX_HEADER_BYTES or begin + length > data.size:
        raise ContentsError(f"a header of {length:,} bytes in a file of {data.size:,}")
    header = data.read(begin, length).decode(_ENCODINGS[version], "replace")
    return begin + length + _array_bytes(header)


def recognise_npz(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a zip archive that has arrays of numbers and nothing else.

    Raises:
        ContentsError: It has an array of objects, or a damaged one.
    """
    if data.size == EMPTY_BYTES and open_zip(data, is_empty=True):
        return Recognised(name="npz")
    archive = open_zip(data)
    if archive is None or not _has_only_arrays(archive):
        return None
    for name in archive.namelist():
        part = PartBytes(archive, name)
        try:
            is_array = recognise_npy(part, name) is not None
        except ContentsError as error:
            raise ContentsError(f"{ascii(name)[:80]}: {error}", error.reason) from None
        if not is_array:
            return None
    return Recognised(name="npz", is_model=True)


def _has_only_arrays(archive: ZipFile) -> bool:
    names = parts_of(archive, is_unpacked=False)
    return bool(names) and all(name.endswith(".npy") for name in names)


def _array_bytes(header: str) -> int:
    """Returns the length of an array that its header states."""
    fields = _literal(header)
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        raise ContentsError("its header is not that of an array")
    shape = fields["shape"]
    if type(shape) is not tuple or any(type(one) is not int or one < 0 for one in shape):
        raise ContentsError("an array of an impossible shape")
    return math.prod(shape) * _element_bytes(fields["descr"])


def _literal(header: str) -> Any:
    try:
        return ast.literal_eval(_LONG.sub("", header).strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise ContentsError("its header is not that of an array") from None


def _element_bytes(description: Any) -> int:
    """Returns the length of an element, whose type has no objects at any depth."""
    from numpy.lib import format as npy_format

    try:
        dtype = npy_format.descr_to_dtype(description)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, SyntaxError):
        raise ContentsError("an array of a type that is not known", "unknown") from None
    if dtype.hasobject:
        raise ContentsError("an array of objects, which is a pickle", "unpickled")
    return int(dtype.itemsize)
