import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.builders import (
    as_csv,
    as_gzip,
    as_jsonl,
    as_parquet,
    as_zstd,
    many,
    openai,
    own,
    read,
    write,
)
from gamekeeper.exchange import SCHEMA, LogReader, ReadOptions

CONTAINERS = {
    "log.jsonl": as_jsonl,
    "log.gz": as_gzip,
    "log.zst": as_zstd,
    "log.csv": as_csv,
    "log.parquet": as_parquet,
    "log.json": lambda rows: json.dumps(rows, indent=1).encode(),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """The container is told by content; what it holds is the same."""
    rows = many(300)
    frame = read(write(tmp_path, name, CONTAINERS[name](rows)))
    assert frame.equals(read(write(tmp_path, "plain", as_jsonl(rows))))
    assert dict(frame.schema) == SCHEMA


@pytest.mark.parametrize("name", ["log.gz", "log.zst"])
def test_joined_compressed_files_are_read_whole(tmp_path: Path, name: str) -> None:
    """`cat a.gz b.gz` is a valid gzip file; so it is with zstd."""
    pack = CONTAINERS[name]
    rows = many(10)
    assert read(write(tmp_path, name, pack(rows[:5]) + pack(rows[5:]))).height == 10


def test_pretty_printed_object_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    """One object over many lines, as people save them, with the mark that some editors write."""
    content = b"\xef\xbb\xbf" + json.dumps(openai(), indent=2).encode()
    assert read(write(tmp_path, "x.json", content)).height == 1
    assert read(write(tmp_path, "y.jsonl", b"\xef\xbb\xbf" + as_jsonl([own()]))).height == 1


def test_parquet_keeps_typed_times_and_lists(tmp_path: Path) -> None:
    """Timestamps, lists of floats and categories need no text between."""
    frame = pl.DataFrame([own(features=[1.0, 2.0])]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC"), pl.col("account").cast(pl.Categorical)
    )
    frame.write_parquet(tmp_path / "x.parquet")
    assert read(str(tmp_path / "x.parquet"))["features"].to_list() == [[1.0, 2.0]]


def test_standard_input_is_read_and_left_open() -> None:
    """`-` reads a stream that cannot be sought; closing it is up to its owner."""
    stdin = io.BytesIO(as_gzip(many(5)))
    assert sum(frame.height for frame in LogReader(["-"], stdin=stdin).batches()) == 5
    assert not stdin.closed


def test_folder_is_read_recursively_and_each_file_once(tmp_path: Path) -> None:
    """Only known suffixes, in order of name; a file that two names reach is read once."""
    write(tmp_path, "b/x.jsonl", [own(prompt="2")])
    write(tmp_path, "a.ndjson.gz", as_gzip([own(prompt="1")]))
    write(tmp_path, "README.md", b"not a log")
    reader = LogReader([str(tmp_path), str(tmp_path / "*.gz")])
    assert pl.concat(reader.batches())["prompt"].to_list() == ["1", "2"]
    assert len(reader.summary.files) == 2


def test_summary_tells_formats_and_columns_seen(tmp_path: Path) -> None:
    """Signals ask which columns the log could show at all."""
    one = write(tmp_path, "a.jsonl", [own(n=1, ip=None)])
    two = write(tmp_path, "b.jsonl", [openai()])
    reader = LogReader([str(tmp_path)])
    list(reader.batches())
    assert reader.summary.formats == {one: "gamekeeper", two: "openai"}
    assert {"n", "model", "turn", "system"} <= reader.summary.columns_seen
    assert "ip" not in reader.summary.columns_seen


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    """Bytes done never fall, and at the end they are all."""
    write(tmp_path, "a.jsonl", many(50_000))
    write(tmp_path, "b.parquet", as_parquet([row | {"model": "b"} for row in many(50_000)]))
    write(tmp_path, "c.gz", as_gzip([row | {"model": "c"} for row in many(100)]))
    seen: list[tuple[int, int]] = []
    list(
        LogReader(
            [str(tmp_path)], on_progress=lambda done, total: seen.append((done, total))
        ).batches()
    )
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] > 0


def test_batches_can_be_read_again(tmp_path: Path) -> None:
    """A second pass starts anew: nothing of the first counts as a repeat."""
    reader = LogReader([write(tmp_path, "a.jsonl", many(10))], batch_rows=4)
    assert (
        [frame.height for frame in reader.batches()]
        == [frame.height for frame in reader.batches()]
        == [4, 4, 2]
    )


row_of_log = st.fixed_dictionaries(
    {"time": st.sampled_from([1_775_000_000, 1_775_000_060, "2026-11-02T12:00:00Z", "bad", None])},
    optional={
        "account": st.sampled_from(["a", "b", "", None, 7]),
        "prompt": st.sampled_from(["x", "é", None, 3]),
        "features": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
        "n": st.sampled_from([1, "2", "many", 1.5, True]),
    },
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(row_of_log, min_size=1, max_size=12), batch_rows=st.integers(1, 40))
def test_batch_size_does_not_change_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], batch_rows: int
) -> None:
    """Rows, counts and faults are the same however they are cut into frames."""
    path = write(tmp_path_factory.mktemp("log"), "log.jsonl", [own(), *rows])
    small, large = (
        LogReader([path], ReadOptions(format="gamekeeper", max_bad_rows=1.0), batch_rows=n)
        for n in (batch_rows, 1_000)
    )
    frames = list(small.batches())
    assert all(frame.height == batch_rows for frame in frames[:-1])
    assert pl.concat(frames).equals(pl.concat(large.batches()))
    assert small.summary == large.summary
