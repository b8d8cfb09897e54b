"""Recognises pickles, which are refused: unpickling runs any code that the file contains.

A seal shows who sealed a file, not what the file does, and would make an unchecked pickle look
safe. A pickle is recognised by its bytes; file names decide only where the bytes are ambiguous.
"""

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from gamekeeper.sealing.artifacts._bytes import ByteSource

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
_OLD_BYTES = 1 << 20  # how much of a file is parsed as a pickle of protocol 0 or 1
_CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_START_BYTES = 1 << 16  # holds every header that numpy reads
_ZIP_END_BYTES = 1 << 20


def is_pickle(data: ByteSource, path: str) -> bool:
    """Returns whether loading this file would unpickle.

    This holds for a pickle, the zip file that torch puts around one, joblib's compressed pickles,
    and a numpy array of objects.
    """
    start = data.read(0, _START_BYTES)
    is_named = PurePosixPath(path).suffix.lower() in _NAMES
    if start[:1] == b"\x80" and len(start) > 1 and start[1] in _PROTOCOLS:
        return True
    if start.startswith(_ZIP):
        end = data.read(max(0, data.size - _ZIP_END_BYTES), _ZIP_END_BYTES)
        # torch writes the pickle first, so its name is at the start of the file even if the zip
        # directory is longer than the end that was read.
        parts = (start, end)
        return is_named or any(name in part for name in (b".pkl", b".pickle") for part in parts)
    if start.startswith(_NUMPY):
        return _OBJECTS.search(start) is not None
    return is_named or _is_compressed(start, path) or _is_old(data)


def _is_compressed(start: bytes, path: str) -> bool:
    """Returns whether a file is a compressed pickle, as joblib writes them.

    The compressed content decides, or the name before the suffix of the compression:
    `model.pkl.gz`.
    """
    if not start.startswith((*_COMPRESSED, _LZ4)):
        return False
    if PurePosixPath(PurePosixPath(path).stem).suffix.lower() in _NAMES:
        return True
    opener = next((make for magic, make in _COMPRESSED.items() if start.startswith(magic)), None)
    if opener is None:
        return False
    try:
        inner = opener().decompress(start, _INNER_BYTES)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return False
    return len(inner) > 1 and inner[0] == 0x80 and inner[1] in _PROTOCOLS


def _is_old(data: ByteSource) -> bool:
    """Returns whether a file parses as a pickle of protocol 0 or 1 that calls something.

    These protocols have no magic number at the start.
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
    # not at its STOP yet: the pickle continues beyond the part that was parsed
    return calls and data.size > len(start) and at > len(start) // 2
