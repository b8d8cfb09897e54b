from pathlib import Path

import pytest

from gamekeeper.guard.identity import Budget
from gamekeeper.guard.policy import GuardPolicy, Price, State
from gamekeeper.guard.routes.query import Usage
from gamekeeper.guard.store import Spent, SqliteStore, StoreGoneError
from gamekeeper.guard.sync import Sync
from gamekeeper.verdict import Verdict
from guard.builders import (
    HERE,
    NOW,
    Hands,
    Kept,
    answer,
    judge,
    make_core,
    make_decision,
    make_principal,
    make_query,
)


def test_dry_run_does_nothing_and_says_what_it_would_have_done(tmp_path: Path) -> None:
    """The first day costs nobody anything, and still tells."""
    core = make_core(tmp_path, GuardPolicy(enforce=False))
    core.decide(make_decision(Verdict.DENY))
    judged = judge(core)
    assert judged.act.action == "pass" and judged.act.refusal is None
    assert judged.would.refusal.status == 403
    assert b'gamekeeper_would_total{action="deny",route="openai.chat"} 1.0' in core.metrics.text()


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget(requests=2), "requests"),
        (Budget(tokens=200), "tokens"),
        (Budget(usd=0.02), "usd"),
        (Budget(cells=2), "new ground"),
    ],
)
def test_budget_holds_in_a_dry_run_too(tmp_path: Path, budget: Budget, name: str) -> None:
    """Keys and budgets are what the operator gave out, not what the guard thinks of anybody."""
    policy = GuardPolicy(enforce=False, prices={"m*": Price(usd_per_request=0.01)})
    core = make_core(tmp_path, policy)
    who = make_principal(budget=budget)
    for _ in range(2):
        judged = judge(core, budget=budget)
        assert judged.act.refusal is None
        core.release(judged.reservation)
        answer(core, who, Usage(60, 40))
        core.touched({"acme": 1})
    refusal = judge(core, budget=budget).act.refusal
    assert refusal.status == 429 and name in refusal.message
    assert 0 < int(dict(refusal.headers)["retry-after"]) <= 86_400


def test_answer_is_handed_over_to_be_linked(tmp_path: Path) -> None:
    """In hunt's columns, one row an input; the account is the authenticated one."""
    kept = Kept()
    core = make_core(tmp_path, watch=kept)
    query = make_query(prompts=("one", "two"), system="be brief")
    core.answered(make_principal(), "openai.embeddings", query, Usage(10, None), HERE, NOW)
    assert [row["prompt"] for row in kept.rows] == ["one", "two"]
    first = kept.rows[0]
    assert (first["account"], first["ip"], first["input_tokens"], first["output_tokens"]) == (
        "acme",
        "203.0.113.7",
        5,
        None,
    )


def test_account_that_is_only_a_claim_gets_no_state(tmp_path: Path) -> None:
    """A million invented names leave nothing behind."""
    core = make_core(tmp_path)
    for i in range(1_000):
        judge(core, f"invented-{i}", is_known=False)
    assert len(core.accounts) == 0


def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """What was spent today is spent, whoever asks after it."""
    core = make_core(tmp_path)
    sync = Sync(core)
    answer(core, make_principal(), Usage(1, 2))
    sync.step()
    again = make_core(tmp_path)
    assert again.accounts.of("acme").spent == Spent(1, 3, 0, 0)


class Gone(SqliteStore):
    """A store that can be taken away."""

    is_gone = False

    def add(self, day: str, spent: object) -> None:
        if self.is_gone:
            raise StoreGoneError("no route")
        super().add(day, spent)  # type: ignore[arg-type]

    def version(self) -> int:
        if self.is_gone:
            raise StoreGoneError("no route")
        return super().version()


@pytest.mark.parametrize(("when_gone", "passes"), [("open", True), ("closed", False)])
def test_store_that_is_gone_fails_as_the_policy_says(
    tmp_path: Path, when_gone: str, passes: bool
) -> None:
    """Said in metrics and log; what was not saved is saved when it is back."""
    store = Gone(tmp_path / "guard.sqlite")
    policy = GuardPolicy(enforce=True, state=State(when_gone=when_gone))  # type: ignore[arg-type]
    core = make_core(tmp_path, policy, store=store)
    sync = Sync(core)
    answer(core, make_principal(), Usage(1, 2))
    store.is_gone = True
    sync.step()
    assert b"gamekeeper_store_up 0.0" in core.metrics.text()
    assert (judge(core).act.refusal is None) == passes
    store.is_gone = False
    sync.step()
    assert judge(core).act.refusal is None
    assert store.spent(core.accounts.day) == {"acme": Spent(1, 3, 0, 0)}


def test_only_the_loss_of_the_store_is_logged_as_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each change once: its loss at ERROR, with what happens to requests; its return below."""
    store = Gone(tmp_path / "guard.sqlite")
    core = make_core(tmp_path, store=store)
    sync = Sync(core)
    for is_gone in (False, True, True, False, False):
        store.is_gone = is_gone
        sync.step()
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("ERROR", "the store cannot be reached (no route): requests pass"),
        ("WARNING", "the store can be reached again"),
    ]


def test_actions_are_recorded_by_account(tmp_path: Path) -> None:
    """Every action is in the casebook, counted."""
    kept = Kept()
    core = make_core(tmp_path, record=kept.record)
    sync = Sync(core, kept.record)
    core.decide(make_decision(Verdict.DENY))
    for _ in range(3):
        judge(core)
    sync.step()
    assert kept.entries[-1] == (
        "actions",
        "accounts",
        {"enforced": True, "actions": [{"account": "acme", "action": "deny", "requests": 3}]},
    )


def test_new_day_renews_budgets(tmp_path: Path) -> None:
    """At midnight UTC, by the guard's own clock."""
    clock = Hands()
    core = make_core(tmp_path, clock=clock)
    sync = Sync(core)
    answer(core, make_principal(), Usage(1, 2))
    assert judge(core, budget=Budget(requests=1)).act.refusal is not None
    clock.time += 86_400
    sync.step()
    assert judge(core, budget=Budget(requests=1)).act.refusal is None


@pytest.mark.parametrize("verdict", [Verdict.SLOW, Verdict.LIMIT])
def test_slowed_account_cannot_ask_a_day_in_one_batch(tmp_path: Path, verdict: Verdict) -> None:
    """Its buckets count requests."""
    core = make_core(tmp_path)
    core.decide(make_decision(verdict))
    who = make_principal()
    small = make_query(prompts=("one", "two"))
    large = make_query(prompts=("same",) * 2_000)
    now = core.clock.now()
    assert core.judge(who, "openai.completions", small, now).act.refusal is None
    refused = core.judge(who, "openai.completions", large, now).act.refusal
    assert refused is not None and refused.status == 429 and "2,000" in refused.message
    assert core.judge(make_principal("other"), "x", large, now).act.refusal is None
