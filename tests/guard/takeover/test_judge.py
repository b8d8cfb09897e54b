"""When signals add up to a step-up, who it holds for, how its owner gets out, and what is learnt
meanwhile.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.store import SqliteStore, StoreGoneError
from gamekeeper.guard.takeover import cards, judge
from gamekeeper.guard.takeover.habits import TABLE
from gamekeeper.guard.takeover.judge import PREFIX
from gamekeeper.verdict import Verdict
from guard.takeover.builders import DAY, OFFICE, START, THIEF, Bench, use, work

OLD = START - DAY
"""When the key's secret was made."""
MINUTE = 60 / DAY
KEPT: dict[str, Any] = {"authenticated_at": OLD}
ELSEWHERE = Caller("198.18.0.9", "other/1", "JP", 64_999)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "guard.sqlite")
    yield store
    store.close()


def settled(store: SqliteStore, **ladder: Any) -> Bench:
    """A judge whose one credential was used at the office for six weeks."""
    bench = Bench(store, **({"step_up": 2} | ladder))
    bench.work(range(42), **KEPT)
    return bench


def steal(bench: Bench, day: float, **who: Any) -> list[str]:
    """The owner works, and minutes later the thief: a new system, far away."""
    bench.use(OFFICE, day, **(KEPT | who))
    return bench.use(THIEF, day + 5 * MINUTE, **(KEPT | who))


NINE = 9 / 24
AT = 43 + NINE


def test_two_signals_ask_the_owner_to_sign_in(store: SqliteStore) -> None:
    """With their numbers, an innocent explanation each, and an end."""
    bench = settled(store)
    assert steal(bench, AT) == ["new-system", "far-places"]
    decision = bench.step_up(AT + 0.1, **KEPT)
    assert decision is not None
    assert (decision.verdict, decision.challenge) == (Verdict.CHALLENGE, "reauthenticate")
    assert (
        decision.subject == "credential:k1"
        and "DE and BR" in decision.reasons[1]
        and len(decision.innocent) == 2
    )
    assert decision.until - decision.since == 48 * 3600
    assert bench.counted == ["new-system", "far-places"]


def test_one_signal_is_told_and_asks_nobody(store: SqliteStore) -> None:
    """It goes to the casebook and the metrics."""
    bench = settled(store)
    assert bench.use(THIEF, AT, **KEPT) == ["new-system"]
    assert bench.step_up(AT, **KEPT) is None and bench.counted == ["new-system"]
    kind, subject, body = bench.entries[-1]
    assert (kind, subject, body["account"]) == ("stolen-key-signal", "credential:k1", "acme")


def test_signals_more_than_a_day_apart_do_not_add_up(store: SqliteStore) -> None:
    """A new laptop today, a VPN switched on tomorrow evening; within a day they do."""
    for pause, is_asked in ((1.01, False), (0.9, True)):
        bench = settled(store)
        bench.use(ELSEWHERE, AT, **KEPT)
        late = AT + pause
        bench.use(OFFICE, late, **KEPT)
        found = bench.use(replace(OFFICE, ip="198.18.3.3", country="SE"), late + MINUTE, **KEPT)
        assert "far-places" in found
        assert (bench.step_up(late + MINUTE, **KEPT) is not None) is is_asked
        for id in (*store.load(TABLE), *store.load("decisions")):
            store.delete(TABLE, id)
            store.delete("decisions", id)


def test_same_signal_twice_is_one(store: SqliteStore) -> None:
    """Two new systems are no more than one, and are told once."""
    bench = settled(store)
    assert bench.use(THIEF, AT, **KEPT) == bench.use(ELSEWHERE, AT + 0.1, **KEPT) == ["new-system"]
    assert bench.step_up(AT + 0.1, **KEPT) is None and bench.counted == ["new-system"]


def test_weak_signals_alone_ask_nobody(store: SqliteStore) -> None:
    """A new system by its address alone, at night."""
    bench = Bench(store, step_up=2)
    plain = Caller("203.0.113.7", "sdk/1.2")
    bench.work(range(42), plain, **KEPT)
    assert bench.use(Caller("233.252.0.5", "curl/8"), 43 + 3 / 24, **KEPT) == [
        "new-system",
        "new-hours",
    ]
    assert bench.step_up(43.2, **KEPT) is None


