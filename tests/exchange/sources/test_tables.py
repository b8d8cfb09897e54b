"""Tables of a lake: only the files of their latest version are read."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gamekeeper.exchange.sources import ByteSource, Sources, TableSource, find_sources

PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
METADATA = {"metaData": {"id": "t", "configuration": {}, "partitionColumns": []}}


class Delta:
    """A Delta table, written a transaction at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "_delta_log"
        self.log.mkdir(parents=True)
        self.version = -1

    def commit(self, *actions: dict[str, Any]) -> None:
        self.version += 1
        lines = "".join(json.dumps(action) + "\n" for action in actions)
        (self.log / f"{self.version:020}.json").write_text(lines)

    def add(self, path: str, **more: Any) -> dict[str, Any]:
        file = self.root / path.replace("%20", " ")
        file.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"account": [path]}).write_parquet(file)
        return {"add": {"path": path, "partitionValues": {}, "size": 1, **more}}


def remove(path: str, **more: Any) -> dict[str, Any]:
    return {"remove": {"path": path, **more}}


@pytest.fixture
def table(tmp_path: Path) -> Delta:
    delta = Delta(tmp_path / "t")
    delta.commit(PROTOCOL, METADATA, delta.add("a.parquet"), delta.add("b.parquet"))
    return delta


def names_of(found: Sources) -> list[str]:
    return [Path(source.name).name for source in found.sources]


def problem_of(found: Sources) -> str:
    assert not found.sources
    return found.faults[0].problem


def test_files_that_a_delta_table_removed_are_not_read(table: Delta) -> None:
    """Their rows were deleted, or are in another file as well."""
    table.commit(remove("a.parquet"), table.add("c%20d.parquet"))
    found = find_sources([str(table.root)])
    assert names_of(found) == ["b.parquet", "c d.parquet"]
    assert all(source.is_named for source in found.sources)
    assert "version 1" in found.remarks[0] and "1 files of earlier" in found.remarks[0]


def test_a_delta_table_inside_a_folder_is_read_as_a_table(table: Delta) -> None:
    table.commit(remove("a.parquet"))
    (table.root.parent / "more.jsonl").write_text("{}\n")
    found = find_sources([str(table.root.parent)])
    assert names_of(found) == ["more.jsonl", "b.parquet"]


def test_a_pattern_and_a_name_do_not_lead_to_removed_files(table: Delta) -> None:
    table.commit(remove("a.parquet"))
    assert names_of(find_sources([f"{table.root}/*.parquet"])) == ["b.parquet"]
    assert "not part" in problem_of(find_sources([f"{table.root}/a.parquet"]))


def test_a_checkpoint_stands_for_the_transactions_before_it(table: Delta) -> None:
    """Old transactions are deleted some day; what follows the checkpoint counts."""
    partition = {"team": "x", "day": None}
    table.commit(remove("a.parquet"), table.add("c.parquet", partitionValues=partition))
    null = {"protocol": None, "metaData": None, "add": None, "remove": None}
    values = [{"key": "team", "value": "x"}, {"key": "day", "value": None}]
    rows = [
        null | PROTOCOL,
        null | {"add": {"path": "b.parquet", "partitionValues": []}},
        null | {"add": {"path": "c.parquet", "partitionValues": values}},
        null | remove("a.parquet"),
    ]
    pl.DataFrame(rows, strict=False).write_parquet(
        table.log / "00000000000000000001.checkpoint.parquet"
    )
    (table.log / "00000000000000000000.json").unlink()
    table.commit(table.add("d.parquet"), remove("b.parquet"))
    found = find_sources([str(table.root)])
    assert names_of(found) == ["c.parquet", "d.parquet"]
    assert found.sources[0].partition == {"team": "x"}


VECTOR = {"storageType": "u", "pathOrInlineDv": "ab", "offset": 1, "cardinality": 1}
MAPPED = {"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}
NEWER = {"protocol": {"minReaderVersion": 3, "readerFeatures": ["variantType"]}}


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        (
            [remove("a.parquet"), {"add": {"path": "a.parquet", "deletionVector": VECTOR}}],
            "vectors",
        ),
        ([MAPPED], "other names"),
        ([NEWER], "knows more"),
        ([{"add": {"path": "s3://b/x.parquet"}}], "not in its folder"),
        ([{"add": {"path": "../x.parquet"}}], "not in its folder"),
        ([{"add": {"path": "gone.parquet"}}], "missing"),
        ([{"add": "x"}], "damaged"),
        ([{"protocol": 3}], "damaged"),
        ([{"metaData": {"configuration": 3}, "protocol": {}}], "knows more"),
    ],
)
def test_a_delta_table_that_files_alone_do_not_tell_is_refused(
    table: Delta, actions: list[dict[str, Any]], problem: str
) -> None:
    table.commit(*actions)
    assert problem in problem_of(find_sources([str(table.root)]))


