import asyncio
import os
import signal
import sys
from pathlib import Path

import orjson
import pytest

from gamekeeper.guard.policy import Watch
from gamekeeper.guard.telemetry.metrics import Metrics
from gamekeeper.guard.watch import feed as feed_
from gamekeeper.guard.watch.feed import Feed


def row(i: int) -> dict[str, object]:
    return {"time": 1.7e9 + i, "account": f"a{i % 3}", "model": "m", "prompt": f"question {i}"}


def logged(folder: Path) -> list[str]:
    lines = [line for path in folder.rglob("*.jsonl") for line in path.read_bytes().splitlines()]
    return [orjson.loads(line)["prompt"] for line in lines]


@pytest.mark.slow
def test_what_is_answered_while_the_process_is_down_is_linked_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` of the linking process: rows wait in the guard until it is up again, in their
    order.
    """
    monkeypatch.setattr(feed_, "_RESTART_S", 0.1)
    watching = Watch(keep_days=9_999)

    async def play() -> None:
        feed = Feed(tmp_path, watching, Metrics(), lambda finding: None)
        running = asyncio.create_task(feed.run())
        await until(lambda: feed._process is not None)
        feed.send(row(0))
        await until(lambda: logged(tmp_path) == ["question 0"])
        assert feed._process is not None
        os.kill(feed._process.pid, signal.SIGKILL)
        await until(lambda: feed._process is None)
        for i in range(1, 200):
            feed.send(row(i))
        await until(lambda: len(logged(tmp_path)) == 200)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(play())
    assert logged(tmp_path) == [f"question {i}" for i in range(200)]


def test_memory_does_not_grow_with_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody takes rows, only so many wait; the rest is dropped and counted."""
    monkeypatch.setattr(feed_, "_WAITING_BYTES", 1_000)

    async def play() -> tuple[float, int]:
        metrics = Metrics()
        feed = Feed(tmp_path, Watch(), metrics, lambda finding: None)
        for i in range(100):
            feed.send(row(i))
        return metrics.unwatched._value.get(), feed._bytes

    dropped, waiting = asyncio.run(play())
    assert waiting <= 1_000
    assert 85 < dropped < 100


async def until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


def test_account_that_floods_the_feed_blinds_it_for_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own rows go first; all others wait until they are linked, in their order."""
    monkeypatch.setattr(feed_, "_WAITING_BYTES", 100_000)

    async def play() -> tuple[list[str], Metrics]:
        metrics = Metrics()
        feed = Feed(tmp_path, Watch(), metrics, lambda finding: None)
        for i in range(3_000):
            if i % 10 == 0:
                feed.send({"account": f"a{i % 30}", "prompt": str(i)})
            feed.send({"account": "flood", "prompt": "x" * 200})
        rows = [orjson.loads(line) for line in feed._lines]
        assert feed._bytes == sum(map(len, feed._lines)) <= 100_000
        return [row["prompt"] for row in rows if row["account"] != "flood"], metrics

    others, metrics = asyncio.run(play())
    assert others == [str(i) for i in range(0, 3_000, 10)]
    assert metrics.unwatched._value.get() > 2_000
    assert metrics.unwatched_accounts._value.get() == 1
    assert len([r for r in caplog.records if "too slow" in r.message]) == 1


def test_rows_that_a_busy_process_does_not_read_wait_and_are_not_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass takes seconds: meanwhile the pipe is full, and what comes is sent after it."""
    monkeypatch.setattr(feed_, "_PIPE_BYTES", 1_000)
    monkeypatch.setattr(feed_, "_GATHER_S", 0.01)
    out = tmp_path / "rows"
    is_free = tmp_path / "free"
    busy = (
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(is_free)!r}).exists(): time.sleep(.01)\n"
        f"pathlib.Path({str(out)!r}).write_bytes(sys.stdin.buffer.read())\n"
    )

    async def play() -> Metrics:
        metrics = Metrics()
        feed = Feed(tmp_path, Watch(), metrics, lambda finding: None)
        feed._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", busy, stdin=asyncio.subprocess.PIPE
        )
        for i in range(60):
            feed.send({"account": "acme", "prompt": f"{i} " + "x" * 20_000})
            await asyncio.sleep(0.02)
        assert feed._lines
        is_free.touch()
        await until(lambda: not feed._lines)
        await feed._end()
        return metrics

    metrics = asyncio.run(play())
    rows = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert [row["prompt"].split()[0] for row in rows] == [str(i) for i in range(60)]
    assert metrics.unwatched._value.get() == 0


@pytest.mark.parametrize(
    ("sizes", "most", "level"),
    [([1, 2, 3], 6, 3), ([1, 2, 30], 13, 10), ([10, 10, 10], 9, 3), ([5], 3, 3), ([], 3, 0)],
)
def test_largest_are_cut_to_one_level(sizes: list[int], most: int, level: int) -> None:
    """What fits is left; the rest is shared equally."""
    assert feed_._level(sizes, most) == level
    assert sum(min(size, level) for size in sizes) <= most
