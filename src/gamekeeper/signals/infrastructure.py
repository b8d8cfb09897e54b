"""Networks, clients and means of payment that accounts share, weighted by how rare each is.

    reading = sum over values v of  C(k_v, 2) * log(N / n_v)  /  C(k, 2)

with k members of the group, k_v of them using v, and n_v of all N accounts using it. An address
that only two accounts in a million use is strong evidence; the SDK that half of them use is not.

One account is charged only for joining: a value counts against it by the members who used it before
the account did, and only from two such members on. An account that has an address or a card first
is not charged for who shares it later. Where accounts have a known age, a member that is younger
than the account never comes before it: a log that begins in the middle does not show who used a
value first.

    own reading of a = sum over values v of  b_av * log(N / n_v)  /  (k - 1),    b_av >= 2

with b_av members who used v before a.
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

SIGN_UPS = "sign-up-burst"
"""The signal whose summary says when accounts were opened."""

_FAR = 5.0  # times the ordinary value: "far more often"
_MORE = 1.5
_CLOSE_DAYS = 3
_AT_ONCE = 512  # members that are compared with all accounts in one step, to bound memory
_JOINS = 2  # members who used a value before an account that is charged for it


class _Shared:
    """Sharing of one attribute."""

    def __init__(self, column: str, words: str) -> None:
        self._column = column
        self._words = words
        self._noun = words.split(maxsplit=1)[1]
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
        rarity = _rarity(holds)
        return np.array([_shared(holds[g], rarity) if len(g) > 1 else np.nan for g in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        return f"members share {self._words} {_how_often(value, ordinary)} ordinary accounts"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Members who used a value of the account's before it, weighted by how rare the value is,
        over all other members; 0 where no value has two of them.
        """
        holds = (summary.matrix > 0).astype(np.float64)
        users = np.asarray(holds[members].sum(axis=0)).ravel()
        rarity = _rarity(holds)
        first_s = summary.first_s.tocsc()
        values = np.zeros(len(accounts))
        for value in np.flatnonzero(users >= _JOINS):
            before = _before(first_s[:, [value]], summary.opened, members, accounts)
            values += rarity[value] * np.where(before >= _JOINS, before, 0)
        return values / max(len(members) - 1, 1)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        if value <= 0:
            return f"it took up no {self._noun} that two other members had used before"
        often = _how_often(value, ordinary)
        return f"it shares {self._words} with members who used it before, {often} ordinary accounts"


def _how_often(value: float, ordinary: float) -> str:
    """The reading in words; its number and unit are in the table of readings."""
    if value > max(_FAR * ordinary, 0):
        return "far more often than"
    if value > _MORE * ordinary:
        return "more often than"
    return "less often than" if value < ordinary / _MORE else "about as often as"


def _rarity(holds: sp.csr_matrix) -> np.ndarray:
    """How rare each value is among all accounts, as a natural logarithm."""
    return np.log(holds.shape[0] / np.maximum(np.asarray(holds.sum(axis=0)).ravel(), 1))


def _before(
    first_s: sp.csc_matrix, opened: np.ndarray, members: np.ndarray, accounts: np.ndarray
) -> np.ndarray:
    """How many of `members` used one value before each of `accounts` did; 0 for those that never
    did.

    Args:
        first_s: When each account first used it, one column.
        opened: When each account was opened, NaN where unknown.
        members: Account numbers.
        accounts: Account numbers.
    """
    used_s = np.full(first_s.shape[0], np.nan)
    used_s[first_s.indices] = first_s.data
    users = members[~np.isnan(used_s[members])]
    asked = np.flatnonzero(~np.isnan(used_s[accounts]))
    of = accounts[asked]
    counts = np.zeros(len(accounts), np.int64)
    for some in np.array_split(users[:, None], 1 + len(users) // _AT_ONCE):
        # a comparison with NaN is false: an unknown age decides nothing
        is_younger = opened[some] > opened[of]
        counts[asked] += ((used_s[some] < used_s[of]) & ~is_younger).sum(axis=0)
    return counts


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
        name=SIGN_UPS,
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
        day = opening_days(summary)
        return np.array([_close_pairs(np.sort(day[g][~np.isnan(day[g])])) for g in groups])

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        close = "of pairs of members were opened within three days of each other"
        return f"{value:.0%} {close} (ordinary: {ordinary:.0%})"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Share of the other members opened on the account's day or up to three days before it; NaN
        where its day is not known.
        """
        day = opening_days(summary)
        known = np.sort(day[members][~np.isnan(day[members])])
        asked = day[accounts]
        last = np.searchsorted(known, asked, side="right")
        first = np.searchsorted(known, asked - _CLOSE_DAYS, side="left")
        among = np.isin(accounts, members)
        # one denominator for all: of two accounts near as many members, neither ranks higher
        share = (last - first - among) / max(len(members) - 1, 1)
        return np.where(np.isnan(asked), np.nan, share)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        close = "of the other members were opened on its day or in the three days before"
        return f"{value:.0%} {close} (ordinary accounts: {ordinary:.0%})"


def opening_days(summary: Counts) -> np.ndarray:
    """Returns the day on which each account was opened, from a summary of `SignUps`; NaN where
    unknown.
    """
    day = np.full(summary.matrix.shape[0], np.nan)
    rows, columns = summary.matrix.nonzero()
    day[rows] = summary.keys.cast(pl.Float64).to_numpy()[columns]
    return day


def _close_pairs(days: np.ndarray) -> float:
    if len(days) < 2:
        return float("nan")
    within = np.searchsorted(days, days + _CLOSE_DAYS, side="right") - np.arange(len(days)) - 1
    return float(within.sum() / (len(days) * (len(days) - 1) / 2))
