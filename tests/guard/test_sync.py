"""What is stored, set aside or kept for later when a record, the store or the disk fails."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.casebook import Casebook
from gamekeeper.guard import sync as module
from gamekeeper.guard.core import Core
from gamekeeper.guard.policy import GuardPolicy, State
from gamekeeper.guard.store import RefusedError, Spent, SqliteStore, StoreGoneError
from gamekeeper.guard.store._store import MOST
from gamekeeper.guard.sync import Entries, Sync
from gamekeeper.verdict import Verdict
from guard.builders import Kept, judge, make_core, make_decision


def set_aside(core: Core, what: str) -> float:
    return core.metrics.set_aside.labels(what)._value.get()


def written(folder: Path) -> list[bytes]:
    return (folder / "casebook" / "entries.jsonl").read_bytes().splitlines()


class Picky(SqliteStore):
    """A store that refuses one account, as one does whose counter would overflow."""

    refused = "hostile"
    gone_after = 10**9

    def add(self, day: str, spent: Mapping[str, Spent]) -> None:
        if self.refused in spent:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        self.gone_after -= 1
        if self.gone_after < 0:
            raise StoreGoneError("no route")
        super().add(day, spent)


def test_counter_that_the_store_refuses_is_set_aside_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The counters of all others are stored, once each; it is logged and counted."""
    store = Picky(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    sync = Sync(core)
    names = [f"a{i}" for i in range(50)]
    for name in [*names[:25], "hostile", *names[25:]]:
        core.accounts.charge(name, Spent(1, 2, 3, 4))
    sync.step()
    sync.step()
    assert store.spent(core.accounts.day) == dict.fromkeys(names, Spent(1, 2, 3, 4))
    assert set_aside(core, "counter") == 1
    assert len([r for r in caplog.records if "set aside" in r.message]) == 1
    assert core.store_up


def test_what_was_stored_before_the_store_went_is_not_stored_twice(tmp_path: Path) -> None:
    """The halves of a refused batch are stored one by one: each counts once, whatever comes."""
    store = Picky(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    sync = Sync(core)
    names = [f"a{i}" for i in range(20)]
    for name in ["hostile", *names]:
        core.accounts.charge(name, Spent(1))
    store.gone_after = 2
    sync.step()
    assert not core.store_up
    assert 0 < len(store.spent(core.accounts.day)) < 20
    store.gone_after = 10**9
    sync.step()
    assert store.spent(core.accounts.day) == dict.fromkeys(names, Spent(1))


def test_absurd_count_is_bounded_and_stored(tmp_path: Path) -> None:
    """An upstream may state 2^63-1 tokens, once or every time."""
    store = SqliteStore(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    sync = Sync(core)
    for _ in range(3):
        core.accounts.charge("acme", Spent(1, 2**63 - 1, 0, 0))
        core.accounts.charge("other", Spent(1, 5, 0, 0))
        sync.step()
    stored = store.spent(core.accounts.day)
    assert stored["acme"].requests == 3 and stored["acme"].tokens >= MOST
    assert stored["other"] == Spent(3, 15, 0, 0)


def test_counter_that_would_overflow_in_the_file_does_not_look_like_a_lost_store(
    tmp_path: Path,
) -> None:
    """The sum does not fit into SQLite; the other accounts are stored and requests pass."""
    store = SqliteStore(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    store.add(core.accounts.day, {"acme": Spent(2**63 - 1)})
    core.accounts.charge("acme", Spent(1))
    core.accounts.charge("other", Spent(1))
    Sync(core).step()
    assert core.store_up
    assert store.spent(core.accounts.day)["other"] == Spent(1)


def test_actions_of_very_many_accounts_are_recorded_in_entries_that_fit(tmp_path: Path) -> None:
    """A line of the casebook has a limit; 20,000 refused accounts in half a second do not."""
    with Casebook.open(tmp_path / "casebook") as casebook:
        entries = Entries(casebook.append)
        core = make_core(tmp_path, record=entries)
        expected = {f"{'ü' * 200}{i}" for i in range(20_000)}
        for account in expected:
            core._done[account, "deny"] += 1
        Sync(core, entries).step()
    lines = [orjson.loads(line) for line in written(tmp_path)]
    recorded = [a["account"] for line in lines[1:] for a in line["body"].get("actions", ())]
    assert len(recorded) == 20_000
    assert set(recorded) == expected


def test_action_that_cannot_be_written_is_set_aside_alone(tmp_path: Path) -> None:
    """Half of a surrogate pair is not text; the other actions are recorded."""
    with Casebook.open(tmp_path / "casebook") as casebook:
        core = make_core(tmp_path)
        for account in ("a", "\ud800", "b"):
            core._done[account, "deny"] += 1
        Sync(core, Entries(casebook.append)).step()
    lines = [orjson.loads(line) for line in written(tmp_path)]
    recorded = {a["account"] for line in lines[1:] for a in line["body"].get("actions", ())}
    assert recorded == {"a", "b"}
    assert set_aside(core, "action") == 1


class Disk:
    """A casebook on a disk that may be full."""

    def __init__(self) -> None:
        self.is_full = False
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def append(self, kind: str, subject: str, body: dict[str, Any]) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        if body.get("is_long"):
            raise UsageError("an entry has 2000000 bytes")
        self.lines.append((kind, subject, body))


def test_full_disk_keeps_no_decision_from_taking_effect(tmp_path: Path) -> None:
    """Somebody denies an account on the command line while the disk of the casebook is full."""
    disk = Disk()
    entries = Entries(disk.append)
    core = make_core(tmp_path, record=entries)
    sync = Sync(core, entries)
    core._done["acme", "slow"] += 1
    disk.is_full = True
    elsewhere = make_core(tmp_path)
    elsewhere.decide(make_decision(Verdict.DENY))
    core.accounts.charge("acme", Spent(1))
    sync.step()
    assert judge(core).act.refusal.status == 403
    assert core.store.spent(core.accounts.day) == {"acme": Spent(1)}
    disk.is_full = False
    sync.step()
    core._done["acme", "deny"] += 1
    sync.step()
    assert [kind for kind, _, _ in disk.lines[:3]] == ["actions", "decision", "actions"]


def test_entries_that_wait_for_the_disk_are_bounded_and_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory does not grow with a disk that stays full; what is lost is counted."""
    monkeypatch.setattr(module, "_WAITING_ENTRIES", 3)
    lost: list[int] = []
    disk = Disk()
    entries = Entries(disk.append, lambda: lost.append(1))
    disk.is_full = True
    for i in range(5):
        entries("action", str(i), {})
    disk.is_full = False
    entries.retry()
    assert [subject for _, subject, _ in disk.lines] == ["0", "1", "2"]
    assert len(lost) == 2


def test_waiting_entry_that_cannot_be_written_keeps_no_other_from_it() -> None:
    """It is set aside when the disk takes entries again."""
    lost: list[int] = []
    disk = Disk()
    entries = Entries(disk.append, lambda: lost.append(1))
    disk.is_full = True
    for i in range(3):
        entries("action", str(i), {"is_long": i == 1})
    disk.is_full = False
    entries.retry()
    assert [subject for _, subject, _ in disk.lines] == ["0", "2"]
    assert len(lost) == 1


@pytest.mark.parametrize(
    "record", [b"{", b"[1]", b"{}", b'{"id": "D1"}', b'"x"', b'{"subject": null, "until": "soon"}']
)
def test_record_that_cannot_be_read_is_set_aside_alone(
    tmp_path: Path, record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A deny beside it takes effect; it is said once, counted once."""
    core = make_core(tmp_path)
    sync = Sync(core)
    elsewhere = make_core(tmp_path)
    for table in ("decisions", "campaigns", "lifted"):
        elsewhere.store.put(table, "broken", record)
    elsewhere.decide(make_decision(Verdict.DENY))
    for _ in range(3):
        elsewhere.store.put("seen", "x", b"1")  # so that all is read again
        sync.step()
    assert judge(core).act.refusal.status == 403
    assert core.store_up
    assert set_aside(core, "record") == 3
    assert len([r for r in caplog.records if "set aside" in r.message]) == 3


def test_decision_whose_record_is_damaged_still_holds(tmp_path: Path) -> None:
    """What cannot be read is not taken for lifted."""
    core = make_core(tmp_path)
    sync = Sync(core)
    elsewhere = make_core(tmp_path)
    decision = make_decision(Verdict.DENY)
    elsewhere.decide(decision)
    sync.step()
    elsewhere.store.put("decisions", decision.id, b"{broken")
    sync.step()
    assert judge(core).act.refusal.status == 403


def test_loop_that_fails_loses_nothing_and_refuses_where_the_policy_says(tmp_path: Path) -> None:
    """An error that nobody foresaw: counters wait, and the store counts as gone meanwhile."""
    policy = GuardPolicy(enforce=True, state=State(when_gone="closed"))
    kept = Kept()
    core = make_core(tmp_path, policy, record=kept.record)
    beats: list[int] = []
    sync = Sync(core, kept.record, lambda: beats.append(1))
    core.accounts.charge("acme", Spent(1))
    refresh = core.decisions.refresh

    def fails(now: float) -> bool:
        raise AttributeError("an error of ours")

    core.decisions.refresh = fails  # type: ignore[method-assign]

    async def run() -> None:
        await sync._step_beside()

    with pytest.raises(AttributeError):
        asyncio.run(run())
    assert judge(core).act.refusal.status == 503
    core.decisions.refresh = refresh  # type: ignore[method-assign]
    asyncio.run(run())
    assert judge(core).act.refusal is None
    assert core.store.spent(core.accounts.day) == {"acme": Spent(1)}
    assert beats == []


def test_step_that_was_begun_is_finished_before_the_last_one(tmp_path: Path) -> None:
    """The end of a guard counts nothing twice and loses nothing, wherever it finds the loop."""
    core = make_core(tmp_path)

    async def run() -> None:
        sync = Sync(core)
        for i in range(40):
            core.accounts.charge(f"a{i}", Spent(1))
            stepping = asyncio.create_task(sync._step_beside())
            await asyncio.sleep(0)
            stepping.cancel()
            await asyncio.wait([stepping])
            sync.step()

    asyncio.run(run())
    stored = core.store.spent(core.accounts.day)
    assert stored == {f"a{i}": Spent(1) for i in range(40)}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("ERR increment or decrement would overflow", RefusedError),
        ("WRONGTYPE Operation against a key", StoreGoneError),
        ("OOM command not allowed", StoreGoneError),
    ],
)
def test_server_that_refuses_one_record_is_not_gone(message: str, expected: type) -> None:
    """Redis says of a counter that it would overflow; what else it refuses, it may take later."""
    pytest.importorskip("redis")
    from redis.exceptions import ResponseError

    from gamekeeper.guard.store._redis import told_as_gone

    with pytest.raises(expected), told_as_gone():
        raise ResponseError(message)
