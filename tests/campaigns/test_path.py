"""The whole path, from exchanges taken in to a result, on a tabular log: no encoder is needed."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl
import pytest

from campaigns.builders import START_S, SmallWorld, moments, some_read
from gamekeeper.campaigns import HuntResult, SearchOptions, new_intake, search
from gamekeeper.exchange import conform
from gamekeeper.verdict import Policy

OPTIONS = SearchOptions(policy=Policy(false_discovery_rate=0.1))
MEMBERS = {f"a{number:04d}" for number in range(62, 74)}


@cache
def log(planted: bool = True) -> pl.DataFrame:
    """Fifty people, a club and, where `planted`, a campaign; features in place of prompts."""
    sample = SmallWorld(1, planted=planted).sample
    columns = {
        "account": [f"a{number:04d}" for number in sample.accounts],
        "time": moments(START_S + sample.time_s),
        "features": pl.Series(sample.vectors.astype(np.float64).tolist()),
        "ip": ["10.0.0.1" if number >= 62 else f"10.1.0.{number}" for number in sample.accounts],
    }
    return conform(pl.DataFrame(columns))


def searched(*batches: pl.DataFrame, options: SearchOptions = OPTIONS) -> HuntResult:
    intake = new_intake()
    for batch in batches:
        intake.take(batch)
    return search(intake, some_read(), options)


def members_of(result: HuntResult) -> list[set[str]]:
    return [set(campaign.accounts) for campaign in result.campaigns]


def test_planted_campaign_is_found_and_nothing_else() -> None:
    """Nearly all of its accounts, and no other; its shared address counts as a second family."""
    result = searched(log())
    (found,) = members_of(result)
    assert found <= MEMBERS and len(found) >= 9
    assert result.campaigns[0].families == ("content", "infrastructure")
    assert result.campaigns[0].verdict == "slow"


def test_first_two_on_an_address_are_not_charged_with_it() -> None:
    """All others of the campaign are, although members that were not found have the same address."""
    result = searched(log())
    shown = [len(member.families) for member in result.campaigns[0].members]
    assert sorted(shown)[:2] == [1, 1] and set(sorted(shown)[2:]) == {2}
    members = result.accounts.filter(pl.col("campaign") == "C1").sort("account")
    assert members["families"].list.len().to_list() == shown


def test_log_without_a_campaign_raises_none() -> None:
    """The same people and the same club by themselves."""
    assert searched(log(planted=False)).campaigns == ()


def test_family_left_out_counts_for_nothing() -> None:
    """Without infrastructure the same accounts are found, are only watched, and no reading of it
    is shown.
    """
    options = SearchOptions(
        policy=Policy(false_discovery_rate=0.1, without=frozenset({"infrastructure"}))
    )
    result = searched(log(), options=options)
    assert members_of(result) == members_of(searched(log()))
    assert result.campaigns[0].families == ("content",) and result.campaigns[0].verdict == "watch"
    assert "infrastructure" not in set(result.readings["family"])


def test_renaming_accounts_changes_only_their_names() -> None:
    """Names in another order, of another length: the same members, p-values and readings."""
    names = {f"a{number:04d}": f"user-{9_999 - number}" for number in range(74)}
    renamed = searched(log().with_columns(pl.col("account").replace_strict(names)))
    plain = searched(log())
    assert members_of(renamed) == [{names[a] for a in found} for found in members_of(plain)]
    back = renamed.accounts.with_columns(
        pl.col("account").replace_strict({new: old for old, new in names.items()})
    )
    assert back.sort("account").equals(plain.accounts.sort("account"))
    values = [r.readings.filter(pl.col("subject") == "C1") for r in (plain, renamed)]
    assert values[0].equals(values[1])


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_a_log_changes_nothing(seed: int) -> None:
    """Rows shuffled, and cut into batches of any size."""
    shuffled = log().sample(fraction=1.0, shuffle=True, seed=seed)
    batches = [shuffled[:7], shuffled[7:900], shuffled[900:]]
    result = searched(*batches)
    plain = searched(log())
    assert members_of(result) == members_of(plain)
    assert result.accounts.equals(plain.accounts) and result.readings.equals(plain.readings)


def test_campaigns_are_named_by_the_caller() -> None:
    """From their members' names; the rest of the result follows."""
    asked: list[Sequence[Sequence[str]]] = []

    def name(members: Sequence[Sequence[str]]) -> list[str]:
        asked.append(members)
        return ["K7"] * len(members)

    intake = new_intake()
    intake.take(log())
    result = search(intake, some_read(), OPTIONS, names=name)
    assert [set(members) for members in asked[0]] == members_of(result)
    assert result.campaigns[0].id == "K7" and set(result.links["campaign"]) == {"K7"}


def test_stages_report_up_to_their_end() -> None:
    """Progress never exceeds all, and every stage has its time."""
    stages: list[tuple[str, int, int]] = []
    intake = new_intake()
    intake.take(log())
    result = search(intake, some_read(), OPTIONS, on_stage=lambda *stage: stages.append(stage))
    assert stages[-1][1] == stages[-1][2] and all(done <= total for _, done, total in stages)
    assert set(result.seconds) == {"encode", "link", "weigh", "draw"}


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_small_logs_are_searched(rows: int) -> None:
    """A single exchange, two, and one account's: nothing found, everybody listed."""
    result = searched(log()[:rows])
    assert result.campaigns == () and result.exchanges == rows
    assert result.accounts["verdict"].unique().to_list() == ["allow"]


@pytest.mark.parametrize("column", ["ip", "time"])
def test_column_with_one_value_throughout_is_no_evidence(column: str) -> None:
    """One address for everybody distinguishes no account; one time for everything leaves no
    order.
    """
    same = log().with_columns(pl.col(column).first())
    result = searched(same)
    if column == "ip":
        assert result.campaigns[0].families == ("content",)
    else:
        assert result.campaigns == ()


def test_identical_exchanges_raise_nothing() -> None:
    """Every account sends the same row: copies tie no accounts."""
    assert searched(log().with_columns(pl.col("features").first())).campaigns == ()
