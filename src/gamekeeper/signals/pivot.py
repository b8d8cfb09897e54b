"""A group that moves to a new model together."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gamekeeper.linking.card import Card
from gamekeeper.signals._signal import Counts, alone, count_by, signal

_SETTLED_DAYS = 2  # a model first seen later than this after the log began counts as new


@signal
class Pivot:
    """Share of a group's exchanges that go to models which were released during the log."""

    card = Card(
        name="pivot",
        family="pivot",
        purpose="How much of a group's traffic moves to a model that was released during the log.",
        unit="share of exchanges since the release, less that of all accounts",
        needs=("model",),
        look_alikes="enthusiasts on release day; a product that switches its default",
        evasions="waiting, or staying with the old model (costs the newest answers)",
        source=(
            "half of a campaign's traffic moved within a day of a release, as disclosed in February"
            " 2026"
        ),
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by day and model."""
        day = pl.col("time").dt.epoch("d").cast(pl.String)
        return count_by(exchanges, day + "|" + pl.col("model"))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Share of exchanges with a new model since its first day, less that of all accounts; NaN
        without a new model.
        """
        fresh, since = _fresh_and_since(summary.keys)
        if not fresh.any():
            return np.full(len(groups), np.nan)
        counts = summary.sums([np.arange(summary.matrix.shape[0]), *groups])
        share = (counts @ fresh) / np.maximum(counts @ since, 1)
        return np.asarray(share[1:] - share[0])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        above = f"{100 * value:+.0f} points relative to all accounts"
        return (
            f"after a new model was released, its share of their traffic is {above} (ordinary:"
            f" {100 * ordinary:+.0f})"
        )

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Share of each account's exchanges with a new model since its first day, less that of all
        accounts.
        """
        return alone(self, summary, accounts)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        above = f"{100 * value:+.0f} points relative to all accounts"
        return (
            f"after a new model was released, its share of the account's traffic is {above}"
            f" (ordinary accounts: {100 * ordinary:+.0f})"
        )


def _fresh_and_since(keys: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """For each (day, model) key: is the model a new one; has the first new model been out
    by then.
    """
    parts = keys.to_frame("k").select(
        pl.col("k").str.split("|").list.first().cast(pl.Int64).alias("day"),
        pl.col("k").str.replace(r"^[^|]*\|", "").alias("model"),
    )
    parts = parts.with_columns(pl.col("day").min().over("model").alias("first"))
    new = parts["first"].to_numpy() > (parts["day"].min() or 0) + _SETTLED_DAYS  # type: ignore[operator]
    if not new.any():
        return np.zeros(len(keys)), np.zeros(len(keys))
    release = parts["first"].to_numpy()[new].min()
    return new.astype(float), (parts["day"].to_numpy() >= release).astype(float)