@pytest.mark.parametrize(("step_up", "is_asked"), [(0, False), (1, True), (2, True), (3, False)])
def test_policy_says_how_many(store: SqliteStore, step_up: int, is_asked: bool) -> None:
    """None ask at 0."""
    bench = settled(store, step_up=step_up)
    steal(bench, AT)
    assert (bench.step_up(AT + 0.1, **KEPT) is not None) is is_asked


@pytest.mark.parametrize(
    ("highest", "verdict"),
    [
        ("allow", None),
        ("watch", Verdict.WATCH),
        ("slow", Verdict.CHALLENGE),
        ("deny", Verdict.CHALLENGE),
    ],
)
def test_a_guard_that_is_to_do_nothing_asks_nobody(
    store: SqliteStore, highest: str, verdict: Verdict | None
) -> None:
    """A step-up takes nothing from an owner, so `slow` allows it."""
    bench = settled(store, highest=Verdict(highest))
    steal(bench, AT)
    decision = bench.step_up(AT + 0.1, **KEPT)
    assert (decision.verdict if decision else None) == verdict


def test_who_could_not_answer_is_watched(store: SqliteStore) -> None:
    """A token without `auth_time` does not show that its owner signed in again."""
    bench = Bench(store, step_up=2)
    bench.work(range(42), kind="jwt")
    bench.use(OFFICE, AT, kind="jwt")
    bench.use(THIEF, AT + MINUTE, kind="jwt")
    decision = bench.step_up(AT + 0.1, kind="jwt")
    assert decision is not None and (decision.verdict, decision.challenge) == (Verdict.WATCH, None)
    bench.refuse("dpop-mismatch", THIEF, AT, credential="k2", kind="jwt")
    watched = bench.step_up(AT, credential="k2", kind="jwt")
    assert watched is not None and watched.verdict is Verdict.WATCH


def test_other_keys_of_the_account_go_on(store: SqliteStore) -> None:
    """A key is stolen, not an account."""
    bench = settled(store)
    bench.work(range(42), credential="k2", **KEPT)
    steal(bench, AT)
    assert bench.step_up(AT + 0.1, credential="k2", **KEPT) is None
    assert bench.use(OFFICE, AT + 0.1, credential="k2", **KEPT) == []


def test_missing_proof_is_enough_whatever_the_policy_counts(store: SqliteStore) -> None:
    """It is deterministic."""
    bench = settled(store, step_up=0)
    bench.refuse("dpop-mismatch", THIEF, AT, **KEPT)
    assert bench.step_up(AT, **KEPT) is not None


def test_repeated_proof_is_enough_from_elsewhere_only(store: SqliteStore) -> None:
    """A library repeats a request from where it stands."""
    bench = settled(store)
    bench.use(OFFICE, AT, **KEPT)
    bench.refuse("dpop-replay", OFFICE, AT, **KEPT)
    assert bench.step_up(AT, **KEPT) is None
    bench.refuse("dpop-replay", THIEF, AT + MINUTE, **KEPT)
    assert bench.step_up(AT + MINUTE, **KEPT) is not None
    assert bench.counted == ["dpop-replay", "dpop-replay"]


# what is learnt


def test_nothing_is_learnt_while_a_step_up_holds(store: SqliteStore) -> None:
    """And what the thief taught before is taken back: afterwards he is as new as ever."""
    bench = settled(store)
    steal(bench, AT)
    for hour in range(40):
        assert bench.use(THIEF, AT + 0.1 + hour / 24, **KEPT) == []
    bench.keep(AT + 2.1)
    later = AT + 3
    assert bench.step_up(later, **KEPT) is None
    assert bench.use(THIEF, later, **KEPT) == ["new-system"]


def test_owner_who_signed_in_goes_on_and_the_thief_does_not(store: SqliteStore) -> None:
    """The old secret may count for a while yet."""
    bench = settled(store)
    steal(bench, AT)
    fresh = {"authenticated_at": START + (AT + 0.1) * DAY}
    assert bench.use(OFFICE, AT + 0.2, **fresh) == []
    assert bench.step_up(AT + 0.2, **fresh) is None and bench.step_up(AT + 0.2, **KEPT) is not None


def test_system_of_the_owner_who_is_back_is_known(store: SqliteStore) -> None:
    """It was a new laptop after all; the thief's stays unknown."""
    bench = settled(store)
    steal(bench, AT)
    fresh = {"authenticated_at": START + (AT + 0.1) * DAY}
    assert bench.use(ELSEWHERE, AT + 0.2, **fresh) == []
    assert bench.use(ELSEWHERE, AT + 4, **fresh) == []
    assert "new-system" in bench.use(THIEF, AT + 5, **fresh)


