from collections import Counter
from datetime import timedelta

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from gamekeeper.audit.traffic import Pace, Traffic
from gamekeeper.exchange.columns import SCHEMA


def traffic_of(queries: int = 1_000) -> Traffic:
    """Of two thieves; the first number of a query is its place in the attack."""
    traffic = Traffic()
    for thief in ("one", "other"):
        rows = np.column_stack([np.arange(queries), np.zeros(queries)])
        for part in np.array_split(rows, 3):
            traffic.add(thief, part)
    return traffic


def test_each_thief_is_one_account_unless_told_otherwise() -> None:
    """In the order in which he asked, at the rate that was named."""
    frame = traffic_of().frame(Pace(per_day=200))
    assert set(frame["account"]) == {"one", "other"}
    assert all(frame.schema[name] == SCHEMA[name] for name in frame.columns)
    own = frame.filter(pl.col("account") == "one")
    assert own["features"].list.first().to_list() == list(range(1_000))
    assert timedelta(days=4.5) < own["time"].max() - own["time"].min() < timedelta(days=5.5)


def test_accounts_share_what_one_thief_asks() -> None:
    """Equally, the thief as fast and in the same order as before, and no query is lost or made
    twice.
    """
    split = (
        traffic_of()
        .frame(Pace(per_day=200, accounts=8))
        .filter(pl.col("account").str.starts_with("one."))
    )
    assert Counter(split["account"]) == {f"one.{account}": 125 for account in range(8)}
    assert split["features"].list.first().to_list() == list(range(1_000))
    assert timedelta(days=4.5) < split["time"].max() - split["time"].min() < timedelta(days=5.5)


def test_no_account_holds_a_stretch_of_the_attack() -> None:
    """Whose turn it is is drawn anew each round, so that neither neighbours nor every n-th query
    share an account.
    """
    split = (
        traffic_of()
        .frame(Pace(per_day=200, accounts=4))
        .filter(pl.col("account").str.starts_with("one."))
    )
    turns = split["account"].to_numpy().reshape(-1, 4)
    assert all(len(set(turn)) == 4 for turn in turns)
    assert len({tuple(turn) for turn in turns}) == 24, "all orders of four occur in 250 rounds"


def test_fewer_queries_than_accounts_leave_accounts_without_any() -> None:
    """An account that asks nothing is in no log."""
    assert traffic_of(5).frame(Pace(per_day=10, accounts=40))["account"].n_unique() == 10


def test_same_seed_splits_the_same() -> None:
    """And another seed does not."""
    first, again = (traffic_of().frame(Pace(per_day=200, accounts=8), seed=3) for _ in range(2))
    assert_frame_equal(first, again)
    assert not first.equals(traffic_of().frame(Pace(per_day=200, accounts=8), seed=4))


def test_without_thieves_there_is_no_row() -> None:
    """As where every attack was left out."""
    assert Traffic().frame(Pace(per_day=10, accounts=8)).is_empty()
