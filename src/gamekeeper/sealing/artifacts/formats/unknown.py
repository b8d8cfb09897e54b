"""Says what a file of no known format looks like, and whether it can be raw numbers."""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    is_binary_by_name,
    is_named_as_pickle,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats._zip import has_zip_directory, open_zip
from gamekeeper.sealing.artifacts.formats.npy import recognise_npy
from gamekeeper.sealing.artifacts.formats.pickles import calls_something, is_pickle
from gamekeeper.sealing.artifacts.formats.text import has_text_name, is_text
from gamekeeper.sealing.contents import ContentsError

_PICKLE = "a pickle"
_NUMBERS = "binary data of no known format"
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
# Of programs, archives and scripts that are not text or binary formats of models by name.
_SUFFIXES = {
    *(".so", ".dll", ".dylib", ".exe", ".pyd", ".pyc", ".pyo", ".jar", ".class", ".wasm", ".o"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".lzma", ".z", ".lz4", ".zst", ".7z", ".rar"),
    *(".json", ".whl", ".egg", ".engine", ".plan", ".mar", ".pb", ".sealed", ".db", ".sqlite"),
    *(".ipynb", ".rds", ".rdata", ".rda", ".mat", ".r", ".pl", ".rb", ".lua", ".mjs", ".ts"),
    *(".pyi", ".pyx", ".pth", ".bash", ".bat", ".ps1", ".cu", ".jinja2", ".j2", ".java", ".go"),
}
_START_BYTES = 512
_TAR_AT = 257
_PROTOCOLS = (b"\1", b"\2", b"\3", b"\4", b"\5")


def unknown_file(data: ByteSource, path: str) -> ContentsError:
    """Returns the error that says why a file is not sealed."""
    found = _description(data, path)
    return ContentsError(found, "unpickled" if _PICKLE in found else "unknown")


def is_like_numbers(data: ByteSource, path: str) -> bool:
    """Returns whether a file can be the raw numbers of a model: by its name it is of no format, and
    no loader that goes by the content takes it for anything.
    """
    is_of_format = suffix_of(path) in _SUFFIXES or is_binary_by_name(path) or has_text_name(path)
    if is_of_format or is_named_as_pickle(path):
        return False
    try:
        recognise_npy(data, path)  # numpy unpickles arrays of objects, whatever the name
    except ContentsError as error:
        if error.reason == "unpickled":
            return False
    return not has_zip_directory(data) and _description(data, path) == _NUMBERS


def _description(data: ByteSource, path: str) -> str:
    start = data.read(0, _START_BYTES)
    if start[:1] == b"\x80" and start[1:2] in _PROTOCOLS and is_pickle(data):
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
    if calls_something(data):
        return f"{_PICKLE}, by its first bytes"
    return "text" if is_text(data) else _NUMBERS
