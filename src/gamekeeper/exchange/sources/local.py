"""Finds the files of this machine: files, folders, patterns."""

import difflib
import glob
import os
import stat
from collections.abc import Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gamekeeper.exchange.faults import UnreadableFileError, unreadable
from gamekeeper.exchange.sources import delta, iceberg
from gamekeeper.exchange.sources.folders import (
    Found,
    add_folder,
    add_table_of_metadata,
    files_of_delta,
)
from gamekeeper.exchange.sources.selection import (
    Entry,
    is_skipped_folder,
    partition_of,
    reason_to_leave_out,
)
from gamekeeper.exchange.sources.source import ByteSource

_GLOB_SIGNS = frozenset("*?[")
_NEAR = 3
_LOOK_AT_NAMES = 10_000


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: str) -> None:
        self._root = root

    def shown(self, path: str) -> str:
        """Returns the path as it would be typed."""
        return os.path.join(self._root, path) if path else self._root

    def open(self, path: str) -> BinaryIO:
        """Returns the bytes of a file."""
        return _open(self.shown(path))

    def identity(self, path: str) -> Hashable:
        """Returns the same for two names of one file."""
        return _identity(self.shown(path))


def add_local(found: Found, name: str) -> None:
    """Adds what a path or a pattern leads to.

    Raises:
        UnreadableFileError: It leads to nothing, or to nothing that may be read.
    """
    if _is_there(name):
        _add_path(found, name)
    elif _GLOB_SIGNS.isdisjoint(name):
        raise unreadable(name, "no such file or folder", name, "a path that exists", _nearby(name))
    else:
        _add_pattern(found, name)


def _is_there(name: str) -> bool:
    try:
        return os.path.exists(name)
    except ValueError:  # a NUL in the name
        return False


def _add_path(found: Found, path: str) -> None:
    if os.path.isdir(path):
        add_folder(found, LocalFolder(path), list(_walk(path)), partition_of(f"{_typed(path)}/"))
    elif _is_metadata_of_a_table(path):
        table = LocalFolder(os.path.dirname(os.path.dirname(path)) or os.curdir)
        add_table_of_metadata(found, table, os.path.basename(path))
    else:
        _require_current(path)
        found.add(_identity(path), _file(path, is_named=True))


def _add_pattern(found: Found, pattern: str) -> None:
    tables = _DeltaTables()
    left_out: list[str] = []
    matched = 0
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(path):
            if "**" not in pattern:  # which leads into folders by itself
                matched += _add_matched_folder(found, path)
            continue
        if not os.path.isfile(path) or reason_to_leave_out(os.path.basename(path)) is not None:
            left_out.append(path)
            continue
        matched += 1
        if tables.is_old(path):
            left_out.append(path)
        elif os.path.getsize(path):
            found.add(_identity(path), _file(path, is_named=False))
    if left_out:
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        found.remark(
            f"{pattern}: files that are not logs, or no longer part of their table, were left"
            f" out: {left_out[0]}{more}"
        )
    if not matched:
        raise unreadable(
            pattern,
            "the pattern matches no log file",
            f"{len(left_out)} other files" if left_out else "no file",
            "a pattern that matches log files",
            _nearby(pattern),
        )


def _add_matched_folder(found: Found, path: str) -> int:
    """Adds a folder that a pattern matches; one without a log is said, and is not a fault."""
    try:
        _add_path(found, path)
    except UnreadableFileError as problem:
        found.remark(f"{path}: {problem.fault.problem} ({problem.fault.found})")
        return 0
    return 1


def _file(path: str, *, is_named: bool) -> ByteSource:
    return ByteSource(
        name=path,
        open=partial(_open, path),
        size=os.path.getsize(path) if os.path.isfile(path) else 0,
        is_named=is_named,
        partition=partition_of(_typed(path)),
    )


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _typed(path: str) -> str:
    return path.replace(os.sep, "/").rstrip("/")


