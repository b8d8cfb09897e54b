"""The tasks that run beside requests: what fails in one is seen, set aside and made good."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.policy import GuardPolicy, State
from gamekeeper.guard.store import Spent, SqliteStore
from gamekeeper.guard.watch.feed import Feed
from gamekeeper.verdict import Verdict
from guard.builders import judge, make_decision, make_tracked


@pytest.fixture(autouse=True)
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs the linking process, which takes seconds to start."""

    async def run(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "run", run)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Guard]:
    policy = GuardPolicy(enforce=True, state=State(folder=str(folder)))
    guard = Guard(policy, on_notice=lambda text: None)
    await guard.start()
    try:
        yield guard
    finally:
        await guard.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


def aside(guard: Guard, what: str) -> float:
    return guard.core.metrics.set_aside.labels(what)._value.get()


def test_guard_without_faults_has_nothing_down(tmp_path: Path) -> None:
    """All six tasks run, each under its name in the metrics."""

    async def run() -> None:
        async with started(tmp_path) as guard:
            await asyncio.sleep(0)
            text = guard.core.metrics.text().decode()
            for name in ("store", "takeover", "linking", "findings", "casebook", "keys"):
                assert f'gamekeeper_task_up{{task="{name}"}} 1.0' in text
            assert guard.tasks.down == ()

    asyncio.run(run())


def test_loop_that_stores_and_reads_decisions_comes_back_after_any_error(tmp_path: Path) -> None:
    """It is killed three times; then a deny from elsewhere takes effect, and no count is lost."""

    async def run() -> None:
        async with started(tmp_path) as guard:
            refresh = guard.core.decisions.refresh
            failed = 0

            def fails(now: float) -> bool:
                nonlocal failed
                failed += 1
                raise AttributeError("an error that nobody foresaw")

            guard.core.accounts.charge("acme", Spent(1, 10, 0, 0))
            guard.core.decisions.refresh = fails  # type: ignore[method-assign]
            await until(lambda: failed >= 3)
            assert "store" in guard.tasks.down
            guard.core.accounts.charge("acme", Spent(1, 10, 0, 0))
            guard.core.decisions.refresh = refresh  # type: ignore[method-assign]
            elsewhere = SqliteStore(tmp_path / "guard.sqlite")
            decision = make_decision(
                Verdict.DENY, since=guard.core.clock.now(), until=guard.core.clock.now() + 3_600
            )
            put(elsewhere, decision)
            await until(lambda: judge(guard.core).act.refusal is not None)
            await until(lambda: guard.tasks.down == ())
            await until(
                lambda: elsewhere.spent(guard.core.accounts.day) == {"acme": Spent(2, 20, 0, 0)}
            )
            assert guard.core.metrics.task_restarts.labels("store")._value.get() >= 2
            elsewhere.close()

    asyncio.run(run())


def put(store: SqliteStore, decision: Any) -> None:
    store.put("decisions", decision.id, orjson.dumps(decision.document()))


def test_finding_that_cannot_be_taken_in_is_set_aside_alone(tmp_path: Path) -> None:
    """What the linking process says after it counts."""

    async def run() -> None:
        async with started(tmp_path) as guard:
            good = make_tracked("K7").document()
            for finding in (
                {"kind": "pass", "seconds": 1.0, "campaigns": [{"id": "K1"}]},
                {"kind": "ground", "cells": None},
                {"no": "kind"},
                {"kind": "pass", "seconds": 1.0, "campaigns": [good]},
            ):
                guard._add_finding(finding)
            await until(lambda: "K7" in guard.core.decisions.campaigns)
            assert aside(guard, "finding") == 3
            assert guard.tasks.down == ()

    asyncio.run(run())


def test_disk_that_was_full_keeps_no_record_from_the_casebook(tmp_path: Path) -> None:
    """Entries wait until it takes them again."""

    async def run() -> None:
        async with started(tmp_path) as guard:
            append = guard._record._append
            is_full = True

            def full(kind: str, subject: str, body: dict[str, Any]) -> object:
                if is_full:
                    raise OSError(28, "No space left on device")
                return append(kind, subject, body)

            guard._record._append = full
            for name in ("a", "b"):
                guard.core._done[name, "deny"] += 1
                taken = name
                await until(lambda taken=taken: (taken, "deny") not in guard.core._done)
            guard.core.accounts.charge("acme", Spent(1))
            await until(lambda: bool(guard.store.spent(guard.core.accounts.day)))
            is_full = False

    asyncio.run(run())
    written = (tmp_path / "casebook" / "entries.jsonl").read_text()
    assert '"account":"a"' in written and '"account":"b"' in written
    assert written.index('"account":"a"') < written.index('"account":"b"')
