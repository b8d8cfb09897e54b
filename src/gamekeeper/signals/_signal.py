"""What a signal is: a card, a summary that can be added, and readings of groups.

A summary is a frame of counts with the columns `account`, `key` and `count`. Summaries of two days
are added by `add`, so a day and the next give the same as both at once. A reading is a number for
each group of accounts; larger is always more like a campaign. Its rank among decoys decides what it
means.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.linking.card import Card

SUMMARY = {"account": pl.String, "key": pl.String, "count": pl.Float64}
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


def add(*summaries: pl.DataFrame) -> pl.DataFrame:
    """Returns the sum of summaries."""
    return pl.concat(summaries).group_by("account", "key").agg(pl.col("count").sum())


def count_by(exchanges: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    """Returns how often each account has each value of `key` (null ones left out), a frame of
    `SUMMARY`.
    """
    return (
        exchanges.lazy()
        .select("account", key.cast(pl.String).alias("key"))
        .drop_nulls("key")
        .group_by("account", "key")
        .agg(pl.len().cast(pl.Float64).alias("count"))
        .collect()
    )


class Counts:
    """A summary as a matrix of accounts and keys.

    Args:
        summary: Frame of `SUMMARY`.
        accounts: Columns `account` and `number`: the number by which groups name an account.
        exchanges: Exchanges of each account, shape (n,).
    """

    def __init__(
        self, summary: pl.DataFrame, accounts: pl.DataFrame, exchanges: np.ndarray
    ) -> None:
        joined = summary.join(accounts, on="account").sort("key", "number")
        key = joined["key"].rle_id().to_numpy() if len(joined) else np.zeros(0, np.uint32)
        self.keys = joined["key"].unique(maintain_order=True)
        self.exchanges = exchanges
        shape = (len(exchanges), len(self.keys))
        self.matrix = sp.csr_matrix(
            (joined["count"].to_numpy(), (joined["number"].to_numpy(), key)), shape=shape
        )

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
