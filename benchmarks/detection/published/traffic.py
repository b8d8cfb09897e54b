"""A log as the published detectors see it: vectors of prompts, and whose they are."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.encoding.content import load_encoder

WINDOW = 100
"""Queries of an account that are looked at together: its latest. The MMD paper's smallest window;
its usual one, 1,500 queries, is more than nearly any account has.
"""
SIZES = (10, 20, 50, WINDOW)


@dataclass(frozen=True, eq=False)
class Traffic:
    """Exchanges in order of time.

    Args:
        exchanges: The log.
    """

    exchanges: pl.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Traffic":
        """Reads `folder/exchanges.parquet`."""
        return cls(pl.read_parquet(folder / "exchanges.parquet").sort("time"))

    @cached_property
    def accounts(self) -> list[str]:
        """Names, in the order of all scores."""
        return self.exchanges["account"].unique().sort().to_list()

    @cached_property
    def account(self) -> np.ndarray:
        """Number of each exchange's account, shape (n,)."""
        names = pl.Enum(self.accounts)
        return self.exchanges["account"].cast(names).to_physical().to_numpy().astype(np.int64)

    @cached_property
    def vectors(self) -> np.ndarray:
        """Unit vectors of the prompts, those of `hunt`, float32, shape (n, d)."""
        return load_encoder("wordllama").encode(self.exchanges["prompt"].fill_null("").to_list())

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Exchanges of each account, in order of time."""
        order = np.argsort(self.account, kind="stable")
        sizes = np.bincount(self.account, minlength=len(self.accounts))
        return np.split(order, np.cumsum(sizes)[:-1])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Vectors of exchanges at random, whosever they are."""
        picked = rng.choice(len(self.vectors), min(count, len(self.vectors)), replace=False)
        return np.asarray(self.vectors[picked])


def window(rows: np.ndarray) -> np.ndarray:
    """The latest rows of an account, as many as the largest of `SIZES` that it fills; maybe none."""
    filled = [size for size in SIZES if size <= len(rows)]
    return rows[-filled[-1] :] if filled else rows[:0]
