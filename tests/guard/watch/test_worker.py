import os
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from gamekeeper.exchange import SCHEMA, LogReader
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.watch.worker import Worker, work
from gamekeeper.simulate import simulate


def wire(log: pl.DataFrame) -> list[bytes]:
    """Rows as the guard sends them."""
    columns = [
        name for name in SCHEMA if name not in ("payment", "account_created", "conversation")
    ]
    rows = (
        log.select(columns).with_columns(pl.col("time").dt.epoch("us") / 1e6).iter_rows(named=True)
    )
    return [orjson.dumps(row | {"request_id": str(i)}) for i, row in enumerate(rows)]


def finish(worker: Worker) -> None:
    """Begins a pass, waits for it, and has it told."""
    worker.pass_if_due()
    assert worker.passing is not None
    worker.passing.exception()
    worker.pass_if_due()


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate(seed=1, days=20, scale=0.3).exchanges


def test_pass_finds_campaigns_and_writes_what_explain_reads(
    tmp_path: Path, log: pl.DataFrame
) -> None:
    """The path of hunt, over what came in on standard input."""
    told: list[dict[str, Any]] = []
    worker = Worker(tmp_path, Watch(every_s=0.001, days=60, keep_days=9_999), told.append)  # type: ignore[arg-type]
    worker.remember()
    worker.take(wire(log))
    finish(worker)
    last = told[-1]
    worker.close()
    assert last["kind"] == "pass" and len(last["campaigns"]) >= 3
    assert {c["id"] for c in last["campaigns"]} == {
        f"K{i + 1}" for i in range(len(last["campaigns"]))
    }
    assert (tmp_path / "found" / "report.html").exists()


def test_restart_remembers_what_was_written(tmp_path: Path, log: pl.DataFrame) -> None:
    """And the log reads as any log of ours."""
    lines = wire(log.head(500))
    first = Worker(tmp_path, Watch(days=9_999, keep_days=9_999), [].append)  # type: ignore[arg-type]
    first.take(lines[:300])
    first.take(lines[300:])
    first.close()
    told: list[dict[str, Any]] = []
    Worker(tmp_path, Watch(days=9_999, keep_days=9_999), told.append).remember()  # type: ignore[arg-type]
    assert told == [{"kind": "ready", "exchanges": 500}]
    assert sum(map(len, LogReader([str(tmp_path / "traffic")]).batches())) == 500


def test_end_of_input_writes_what_came_in(tmp_path: Path, log: pl.DataFrame) -> None:
    """When the guard is killed, what is in the pipe is still kept; a line cut short is let go."""
    read, write = os.pipe()
    out_read, out_write = os.pipe()
    lines = wire(log.head(20))
    os.write(write, b"\n".join(lines) + b'\n{"time": 17')
    os.close(write)
    work(tmp_path, Watch(days=9_999, keep_days=9_999), read, out_write)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "traffic").iterdir())
    assert kept.splitlines() == lines
    assert orjson.loads(os.read(out_read, 1000).splitlines()[0])["kind"] == "ready"
