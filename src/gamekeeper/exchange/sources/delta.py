"""Delta tables: which files the latest version of a table has.

A folder of a Delta table also holds files whose rows were deleted or rewritten; only the log of
its transactions says which count. The log is JSON, a file for each version, and from time to time
a checkpoint in Parquet with all that counted then:

    files = checkpoint + (added - removed) of each later version, in order

What would change the rows of a file (deletion vectors) or the names of its columns (column mapping)
is refused.

Source: Delta transaction log protocol, sections "Action Reconciliation" and "Reader Requirements".
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import polars as pl

from gamekeeper.exchange.faults import excerpt, unreadable
from gamekeeper.exchange.sources.selection import Place

LOG = "_delta_log"
_COMMIT = re.compile(r"(?P<version>\d{20})\.json")
_CHECKPOINT = re.compile(
    r"(?P<version>\d{20})\.checkpoint(?:\.(?P<part>\d{10})\.(?P<parts>\d{10}))?\.parquet"
)
_V2_CHECKPOINT = re.compile(r"(?P<version>\d{20})\.checkpoint\.[0-9a-f-]{36}\.(?:json|parquet)")
_READER_VERSION = 3
_HARMLESS = frozenset(
    {
        "columnMapping",  # refused by its setting
        "deletionVectors",  # refused by the files that have one
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",  # refused where commits alone do not tell
        "vacuumProtocolCheck",
    }
)
_EXPORT = "export the table as Parquet, or query it: gamekeeper read --sql ... --database ..."


@dataclass(frozen=True, slots=True)
class DeltaFile:
    """A data file of a table: its path below the table, and the columns that its folder holds."""

    path: str
    partition: Mapping[str, str]


@dataclass(slots=True)
class DeltaTable:
    """What the log of a table says.

    Args:
        version: Of the latest transaction.
        files: By path and deletion vector.
    """

    version: int = -1
    files: dict[tuple[str, str], DeltaFile] = field(default_factory=dict)
    mapping: str = "none"
    has_protocol: bool = False

    def apply(self, action: Mapping[str, Any], where: str) -> None:
        """Takes over an action of the log; those that are about nothing to read are passed over."""
        if (added := _present(action, "add")) is not None:
            data = _data_file(added, where)
            self.files[data.path, _vector(added)] = data
        if (removed := _present(action, "remove")) is not None:
            self.files.pop((_path(removed, where), _vector(removed)), None)
        if (protocol := _present(action, "protocol")) is not None:
            _require_known(protocol, where)
            self.has_protocol = True
        if (metadata := _present(action, "metaData")) is not None:
            if not isinstance(metadata, Mapping):
                raise _damaged(where, excerpt(metadata))
            settings = _as_mapping(metadata.get("configuration"))
            self.mapping = settings.get("delta.columnMapping.mode") or "none"


def read_delta(place: Place, root: str, names: Iterable[str]) -> DeltaTable:
    """Returns the latest version of a table.

    Args:
        place: Where the table is.
        root: The table's folder below the place, ending in `/` unless it is the place itself.
        names: Names of the files in the table's log.

    Raises:
        UnreadableFileError: The log is incomplete or damaged, or the table needs a reader that
            knows more.
    """
    where = place.shown(root)
    names = set(names)
    commits = {int(m["version"]): m[0] for m in map(_COMMIT.fullmatch, names) if m}
    start, parts = _checkpoint(names)
    versions = sorted(version for version in commits if version > start)
    _require_complete(where, start, versions, names)
    table = DeltaTable(version=versions[-1] if versions else start)
    for name in parts:
        path = f"{root}{LOG}/{name}"
        for action in _checkpoint_actions(place, path):
            table.apply(action, place.shown(path))
    for version in versions:
        path = f"{root}{LOG}/{commits[version]}"
        for action in _commit_actions(place, path):
            table.apply(action, place.shown(path))
    _require_plain(table, where)
    return table


def _checkpoint(names: Iterable[str]) -> tuple[int, list[str]]:
    """Returns the version and the files of the latest complete checkpoint; -1 without one."""
    parts: dict[tuple[int, int], list[str]] = {}
    for match in filter(None, map(_CHECKPOINT.fullmatch, names)):
        key = (int(match["version"]), int(match["parts"] or 1))
        parts.setdefault(key, []).append(match[0])
    whole = [key for key, files in parts.items() if len(files) == key[1]]
    latest = max(whole, default=None)
    return (-1, []) if latest is None else (latest[0], sorted(parts[latest]))


def _require_complete(where: str, start: int, versions: list[int], names: Iterable[str]) -> None:
    if start < 0 and not versions:
        raise unreadable(
            where,
            "the log of the Delta table is empty",
            f"no transaction in {LOG}",
            "00000000000000000000.json, or a checkpoint and what follows it",
            "copy the whole folder again, or name the Parquet files themselves",
        )
    expected = start + 1
    for version in versions:
        if version != expected:
            raise _missing_version(where, expected, names)
        expected += 1


def _missing_version(where: str, version: int, names: Iterable[str]) -> Exception:
    if any(map(_V2_CHECKPOINT.fullmatch, names)):
        return unreadable(
            where,
            "the Delta table has checkpoints of a form that is not read",
            "checkpoints with a UUID (v2)",
            "classic checkpoints, or all transactions from version 0 on",
            "set delta.checkpointPolicy to classic and make a checkpoint; or " + _EXPORT,
        )
    return unreadable(
        where,
        "the log of the Delta table has a gap",
        f"version {version} is missing",
        "every transaction since the latest checkpoint: without it, deleted rows would be read",
        f"copy the whole folder {LOG} again",
    )


def _commit_actions(place: Place, path: str) -> Iterator[Mapping[str, Any]]:
    where = place.shown(path)
    with place.open(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                action = json.loads(line)
            except (ValueError, RecursionError):
                action = None
            if not isinstance(action, dict):
                raise _damaged(f"{where}:{number}", line.decode("utf-8", "replace"))
            yield action


def _checkpoint_actions(place: Place, path: str) -> Iterator[Mapping[str, Any]]:
    wanted = ("protocol", "metaData", "add")
    where = place.shown(path)
    with place.open(path) as stream:
        try:
            table = pl.read_parquet(stream)
            table = table.select(name for name in wanted if name in table.columns)
        except (Exception, pl.exceptions.PanicException) as error:
            raise _damaged(where, str(error).partition("\n")[0]) from None
    for frame in table.iter_slices(10_000):
        yield from frame.iter_rows(named=True)


def _present(action: Mapping[str, Any], name: str) -> Any:
    """Returns an action; in Parquet, those that a row does not have are there without values."""
    value = action.get(name)
    if isinstance(value, Mapping) and value and all(one is None for one in value.values()):
        return None
    return value


def _data_file(added: Any, where: str) -> DeltaFile:
    path = _path(added, where)
    values = _as_mapping(added.get("partitionValues"))
    return DeltaFile(path, {k: v for k, v in values.items() if isinstance(v, str) and v})


def _path(action: Any, where: str) -> str:
    path = action.get("path") if isinstance(action, dict) else None
    if not isinstance(path, str) or not path:
        raise _damaged(where, excerpt(action))
    if "://" in path or path.startswith(("/", "file:")) or ".." in path.split("/"):
        raise unreadable(
            where,
            "files of the Delta table are not in its folder",
            excerpt(path),
            "paths below the folder; a shallow clone has others",
            _EXPORT,
        )
    return unquote(path)


def _vector(action: Mapping[str, Any]) -> str:
    """Returns what tells a deletion vector from others; empty without one."""
    vector = action.get("deletionVector")
    if not isinstance(vector, Mapping) or vector.get("storageType") is None:
        return ""
    parts = (vector.get(name) for name in ("storageType", "pathOrInlineDv", "offset"))
    return "|".join(map(str, parts))


def _as_mapping(value: Any) -> dict[str, Any]:
    """Returns a map of the log: an object in JSON, a list of keys and values in Parquet."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return {one["key"]: one["value"] for one in value if isinstance(one, Mapping)}
    return {}


