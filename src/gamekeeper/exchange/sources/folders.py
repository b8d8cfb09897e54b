"""What a folder holds: logs, tables of a lake, and what is neither."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gamekeeper.base.errors import Fault
from gamekeeper.exchange.faults import UnreadableFileError, unreadable
from gamekeeper.exchange.sources import delta, iceberg
from gamekeeper.exchange.sources.selection import (
    Entry,
    Place,
    choose,
    partition_of,
    reason_to_leave_out,
)
from gamekeeper.exchange.sources.source import ByteSource, Source, Sources, TableSource

_HUDI = ".hoodie"


class Folder(Place, Protocol):
    """A place whose files keep their identity, by whatever name they are reached."""

    def identity(self, path: str) -> Hashable:
        """Returns the same for two names of one file."""


@dataclass(slots=True)
class Found:
    """What was found so far, each once."""

    sources: dict[Hashable, Source] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, key: Hashable, source: Source) -> None:
        """Takes a source; one that was found by chance and is named as well is a named one."""
        known = self.sources.get(key)
        if known is None or (source.is_named and not known.is_named):
            self.sources[key] = source

    def remark(self, sentence: str) -> None:
        """Notes a sentence, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def result(self) -> Sources:
        """Returns what was found, in order."""
        return Sources(
            sources=tuple(self.sources.values()),
            faults=tuple(self.faults),
            remarks=tuple(self.remarks),
        )


def add_folder(
    found: Found, place: Folder, entries: Sequence[Entry], above: Mapping[str, str]
) -> None:
    """Adds what a folder holds.

    Args:
        found: Where it is added.
        place: The folder.
        entries: All its files, in order of reading, those of table logs included.
        above: Columns that the folder's own name holds.

    Raises:
        UnreadableFileError: The folder holds nothing that may be a log.
    """
    tables = _tables(entries)
    loose = [entry for entry in entries if _table_of(entry.path, tables) is None]
    chosen = choose(loose)
    for entry in chosen.files:
        found.add(
            place.identity(entry.path), _file(place, entry, {**above, **partition_of(entry.path)})
        )
    for root, kind in tables.items():
        inside = [entry for entry in entries if entry.path.startswith(root)]
        try:
            _add_table(found, place, root, kind, inside)
        except UnreadableFileError as problem:
            found.faults.append(problem.fault)
    for sentence in chosen.remarks(place.shown("")):
        found.remark(sentence)
    if chosen.files or tables:
        return
    if not chosen.empty:
        raise _no_log(place.shown(""), len(loose))
    found.remark(f"{place.shown('')}: its {len(chosen.empty)} files are empty")


def add_table_of_metadata(found: Found, place: Folder, name: str) -> None:
    """Adds the Iceberg table whose metadata file was named; `place` is the table."""
    _add_iceberg(found, place, "", [Entry(f"{iceberg.FOLDER}/{name}", 1)], named=name)


def files_of_delta(place: Folder, names: Iterable[str]) -> frozenset[str]:
    """Returns the paths of the files that the latest version of a Delta table has."""
    table = delta.read_delta(place, "", names)
    return frozenset(data.path for data in table.files.values())


def _tables(entries: Iterable[Entry]) -> dict[str, str]:
    """Returns the folders of tables, outermost only, with what they are."""
    roots: dict[str, str] = {}
    for entry in entries:
        parts = entry.path.split("/")
        for place, part in enumerate(parts[:-1]):
            kind = _kind_of(part, parts[-1], is_parent=place == len(parts) - 2)
            if kind:
                root = "".join(f"{one}/" for one in parts[:place])
                # a Delta table may also be written with the metadata of Iceberg
                if kind == delta.LOG or root not in roots:
                    roots[root] = kind
                break
    outer = {root: kind for root, kind in roots.items() if _table_of(root[:-1], roots) is None}
    return dict(sorted(outer.items()))


def _kind_of(folder: str, name: str, *, is_parent: bool) -> str:
    if folder in (delta.LOG, _HUDI):
        return folder
    if is_parent and folder == iceberg.FOLDER and iceberg.is_metadata(name):
        return iceberg.FOLDER
    return ""


