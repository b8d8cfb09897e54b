"""Owners: whose an account is, and that it is linked as one with the others of its owner."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from campaigns.test_intake import log
from campaigns.test_path import MEMBERS, searched
from campaigns.test_path import log as tabular_log
from gamekeeper.campaigns.comparison import compare
from gamekeeper.campaigns.intake import Intake
from gamekeeper.campaigns.units import Units
from gamekeeper.signals import SIGNALS

NAMES = ("shared-ip", "even-pace")


def owned(owners: Mapping[str, str | None], rows: int = 280) -> pl.DataFrame:
    """Rows of seven accounts, some with an owner."""
    account = pl.col("account")
    owner = account.replace_strict(owners, default=None, return_dtype=pl.String)
    return log(rows).with_columns(owner.alias("owner"))


def units_of(intake: Intake) -> Units:
    return Units.of(intake.totals, intake.owners, intake.aliases)


def taken(*batches: pl.DataFrame) -> Intake:
    intake = Intake(NAMES)
    for batch in batches:
        intake.take(batch)
    return intake


def parts(units: Units) -> list[list[str]]:
    """The accounts of each unit."""
    by_unit = units.members.group_by("unit").agg(pl.col("account").sort())
    return sorted(by_unit["account"].to_list())


def test_accounts_of_an_owner_are_one_unit() -> None:
    """The others are units by themselves."""
    units = units_of(taken(owned({"a0": "acme", "a1": "acme", "a2": "other"})))
    assert parts(units) == [["a0", "a1"], ["a2"], ["a3"], ["a4"], ["a5"], ["a6"]]
    assert any(
        "3 accounts were compared as 2 declared owners" in sentence for sentence in units.says
    )


@pytest.mark.parametrize("name", ["acme", "oacme", "owner:acme", "p0", "o"])
def test_name_of_an_account_is_never_taken_for_an_owner(name: str) -> None:
    """Names are chosen by others: one that looks like an owner's key stays an account."""
    frame = owned({"a0": "acme", "a1": "acme"}).with_columns(pl.col("account").replace("a2", name))
    assert [name] in parts(units_of(taken(frame)))


