"""When a group is active: on the hours of people or of a scheduler, and whether its accounts rise
and fall together.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.linking.card import Card
from gamekeeper.signals._signal import Counts, count_by, signal

_SLOT_HOURS = 6


def _bins(width_hours: int) -> pl.Expr:
    return pl.col("time").dt.epoch("s") // (width_hours * 3600)


@signal
class EvenPace:
    """How evenly a group's accounts spread their exchanges over day and night."""

    card = Card(
        name="even-pace",
        family="rhythm",
        purpose="How evenly accounts spread their exchanges over six-hour slots, day and night.",
        unit="slots used, over those that an evenly paced account would use",
        needs=("time",),
        look_alikes="monitors, scheduled jobs, devices that report round the clock",
        evasions="imitating sessions and nights (costs throughput: a person's day has few hours)",
        source="load balancing over accounts as disclosed in February 2026",
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by six-hour slot."""
        return count_by(exchanges, _bins(_SLOT_HOURS))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Slots used, over those that as many exchanges would use if spread at random; mean over
        accounts.
        """
        share = _evenness(summary)
        return np.array([_mean(share[group]) for group in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        even = f"{value:.0%} as evenly as a steady machine's"
        return f"their exchanges are spread over day and night {even} (ordinary: {ordinary:.0%})"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Slots that each account uses, over those of a steady machine; NaN for one exchange."""
        return np.asarray(_evenness(summary)[accounts])

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        even = f"{value:.0%} as evenly as a steady machine's"
        spread = f"its exchanges are spread over day and night {even}"
        return f"{spread} (ordinary accounts: {ordinary:.0%})"


def _evenness(summary: Counts) -> np.ndarray:
    """Slots used by each account, over those that as many exchanges would use if spread at random;
    NaN for one exchange.
    """
    slots = summary.matrix.shape[1]
    used = np.diff(summary.matrix.indptr)
    fair = slots * (1 - (1 - 1 / max(slots, 1)) ** summary.exchanges)
    return np.where(summary.exchanges > 1, used / np.maximum(fair, 1e-9), np.nan)


def _mean(values: np.ndarray) -> float:
    """The mean of what was measured; NaN where nothing was."""
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else float("nan")


@signal
class SharedEnvelope:
    """Whether members' daily volumes rise and fall together."""

    card = Card(
        name="shared-envelope",
        family="rhythm",
        purpose=(
            "How similar the daily volumes of a group's accounts are: common starts, stops and"
            " pauses."
        ),
        unit="mean cosine of two members' daily volumes, less that of any two accounts",
        needs=("time",),
        look_alikes="a class in its week, a company on its working days, customers of one outage",
        evasions="staggering starts and stops (costs days of the campaign)",
        source=(
            "Cao et al., SynchroTrap, CCS 2014; common start and stop edges as disclosed in"
            " February 2026"
        ),
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by day."""
        return count_by(exchanges, _bins(24))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Mean cosine between the members' daily counts, less that of all accounts."""
        units = _units(summary)
        everyone = _mean_cosine(units, np.arange(units.shape[0]))
        return np.array([_mean_cosine(units, g) - everyone for g in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        together = f"members' daily volumes rise and fall together: similarity {value:+.2f}"
        return f"{together} (ordinary: {ordinary:+.2f})"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Mean cosine of each account's daily counts with those of the other members, less that of
        any two accounts; NaN without other members.
        """
        units = _units(summary)
        everyone = _mean_cosine(units, np.arange(units.shape[0]))
        total = np.asarray(units[members].sum(axis=0)).ravel()
        among = np.isin(accounts, members)
        others = len(members) - among
        itself = np.asarray(units[accounts].multiply(units[accounts]).sum(axis=1)).ravel()
        similar = units[accounts] @ total - among * itself
        return np.where(others > 0, similar / np.maximum(others, 1), np.nan) - everyone

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        together = f"its daily volume rises and falls with the other members': {value:+.2f}"
        return f"{together} (ordinary accounts: {ordinary:+.2f})"


def _units(summary: Counts) -> sp.csr_matrix:
    """Each account's counts, scaled to length 1."""
    length = np.sqrt(np.asarray(summary.matrix.multiply(summary.matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(summary.matrix.multiply(1 / np.maximum(length, 1e-9)[:, None]))


def _mean_cosine(units: sp.csr_matrix, group: np.ndarray) -> float:
    """Mean cosine of pairs: (|sum|^2 - n) / n(n-1), without forming the pairs."""
    if len(group) < 2:
        return float("nan")
    total = np.asarray(units[group].sum(axis=0)).ravel()
    return float((total @ total - len(group)) / (len(group) * (len(group) - 1)))
