"""Groups on one card or address, judged as if they were one account."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from campaigns.builders import claims_about, comparison_of, found_group, some_group
from gamekeeper.campaigns.claims import Claims
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.pools import Pool, ordinary_pools, with_pools
from gamekeeper.campaigns.units import Units
from linking.builders import World

KEYS = 12
PEOPLE = 60


def world(kind: str) -> tuple[Comparison, Claims, np.ndarray]:
    """People, and twelve keys: of a product whose customers ask the same few things, of a deck, or
    of customers whose talks go on.
    """
    made = World(3)
    made.people(PEOPLE)
    if kind == "product":
        few = made.deck(8)
        keys = made.campaign(made.near(few[np.arange(768) % 8], 0.01), KEYS, 0.0)
    elif kind == "customers":
        keys = made.people(KEYS, sittings=8, each=8)
    else:
        keys = made.campaign(made.deck(1_200), KEYS, 0.0)
    compared = comparison_of(made.sample())
    # the content encoder itself is not asked for anything here
    compared = replace(compared, content=object())  # type: ignore[arg-type]
    group = replace(some_group(np.full(KEYS, 64)), accounts=keys)
    claims = claims_about(PEOPLE + KEYS, found_group(keys, (group,)))
    return compared, claims, keys


def cards(compared: Comparison, keys: np.ndarray, others: int = 0) -> dict[str, pl.DataFrame]:
    """One card for `keys` and so many others; everybody else has their own."""
    shared = set(keys.tolist()) | set(range(others))
    rows = [
        (account, "the card" if number in shared else f"card {number}", 1.0)
        for account, number in compared.accounts.select("account", "number").iter_rows()
    ]
    schema = {"account": pl.String, "key": pl.String, "count": pl.Float64}
    return {"shared-payment": pl.DataFrame(rows, schema=schema, orient="row")}


def pools(kind: str, others: int = 0) -> list[Pool]:
    compared, claims, keys = world(kind)
    return ordinary_pools(compared, claims, cards(compared, keys, others), 0)


@pytest.mark.parametrize(
    ("kind", "why"),
    [("product", "the same few things again"), ("customers", "follow up on what was asked")],
)
def test_pool_that_is_ordinary_as_a_whole_is_named(kind: str, why: str) -> None:
    """With what makes it ordinary, and with its accounts."""
    (pool,) = pools(kind)
    assert why in pool.says and len(pool.accounts) == KEYS


def test_deck_on_one_card_is_no_ordinary_account() -> None:
    """It repeats nothing and follows up on nothing, however its accounts are paid for."""
    assert pools("deck") == []


def test_value_that_many_others_share_names_no_pool() -> None:
    """A carrier's address is held by more accounts outside than inside."""
    assert pools("product", others=PEOPLE // 2) == []


def test_group_without_a_common_card_is_no_pool() -> None:
    """Nothing is asked of who shares nothing."""
    compared, claims, _ = world("product")
    nobody = cards(compared, np.zeros(0, np.int64))
    assert ordinary_pools(compared, claims, nobody, 0) == []


def test_pool_is_one_unit_afterwards_and_is_only_watched_for() -> None:
    """It stays among what was found, tied by nothing, with the claim that it was."""
    compared, claims, keys = world("product")
    found = ordinary_pools(compared, claims, cards(compared, keys), 0)
    totals = compared.accounts.drop("number")
    nobody = pl.DataFrame(schema={"account": pl.String, "owner": pl.String})
    units = Units.of(totals, nobody, nobody.rename({"owner": "alias"}))
    joined = units.with_pools([pool.units for pool in found])
    assert joined.members["unit"].n_unique() == PEOPLE + 1
    one = compared.members.with_columns(
        pl.when(pl.col("number").is_in(keys.tolist()))
        .then(int(keys[0]))
        .otherwise(pl.col("number"))
        .alias("number")
    )
    (pool,) = with_pools(claims, replace(compared, members=one), found).found[1:]
    assert (
        pool.groups == () and pool.pooled is claims.found[0] and pool.accounts.tolist() == [keys[0]]
    )
