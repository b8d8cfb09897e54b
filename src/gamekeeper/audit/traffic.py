"""What the thieves asked, as an API's log would hold it: each attack is traffic, to be found by
hunt and by guard.

An attacker asks at a steady rate, day and night (exponential gaps). With more than one account,
every round of as many queries as there are accounts gives each of them one, in an order drawn for
the round: each asks equally much, and none of them holds a stretch of the attack that would mean
something by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.audit.targets import Array

_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; a log of exercises needs no real date
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast thieves ask, and through how many accounts.

    Args:
        per_day: Queries a day of each attacker, all accounts together.
        accounts: Over which each attacker splits the queries: with its name, or, if more than one,
            `name.0`, ...
    """

    per_day: int
    accounts: int = 1


class Traffic:
    """Queries of each attacker, in the order in which they were made."""

    def __init__(self) -> None:
        self._asked: dict[str, list[Array | Sequence[str]]] = {}

    def add(self, thief: str, asked: Array | Sequence[str]) -> None:
        """Keeps what a thief asked: rows of numbers, shape (n, width), or prompts."""
        self._asked.setdefault(thief, []).append(asked)

    def count(self, thief: str) -> int:
        """Returns how many queries a thief has made."""
        return sum(map(len, self._asked.get(thief, ())))

    def rows(self, thief: str) -> Array:
        """Returns the rows of numbers that a thief asked, in order, shape (n, width)."""
        return np.vstack(
            [np.asarray(part) for part in self._asked.get(thief, ())] or [np.empty((0, 1))]
        )

    def frame(self, pace: Pace, seed: int = 0) -> pl.DataFrame:
        """Returns exchanges in hunt's columns.

        Args:
            pace: Of each thief.
            seed: Of times, and of which account asks what.
        """
        rng = np.random.default_rng(seed)
        frames = [
            _exchanges(thief, [row for part in asked for row in part], pace, rng)
            for thief, asked in self._asked.items()
        ]
        return pl.concat(frames).sort("time") if frames else pl.DataFrame()

    def write(self, path: Path, pace: Pace, seed: int = 0) -> None:
        """Writes them as Parquet; see `frame`."""
        self.frame(pace, seed).write_parquet(path)


def _exchanges(
    thief: str, asked: Sequence[Array | str], pace: Pace, rng: np.random.Generator
) -> pl.DataFrame:
    gaps_s = rng.exponential(_DAY_S / pace.per_day, len(asked))
    times = [_START + timedelta(seconds=float(at)) for at in np.cumsum(gaps_s)]
    if isinstance(asked[0], str):
        queries = pl.Series("prompt", asked)
    else:
        queries = pl.Series("features", [list(row) for row in asked], dtype=pl.List(pl.Float64))
    accounts = pl.Series("account", _dealt(thief, len(asked), pace.accounts, rng))
    return pl.DataFrame(
        [pl.Series("time", times, dtype=pl.Datetime("us", "UTC")), accounts, queries]
    )


def _dealt(thief: str, queries: int, accounts: int, rng: np.random.Generator) -> list[str]:
    """Which account makes each query: one each a round, in an order of its own."""
    if accounts == 1:
        return [thief] * queries
    rounds = np.tile(np.arange(accounts), (-(-queries // accounts), 1))
    return [f"{thief}.{account}" for account in rng.permuted(rounds, axis=1).ravel()[:queries]]