def _table_of(path: str, roots: Mapping[str, str]) -> str | None:
    """Returns the table that a path is inside of; None outside of all."""
    if not roots:
        return None
    if "" in roots and path:
        return ""
    parts = path.split("/")[:-1]
    starts = ("".join(f"{one}/" for one in parts[:n]) for n in range(1, len(parts) + 1))
    return next((start for start in starts if start in roots), None)


def _add_table(found: Found, place: Folder, root: str, kind: str, inside: Sequence[Entry]) -> None:
    if kind == delta.LOG:
        _add_delta(found, place, root, inside)
    elif kind == iceberg.FOLDER:
        _add_iceberg(found, place, root, inside)
    else:
        raise unreadable(
            place.shown(root),
            "a Hudi table, whose folder also holds rows that were replaced",
            _HUDI,
            "files, a Delta table or an Iceberg table",
            "export the table as Parquet, or query it: gamekeeper read --sql ... --database ...",
        )


def _add_delta(found: Found, place: Folder, root: str, inside: Sequence[Entry]) -> None:
    log = f"{root}{delta.LOG}/"
    names = [entry.path.removeprefix(log) for entry in inside if entry.path.startswith(log)]
    table = delta.read_delta(place, root, names)
    sizes = {entry.path: entry.size for entry in inside}
    partitions = {f"{root}{data.path}": data.partition for data in table.files.values()}
    _add_data(found, place, root, sizes, partitions)
    old = _old_files(inside, partitions)
    found.remark(
        f"{place.shown(root)}: a Delta table, read at version {table.version}:"
        f" {len(partitions)} files{_left_out(old)}"
    )


def _add_iceberg(
    found: Found, place: Folder, root: str, inside: Sequence[Entry], named: str | None = None
) -> None:
    folder = f"{root}{iceberg.FOLDER}/"
    names = [entry.path.removeprefix(folder) for entry in inside if entry.path.startswith(folder)]
    table = iceberg.read_iceberg(place, root, names, named)
    partitions = {path: partition_of(path) for path in table.files}
    sizes = {entry.path: entry.size for entry in inside}
    where = place.shown(root)
    if table.frames is not None:
        found.add(place.identity(root), TableSource(name=where, frames=table.frames))
        how = "its files through pyiceberg, which leaves out deleted rows"
    else:
        _add_data(found, place, root, sizes if named is None else None, partitions)
        old = _old_files(inside, partitions) if named is None else 0
        how = f"{len(partitions)} files{_left_out(old)}"
    found.remark(
        f"{where}: an Iceberg table, read at snapshot {table.snapshot} of {table.metadata}: {how}"
    )


def _add_data(
    found: Found,
    place: Folder,
    root: str,
    sizes: Mapping[str, int] | None,
    partitions: Mapping[str, Mapping[str, str]],
) -> None:
    """Adds the data files of a table; `sizes` of the files that are there, None if not known."""
    missing = [] if sizes is None else [path for path in partitions if path not in sizes]
    if missing:
        raise unreadable(
            place.shown(root),
            "files of the table are missing",
            f"{len(missing)} of {len(partitions)}: {missing[0]}",
            "every file of the table's latest version",
            "copy the whole table again",
        )
    for path, partition in partitions.items():
        size = 0 if sizes is None else sizes[path]
        found.add(place.identity(path), _file(place, Entry(path, size), partition, is_named=True))


def _file(
    place: Folder, entry: Entry, partition: Mapping[str, str], *, is_named: bool = False
) -> ByteSource:
    return ByteSource(
        name=place.shown(entry.path),
        open=partial(place.open, entry.path),
        size=entry.size,
        is_named=is_named,
        partition=partition,
    )


def _old_files(inside: Iterable[Entry], current: Mapping[str, object]) -> int:
    return sum(
        1
        for entry in inside
        if entry.path.endswith(".parquet")
        and entry.path not in current
        and reason_to_leave_out(entry.path) is None
    )


def _left_out(old: int) -> str:
    return f"; {old} files of earlier versions were left out" if old else ""


def _no_log(folder: str, files: int) -> UnreadableFileError:
    return unreadable(
        folder,
        "the folder contains no log file",
        f"{files} files, none of which is a log" if files else "no file",
        "a file with rows, of any name that is not hidden",
        "name the files themselves" if files else "",
    )