def test_new_secret_that_is_stolen_too_is_asked_for_again(store: SqliteStore) -> None:
    """The malware is still there."""
    bench = settled(store)
    steal(bench, AT)
    fresh = {"authenticated_at": START + (AT + 0.1) * DAY}
    bench.use(OFFICE, AT + 0.2, **fresh)
    bench.use(THIEF, AT + 0.2 + MINUTE, **fresh)
    assert bench.step_up(AT + 0.3, **fresh) is not None


def test_sign_in_before_the_step_up_does_not_answer_it(store: SqliteStore) -> None:
    """The thief may have signed in himself, or be the reason."""
    bench = settled(store)
    steal(bench, AT)
    assert bench.step_up(AT + 0.1, authenticated_at=START + (AT - 0.1) * DAY) is not None


def test_lifted_step_up_stays_lifted_and_what_it_was_about_is_learnt(store: SqliteStore) -> None:
    """A person said that this was the owner."""
    bench = settled(store)
    steal(bench, AT)
    decision = bench.step_up(AT + 0.1, **KEPT)
    assert decision is not None
    bench.decisions.lift(decision.id, by="ann", why="our contractor", now=START + (AT + 0.1) * DAY)
    assert steal(bench, AT + 0.2) == ["new-system", "far-places"]
    assert bench.step_up(AT + 0.3, **KEPT) is None
    assert steal(bench, AT + 1.2) == []
    bench.use(OFFICE, AT + 2, **KEPT)
    bench.use(ELSEWHERE, AT + 2 + MINUTE, **KEPT)
    assert bench.step_up(AT + 2.1, **KEPT) is None


def test_what_did_not_add_up_is_learnt_for_good(store: SqliteStore) -> None:
    """A day after a single signal it is as known as anything."""
    bench = settled(store)
    bench.use(THIEF, AT, **KEPT)
    bench.keep(AT + 1.1)
    assert bench.takeover.habits.before("credential:k1") is None
    assert bench.use(THIEF, AT + 2, **KEPT) == []


# other processes, and a store that is gone


def test_killed_process_loses_only_what_was_not_written_yet(store: SqliteStore) -> None:
    """Nothing is closed; the next one knows the system of seconds ago, and adds up with its
    signal.
    """
    first = settled(store)
    first.use(THIEF, AT, **KEPT)
    second = Bench(store, step_up=2)
    assert second.use(OFFICE, AT + 0.2, **KEPT) == []
    assert second.use(
        replace(THIEF, country="JP", ip="233.252.9.9"), AT + 0.2 + MINUTE, **KEPT
    ) == ["far-places"]
    decision = second.step_up(AT + 0.3, **KEPT)
    assert decision is not None and len(decision.reasons) == 2


def test_it_writes_every_few_seconds_and_once_more_at_the_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs to ask for it."""
    monkeypatch.setattr(judge, "_SAVE_S", 0.005)
    bench = Bench(store, step_up=2)

    async def met(caller: Caller, credential: str) -> None:
        use(bench.takeover, caller, 1, credential=credential, **KEPT)
        async with asyncio.timeout(10):
            while f"habit:credential:{credential}" not in store.load(TABLE):
                await asyncio.sleep(0.001)

    async def run() -> None:
        running = asyncio.create_task(bench.takeover.run())
        await met(OFFICE, "k1")
        await met(THIEF, "k2")
        use(bench.takeover, OFFICE, 1, credential="k3", **KEPT)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    assert "habit:credential:k3" in store.load(TABLE)


def test_restart_takes_back_what_a_thief_taught_before_it(store: SqliteStore) -> None:
    """The history from before the first signal is kept with the signal."""
    settled(store).use(THIEF, AT, **KEPT)
    second = Bench(store, step_up=2)
    second.use(OFFICE, AT + 0.2, **KEPT)
    second.use(replace(THIEF, country="JP", ip="233.252.9.9"), AT + 0.2 + MINUTE, **KEPT)
    assert "new-system" in second.use(THIEF, AT + 4, **KEPT)


def test_unreadable_signals_are_left_out(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged record must not keep the guard from starting."""
    for n, record in enumerate(
        (b"", b"[]", b'{"format":"x"}', orjson.dumps({"format": "gamekeeper/habit@1"}))
    ):
        store.put(TABLE, f"{PREFIX}credential:{n}", record)
    bench = settled(store)
    assert steal(bench, AT) == ["new-system", "far-places"]
    assert caplog.text.count("cannot be read") == 4


