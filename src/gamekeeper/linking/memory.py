"""Whether accounts of a group keep to their own subjects, or their prompts are interchangeable.

People keep to their interests: what they ask next is close to what they asked before, in the same
sitting and in later ones. A campaign hands out one list of prompts ("one deck"), and however it
deals them by prompt or by sitting, one label of its prompts stays interchangeable:

    dealt by prompt     it does not matter which account sends which prompt
    dealt by sitting    a sitting keeps to a subject, but which account has it does not matter

So memory is measured at two levels over the payloads of a group's linked prompts, each 0 where
that label is interchangeable:

    own interest  (by prompt) log odds that a prompt's two nearest neighbours inside the group are
                  the same account's, over what the accounts' sizes would give by chance
    follow-up     (by prompt) how much closer an account's next few prompts lie than two accounts'
                  prompts: the share of pairs across accounts that are farther apart, less one half
    return        (by sitting) as own interest, of neighbours outside the prompt's own sitting

Only a group that remembers at both levels is like people. Exact decoys come for free: the label of
each level can be shuffled.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom

from gamekeeper.linking.card import Card
from gamekeeper.linking.search import nearest

MEMORY = Card(
    name="memory",
    family="coverage",
    purpose=(
        "Whether accounts of a group keep to their own subjects and follow up on them, or their"
        " prompts are interchangeable."
    ),
    unit="share of the value of ordinary groups (0: interchangeable, 1: as in ordinary groups)",
    needs=("prompt or features",),
    look_alikes=(
        "a class on one task sheet, evaluators of one benchmark (they repeat each other, in one"
        " sitting)"
    ),
    evasions=(
        "splitting the prompts by subject over accounts, or sending them ordered by subject: costs"
        " nothing but makes each account narrow; replaying real conversations: costs their answers"
    ),
    source=(
        "this project, measured in benchmarks/detection; the test by label shuffling is Fisher's"
    ),
)

LEVELS = ("prompt", "sitting")
"""By what a deck may be dealt."""

_FOUND = 25  # neighbours of a prompt in its group; own, and outside its sitting, are among them
_NEIGHBOURS = 2  # follow-ups are the nearest; more neighbours dilute them
_DECK_NEIGHBOURS = 5  # of one account, where few prompts must tell
_LAGS = 4  # prompts on: people stay with a subject for a while, and more pairs measure it better
_PAIRS = 4_000  # pairs across accounts, drawn for the comparison
_MIN_ROWS = 20
_EXACT_BELOW = 5_000
_ROUNDS = 5  # of k-means
_OWN_P = 1e-3  # chance that one deck makes an account look as if it had a subject of its own
_OWN_SLACK = 1.5  # real decks come in batches: own neighbours are somewhat commoner than chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How strongly the accounts of a group keep to their own subjects.

    Args:
        own_interest: Natural log of the odds ratio; 0 as chance gives.
        own_interest_error: Its standard error.
        follow_up: From -.5 to .5; 0 as chance gives.
        follow_up_error: Its standard error.
        back: Return to a subject in another sitting, natural log of the odds ratio.
        back_error: Its standard error.
    """

    own_interest: float
    own_interest_error: float
    follow_up: float
    follow_up_error: float
    back: float
    back_error: float


UNKNOWN = Memory(
    own_interest=np.nan,
    own_interest_error=np.nan,
    follow_up=np.nan,
    follow_up_error=np.nan,
    back=np.nan,
    back_error=np.nan,
)