def _require_known(protocol: Any, where: str) -> None:
    if not isinstance(protocol, Mapping):
        raise _damaged(where, excerpt(protocol))
    features = protocol.get("readerFeatures") or []
    unknown = sorted({str(one) for one in features} - _HARMLESS)
    version = protocol.get("minReaderVersion")
    if unknown or not isinstance(version, int) or version > _READER_VERSION:
        raise unreadable(
            where,
            "the Delta table needs a reader that knows more",
            f"reader version {version}, features {', '.join(unknown) or 'none'}",
            f"at most reader version {_READER_VERSION}, features {', '.join(sorted(_HARMLESS))}",
            _EXPORT,
        )


def _require_plain(table: DeltaTable, where: str) -> None:
    if not table.has_protocol:
        raise _damaged(where, "no protocol in it")
    vectors = sum(1 for _, vector in table.files if vector)
    if vectors:
        raise unreadable(
            where,
            "the Delta table has deletion vectors",
            f"{vectors} of {len(table.files)} files have rows that were deleted",
            "files without deleted rows",
            "REORG TABLE ... APPLY (PURGE); or " + _EXPORT,
        )
    if table.mapping != "none":
        raise unreadable(
            where,
            "the columns of the Delta table have other names in its files",
            f"delta.columnMapping.mode = {table.mapping}",
            "no column mapping",
            _EXPORT,
        )


def _damaged(where: str, found: str) -> Exception:
    return unreadable(
        where,
        "the log of the Delta table is damaged",
        excerpt(found),
        "an action of the Delta protocol",
        f"copy the whole folder {LOG} again",
    )
