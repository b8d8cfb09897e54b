"""What a signal is: a card, a summary that can be added, and readings of groups.

A summary is a frame of counts with the columns `account`, `key`, `count` and `first_seen`.
Summaries of two days are added by `add`, so a day and the next give the same as both at once. A
reading is a number for each group of accounts; larger is always more like a campaign. Its rank
among decoys decides what it means.

What a group shows is charged to a member only where the member shows it as well: `own` reads one
account at a time, and its rank among ordinary accounts of similar activity decides.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.linking.card import Card

SUMMARY: dict[str, pl.DataType | type[pl.DataType]] = {
    "account": pl.String,
    "key": pl.String,
    "count": pl.Float64,
    "first_seen": pl.Datetime("us", "UTC"),  # when the account first came with this key
}
"""Columns of a summary."""


class Signal(Protocol):
    """One measurement of groups of accounts."""

    card: Card

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Returns the counts of these exchanges, a frame of `SUMMARY`; adds up over frames."""
        ...

    def read(self, summary: "Counts", groups: Sequence[np.ndarray]) -> np.ndarray:
        """Returns one value for each group of account numbers, float64; NaN where it cannot be
        measured.
        """
        ...

    def say(self, value: float, ordinary: float) -> str:
        """Returns the reading as a sentence; `ordinary` is the decoys' median."""
        ...

    def own(self, summary: "Counts", members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Returns how strongly each of `accounts` shows by itself what a group is read for.

        An account is compared with the members other than itself, so that members and others are
        read alike. What others took up after it is not counted: nobody is charged for who joins.

        Args:
            summary: Of all accounts.
            members: Of the group, account numbers.
            accounts: To be read, members or not.

        Returns:
            float64, shape (len(accounts),); NaN where it cannot be measured.
        """
        ...

    def say_own(self, value: float, ordinary: float) -> str:
        """Returns what one account shows as a sentence; `ordinary` is the median of accounts."""
        ...


def add(*summaries: pl.DataFrame) -> pl.DataFrame:
    """Returns the sum of summaries."""
    both = pl.concat(summaries).group_by("account", "key")
    return both.agg(pl.col("count").sum(), pl.col("first_seen").min())


def alone(signal: Signal, summary: "Counts", accounts: np.ndarray) -> np.ndarray:
    """Returns what the signal reads in each account as a group of one, shape (len(accounts),)."""
    return signal.read(summary, [np.array([account]) for account in accounts])


def count_by(exchanges: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    """Returns how often each account has each value of `key` (null ones left out), a frame of
    `SUMMARY`.
    """
    return (
        exchanges.lazy()
        .select("account", key.cast(pl.String).alias("key"), pl.col("time").alias("first_seen"))
        .drop_nulls("key")
        .group_by("account", "key")
        .agg(pl.len().cast(pl.Float64).alias("count"), pl.col("first_seen").min())
        .collect()
    )


class Counts:
    """A summary as a matrix of accounts and keys.

    Args:
        summary: Frame of `SUMMARY`.
        accounts: Columns `account` and `number`: the number by which groups name an account.
        exchanges: Exchanges of each account, shape (n,).
        opened: When each account was opened, NaN where that is not known, shape (n,); None: not
            known of any.

    `first_s` says when each account first came with each key, epoch seconds, where `matrix` counts.
    """

    def __init__(
        self,
        summary: pl.DataFrame,
        accounts: pl.DataFrame,
        exchanges: np.ndarray,
        opened: np.ndarray | None = None,
    ) -> None:
        joined = summary.join(accounts, on="account").sort("key", "number")
        key = joined["key"].rle_id().to_numpy() if len(joined) else np.zeros(0, np.uint32)
        self.keys = joined["key"].unique(maintain_order=True)
        self.exchanges = exchanges
        self.opened = np.full(len(exchanges), np.nan) if opened is None else opened
        shape = (len(exchanges), len(self.keys))
        place = (joined["number"].to_numpy(), key)
        self.matrix = sp.csr_matrix((joined["count"].to_numpy(), place), shape=shape)
        first_s = joined["first_seen"].dt.epoch("us").to_numpy() / 1e6
        self.first_s = sp.csr_matrix((first_s, place), shape=shape)

    def sums(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the counts of each group and key, dense, shape (len(groups), keys)."""
        return np.asarray((membership(groups, len(self.exchanges)) @ self.matrix).todense())

    def sizes(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the exchanges of each group."""
        return np.array([self.exchanges[g].sum() for g in groups], float)


def membership(groups: Sequence[np.ndarray], accounts: int) -> sp.csr_matrix:
    """Returns the groups as a 0/1 matrix, shape (len(groups), accounts)."""
    rows = np.repeat(np.arange(len(groups)), [len(g) for g in groups])
    columns = np.concatenate(groups) if groups else np.zeros(0, int)
    return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(groups), accounts))


SIGNALS: dict[str, Signal] = {}
"""Signals by name, in the order in which they registered."""


def signal(make: Callable[[], Signal]) -> Callable[[], Signal]:
    """Registers a signal class or factory."""
    made = make()
    SIGNALS[made.card.name] = made
    return make
