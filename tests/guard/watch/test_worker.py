import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from gamekeeper.exchange import SCHEMA, LogReader
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.watch import worker as worker_
from gamekeeper.guard.watch.openings import Openings, _Template
from gamekeeper.guard.watch.worker import Worker, work
from gamekeeper.simulate import simulate
from guard.builders import NOW


def ignore(finding: dict[str, Any]) -> None:
    """Takes a finding."""


def wire(log: pl.DataFrame) -> list[bytes]:
    """Rows as the guard sends them."""
    columns = [
        name for name in SCHEMA if name not in ("payment", "account_created", "conversation")
    ]
    rows = (
        log.select(columns).with_columns(pl.col("time").dt.epoch("us") / 1e6).iter_rows(named=True)
    )
    return [orjson.dumps(row | {"request_id": str(i)}) for i, row in enumerate(rows)]


def play(worker: Worker, log: pl.DataFrame) -> None:
    """Gives a log to the process, day by day: rows that come in together are of one time."""
    for _, part in log.group_by(pl.col("time").dt.date(), maintain_order=True):
        worker.take(wire(part))


def at(log: pl.DataFrame) -> Callable[[], float]:
    """A clock that shows the time of the first row."""
    first = log["time"].dt.epoch("us").min() / 1e6  # type: ignore[operator]
    return lambda: first


def finish(worker: Worker) -> None:
    """Begins a pass, waits for it, and has it reported."""
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
    findings: list[dict[str, Any]] = []
    watch = Watch(every_s=0.001, days=60, keep_days=9_999)
    worker = Worker(tmp_path, watch, findings.append, at(log))
    worker.remember()
    play(worker, log)
    finish(worker)
    last = findings[-1]
    worker.close()
    assert last["kind"] == "pass" and len(last["campaigns"]) >= 3
    assert {c["id"] for c in last["campaigns"]} == {
        f"K{i + 1}" for i in range(len(last["campaigns"]))
    }
    assert (tmp_path / "found" / "report.html").exists()


def test_restart_remembers_what_was_written(tmp_path: Path, log: pl.DataFrame) -> None:
    """And the log reads as any log of ours."""
    some = log.head(200)
    watch = Watch(days=9_999, keep_days=9_999)
    first = Worker(tmp_path, watch, ignore, at(log))
    play(first, some[:120])
    play(first, some[120:])
    first.close()
    findings: list[dict[str, Any]] = []
    Worker(tmp_path, watch, findings.append, at(log)).remember()
    assert findings == [{"kind": "ready", "exchanges": 200}]
    assert sum(map(len, LogReader([str(tmp_path / "traffic")]).batches())) == 200


def template(account: str, numbers: range) -> list[bytes]:
    """Rows of an account that uses a template of two sentences."""
    demand = "Write out the whole chain of thought. Put the result into a box at the end."
    return [
        line(account, f"How many stamps does collector {chr(97 + i)} own by now? {demand}")
        for i in numbers
    ]


def line(account: str, prompt: str, at_s: float = NOW) -> bytes:
    return orjson.dumps({"time": at_s, "account": account, "prompt": prompt})


def test_account_that_used_the_template_before_a_restart_joins_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What openings have seen is counted again from the log: two prompts before, one after it."""
    learnt = Openings(tmp_path / "campaign-openings.json")
    sentences = ("write out the whole chain of thought", "put the result into a box at the end")
    learnt._templates["K1"] = _Template(dict.fromkeys(sentences, NOW - 60), NOW)
    learnt._save()
    first = Worker(tmp_path, Watch(), ignore, lambda: NOW)
    first.take(template("new", range(2)))
    first.close()
    findings: list[dict[str, Any]] = []
    again = Worker(tmp_path, Watch(), findings.append, lambda: NOW)
    again.remember()
    again.take(template("new", range(2, 3)))
    assert findings[-1] == {"kind": "joined", "accounts": {"new": "K1"}}


BAD_LINES = [
    b"{not JSON",
    b'"a text"',
    b'{"time": 1.0}',
    b'{"time": "now", "account": "a", "prompt": "hi"}',
    b'{"time": true, "account": "a", "prompt": "hi"}',
    orjson.dumps({"time": NOW, "account": "a", "features": {"x": 1}}),
    orjson.dumps({"time": NOW, "account": "a", "features": [[1.0], "x"]}),
    line("a", "in ten years", NOW + 3_650 * 86_400),
    line("a", "ten years ago", NOW - 3_650 * 86_400),
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda text: text[:40].decode())
def test_one_bad_line_is_set_aside_by_itself(tmp_path: Path, bad: bytes) -> None:
    """The others of its second are kept and linked, and old days stay on the disk."""
    findings: list[dict[str, Any]] = []
    worker = Worker(tmp_path, Watch(), findings.append, lambda: NOW)
    worker.take([line("a", "yesterday", NOW - 80_000)])
    worker.take([line("a", "hi"), bad, line("b", "hello")])
    worker.take([bad])
    worker.take([line("c", "still there")])
    worker.close()
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "traffic").iterdir()))
    prompts = [orjson.loads(each)["prompt"] for each in kept.splitlines()]
    assert prompts == ["yesterday", "hi", "hello", "still there"]
    assert findings == [{"kind": "set-aside", "what": "exchange", "count": 1}] * 2
    assert worker._window.exchanges == 4


@pytest.mark.parametrize("wrong", [{"temperature": "hot"}, {"input_tokens": 2**64 - 1}, {"n": [1]}])
def test_wrong_value_of_another_column_does_not_hide_an_exchange(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """A client might choose it; what it asked is linked all the same."""
    findings: list[dict[str, Any]] = []
    worker = Worker(tmp_path, Watch(), findings.append, lambda: NOW)
    row = {"time": NOW, "account": "a", "prompt": "hi"}
    worker.take([orjson.dumps(row | wrong), line("b", "hello")])
    assert findings == [] and worker._window.exchanges == 2


def test_guard_with_a_clock_of_its_own_is_believed(tmp_path: Path) -> None:
    """One row of another time is a fault; when all are, the machine's clock is the other one."""
    findings: list[dict[str, Any]] = []
    worker = Worker(tmp_path, Watch(), findings.append, lambda: NOW)
    year_later = NOW + 365 * 86_400
    for second in range(60):
        worker.take([line("a", "hi", year_later + second)])
    assert 0 < sum(each["count"] for each in findings) <= 32
    assert worker._window.exchanges >= 28


def test_pass_that_fails_is_reported_and_the_process_goes_on(
    tmp_path: Path, log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard says it in /healthz."""
    findings: list[dict[str, Any]] = []
    worker = Worker(tmp_path, Watch(every_s=0.001), findings.append, at(log))
    play(worker, log.head(200))
    monkeypatch.setattr(worker_, "look", lambda *_: 1 / 0)
    finish(worker)
    assert findings[-1]["kind"] == "pass-failed" and "zero" in findings[-1]["error"]
    play(worker, log[200:220])
    assert worker._window.exchanges == 220


def test_file_of_the_log_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """The other days are remembered."""
    first = Worker(tmp_path, Watch(), ignore, lambda: NOW)
    first.take([line("a", "hi")])
    first.close()
    day_before = datetime.fromtimestamp(NOW - 86_400, UTC).date()
    (tmp_path / "traffic" / f"{day_before}.jsonl").mkdir()
    findings: list[dict[str, Any]] = []
    Worker(tmp_path, Watch(), findings.append, lambda: NOW).remember()
    assert findings == [
        {"kind": "set-aside", "what": "log-file", "count": 1},
        {"kind": "ready", "exchanges": 1},
    ]


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
