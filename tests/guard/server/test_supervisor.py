"""Tasks that end are started again, seen, and stopped in order."""

import asyncio
from collections.abc import Callable

import pytest

from gamekeeper.guard.server import supervisor as module
from gamekeeper.guard.server.supervisor import Supervisor
from gamekeeper.guard.telemetry.metrics import Metrics


class Ticks:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def forever() -> None:
    await asyncio.Event().wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)


def test_task_that_raises_is_started_again_and_logged_once_a_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same line that fails again and again makes one line of log, and a count in the metrics."""
    metrics = Metrics()
    starts = 0

    async def fails() -> None:
        nonlocal starts
        starts += 1
        raise OverflowError(f"number {starts} with sk-ant-REDACTED")

    async def run() -> tuple[str, ...]:
        tasks = Supervisor(metrics)
        tasks.start("store", fails)
        await until(lambda: starts >= 4)
        down = tasks.down
        assert b'gamekeeper_task_up{task="store"} 0.0' in metrics.text()
        await tasks.stop()
        return down

    assert asyncio.run(run()) == ("store",)
    assert len(caplog.records) == 1
    assert "the task store ended and is restarted: OverflowError: number 1" in caplog.text
    assert "abcdefghijklmnop" not in caplog.text
    restarts = metrics.task_restarts.labels("store")._value.get()
    assert restarts >= 3


def test_task_that_returns_is_started_again() -> None:
    """None of them has an end of its own."""
    starts = 0

    async def returns() -> None:
        nonlocal starts
        starts += 1

    async def run() -> None:
        tasks = Supervisor(Metrics())
        tasks.start("casebook", returns)
        await until(lambda: starts >= 3)
        await tasks.stop()

    asyncio.run(run())


def test_cancellation_inside_a_task_does_not_end_it() -> None:
    """A future that somebody else cancelled looks like a request to end, and is not."""
    starts = 0

    async def waits() -> None:
        nonlocal starts
        starts += 1
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        await waiting

    async def run() -> None:
        tasks = Supervisor(Metrics())
        tasks.start("keys", waits)
        await until(lambda: starts >= 3)
        await tasks.stop()

    asyncio.run(run())


def test_silent_task_is_down_until_it_beats() -> None:
    """A loop that hangs raises nothing: only its silence is seen."""
    ticks = Ticks()

    async def run() -> None:
        metrics = Metrics()
        tasks = Supervisor(metrics, ticks=ticks)
        tasks.start("store", forever, silent_s=10)
        tasks.start("casebook", forever)
        ticks.now = 9
        assert tasks.down == ()
        ticks.now = 11
        assert tasks.down == ("store",)
        assert b'gamekeeper_task_up{task="store"} 0.0' in metrics.text()
        tasks.beat("store")
        assert tasks.down == ()
        assert b'gamekeeper_task_up{task="store"} 1.0' in metrics.text()
        await tasks.stop()

    asyncio.run(run())


def test_task_has_recovered_when_it_beats_or_has_run_for_a_while() -> None:
    """A restart alone is not enough: a task that fails every time would look well in between."""
    ticks = Ticks()
    notices: list[str] = []

    async def run() -> None:
        tasks = Supervisor(Metrics(), notices.append, ticks)
        starts = {"beats": 0, "runs": 0}

        def failing_once(name: str) -> Callable[[], object]:
            async def task() -> None:
                starts[name] += 1
                if starts[name] == 1:
                    raise ValueError(name)
                await forever()

            return task

        for name in starts:
            tasks.start(name, failing_once(name))  # type: ignore[arg-type]
        await until(lambda: starts == {"beats": 2, "runs": 2})
        assert tasks.down == ("beats", "runs")
        tasks.beat("beats")
        assert tasks.down == ("runs",)
        ticks.now = module.WELL_S
        assert tasks.down == ()
        await tasks.stop()

    asyncio.run(run())
    assert notices == ["the task beats runs again"]


def test_pause_doubles_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 s, 0.2 s ... 30 s: a task that cannot run does not take the processor from requests."""
    monkeypatch.undo()
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def fails() -> None:
        raise ValueError

    async def run() -> None:
        tasks = Supervisor(Metrics())
        tasks.start("store", fails)
        while len(pauses) < 11:
            await sleep(0)
        await tasks.stop()

    monkeypatch.setattr(asyncio, "sleep", slept)
    asyncio.run(run())
    assert pauses[:11] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_tasks_end_in_reverse_order_one_after_the_other() -> None:
    """The store, started first, takes what the others leave behind."""
    ended: list[str] = []

    def leaving(name: str) -> Callable[[], object]:
        async def task() -> None:
            try:
                await forever()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        return task

    async def run() -> None:
        tasks = Supervisor(Metrics())
        for name in ("store", "linking", "keys"):
            tasks.start(name, leaving(name))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await tasks.stop()
        assert tasks.down == ()

    asyncio.run(run())
    assert ended == ["keys", "linking", "store"]


def test_task_that_fails_while_it_ends_keeps_no_other_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said, and the rest is stopped."""
    ended: list[str] = []

    async def fails_at_its_end() -> None:
        try:
            await forever()
        finally:
            raise OSError("no space left")

    async def ends() -> None:
        try:
            await forever()
        finally:
            ended.append("store")

    async def run() -> None:
        tasks = Supervisor(Metrics())
        tasks.start("store", ends)
        tasks.start("casebook", fails_at_its_end)
        await asyncio.sleep(0)
        await tasks.stop()

    asyncio.run(run())
    assert ended == ["store"]
    assert "casebook" in caplog.text and "no space left" in caplog.text


def test_name_that_is_started_again_has_one_task() -> None:
    """The earlier task ends; the later one is watched."""
    ended: list[str] = []

    def running(name: str) -> Callable[[], object]:
        async def task() -> None:
            try:
                await forever()
            finally:
                ended.append(name)

        return task

    async def run() -> None:
        tasks = Supervisor(Metrics())
        for name in ("first", "second"):
            tasks.start("page", running(name))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        await until(lambda: ended == ["first"])
        assert tasks.down == ()
        tasks.cancel("page")
        await until(lambda: ended == ["first", "second"])

    asyncio.run(run())
