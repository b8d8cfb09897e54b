"""Finds the files to read, in a fixed order, from the files, folders, patterns and `-` that a
caller names.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import Fault
from gamekeeper.exchange.faults import UnreadableFileError, unreadable

STDIN = "-"
SUFFIXES = (".jsonl", ".ndjson", ".json", ".log", ".csv", ".tsv", ".parquet", ".pq")
COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
_GLOB_SIGNS = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The files that the names stand for, each once, and the faults of names without a file."""

    files: tuple[str, ...]
    faults: tuple[Fault, ...]


def size_of(file: str) -> int:
    """Returns the bytes of a regular file on disk; 0 for a pipe, whose length is not known."""
    return os.path.getsize(file) if os.path.isfile(file) else 0


def find_sources(names: Sequence[str]) -> Sources:
    """Returns the files that `names` stand for; a file reached by two names is read once."""
    files: dict[str, str] = {}
    faults: list[Fault] = []
    for name in names:
        try:
            for file in _files_of(name):
                files.setdefault(os.path.realpath(file) if file != STDIN else STDIN, file)
        except UnreadableFileError as problem:
            faults.append(problem.fault)
    return Sources(files=tuple(files.values()), faults=tuple(faults))


def known_suffix(file: str) -> str:
    """Returns the suffix that tells the container, without the compression's; empty if it is not
    known.
    """
    path = Path(file.lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix if path.suffix in SUFFIXES else ""


def _files_of(name: str) -> list[str]:
    if name == STDIN or _is_there(name):
        return _files_at(name)
    if not _GLOB_SIGNS & set(name):
        raise unreadable(name, "no such file or folder", name, "a path that exists")
    matches = sorted(glob.glob(name, recursive=True))
    files = [
        file
        for match in matches
        for file in (_files_at(match) if os.path.isdir(match) else [match])
    ]
    if not files:
        raise unreadable(
            name, "the pattern matches no file", name, "a pattern that matches log files"
        )
    return files


def _is_there(name: str) -> bool:
    try:
        return os.path.exists(name)
    except ValueError:  # a NUL in the name
        return False


def _files_at(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    files = [file for file in _walk(path) if known_suffix(file)]
    if not files:
        raise unreadable(
            path,
            "the folder contains no log file",
            f"{sum(1 for _ in _walk(path))} files, none with a known suffix",
            f"files ending in {', '.join(SUFFIXES)}, also with {' or '.join(COMPRESSED)}",
            "name the files themselves: their type is found by their content, whatever the suffix",
        )
    return files


def _walk(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise unreadable(
            str(error.filename), "the folder cannot be read", str(error.strerror), "read permission"
        )

    for base, folders, files in os.walk(folder, onerror=fail):
        folders.sort()
        yield from (os.path.join(base, file) for file in sorted(files))