def test_a_gap_in_the_log_of_a_delta_table_is_refused(table: Delta) -> None:
    """The missing transaction may have removed files."""
    table.commit(remove("a.parquet"))
    table.commit(table.add("c.parquet"))
    (table.log / "00000000000000000001.json").unlink()
    assert "gap" in problem_of(find_sources([str(table.root)]))
    shutil.rmtree(table.log)
    table.log.mkdir()
    (table.log / "x.json").write_text("{}")
    assert "empty" in problem_of(find_sources([str(table.root)]))


def test_a_broken_line_in_the_log_of_a_delta_table_is_refused(table: Delta) -> None:
    (table.log / "00000000000000000001.json").write_text('{"add": \n')
    assert "damaged" in problem_of(find_sources([str(table.root)]))


def test_a_hudi_table_is_refused(tmp_path: Path) -> None:
    """Its folder also holds the rows that were replaced."""
    (tmp_path / ".hoodie").mkdir()
    (tmp_path / ".hoodie/hoodie.properties").write_text("")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert "Hudi" in problem_of(find_sources([str(tmp_path)]))


@pytest.fixture
def iceberg(tmp_path: Path) -> Iterator[Any]:
    pytest.importorskip("pyiceberg")
    pytest.importorskip("sqlalchemy")
    import pyarrow as pa
    from pyiceberg.catalog.memory import InMemoryCatalog

    catalog = InMemoryCatalog("c", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("n")
    rows = pa.table({"account": ["a", "b", "c"], "prompt": ["x", "y", "z"]})
    table = catalog.create_table("n.t", schema=rows.schema)
    table.append(rows)
    yield table
    catalog.engine.dispose()


def accounts(found: Sources) -> list[str]:
    assert not found.faults
    read: list[str] = []
    for source in found.sources:
        if isinstance(source, ByteSource):
            with source.open() as stream:
                read += pl.read_parquet(stream)["account"].to_list()
        else:
            read += [one for frame in source.frames() for one in frame["account"]]
    return read


@pytest.mark.extra
def test_rows_that_an_iceberg_table_deleted_are_not_read(iceberg: Any, tmp_path: Path) -> None:
    """Also where the table was copied to another folder than its metadata says."""
    iceberg.delete("account == 'a'")
    shutil.move(tmp_path / "warehouse/n/t", tmp_path / "moved")
    found = find_sources([str(tmp_path / "moved")])
    assert accounts(found) == ["b", "c"]
    assert "1 files of earlier versions were left out" in found.remarks[0]
    metadata = sorted((tmp_path / "moved/metadata").glob("*.metadata.json"))
    assert accounts(find_sources([str(metadata[-2])])) == ["a", "b", "c"]


@pytest.mark.extra
def test_columns_that_got_other_names_in_iceberg_are_read_under_the_new_ones(
    iceberg: Any, tmp_path: Path
) -> None:
    """The files still have the old names; pyiceberg knows which they are."""
    with iceberg.update_schema() as update:
        update.rename_column("account", "key")
        update.rename_column("prompt", "account")
    found = find_sources([str(tmp_path / "warehouse/n/t")])
    assert isinstance(found.sources[0], TableSource)
    assert accounts(found) == ["x", "y", "z"]


@pytest.mark.extra
def test_two_latest_metadata_files_of_iceberg_are_refused(iceberg: Any, tmp_path: Path) -> None:
    """One is of a write that failed; the catalogue alone knows which."""
    folder = tmp_path / "warehouse/n/t/metadata"
    latest = sorted(folder.glob("*.metadata.json"))[-1]
    shutil.copy(latest, folder / "00001-other.metadata.json")
    assert "several" in problem_of(find_sources([str(tmp_path / "warehouse")]))


@pytest.mark.extra
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\x1f\x8b", b'{"format-version": 2}', b"["]
)
def test_damaged_metadata_of_iceberg_is_a_fault(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pyiceberg")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/v1.metadata.json").write_bytes(content)
    assert "cannot be read" in problem_of(find_sources([str(tmp_path)]))
