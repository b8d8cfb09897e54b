"""What the thieves asked, as an API's log would hold it: each attack is traffic, to be found by hunt and by guard."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.audit.targets import Array

_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; a log of exercises needs no real date
_DAY_S = 86_400


class Traffic:
    """Queries of each thief, in the order in which he made them."""

    def __init__(self) -> None:
        self._asked: dict[str, list[Array | Sequence[str]]] = {}

    def add(self, thief: str, inputs: Array | Sequence[str]) -> None:
        """Keeps what a thief asked: rows of numbers, shape (n, width), or prompts."""
        self._asked.setdefault(thief, []).append(inputs)

    def asked(self, thief: str) -> int:
        """Returns how many queries a thief has made."""
        return sum(map(len, self._asked.get(thief, ())))

    def rows(self, thief: str) -> Array:
        """Returns the rows of numbers that a thief asked, in order, shape (n, width)."""
        return np.vstack([np.asarray(part) for part in self._asked.get(thief, ())] or [np.empty((0, 1))])

    def frame(self, per_day: int, seed: int = 0) -> pl.DataFrame:
        """Returns exchanges in hunt's columns, each thief one account that makes so many queries a day."""
        rng = np.random.default_rng(seed)
        frames = [self._account(thief, np.vstack(asked), per_day, rng) for thief, asked in self._asked.items()]
        return pl.concat(frames).sort("time") if frames else pl.DataFrame()

    def write(self, path: Path, per_day: int, seed: int = 0) -> None:
        """Writes them as Parquet."""
        self.frame(per_day, seed).write_parquet(path)

    @staticmethod
    def _account(thief: str, inputs: Array, per_day: int, rng: np.random.Generator) -> pl.DataFrame:
        gaps_s = rng.exponential(_DAY_S / per_day, len(inputs))
        times = [_START + timedelta(seconds=float(at)) for at in np.cumsum(gaps_s)]
        features = pl.Series("features", inputs.tolist(), dtype=pl.List(pl.Float64))
        return pl.DataFrame(
            {"time": pl.Series(times, dtype=pl.Datetime("us", "UTC")), "account": [thief] * len(inputs)}
        ).with_columns(features)