class Deck:
    """Payloads of a group, whose accounts can be taken out without searching neighbours again.

    Args:
        vectors: Payload vectors in order of account and time, float32, shape (n, d).
        accounts: Account number of each, shape (n,).
        sittings: Sitting number of each, shape (n,).
        times: Time of each; where an account's are equal, nobody knows which came first, shape
            (n,).
    """

    def __init__(
        self, vectors: np.ndarray, accounts: np.ndarray, sittings: np.ndarray, times: np.ndarray
    ) -> None:
        self.vectors = vectors
        self.times = times
        self.accounts = accounts
        self.sittings = sittings
        if len(vectors):
            count = min(_FOUND, len(vectors))
            self._near = nearest(vectors, count, exact_below=_EXACT_BELOW, rounds=_ROUNDS).rows
        else:
            self._near = np.zeros((0, 1), np.int64)

    @property
    def all_rows(self) -> np.ndarray:
        """Every place in the deck, ascending."""
        return np.arange(len(self.accounts))

    def memory(self, rows: np.ndarray, levels: Collection[str] = LEVELS) -> Memory:
        """Measures memory of some of the rows (places in the deck, ascending), at some levels.

        Returns:
            Memory; NaN at other levels, and all NaN below 20 rows or 2 accounts.
        """
        accounts = self.accounts[rows]
        if len(rows) < _MIN_ROWS or accounts[0] == accounts[-1]:
            return UNKNOWN
        measured = UNKNOWN
        if "prompt" in levels:
            interest, interest_error = self._interest(rows, across=False)
            follow_up, follow_up_error = _follow_up(self.vectors[rows], accounts, self.times[rows])
            measured = replace(
                measured,
                own_interest=interest,
                own_interest_error=interest_error,
                follow_up=follow_up,
                follow_up_error=follow_up_error,
            )
        if "sitting" in levels:
            back, back_error = self._interest(rows, across=True)
            measured = replace(measured, back=back, back_error=back_error)
        return measured

    def deals(self, rows: np.ndarray, level: str) -> np.ndarray:
        """Returns the account numbers, ascending, of `rows` whose prompts are interchangeable at a
        level.
        """
        accounts = self.accounts[rows]
        names, place = np.unique(accounts, return_inverse=True)
        own, of, chance = self._own(rows, _DECK_NEIGHBOURS, across=level == "sitting")
        own_sum = np.bincount(place, weights=own, minlength=len(names))
        of_sum = np.bincount(place, weights=of, minlength=len(names))
        chance_sum = np.bincount(place, weights=chance * of, minlength=len(names))
        rate = np.minimum(_OWN_SLACK * chance_sum / np.maximum(of_sum, 1), 1)
        alike = binom.sf(own_sum - 1, of_sum, rate) > _OWN_P
        return np.asarray(names[alike & (of_sum > 0)])

    def _own(
        self, rows: np.ndarray, k: int, *, across: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each row: its nearest neighbours of its own account, of how many, and by what chance
        one is; `across`: among those outside its own sitting.
        """
        inside = np.zeros(len(self.accounts), bool)
        inside[rows] = True
        near = self._near[rows]
        valid = (near >= 0) & inside[near] & (near != rows[:, None])
        accounts = self.accounts[rows]
        sizes = np.bincount(accounts, minlength=int(self.accounts.max()) + 1)[accounts]
        others = np.full(len(rows), len(rows) - 1)
        own_others = sizes - 1
        if across:
            sittings = self.sittings[rows]
            valid &= self.sittings[near] != sittings[:, None]
            together = np.bincount(sittings, minlength=int(self.sittings.max()) + 1)[sittings]
            others = len(rows) - together
            own_others = sizes - together
        valid &= np.cumsum(valid, axis=1) <= k
        own = (valid & (self.accounts[near] == accounts[:, None])).sum(axis=1)
        return own, valid.sum(axis=1), own_others / np.maximum(others, 1)

    def _interest(self, rows: np.ndarray, *, across: bool) -> tuple[float, float]:
        own_each, of_each, chance = self._own(rows, _NEIGHBOURS, across=across)
        trials = of_each.sum()
        own = own_each.sum() + 0.5
        expected = (chance * of_each).sum() + 0.5
        if expected <= 0.5:  # no account has a second sitting: nothing to return to
            return np.nan, np.nan
        rest = np.maximum(trials + 1 - np.array([own, expected]), 0.5)
        # neighbours are mostly mutual, so that there are about half as many independent trials
        error = np.sqrt(2 * (1 / max(own, expected) + 1 / rest.min()))
        return float(np.log(own / rest[0]) - np.log(expected / rest[1])), float(error)


def _follow_up(vectors: np.ndarray, accounts: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(len(vectors))
    a, b = rng.integers(0, len(vectors), (2, _PAIRS))
    apart = accounts[a] != accounts[b]
    across = np.sort(distance(vectors[a[apart]], vectors[b[apart]]))
    first, lag = _next_few(accounts, times)
    if not len(first) or not len(across):
        return np.nan, np.nan
    own = distance(vectors[first], vectors[first + lag])
    low = np.searchsorted(across, own, "left")
    high = np.searchsorted(across, own, "right")
    farther = 1 - (low + high) / (2 * len(across))
    # of the mean of uniform ranks
    return float(farther.mean() - 0.5), float(1 / np.sqrt(12 * len(own)))


def _next_few(accounts: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an account's prompts at most `_LAGS` apart: the first of each, and how far on the
    other.
    """
    pairs = [
        np.flatnonzero((accounts[lag:] == accounts[:-lag]) & (times[lag:] != times[:-lag]))
        for lag in range(1, _LAGS + 1)
    ]
    return np.concatenate(pairs), np.repeat(np.arange(1, _LAGS + 1), [len(p) for p in pairs])


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the squared distances of `a[i]` and `b[i]`, shape (n,)."""
    apart = a - b
    return np.asarray(np.einsum("ij,ij->i", apart, apart))
