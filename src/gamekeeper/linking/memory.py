"""Whether accounts of a group keep to their own subjects, or their prompts are interchangeable.

People keep to their interests: what they ask next is close to what they asked before. A campaign
hands out one list of prompts ("one deck"): it does not matter which account sends which. Two
measures over the payloads of a group's linked prompts, both 0 for one deck:

    own interest  log odds that a prompt's two nearest neighbours inside the group are the same
    account's,
                  over what the accounts' sizes would give by chance
    follow-up     how much closer an account's consecutive prompts lie than two accounts' prompts:
                  the share of pairs across accounts that are farther apart, less one half

Exact decoys come for free: under one deck the accounts' labels can be shuffled.
"""

from dataclasses import dataclass

import numpy as np

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

_NEIGHBOURS = 2  # follow-ups are the nearest; more neighbours dilute them
_LAGS = 4  # prompts on: people stay with a subject for a while, and more pairs measure it better
_PAIRS = 20_000  # pairs across accounts, drawn for the comparison
_MIN_ROWS = 20
_EXACT_BELOW = 5_000
_ROUNDS = 5  # of k-means


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How strongly the accounts of a group keep to their own subjects.

    Args:
        own_interest: Natural log of the odds ratio; 0 as chance gives.
        own_interest_error: Its standard error.
        follow_up: From -.5 to .5; 0 as chance gives.
        follow_up_error: Its standard error.
    """

    own_interest: float
    own_interest_error: float
    follow_up: float
    follow_up_error: float


UNKNOWN = Memory(
    own_interest=np.nan, own_interest_error=np.nan, follow_up=np.nan, follow_up_error=np.nan
)


def measure_memory(vectors: np.ndarray, accounts: np.ndarray) -> Memory:
    """Measures memory of one group.

    Args:
        vectors: Payload vectors in order of account and time, float32, shape (n, d).
        accounts: Account number of each, shape (n,).

    Returns:
        Memory; all NaN below 20 rows or 2 accounts.
    """
    if len(vectors) < _MIN_ROWS or len(np.unique(accounts)) < 2:
        return UNKNOWN
    interest, interest_error = _own_interest(vectors, accounts)
    follow_up, follow_up_error = _follow_up(vectors, accounts)
    return Memory(
        own_interest=interest,
        own_interest_error=interest_error,
        follow_up=follow_up,
        follow_up_error=follow_up_error,
    )


def own_neighbours(vectors: np.ndarray, accounts: np.ndarray, k: int) -> np.ndarray:
    """Returns how many of each row's `k` nearest neighbours are of its own account, int, shape
    (n,).
    """
    count = min(k + 1, len(vectors))
    found = nearest(vectors, count, exact_below=_EXACT_BELOW, rounds=_ROUNDS).rows
    other = (found != np.arange(len(vectors))[:, None]) & (found >= 0)
    other &= np.cumsum(other, axis=1) <= k
    return np.asarray(((accounts[found] == accounts[:, None]) & other).sum(axis=1))


def chance_of_own(accounts: np.ndarray) -> float:
    """Returns the chance that two rows drawn without order are of one account."""
    sizes = np.unique(accounts, return_counts=True)[1].astype(float)
    count = len(accounts)
    return float((sizes * (sizes - 1)).sum() / max(count * (count - 1), 1))


def _own_interest(vectors: np.ndarray, accounts: np.ndarray) -> tuple[float, float]:
    k = min(_NEIGHBOURS, len(vectors) - 1)
    trials = k * len(vectors)
    own = own_neighbours(vectors, accounts, k).sum() + 0.5
    expected = chance_of_own(accounts) * trials + 0.5
    rest = trials + 1 - np.array([own, expected])
    # neighbours are mostly mutual, so that there are about half as many independent trials
    error = np.sqrt(2 * (1 / max(own, expected) + 1 / rest.min()))
    return float(np.log(own / rest[0]) - np.log(expected / rest[1])), float(error)


def _follow_up(vectors: np.ndarray, accounts: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(len(vectors))
    a, b = rng.integers(0, len(vectors), (2, _PAIRS))
    apart = accounts[a] != accounts[b]
    across = np.sort(distance(vectors[a[apart]], vectors[b[apart]]))
    first, lag = _next_few(accounts)
    if not len(first) or not len(across):
        return np.nan, np.nan
    own = distance(vectors[first], vectors[first + lag])
    low = np.searchsorted(across, own, "left")
    high = np.searchsorted(across, own, "right")
    farther = 1 - (low + high) / (2 * len(across))
    # of the mean of uniform ranks
    return float(farther.mean() - 0.5), float(1 / np.sqrt(12 * len(own)))


def _next_few(accounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an account's prompts at most `_LAGS` apart: the first of each, and how far on the
    other.
    """
    pairs = [np.flatnonzero(accounts[lag:] == accounts[:-lag]) for lag in range(1, _LAGS + 1)]
    return np.concatenate(pairs), np.repeat(np.arange(1, _LAGS + 1), [len(p) for p in pairs])


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the squared distances of `a[i]` and `b[i]`, shape (n,)."""
    apart = a - b
    return np.asarray(np.einsum("ij,ij->i", apart, apart))
