"""Simulated traffic before the guard's own code, on the log's clock."""

from datetime import timedelta

import polars as pl
import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.guard.policy import DayBudget, GuardPolicy, Identity
from gamekeeper.guard.replay import Outcome, Replayed, outcomes, replay, replay_document
from gamekeeper.guard.replay.report import headline
from gamekeeper.simulate import LabelledTraffic, simulate


@pytest.fixture(scope="module")
def traffic() -> LabelledTraffic:
    return simulate(seed=4, scale=0.3)


@pytest.fixture(scope="module")
def replayed(traffic: LabelledTraffic) -> Replayed:
    return replay(traffic.exchanges, GuardPolicy(), every_s=5 * 86_400)


@pytest.fixture(scope="module")
def outcome(replayed: Replayed, traffic: LabelledTraffic) -> Outcome:
    return outcomes(replayed, traffic.labels)


def quiet(traffic: LabelledTraffic, accounts: int = 30) -> pl.DataFrame:
    """A few ordinary accounts' exchanges."""
    ordinary = traffic.labels.filter(pl.col("campaign").is_null())["account"][:accounts]
    return traffic.exchanges.filter(pl.col("account").is_in(ordinary.to_list()))


@pytest.mark.slow
def test_campaigns_are_held_and_ordinary_accounts_are_not(outcome: Outcome) -> None:
    """Those whose members show more than content and shape themselves, in hours that can be counted;
    most others are watched. Hardly anybody else is held.
    """
    held = [each for each in outcome.campaigns if each.slowed > each.accounts / 2]
    assert len(held) >= 2
    watched = [each for each in outcome.campaigns if each.watched > each.accounts / 2]
    assert len(watched) >= 4
    assert all(each.hours is not None and each.hours > 0 for each in held)
    assert all(each.watched >= each.slowed for each in outcome.campaigns)
    assert outcome.ordinary.slowed <= 0.02 * outcome.ordinary.accounts


@pytest.mark.slow
def test_every_exchange_has_one_end(
    replayed: Replayed, outcome: Outcome, traffic: LabelledTraffic
) -> None:
    """What was wanted is what came before, after, and not at all."""
    assert len(replayed.exchanges) == len(traffic.exchanges)
    for each in outcome.campaigns:
        assert each.before + each.after + each.refused == each.exchanges
    refused = replayed.exchanges.filter(~pl.col("is_answered"))
    assert set(refused["action"]) <= {"throttle", "budget", "challenge", "deny"}


@pytest.mark.slow
def test_nothing_is_held_before_it_is_found(replayed: Replayed) -> None:
    """No verdict rests on what came after it."""
    first = min(each.found for each in replayed.followed)
    acted = replayed.exchanges.filter(pl.col("action") != "pass")
    assert acted["time"].min() >= first  # type: ignore[operator]
    assert (replayed.held["slowed"] >= first).all()


def test_log_without_campaigns_does_nothing_to_anybody(traffic: LabelledTraffic) -> None:
    """Exit code 0."""
    log = quiet(traffic)
    replayed = replay(log, GuardPolicy(), every_s=10 * 86_400)
    assert not len(replayed.held) and set(replayed.exchanges["action"]) == {"pass"}


def test_log_that_is_shorter_than_the_time_between_searches_is_searched_at_its_end(
    traffic: LabelledTraffic,
) -> None:
    """Ten hours with a search a day: the headline says how often, and why then."""
    log = quiet(traffic, 12)
    hours = pl.col("time") - pl.col("time").min()
    short = log.with_columns(pl.col("time").min() + hours / 80)
    replayed = replay(short, GuardPolicy())
    assert replayed.searches == 1 and replayed.searched_at_end
    assert "1 search of the log, at its end, because it is shorter" in headline(replayed)


def test_log_with_nothing_to_compare_says_that_nothing_was_searched(
    traffic: LabelledTraffic,
) -> None:
    """That no account was slowed then means nothing."""
    replayed = replay(quiet(traffic, 3), GuardPolicy(), every_s=3_600)
    assert not replayed.searches and not replayed.searched_at_end
    assert "nothing was searched" in headline(replayed)


def test_order_of_rows_changes_nothing(traffic: LabelledTraffic) -> None:
    """Files are read in any order."""
    log = quiet(traffic, 4)
    policy = GuardPolicy(identity=Identity(budget=DayBudget(requests=3)))
    first, again = (
        replay(each, policy, every_s=1e9)
        for each in (log, log.sample(fraction=1, shuffle=True, seed=1))
    )
    assert replay_document(first, None) == replay_document(again, None)


def test_budget_that_is_used_up_shows(traffic: LabelledTraffic) -> None:
    """It begins anew at midnight."""
    log = quiet(traffic, 4)
    policy = GuardPolicy(identity=Identity(budget=DayBudget(requests=2)))
    exchanges = replay(log, policy, every_s=1e9).exchanges
    by_day = exchanges.group_by("account", pl.col("time").dt.date()).agg(
        pl.col("is_answered").sum(), pl.len()
    )
    assert (by_day["is_answered"] == by_day["len"].clip(upper_bound=2)).all()
    assert set(exchanges.filter(~pl.col("is_answered"))["action"]) == {"budget"}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (pl.DataFrame({"account": ["x"]}), "no column campaign"),
        (pl.DataFrame({"account": ["x", "x"], "campaign": [None, "c"]}), "named twice"),
        (pl.DataFrame({"account": ["x"], "campaign": ["c"]}), "are not named"),
    ],
    ids=["column", "twice", "unknown"],
)
def test_labels_that_do_not_fit_are_refused(
    labels: pl.DataFrame, said: str, traffic: LabelledTraffic
) -> None:
    """An account without a label would be counted as nothing."""
    log = quiet(traffic, 3)
    with pytest.raises(InputError, match=said):
        outcomes(replay(log, GuardPolicy(), every_s=1e9), labels)


def test_hours_count_from_the_first_exchange_to_half_of_those_that_had_begun(
    traffic: LabelledTraffic,
) -> None:
    """An account that comes later does not make the verdict late."""
    start = traffic.exchanges["time"].min()
    rows = [("a", 0, 10), ("b", 1, 12), ("c", 20, None), ("d", 30, None)]
    hour = timedelta(hours=1)
    exchanges = pl.DataFrame(
        [(start + began * hour, account, "pass", 0.0, True) for account, began, _ in rows],
        schema={
            "time": pl.Datetime("us", "UTC"),
            "account": pl.String,
            "action": pl.String,
            "wait_s": pl.Float64,
            "is_answered": pl.Boolean,
        },
        orient="row",
    )
    held = pl.DataFrame(
        [(account, start + at * hour, None) for account, _, at in rows if at is not None],
        schema={
            "account": pl.String,
            "slowed": pl.Datetime("us", "UTC"),
            "limited": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    replayed = Replayed(
        exchanges=exchanges, held=held, watched={}, grouped=frozenset("ab"), followed=(), searches=1
    )
    labels = pl.DataFrame({"account": list("abcd"), "campaign": ["k"] * 4})
    (outcome,) = outcomes(replayed, labels).campaigns
    assert outcome.hours == 10 and outcome.slowed == 2
