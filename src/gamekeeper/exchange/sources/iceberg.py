"""Iceberg tables: which files the current snapshot of a table has.

A table is a folder with `metadata` and `data`. The latest `*.metadata.json` names the current
snapshot, which names its files; the others hold rows that were deleted or rewritten. Files are read
as they are where that gives the table's rows. Where rows were deleted inside files, or columns got
other names, pyiceberg reads them. A table that was copied elsewhere is read where it is now.

Source: Iceberg table specification, sections "Table Metadata" and "Scan Planning".
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from gamekeeper.base.errors import MissingExtraError
from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.sources.addresses import without_secrets
from gamekeeper.exchange.sources.selection import Place

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import DataScan

FOLDER = "metadata"
_METADATA = re.compile(r"v?(?P<version>\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?")
_HINT = "version-hint.text"
_MAX_METADATA_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class IcebergTable:
    """The current snapshot of a table.

    Args:
        metadata: Name of the file that was taken for the latest.
        snapshot: Its number; None for a table without one, which holds no row.
        files: Paths of the data files below the table; empty where `frames` is set.
        frames: Yields the rows, where files as they are would give others.
    """

    metadata: str
    snapshot: int | None
    files: tuple[str, ...]
    frames: Callable[[], Iterator[pl.DataFrame]] | None = None


def is_metadata(name: str) -> bool:
    """Returns whether a file name is that of a table's metadata."""
    return _METADATA.fullmatch(name) is not None


def read_iceberg(
    place: Place, root: str, names: Iterable[str], named: str | None = None
) -> IcebergTable:
    """Returns the current snapshot of a table.

    Args:
        place: Where the table is.
        root: The table's folder below the place, ending in `/` unless it is the place itself.
        names: Names of the files in the table's folder `metadata`.
        named: Name of the metadata file to read; None: the latest.

    Raises:
        MissingExtraError: pyiceberg is not installed.
        UnreadableFileError: The metadata is missing, ambiguous or damaged.
    """
    try:
        import pyiceberg  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("reading an Iceberg table", "lake") from None
    name = named or _latest(place, root, set(names))
    path = f"{root}{FOLDER}/{name}"
    document = _document(place, path)
    try:
        return _snapshot(place, root, name, document)
    except UnreadableFileError:
        raise
    except Exception as error:  # hostile metadata and manifests raise nearly anything
        raise _damaged(place.shown(path), error) from None


def _latest(place: Place, root: str, names: set[str]) -> str:
    if _HINT in names:
        hinted = _hinted(place, f"{root}{FOLDER}/{_HINT}", names)
        if hinted is not None:
            return hinted
    versions = {name: int(m["version"]) for name in names if (m := _METADATA.fullmatch(name))}
    last = max(versions.values())
    latest = sorted(name for name, version in versions.items() if version == last)
    if len(latest) > 1:
        raise unreadable(
            place.shown(root),
            "the Iceberg table has several metadata files of one version",
            ", ".join(latest[:3]),
            "one latest metadata file; a write that failed leaves another",
            f"name the one that the catalogue has: {place.shown(f'{root}{FOLDER}/{latest[0]}')}",
        )
    return latest[0]


def _hinted(place: Place, path: str, names: set[str]) -> str | None:
    with place.open(path) as stream:
        hint = stream.read(1_000).decode("utf-8", "replace").strip()
    endings = ("", ".metadata.json", ".gz.metadata.json")
    candidates = (f"{start}{hint}{end}" for start in ("v", "") for end in endings)
    return next((name for name in candidates if name in names and is_metadata(name)), None)


def _document(place: Place, path: str) -> dict[str, Any]:
    with place.open(path) as stream:
        content = stream.read(_MAX_METADATA_BYTES)
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        document = json.loads(content)
    except (ValueError, OSError, EOFError, RecursionError) as error:
        raise _damaged(place.shown(path), error) from None
    if not isinstance(document, dict):
        raise _damaged(place.shown(path), ValueError(excerpt(document)))
    return document


def _snapshot(place: Place, root: str, name: str, document: dict[str, Any]) -> IcebergTable:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.table import StaticTable
    from pyiceberg.table.metadata import TableMetadataUtil

    metadata = TableMetadataUtil.parse_obj(document)
    io = _file_io(place, root, metadata.location)
    catalog = NoopCatalog("static-table")
    table = StaticTable(("static-table", name), metadata, name, io, catalog)
    snapshot = metadata.current_snapshot_id
    if snapshot is None:
        return IcebergTable(name, None, ())
    tasks = list(table.scan().plan_files())
    is_plain = _has_constant_names(metadata.schemas) and not any(t.delete_files for t in tasks)
    if is_plain:
        base = metadata.location
        files = tuple(_below(root, base, task.file.file_path) for task in tasks)
        return IcebergTable(name, snapshot, files)
    where = place.shown(root)
    return IcebergTable(name, snapshot, (), lambda: _frames(table.scan(), where))


def _has_constant_names(schemas: Iterable[Any]) -> bool:
    """Returns whether each name was always the same column: files have the names of their time."""
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for schema in schemas:
        for number in schema.field_ids:
            name = schema.find_column_name(number)
            if names.setdefault(number, name) != name or ids.setdefault(name, number) != number:
                return False
    return True


def _frames(scan: "DataScan", where: str) -> Iterator[pl.DataFrame]:
    try:
        for batch in scan.to_arrow_batch_reader():
            yield pl.DataFrame(pl.from_arrow(batch))
    except UnreadableFileError:
        raise
    except Exception as error:
        raise _damaged(where, error) from None


def _below(root: str, base: str, location: str) -> str:
    """Returns the path of a file of the table; the table may have been copied elsewhere."""
    start = _plain(base).rstrip("/") + "/"
    path = _plain(location)
    inside = path.removeprefix(start)
    if inside == path or ".." in inside.split("/"):
        raise unreadable(
            without_secrets(base),
            "a file of the Iceberg table is not in its folder",
            excerpt(without_secrets(location)),
            f"files below {without_secrets(base)}",
            "query the table: gamekeeper read --sql ... --database ...",
        )
    return root + inside


def _plain(location: str) -> str:
    """Returns a location in one spelling: `file:/a`, `file:///a` and `/a` are the same."""
    path = re.sub(r"^file:/+", "/", location)
    return re.sub(r"^(?:s3a|s3n)://", "s3://", path)


def _file_io(place: Place, root: str, base: str) -> "FileIO":
    """Returns what pyiceberg opens files with: our own, for credentials and errors are alike."""
    from pyiceberg.io import FileIO, InputFile, OutputFile

    class _Input(InputFile):  # type: ignore[misc]
        def __len__(self) -> int:
            with self.open() as stream:
                return int(stream.seek(0, 2))

        def exists(self) -> bool:
            return True

        def open(self, seekable: bool = True) -> Any:
            stream: BinaryIO = place.open(_below(root, base, self.location))
            return stream

    class _ReadOnly(FileIO):  # type: ignore[misc]
        def new_input(self, location: str) -> InputFile:
            return _Input(location)

        def new_output(self, location: str) -> OutputFile:
            raise PermissionError(location)

        def delete(self, location: Any) -> None:
            raise PermissionError(str(location))

    return _ReadOnly({})


def _damaged(where: str, error: Exception) -> UnreadableFileError:
    reason = f"{type(error).__name__}: {without_secrets(str(error))}".partition("\n")[0]
    return unreadable(
        where,
        "the Iceberg table cannot be read",
        excerpt(reason),
        "metadata, manifests and data files of one table",
        "copy the whole table again",
    )
