"""Pickles are refused: unpickling runs whatever code the file holds.

Sealing one would say who sealed it, not what it does, and make a file that was checked by nobody look safe. What is a
pickle is told by its bytes; names only help where the bytes leave it open.
"""

import re
from pathlib import PurePosixPath

from gamekeeper.sealing.artifacts._bytes import Bytes

_ZIP = b"PK\x03\x04"
_PROTOCOLS = range(2, 6)
_END = b"."
_NAMES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"}
_NUMPY, _OBJECTS = b"\x93NUMPY", re.compile(rb"""['"][<>|=]?O8?['"]""")
_COMPRESSED = (b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x04\x22\x4d\x18")
_START_BYTES = 1 << 16  # holds every header that numpy reads
_ZIP_END_BYTES = 1 << 20


def is_pickle(data: Bytes, path: str) -> bool:
    """Whether loading this file would unpickle: a pickle, torch's zip of one, joblib's, or an array of objects."""
    start = data.read(0, _START_BYTES)
    is_named = PurePosixPath(path).suffix.lower() in _NAMES
    if start[:1] == b"\x80" and len(start) > 1 and start[1] in _PROTOCOLS:
        return True
    if start.startswith(_ZIP):
        end = data.read(max(0, data.size - _ZIP_END_BYTES), _ZIP_END_BYTES)
        # torch writes the pickle first: the name stands at the start also where the directory is longer than its end.
        return is_named or any(name in part for name in (b".pkl", b".pickle") for part in (start, end))
    if start.startswith(_NUMPY):
        return _OBJECTS.search(start) is not None
    if is_named:
        return True
    return (
        start.startswith(_COMPRESSED)
        and path.lower().endswith((".z", ".gz", ".bz2", ".xz", ".lz4"))
        and _has_name(path)
    )


def _has_name(path: str) -> bool:
    """Whether what stands before the compression's suffix is a pickle's name: `model.pkl.gz`."""
    return PurePosixPath(PurePosixPath(path).stem).suffix.lower() in _NAMES
