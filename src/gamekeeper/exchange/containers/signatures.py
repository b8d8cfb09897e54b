"""Files that are not logs, known by their first bytes, and what to do with each.

Sources: the formats' own specifications, and the list of file(1).
"""

from dataclasses import dataclass

from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable

LOOK_AT_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Signature:
    """A kind of file that is not read.

    Args:
        magic: Bytes that it has.
        kind: What it is, as a reader of the message knows it.
        try_: What to do.
        offset: Where the bytes are.
    """

    magic: bytes
    kind: str
    try_: str
    offset: int = 0


_EXPORT = "export its rows as JSON Lines, CSV or Parquet"
_DECOMPRESS = "decompress it first"
_SIGNATURES = (
    Signature(b"SQLite format 3\x00", "an SQLite database", "sqlite3 -csv -header FILE 'select *'"),
    Signature(b"\x89HDF\r\n\x1a\n", "HDF5", _EXPORT),
    Signature(b"%PDF", "a PDF document", "give the log that it was made from"),
    Signature(b"Obj\x01", "Avro", _EXPORT),
    Signature(b"ORC", "ORC", _EXPORT),
    Signature(b"FEA1", "Feather in its first version", _EXPORT),
    Signature(b"DUCK", "a DuckDB database", "--sql, or COPY to Parquet", 8),
    Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Office file", "save it as CSV"),
    Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    Signature(b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    Signature(b"\x1f\x9d", "compressed with compress (.Z)", _DECOMPRESS),
    Signature(b"\x89LZO", "compressed with LZO", _DECOMPRESS),
    Signature(b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy", _DECOMPRESS),
    Signature(b"\x78\x01", "compressed with zlib", _DECOMPRESS),
    Signature(b"\x78\x9c", "compressed with zlib", _DECOMPRESS),
    Signature(b"\x78\xda", "compressed with zlib", _DECOMPRESS),
    Signature(b"\x80\x04\x95", "a Python pickle, which could run code", _EXPORT),
    Signature(b"\x80\x05\x95", "a Python pickle, which could run code", _EXPORT),
    Signature(b"\x93NUMPY", "a NumPy array", _EXPORT),
    Signature(b"\x89PNG", "a PNG picture", "give the log itself"),
    Signature(b"\xff\xd8\xff", "a JPEG picture", "give the log itself"),
    Signature(b"\x7fELF", "a program", "give the log itself"),
    Signature(b"LPKSHHRH", "a journal of systemd", "journalctl --file FILE -o json"),
    Signature(b"ElfFile\x00", "a Windows event log", _EXPORT),
    Signature(b"\xd4\xc3\xb2\xa1", "a capture of packets", "log the requests, not the packets"),
    Signature(b"\x0a\x0d\x0d\x0a", "a capture of packets", "log the requests, not the packets"),
    Signature(b"\x00\x05\x16\x07", "a companion file of macOS", "leave the files ._* out"),
    Signature(b"\x00\x00\x00\x01Bud1", "a companion file of macOS", "leave .DS_Store out"),
    Signature(b"SEQ\x06", "a Hadoop sequence file", _EXPORT),
    Signature(b"SIMPLE  =", "FITS", _EXPORT),
)
_PAGES = (
    Signature(b"%pdf", "a PDF document", "give the log that it was made from"),
    Signature(b"version https://git-lfs", "a pointer of Git LFS, not the file", "git lfs pull"),
    Signature(b"<?xml", "XML", _EXPORT),
    Signature(b"<!doctype html", "a web page", "a sign-in page may have been saved in its place"),
    Signature(b"<html", "a web page", "a sign-in page may have been saved in its place"),
)
_TEXT_CONTROLS = b"\t\n\r\x0b\x0c\x1b\x1e"


def refused(name: str, head: bytes) -> UnreadableFileError | None:
    """Returns why a file that begins with `head` cannot be a log; None if it may be one."""
    is_text = not _is_binary(head[:LOOK_AT_BYTES])
    start = head[:LOOK_AT_BYTES].lstrip().lower() if is_text else head[:LOOK_AT_BYTES]
    for signature in _PAGES if is_text else _SIGNATURES:
        if start.startswith(signature.magic, signature.offset):
            return not_read(name, f"the file is {signature.kind}", head, signature.try_)
    if is_text:
        return None
    if is_protobuf(head):
        return protobuf(name, head)
    return not_read(name, "the file is binary, of a kind that is not known", head, _EXPORT)


def not_read(name: str, problem: str, head: bytes, try_: str) -> UnreadableFileError:
    """Returns the refusal of a file of a kind that is not read."""
    found = f"begins with {excerpt(str(head[:16]))}"
    return unreadable(name, problem, found, "JSON, CSV, Parquet or Arrow, compressed or not", try_)


def protobuf(name: str, head: bytes) -> UnreadableFileError:
    """Returns the refusal of protobuf messages."""
    return not_read(
        name,
        "the file holds protobuf messages",
        head,
        "set format: json in the file exporter of the OpenTelemetry Collector, or convert them",
    )


def is_protobuf(head: bytes) -> bool:
    """True for a message whose first field is a message of the length that follows it, as in an
    export of OpenTelemetry: field 1, its length, field 1 or 2, its length.
    """
    if not head.startswith(b"\x0a"):
        return False
    if not any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head[:64]):
        return False  # JSON may begin with a blank line, and go on as a message would
    size, inner = _varint(head, 1)
    return size > 1 and inner > 1 and head[inner : inner + 1] in (b"\x0a", b"\x12")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns a number of protobuf and where it ends, 0 and 0 if there is none."""
    number = 0
    for place, byte in enumerate(data[at : at + 5]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    return 0, 0


def _is_binary(head: bytes) -> bool:
    """True if control characters are more than a hundredth: terminals' colours are not as many."""
    controls = sum(1 for byte in head if byte < 0x20 and byte not in _TEXT_CONTROLS)
    return b"\x00" in head[:64] or controls * 100 > max(len(head), 100)
