"""Buckets of slowed accounts outlive the process, and a crowd of others."""

from pathlib import Path

import pytest

from gamekeeper.base.clock import day_of
from gamekeeper.guard.budgets.accounts import Account, Accounts
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.proof_of_work import CHALLENGE_HEADER, solve
from gamekeeper.guard.policy import GuardPolicy, Ladder
from gamekeeper.guard.store import SlowedState, Spent, SqliteStore, StoreGoneError
from gamekeeper.guard.sync import Sync
from gamekeeper.verdict import Verdict
from guard.builders import NOW, Hands, judge, make_core, make_decision

RATES = ((0.1, 3.0), (10 / 86_400, 10.0))
LADDER = Ladder(proof_s=0.0001, proof_requests=5)


def waits(core: Core, requests: int = 3) -> list[float | None]:
    """How long requests of a slowed account wait; None for those that are refused."""
    acts = [judge(core).act for _ in range(requests)]
    return [None if act.refusal else act.wait_s for act in acts]


def test_restart_gives_no_burst_again(tmp_path: Path) -> None:
    """Neither of its pace nor of its day."""
    clock = Hands()
    core = make_core(tmp_path, clock=clock)
    core.decide(make_decision(Verdict.SLOW, until=NOW + 86_400))
    burst = core.policy.ladder.slow.burst
    assert waits(core, burst) == [0] * burst
    Sync(core).step()
    again = make_core(tmp_path, clock=clock)
    assert 0 not in waits(again)


def test_day_is_over_after_a_restart_too(tmp_path: Path) -> None:
    """Ten a day are ten a day."""
    clock = Hands()
    core = make_core(tmp_path, clock=clock)
    core.decide(make_decision(Verdict.SLOW, until=NOW + 86_400))
    most = int(core.policy.ladder.slow.requests_per_day)
    for _ in range(most):
        assert waits(core, 1) == [0]
        clock.time += 60
    Sync(core).step()
    clock.time += 600
    assert waits(make_core(tmp_path, clock=clock), 1) == [None]
    clock.time += 86_400
    assert waits(make_core(tmp_path, clock=clock), 1) == [0]


def test_proofs_that_are_left_survive_a_restart(tmp_path: Path) -> None:
    """Who worked for five answers gets five."""
    clock = Hands()
    policy = GuardPolicy(enforce=True, ladder=LADDER)
    core = make_core(tmp_path, policy, clock)
    core.decide(make_decision(Verdict.CHALLENGE, challenge="proof"))
    challenge = dict(judge(core).act.refusal.headers)[CHALLENGE_HEADER]
    opened = [judge(core, proof=solve(challenge)).act.refusal is None]
    Sync(core).step()
    again = make_core(tmp_path, policy, clock)
    for _ in range(5):
        clock.time += 60
        opened.append(judge(again).act.refusal is None)
    assert opened == [True] * 5 + [False]


def test_million_others_give_a_slowed_account_no_burst_again() -> None:
    """What gives way keeps its buckets."""
    accounts = Accounts({}, day_of(NOW), 3)
    slowed = accounts.of("slowed")
    assert [slowed.wait_s(NOW, RATES) for _ in range(3)] == [0, 0, 0]
    accounts.note_slowed(slowed)
    for number in range(9):
        accounts.of(f"other-{number}")
    assert accounts.of("slowed") is not slowed
    assert accounts.of("slowed").wait_s(NOW, RATES) > 0


def test_claim_that_is_slowed_has_no_burst_for_each_request(tmp_path: Path) -> None:
    """Nothing else is kept of it."""
    core = make_core(tmp_path)
    core.decide(make_decision(Verdict.SLOW))
    for _ in range(3):
        judged = judge(core, is_known=False)
        core.release(judged.reservation)
    assert judge(core, is_known=False).act.refusal is not None


def test_buckets_that_are_full_again_are_forgotten() -> None:
    """Two days after they were last used."""
    accounts = Accounts({}, day_of(NOW), 3, {"old": SlowedState(NOW, (0.0, 0.0))})
    assert accounts.of("old").wait_s(NOW, RATES) > 0
    accounts.note_slowed(accounts.of("old"))
    accounts.turn(NOW + 86_400)
    assert set(accounts._slowed) == {"old"}
    accounts.turn(NOW + 3 * 86_400)
    assert not accounts._slowed


def test_account_that_nothing_slows_is_not_saved(tmp_path: Path) -> None:
    """Only slowed accounts pay for it."""
    core = make_core(tmp_path)
    judge(core)
    core.decide(make_decision(Verdict.WATCH, "other"))
    judge(core, "other")
    assert core.accounts.unsaved_slowed() == {}


class Gone(SqliteStore):
    """A store that can be taken away."""

    is_gone = False

    def keep_slowed(self, states: object, oldest: float) -> None:
        if self.is_gone:
            raise StoreGoneError("no route")
        super().keep_slowed(states, oldest)  # type: ignore[arg-type]


def test_buckets_are_saved_when_the_store_is_back(tmp_path: Path) -> None:
    """What could not be saved waits."""
    store = Gone(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    core.decide(make_decision(Verdict.SLOW))
    sync = Sync(core)
    judge(core)
    store.is_gone = True
    sync.step()
    store.is_gone = False
    sync.step()
    assert set(store.slowed()) == {"acme"}


def test_name_that_cannot_be_stored_keeps_no_other_from_it(tmp_path: Path) -> None:
    """Half of a surrogate pair, say."""
    core = make_core(tmp_path)
    for name in ("\ud800", "acme"):
        account = core.accounts.of(name)
        account.wait_s(NOW, RATES)
        core.accounts.note_slowed(account)
    Sync(core).step()
    assert isinstance(core.store, SqliteStore) and set(core.store.slowed()) == {"acme"}


@pytest.mark.parametrize("back_s", [1.0, 86_400.0])
def test_clock_that_is_set_back_takes_no_tokens(back_s: float) -> None:
    """Else nobody who is slowed would be answered until it has caught up."""
    account = Account("a", Spent())
    account.wait_s(NOW, RATES)
    assert account.wait_s(NOW - back_s, RATES) == 0
    assert account.wait_s(NOW, RATES) == 0
    assert account.wait_s(NOW, RATES) == pytest.approx(10)
