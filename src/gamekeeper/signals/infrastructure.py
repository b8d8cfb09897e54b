"""Networks, clients and means of payment that accounts share, weighted by how rare each is.

    reading = sum over values v of  C(k_v, 2) * log(N / n_v)  /  C(k, 2)

with k members of the group, k_v of them using v, and n_v of all N accounts using it. An address
that only two accounts in a million use is strong evidence; the SDK that half of them use is not.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.linking.card import Card
from gamekeeper.signals._signal import Counts, count_by, signal

_LOOK_ALIKES = (
    "offices, schools and carriers behind one address; a company that pays for its staff; users of"
    " one SDK"
)
_EVASIONS = "residential proxies, virtual cards, staggered sign-ups: each costs money per account"
_SOURCE = (
    "Stringhini et al., EvilCohort, USENIX Security 2015; inverse-frequency weights after FRAUDAR,"
    " KDD 2016"
)

_FAR = 5.0  # times the ordinary value: "far more often"
_MORE = 1.5


class _Shared:
    """Sharing of one attribute."""

    def __init__(self, column: str, words: str) -> None:
        self._column = column
        self._words = words
        self.card = Card(
            name=f"shared-{column.replace('_', '-')}",
            family="infrastructure",
            purpose=f"How often two accounts of a group share {words}, weighted by how rare it is.",
            unit=(
                "natural logarithm of how rare a shared value is, mean over pairs of accounts (0:"
                " nothing shared)"
            ),
            needs=(column,),
            look_alikes=_LOOK_ALIKES,
            evasions=_EVASIONS,
            source=_SOURCE,
        )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by value of the attribute."""
        return count_by(exchanges, pl.col(self._column))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Log-weighted pairs that share a value, over all pairs; NaN for a group of one."""
        holds = (summary.matrix > 0).astype(np.float64)
        rarity = np.log(holds.shape[0] / np.maximum(np.asarray(holds.sum(axis=0)).ravel(), 1))
        return np.array([_shared(holds[g], rarity) if len(g) > 1 else np.nan for g in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        return f"members share {self._words} {_how_often(value, ordinary)} ordinary accounts"


def _how_often(value: float, ordinary: float) -> str:
    """The reading in words; its number and unit are in the table of readings."""
    if value > max(_FAR * ordinary, 0):
        return "far more often than"
    if value > _MORE * ordinary:
        return "more often than"
    return "less often than" if value < ordinary / _MORE else "about as often as"


def _shared(holds: sp.csr_matrix, rarity: np.ndarray) -> float:
    size = holds.shape[0]
    users = np.asarray(holds.sum(axis=0)).ravel()
    return float((users * (users - 1) * rarity).sum() / (size * (size - 1)))


@signal
def _ip() -> _Shared:
    return _Shared("ip", "an address")


@signal
def _asn() -> _Shared:
    return _Shared("asn", "a network (AS)")


@signal
def _client() -> _Shared:
    return _Shared("client", "a client fingerprint")


@signal
def _payment() -> _Shared:
    return _Shared("payment", "a means of payment")


@signal
class SignUps:
    """Whether a group's accounts were opened within days of each other."""

    card = Card(
        name="sign-up-burst",
        family="infrastructure",
        purpose="How close together in time a group's accounts were opened.",
        unit="share of pairs opened within three days",
        needs=("account_created",),
        look_alikes="a class, a hackathon, a company's first day, a marketing campaign",
        evasions="buying aged accounts (they cost more)",
        source="Yuan et al., Detecting fake accounts at sign-up (Ianus), CCS 2019",
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by the day on which the account was opened."""
        return count_by(
            exchanges,
            pl.col("account_created").dt.epoch("s") // int(timedelta(days=1).total_seconds()),
        )

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Share of pairs opened at most three days apart; NaN for a group of one."""
        day = np.full(summary.matrix.shape[0], np.nan)
        rows, columns = summary.matrix.nonzero()
        day[rows] = summary.keys.cast(pl.Float64).to_numpy()[columns]
        return np.array([_close_pairs(np.sort(day[g][~np.isnan(day[g])])) for g in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        close = "of pairs of members were opened within three days of each other"
        return f"{value:.0%} {close} (ordinary: {ordinary:.0%})"


def _close_pairs(days: np.ndarray) -> float:
    if len(days) < 2:
        return float("nan")
    within = np.searchsorted(days, days + 3, side="right") - np.arange(len(days)) - 1
    return float(within.sum() / (len(days) * (len(days) - 1) / 2))