def _identity(path: str) -> Hashable:
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def _walk(root: str) -> Iterator[Entry]:
    """Yields the files of a folder: those of each folder before those of the folders in it.

    Links to folders are followed, once; pipes and devices are passed over, for reading one may wait
    for ever.
    """
    seen = {_identity(root)}
    waiting = [""]
    while waiting:
        below = waiting.pop(0)
        folders = []
        for name, kind, size in _list(os.path.join(root, below)):
            path = f"{below}{name}"
            if not kind:
                continue
            if kind == "file":
                yield Entry(path, size)
            elif is_skipped_folder(name):
                yield Entry(f"{path}/", 0)  # so that it is said
            elif _identity(os.path.join(root, path)) not in seen:
                seen.add(_identity(os.path.join(root, path)))
                folders.append(f"{path}/")
        waiting = folders + waiting


def _list(folder: str) -> list[tuple[str, str, int]]:
    """Returns name, kind and size of what a folder holds, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(map(_described, entries))
    except OSError as error:
        raise unreadable(
            folder, "the folder cannot be read", str(error.strerror), "read permission"
        ) from None


def _described(entry: "os.DirEntry[str]") -> tuple[str, str, int]:
    try:
        found = entry.stat()
    except OSError:  # a link to nothing
        return entry.name, "", 0
    if stat.S_ISDIR(found.st_mode):
        return entry.name, "folder", 0
    return entry.name, "file" if stat.S_ISREG(found.st_mode) else "", found.st_size


def _is_metadata_of_a_table(path: str) -> bool:
    folder, name = os.path.split(path)
    return os.path.basename(folder) == iceberg.FOLDER and iceberg.is_metadata(name)


class _DeltaTables:
    """The Delta tables around files, and which files they have, read once."""

    def __init__(self) -> None:
        self._table_of: dict[Path, Path | None] = {}
        self._current: dict[Path, frozenset[str]] = {}

    def table_of(self, path: str) -> Path | None:
        """Returns the folder of the table that a file is in; None if it is in none."""
        folder = Path(path).parent
        if folder not in self._table_of:
            parents = (folder, *folder.parents)
            tables = (one for one in parents if (one / delta.LOG).is_dir())
            self._table_of[folder] = next(tables, None)
        return self._table_of[folder]

    def is_old(self, path: str) -> bool:
        """Returns whether a file is in the folder of a table and not part of the table."""
        table = self.table_of(path)
        if table is None:
            return False
        if table not in self._current:
            names = os.listdir(table / delta.LOG)
            self._current[table] = files_of_delta(LocalFolder(str(table)), names)
        return Path(path).relative_to(table).as_posix() not in self._current[table]


def _require_current(path: str) -> None:
    tables = _DeltaTables()
    if tables.is_old(path):
        table = tables.table_of(path)
        raise unreadable(
            path,
            "the file is not part of the latest version of its Delta table",
            f"in the folder of {table}",
            "a file whose rows were not deleted or rewritten",
            f"name the table, {table}; or copy the file elsewhere to read it all the same",
        )


def _nearby(name: str) -> str:
    """Returns names that are like one that does not exist; empty if there is none."""
    parent = os.path.dirname(name)
    if not _is_there(parent or os.curdir):
        return _nearby(parent) if parent != os.path.dirname(parent) else ""
    try:
        with os.scandir(parent or os.curdir) as entries:
            names = [entry.name for _, entry in zip(range(_LOOK_AT_NAMES), entries, strict=False)]
    except (OSError, ValueError):
        return ""
    wanted = os.path.basename(name).lower()
    by_lower = {one.lower(): one for one in names if not one.startswith(".")}
    near = difflib.get_close_matches(wanted, by_lower, _NEAR)
    start = os.path.splitext(wanted)[0]
    near += [one for one in sorted(by_lower) if start and one.startswith(start) and one not in near]
    return " or ".join(os.path.join(parent, by_lower[one]) for one in near[:_NEAR])
