"""Zip archives with files of known formats: .npz, .keras, .skops.

An archive begins with its first file and ends with its directory: what is before or after them
could be read by a loader that does not know zip.
"""

import io
import zlib
from lzma import LZMAError
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile, ZipFile

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.contents import ContentsError, is_safe_path

_MAGIC = b"PK\x03\x04"
_END = b"PK\x05\x06"
EMPTY_BYTES = 22
"""Length of an archive without files: the record at the end, without a comment."""
_MAX_COMMENT_BYTES = (1 << 16) - 1
_MAX_PARTS = 100_000
_MAX_PART_BYTES = 1 << 28  # of a part that is read whole
_METHODS = {ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA}  # all that zipfile unpacks
_ENCRYPTED = 0x1
_FAULTS = (
    *(BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError),
    *(zlib.error, LZMAError),
)


class PartBytes:
    """A file in a zip archive; a `ByteSource` for readers that mostly read forward.

    Args:
        archive: The archive.
        name: The file in it.
    """

    def __init__(self, archive: ZipFile, name: str) -> None:
        self.size = archive.getinfo(name).file_size
        self._archive = archive
        self._name = name

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes from an offset; fewer only at the end.

        Raises:
            ContentsError: The archive is damaged.
        """
        try:
            with self._archive.open(self._name) as part:
                part.seek(at)
                return part.read(max(0, min(length, self.size - at)))
        except _FAULTS:
            raise ContentsError(f"{ascii(self._name)[:80]} cannot be unpacked") from None


def open_zip(data: ByteSource, *, is_empty: bool = False) -> ZipFile | None:
    """Returns a zip archive, or None if the file is not one from its first to its last byte.

    Args:
        data: The file.
        is_empty: Whether an archive without files is wanted, rather than one with files.
    """
    magic = _END if is_empty else _MAGIC
    end = data.read(max(0, data.size - EMPTY_BYTES), len(_END))
    if data.read(0, len(magic)) != magic or end != _END:
        return None
    try:
        return ZipFile(io.BufferedReader(_RawFile(data), 1 << 16))
    except _FAULTS:
        return None


def has_zip_directory(data: ByteSource) -> bool:
    """Returns whether a file could end with the directory of a zip archive and its comment."""
    length = EMPTY_BYTES + _MAX_COMMENT_BYTES
    return _END in data.read(max(0, data.size - length), length)


def parts_of(archive: ZipFile, *, is_unpacked: bool = True) -> list[str]:
    """Returns the names of the files in an archive; an empty list if the archive is unusual.

    That is one with data before its first file, with a comment, with two files of one name, with
    paths that lead out of a folder, or with encrypted or otherwise compressed files.

    Args:
        archive: The archive.
        is_unpacked: Whether a loader writes the files to disk, so that their paths matter.
    """
    parts = archive.infolist()
    names = [one.filename for one in parts]
    is_usual = (
        0 < len(parts) <= _MAX_PARTS
        and not archive.comment
        and min(one.header_offset for one in parts) == 0
        and len(set(names)) == len(names)
        and (not is_unpacked or all(is_safe_path(name.removesuffix("/")) for name in names))
        and all(one.compress_type in _METHODS for one in parts)
        and not any(one.flag_bits & _ENCRYPTED for one in parts)
    )
    return names if is_usual else []


def read_part(archive: ZipFile, name: str) -> bytes:
    """Returns a file in an archive.

    Raises:
        ContentsError: It is damaged, or too large to be read whole.
    """
    part = PartBytes(archive, name)
    if part.size > _MAX_PART_BYTES:
        raise ContentsError(f"{ascii(name)[:80]} has {part.size:,} bytes", "unknown")
    return part.read(0, part.size)


class _RawFile(io.RawIOBase):
    """A `ByteSource` as a file object."""

    def __init__(self, data: ByteSource) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._data.size}[whence]
        if base + offset < 0:
            raise OSError("an offset before the start of the file")  # as a file on disk does
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        found = self._data.read(self._at, len(into))
        into[: len(found)] = found
        self._at += len(found)
        return len(found)
