"""Archives: zip and tar hold logs as folders do; each member that looks like a log is read.

A zip is read from its end, so it is a file on disk or is copied to one; a tar is read as it comes.
Members are read in the archive's order, piece by piece. Those that are left out are remarked upon.
"""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, cast

from gamekeeper.exchange.containers.streams import Stream
from gamekeeper.exchange.faults import Tally, UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.sources import known_suffix

ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_TAR = b"ustar"
_TAR_AT = 257
HEAD_BYTES = 512
_DAMAGE = (OSError, ValueError, EOFError, zlib.error, NotImplementedError, RuntimeError)
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
_DOCUMENTS = {".txt", ".md", ".rst", ".pdf", ".html", ".htm", ".xml", ".png", ".jpg", ".gif"}
_SETTINGS = {".yaml", ".yml", ".toml", ".ini", ".cfg", ".lock"}
_PROGRAMS = {".py", ".js", ".sh", ".sql", ".exe", ".dll", ".so"}
_CHECKSUMS = {".crc", ".md5", ".sha1", ".sha256", ".sig", ".asc"}
_OTHER_SUFFIXES = _DOCUMENTS | _SETTINGS | _PROGRAMS | _CHECKSUMS
_OFFICE = "[Content_Types].xml"


def is_zip(head: bytes) -> bool:
    """True for a zip archive."""
    return head.startswith((ZIP, _EMPTY_ZIP))


def is_tar(head: bytes) -> bool:
    """True for a tar archive of POSIX or GNU."""
    return head.startswith(_TAR, _TAR_AT)


def zip_members(name: str, file: io.BufferedReader, tally: Tally) -> Iterator[tuple[str, Stream]]:
    """Yields the name and content of each file that looks like a log, in the archive's order.

    Raises:
        UnreadableFileError: The archive is damaged, encrypted, or has no log.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        raise _damaged(name, "zip", error) from None
    names = [info.filename for info in archive.infolist()]
    if _OFFICE in names:
        raise _office(name, names)
    chosen = _chosen(name, names)
    _remark_left_out(name, [one for one in names if _is_file(one) and one not in chosen], tally)
    for info in archive.infolist():
        if info.filename in chosen:
            yield info.filename, _zip_member(name, archive, info)


def _zip_member(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stream:
    if info.flag_bits & 1:
        raise unreadable(
            name,
            "the zip archive is encrypted",
            excerpt(info.filename),
            "an archive without a password",
            "unpack it first, and name the folder",
        )
    try:
        member = archive.open(info)
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        raise _damaged(name, "zip", error) from None
    return Stream(_guarded(name, "zip", member))


def tar_members(name: str, stream: Stream, tally: Tally) -> Iterator[tuple[str, Stream]]:
    """Yields the name and content of each file that looks like a log, in the archive's order.

    A member must be read before the next one is asked for.

    Raises:
        UnreadableFileError: The archive is damaged or has no log.
    """
    found = False
    names = []
    left_out = []
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
            for info in archive:
                names.append(info.name)
                member = archive.extractfile(info) if _is_candidate(info) else None
                if member is not None:
                    found = True
                    yield info.name, Stream(_guarded(name, "tar", member))
                elif info.isfile() and _is_file(info.name):
                    left_out.append(info.name)
    except (tarfile.TarError, *_DAMAGE) as error:
        raise _damaged(name, "tar", error) from None
    if not found:
        raise _without_log(name, names)
    _remark_left_out(name, left_out, tally)


def _is_candidate(info: tarfile.TarInfo) -> bool:
    return info.isfile() and not _is_hidden(info.name) and _may_be_log(info.name)


def _guarded(name: str, kind: str, member: IO[bytes]) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return member.read(size)
        except (zipfile.BadZipFile, tarfile.TarError, *_DAMAGE) as error:
            raise _damaged(name, kind, error) from None

    return read


def _chosen(name: str, names: list[str]) -> set[str]:
    visible = [one for one in names if _is_file(one)]
    chosen = {one for one in visible if len(visible) == 1 or _may_be_log(one)}
    if not chosen:
        raise _without_log(name, names)
    return chosen


def _is_file(member: str) -> bool:
    """True for a member that somebody put there: no folder, nothing that a system adds."""
    return not member.endswith("/") and not _is_hidden(member)


def _remark_left_out(name: str, members: list[str], tally: Tally) -> None:
    if members:
        files = "file" if len(members) == 1 else "files"
        tally.remark(
            f"left out: {name}: {len(members)} {files} without a suffix of logs"
            f" ({excerpt(', '.join(members))}); to have one read, unpack it and name it"
        )


def _is_hidden(member: str) -> bool:
    parts = PurePosixPath(member).parts
    return any(part.startswith((".", "__MACOSX")) and part != "." for part in parts)


def _may_be_log(member: str) -> bool:
    """True for the suffixes of logs, and for none, as exports to object stores often have."""
    path = PurePosixPath(member.lower())
    plain = path.with_suffix("") if path.suffix in _COMPRESSED else path
    return bool(known_suffix(member)) or plain.suffix not in _OTHER_SUFFIXES


def _office(name: str, names: list[str]) -> UnreadableFileError:
    kind = "an Excel workbook" if any(one.startswith("xl/") for one in names) else "an Office file"
    return unreadable(
        name,
        f"the file is {kind}",
        f"a zip archive with {_OFFICE}",
        "JSON, CSV, Parquet or Arrow",
        "save the sheet as CSV UTF-8",
    )


def _without_log(name: str, names: list[str]) -> UnreadableFileError:
    return unreadable(
        name,
        "the archive contains no log",
        excerpt(", ".join(names)) or "no files",
        "a file with a suffix of logs",
        "unpack it, and name the log itself",
    )


def _damaged(name: str, kind: str, error: Exception) -> UnreadableFileError:
    return unreadable(
        name,
        f"the {kind} archive is truncated or damaged",
        excerpt(str(error)),
        f"an undamaged {kind} archive",
        "copy the file again; it may have been incomplete",
    )
