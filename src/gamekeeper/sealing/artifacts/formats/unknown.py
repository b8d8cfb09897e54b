"""Says what a file of no known format looks like. Nothing depends on it but the message."""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import is_named_as_pickle
from gamekeeper.sealing.artifacts.formats._zip import open_zip
from gamekeeper.sealing.artifacts.formats.text import is_text
from gamekeeper.sealing.contents import ContentsError

_PICKLE = "a pickle"
_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"7z\xbc\xaf": "7-Zip",
}
_OTHERS = {
    b"gamekeeper-seal\n": "a sealed file",
    b"\x7fELF": "a program or library (ELF)",
    b"MZ": "a program or library (Windows)",
    b"\xcf\xfa\xed\xfe": "a program or library (macOS)",
    b"%PDF": "a PDF file",
    b"SQLite format 3": "a database",
    b"\xca\xfe\xba\xbe": "a program or library",
}
_START_BYTES = 512
_TAR_AT = 257
_PROTOCOLS = range(2, 6)


def unknown_file(data: ByteSource, path: str) -> ContentsError:
    """Returns the error that says why a file is not sealed."""
    found = _description(data, path)
    return ContentsError(found, "unpickled" if _PICKLE in found else "unknown")


def _description(data: ByteSource, path: str) -> str:
    start = data.read(0, _START_BYTES)
    if len(start) > 1 and start[0] == 0x80 and start[1] in _PROTOCOLS:
        return _PICKLE
    archive = open_zip(data)
    if archive is not None:
        has_pickle = any(is_named_as_pickle(name) for name in archive.namelist())
        return "a zip archive with a pickle" if has_pickle else "a zip archive"
    if is_named_as_pickle(path):
        return f"a file whose name says that it is {_PICKLE}"
    for beginning, name in _BEGINNINGS.items():
        if start.startswith(beginning):
            return f"compressed data ({name})"
    for beginning, name in _OTHERS.items():
        if start.startswith(beginning):
            return name
    if start[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive"
    return "text" if is_text(data) else "binary data of no known format"
