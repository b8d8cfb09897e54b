import os
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.base import files
from gamekeeper.simulate import LabelledTraffic, write


def test_written_traffic_reads_back_the_same(traffic: LabelledTraffic, tmp_path: Path) -> None:
    """Both files hold the frames, and nothing else is left behind."""
    write(traffic, tmp_path / "new" / "folder")
    out = tmp_path / "new" / "folder"
    assert pl.read_parquet(out / "exchanges.parquet").equals(traffic.exchanges)
    assert pl.read_parquet(out / "labels.parquet").equals(traffic.labels)
    assert {path.name for path in out.iterdir()} == {"exchanges.parquet", "labels.parquet"}


def test_failed_write_leaves_the_old_file_whole(
    traffic: LabelledTraffic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills half way, the former log is still there and no fragment beside it."""
    write(traffic, tmp_path)
    before = (tmp_path / "exchanges.parquet").read_bytes()

    def fail(file: int, data: bytes, at: int) -> None:
        os.pwrite(file, data[: len(data) // 2], at)
        raise OSError("no space left")

    monkeypatch.setattr(files, "write_at", fail)
    with pytest.raises(OSError, match="no space left"):
        write(traffic, tmp_path)
    assert (tmp_path / "exchanges.parquet").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
