import io
import uuid
from pathlib import Path

import polars as pl
import pytest

from exchange.builders import as_parquet, many, own, read, write
from gamekeeper.base.errors import InputError
from gamekeeper.exchange import LogReader, ReadOptions
from gamekeeper.exchange.containers import columnar


@pytest.mark.parametrize("rows_of_a_group", [1_000, 50_000])
def test_parquet_is_read_in_the_same_blocks_whatever_its_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_a_group: int
) -> None:
    """Row groups and the size of a slice decide how the file is read, not what comes out."""
    monkeypatch.setattr(columnar, "_SLICE_BYTES", 5 << 20)
    frame = pl.DataFrame({"row": range(50_000), "text": ["x" * 100] * 50_000})
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=rows_of_a_group)
    with io.BufferedReader(io.FileIO(tmp_path / "x.parquet")) as stream:
        blocks = list(columnar.read_columns("x", "Parquet", stream, lambda share: None))
    assert [len(block.places) for block in blocks] == [16_384, 16_384, 16_384, 848]
    assert [row for block in blocks for row in block.column("row")] == list(range(50_000))
    assert [place for block in blocks for place in block.places] == list(range(1, 50_001))


def test_parquet_text_kept_as_bytes_is_text(tmp_path: Path) -> None:
    """Spark and Hive keep text as bytes, and JSON is no text to Parquet."""
    frame = pl.DataFrame([own(prompt="größer?")]).with_columns(pl.col("prompt").cast(pl.Binary))
    frame.write_parquet(tmp_path / "x.parquet")
    assert read(str(tmp_path / "x.parquet"))["prompt"].to_list() == ["größer?"]


def test_damaged_parquet_is_a_fault_or_still_readable(tmp_path: Path) -> None:
    """Whatever byte is changed: rows come, or one fault of the file, and nothing else."""
    whole = as_parquet(many(200))
    outcomes = set()
    for place in range(4, len(whole), len(whole) // 60):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        reader = LogReader(
            [write(tmp_path, "x.parquet", bytes(damaged))], ReadOptions(max_bad_rows=1.0)
        )
        try:
            list(reader.batches())
        except InputError as error:
            outcomes.add("truncated or damaged" in str(error))
    assert True in outcomes


def test_account_in_sixteen_bytes_is_a_uuid(tmp_path: Path) -> None:
    """Also where its bytes happen to be UTF-8: a name of control characters is not a name."""
    values = [bytes(8) + bytes(range(1, 9)), bytes.fromhex("550e8400e29b41d4a716446655440000")]
    for value in values:
        frame = pl.DataFrame([own()]).with_columns(pl.lit(value).alias("account"))
        path = tmp_path / "log.parquet"
        frame.write_parquet(path)
        assert read(str(path))["account"].to_list() == [str(uuid.UUID(bytes=value))]