def test_account_is_of_the_owner_of_most_of_its_exchanges() -> None:
    """Two owners with half each: nobody's."""
    third = pl.int_range(pl.len()) % 3 == 0
    half = pl.int_range(pl.len()) % 2 == 0
    one = log(280).filter(pl.col("account") == "a0")
    two = log(280).filter(pl.col("account") == "a1")
    two = two.head(len(two) // 2 * 2)
    rest = log(280).filter(~pl.col("account").is_in(["a0", "a1"]))
    named = [
        one.with_columns(pl.when(third).then(pl.lit("x")).otherwise(pl.lit("y")).alias("owner")),
        two.with_columns(pl.when(half).then(pl.lit("x")).otherwise(pl.lit("y")).alias("owner")),
    ]
    owners = taken(*named, rest).owners
    assert owners.rows() == [("a0", "y")]


def test_one_owner_of_nearly_all_says_nothing() -> None:
    """Its accounts are linked one by one, and the result says so."""
    units = units_of(taken(owned({f"a{i}": "acme" for i in range(6)})))
    assert parts(units) == [[f"a{i}"] for i in range(7)] and not units.joined
    assert any("distinguishes nobody" in sentence for sentence in units.says)


def test_owners_of_two_days_add_up() -> None:
    """Two intakes merged are the same as one; an alias is the latest."""
    first = owned({"a0": "x", "a1": "y"}).with_columns(pl.lit("old").alias("alias"))
    second = owned({"a0": "z", "a1": "y"}, 100).with_columns(
        pl.col("time").dt.offset_by("1d"), pl.lit("new").alias("alias")
    )
    merged = taken(first)
    merged.absorb(taken(second))
    merged.compact()
    both = taken(second, first)
    assert merged.owners.sort("account").equals(both.owners.sort("account"))
    assert set(merged.aliases["alias"]) == {"new"} == set(both.aliases["alias"])


def test_log_without_owners_is_compared_as_before() -> None:
    """Every account is its own unit: same numbers, same rows."""
    intake = taken(log(300))
    plain = compare(intake.sample, intake.totals, "hashing", ignore)
    with_units = compare(
        intake.sample, intake.totals, "hashing", ignore, units=units_of(intake), most_of_unit=9
    )
    assert plain.rows.equals(with_units.rows) and plain.accounts.equals(with_units.accounts)
    assert (plain.rows["unit"] == plain.rows["account"]).all()


def test_regrouping_encodes_nothing_and_gives_what_comparing_gives() -> None:
    """The same arrays as if the units had been known from the first."""
    frame = owned({"a0": "acme", "a1": "acme"})
    intake = taken(frame)
    apart = compare(intake.sample, intake.totals, "hashing", ignore)
    units = units_of(intake)
    regrouped = apart.regrouped(units, intake.totals)
    at_once = compare(
        intake.sample, intake.totals, "hashing", ignore, units=units, most_of_unit=1_024
    )
    assert regrouped.rows.select(at_once.rows.columns).equals(at_once.rows)
    assert np.array_equal(regrouped.sample.vectors, at_once.sample.vectors)
    assert np.array_equal(regrouped.sample.accounts, at_once.sample.accounts)


def test_what_accounts_of_one_owner_share_is_held_once() -> None:
    """Inside an owner a common address is no evidence: one unit has it."""
    frame = owned({"a0": "acme", "a1": "acme"})
    at_work = pl.col("account").is_in(["a0", "a1"])
    frame = frame.with_columns(
        pl.when(at_work).then(pl.lit("10.0.0.1")).otherwise(pl.col("ip")).alias("ip")
    )
    units = units_of(taken(frame))
    summary = units.summary(SIGNALS["shared-ip"].summarise(frame))
    assert summary.filter(pl.col("key") == "10.0.0.1").height == 1


def test_campaign_inside_one_owner_is_that_owners_business() -> None:
    """Twelve accounts that deal one deck are found; the same twelve of one owner are not."""
    accounts = pl.col("account").is_in(list(MEMBERS))
    frame = tabular_log().with_columns(
        pl.when(accounts).then(pl.lit("acme")).otherwise(None).alias("owner")
    )
    result = searched(frame)
    assert result.campaigns == ()
    assert set(result.accounts.filter(pl.col("owner") == "acme")["account"]) == MEMBERS
    assert result.accounts["exchanges"].sum() == len(frame)


def test_campaign_of_owners_lists_accounts_and_owners() -> None:
    """Pairs of accounts with an owner each: six owners are too few, twelve of two accounts not."""
    result = searched(in_pairs())
    (campaign,) = result.campaigns
    assert len(campaign.owners) >= 9 and len(campaign.accounts) == 2 * len(campaign.owners)
    members = result.accounts.filter(pl.col("campaign") == campaign.id)
    assert set(members["owner"]) == set(campaign.owners)
    assert set(result.links["a"]) | set(result.links["b"]) <= {
        f"owner:{owner}" for owner in campaign.owners
    }


def test_renaming_owners_changes_only_their_names() -> None:
    """In another order of the alphabet."""
    plain = in_pairs()
    renamed = plain.with_columns(pl.col("owner").str.reverse())
    ours, theirs = searched(plain), searched(renamed)
    assert [facts(c) for c in ours.campaigns] == [facts(c) for c in theirs.campaigns]
    columns = ["account", "campaign", "verdict", "p_benign", "exchanges"]
    assert ours.accounts.select(columns).equals(theirs.accounts.select(columns))


def in_pairs() -> pl.DataFrame:
    """The log in which each member's exchanges come from two accounts of one owner."""
    half = pl.int_range(pl.len()) % 2
    is_member = pl.col("account").is_in(list(MEMBERS))
    split = pl.col("account") + "-" + half.cast(pl.String)
    return tabular_log().with_columns(
        pl.when(is_member).then(pl.col("account")).otherwise(None).alias("owner"),
        pl.when(is_member).then(split).otherwise(pl.col("account")).alias("account"),
    )


def facts(campaign: Any) -> Sequence[Any]:
    return (campaign.accounts, campaign.reasons, campaign.p_benign, campaign.links)


def ignore(done: int, total: int) -> None:
    pass
