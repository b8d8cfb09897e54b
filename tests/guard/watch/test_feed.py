import asyncio
import os
import signal
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
