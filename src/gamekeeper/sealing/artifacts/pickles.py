"""Pickles are refused: unpickling runs whatever code the file holds.

Sealing one would say who sealed it, not what it does, and make a file that was checked by nobody
look safe. What is a pickle is told by its bytes; names only help where the bytes leave it open.
"""

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from gamekeeper.sealing.artifacts._bytes import Bytes

_ZIP = b"PK\x03\x04"
_PROTOCOLS = range(2, 6)
_NAMES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"}
_NUMPY = b"\x93NUMPY"
_OBJECTS = re.compile(rb"""['"][<>|=]?O8?['"]""")
_COMPRESSED: dict[bytes, Callable[[], Any]] = {
    b"\x78": zlib.decompressobj,
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lzma.LZMADecompressor,
    b"\x5d\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE),
}
_LZ4 = b"\x04\x22\x4d\x18"
_INNER_BYTES = 64
_OLD_BYTES = 1 << 20
_CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_START_BYTES = 1 << 16  # holds every header that numpy reads
_ZIP_END_BYTES = 1 << 20


def is_pickle(data: Bytes, path: str) -> bool:
    """Whether loading this file would unpickle: a pickle, torch's zip of one, joblib's, or an array
    of objects.
    """
    start = data.read(0, _START_BYTES)
    is_named = PurePosixPath(path).suffix.lower() in _NAMES
    if start[:1] == b"\x80" and len(start) > 1 and start[1] in _PROTOCOLS:
        return True
    if start.startswith(_ZIP):
        end = data.read(max(0, data.size - _ZIP_END_BYTES), _ZIP_END_BYTES)
        # torch writes the pickle first: the name stands at the start also where the directory is
        # longer than its end.
        return is_named or any(
            name in part for name in (b".pkl", b".pickle") for part in (start, end)
        )
    if start.startswith(_NUMPY):
        return _OBJECTS.search(start) is not None
    return is_named or _is_compressed(start, path) or _is_old(data)


def _is_compressed(start: bytes, path: str) -> bool:
    """Whether joblib's compression is around one, by what is in it or by the name before its
    suffix: `model.pkl.gz`.
    """
    if not start.startswith((*_COMPRESSED, _LZ4)):
        return False
    if PurePosixPath(PurePosixPath(path).stem).suffix.lower() in _NAMES:
        return True
    opener = next((make for magic, make in _COMPRESSED.items() if start.startswith(magic)), None)
    try:
        inner = opener().decompress(start, _INNER_BYTES) if opener else b""
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return False
    return len(inner) > 1 and inner[0] == 0x80 and inner[1] in _PROTOCOLS


def _is_old(data: Bytes) -> bool:
    """Whether a file of protocol 0 or 1, which has no beginning of its own, reads as one that calls
    something.
    """
    start = data.read(0, _OLD_BYTES)
    calls = False
    at = 0
    try:
        for code, _, place in pickletools.genops(start):
            calls = calls or code.name in _CALLS
            at = place or 0
            if code.name == "STOP":
                return calls
    except (ValueError, UnicodeDecodeError, OverflowError):
        pass
    # it goes on behind what was looked at
    return calls and data.size > len(start) and at > len(start) // 2