def test_store_that_is_gone_loses_no_step_up(store: SqliteStore) -> None:
    """It is made when the store is back; meanwhile nothing is learnt."""
    bench = settled(store)

    def gone(*_: object) -> None:
        raise StoreGoneError("away")

    # type: ignore[method-assign, assignment]
    put = store.put
    store.put = gone
    steal(bench, AT)
    assert bench.step_up(AT + 0.01, **KEPT) is None
    assert bench.use(ELSEWHERE, AT + 0.01, **KEPT) == []
    store.put = put  # type: ignore[method-assign]
    bench.keep(AT + 0.02)
    assert bench.step_up(AT + 0.02, **KEPT) is not None


def test_many_hours_do_not_keep_a_new_place_waiting(store: SqliteStore) -> None:
    """Every hour, every credential has something to write."""
    bench = settled(store)
    habits = bench.takeover.habits
    for n in range(2_000):
        work(habits, range(1), OFFICE, per_day=1, credential=f"other{n}")
    habits.unsaved(10_000)
    for n in range(2_000):
        work(habits, range(1, 2), OFFICE, per_day=1, credential=f"other{n}")
    bench.use(THIEF, AT, **KEPT)
    again = Bench(store, step_up=2)
    assert again.use(THIEF, AT + 2, **KEPT) == []


# change in asking: of an account


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the change in asking were measured: it counts."""
    card = cards.CARDS["change-in-asking"]
    monkeypatch.setitem(cards.CARDS, card.name, replace(card, maturity="tested"))


TOLD = {
    "acme": {"p": 0.005, "says": "60 queries of the last day lie 0.400 from the account's history"}
}


@pytest.mark.usefixtures("counting")
def test_change_in_asking_adds_to_what_the_credential_did(store: SqliteStore) -> None:
    """In either order."""
    for is_first in (True, False):
        bench = settled(store)
        if is_first:
            bench.takeover.shifted(TOLD, START + AT * DAY)
        assert bench.use(THIEF, AT + 0.1, **KEPT) == ["new-system"]
        if not is_first:
            bench.takeover.shifted(TOLD, START + (AT + 0.2) * DAY)
            bench.keep(AT + 0.2)
        decision = bench.step_up(AT + 0.3, **KEPT)
        assert decision is not None and decision.subject == "credential:k1"
        assert "p = 0.005" in " ".join(decision.reasons)
        for id in (*store.load(TABLE), *store.load("decisions")):
            store.delete(TABLE, id)
            store.delete("decisions", id)


@pytest.mark.usefixtures("counting")
def test_change_of_yesterday_does_not_add_up(store: SqliteStore) -> None:
    """A day after it was last told."""
    bench = settled(store)
    bench.takeover.shifted(TOLD, START + AT * DAY)
    bench.use(THIEF, AT + 1.1, **KEPT)
    assert bench.step_up(AT + 1.2, **KEPT) is None


def test_change_in_asking_is_told_once_a_day_and_counts_for_nothing_yet(store: SqliteStore) -> None:
    """How often it errs is not measured."""
    bench = settled(store)
    for n in range(20):
        bench.takeover.shifted(TOLD, START + AT * DAY + 300 * n)
    bench.use(THIEF, AT + 0.1, **KEPT)
    assert (
        bench.counted == ["change-in-asking", "new-system"]
        and bench.step_up(AT + 0.2, **KEPT) is None
    )


@pytest.mark.usefixtures("counting")
def test_what_an_answered_thief_asked_is_not_held_against_the_owner(store: SqliteStore) -> None:
    """The last day's queries still hold the thief's."""
    bench = settled(store)
    steal(bench, AT)
    fresh = {"authenticated_at": START + (AT + 0.1) * DAY}
    bench.use(OFFICE, AT + 0.2, **fresh)
    bench.takeover.shifted(TOLD, START + (AT + 0.3) * DAY)
    assert bench.use(ELSEWHERE, AT + 0.4, **fresh) == ["new-system"]
    assert bench.step_up(AT + 0.5, **fresh) is None
