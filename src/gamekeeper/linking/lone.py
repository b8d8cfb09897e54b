"""A lone scraper: one account that deals a broad deck by itself.

Nothing links it to anybody, so it is judged against spliced accounts: whole sittings of ordinary
accounts put together until they hold as many exchanges. Such an account is as broad as a reseller
with many customers, but it still remembers inside each sitting what was asked before; a deck does
not. Two readings:

    follow-up    how much closer consecutive prompts of one sitting lie than prompts of different
                 sittings
    breadth      mean distance between any two of its prompts

Blind spot: a lone scraper of one narrow subject looks like an app.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gamekeeper.linking.card import Card
from gamekeeper.linking.memory import distance
from gamekeeper.linking.sample import LinkSample
from gamekeeper.linking.search import nearest
from gamekeeper.linking.strength import ONE_DECK, Z

LONE = Card(
    name="no-follow-up",
    family="coverage",
    purpose=(
        "How little a single account's prompts have to do with the ones before them, for an account"
        " that asks about a broad range of subjects."
    ),
    unit=(
        "share of pairs of its prompts from different sittings that are closer than prompts that"
        " follow each other (a half: as chance gives)"
    ),
    needs=("prompt",),
    look_alikes=(
        "a batch job or an evaluation over a broad data set; a service whose users ask once and do"
        " not follow up, such as search, translation or classification"
    ),
    evasions=(
        "keeping to one narrow subject, or sending the prompts ordered by subject: costs nothing;"
        " replaying real conversations: costs their answers"
    ),
    source="this project, measured in benchmarks/detection",
)

MIN_EXCHANGES = 200
"""Fewer tell too little, and copy too little."""

_MIN_SITTINGS = 3
_PAIRS = 1_000
_RECENT = 8  # conversations of a pool that may be under way at once
_COMPARED = 240  # prompts
MIN_JOINED = 50
"""Exchanges of several accounts below which they cannot be read as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneReading:
    """Readings of one account, real or spliced.

    Args:
        account: Account number; -1 for a spliced one.
        follow_up: As `Memory.follow_up`, within sittings; 0 as chance gives.
        follow_up_error: Its standard error.
        breadth: Mean squared distance of two of its prompts.
    """

    account: int
    follow_up: float
    follow_up_error: float
    breadth: float

    def is_one_deck(self, usual: float) -> bool:
        """Whether follow-up stays below half of what is usual, at the upper end of its 95 %
        interval.
        """
        return self.follow_up + Z * self.follow_up_error < ONE_DECK * usual


def lone_readings(sample: LinkSample, skip: np.ndarray) -> list[LoneReading]:
    """Reads every account with enough exchanges that is not in `skip` (account numbers)."""
    busy = (sample.exchanges >= MIN_EXCHANGES) & (sample.all_sittings >= _MIN_SITTINGS)
    busy[skip] = False
    starts = np.concatenate([[0], np.cumsum(sample.exchanges)])
    return [
        _read(sample, np.arange(starts[a], starts[a + 1]), int(a), np.random.default_rng(a))
        for a in np.flatnonzero(busy)
    ]


def spliced_readings(
    sample: LinkSample, ordinary: np.ndarray, sizes: Sequence[int], seed: int
) -> list[LoneReading]:
    """Reads one spliced account for each of `sizes`, made of sittings of `ordinary` accounts."""
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero(np.isin(sample.accounts, ordinary))
    if not len(usable):
        return []
    sittings = _Sittings.of(sample, usable)
    return [_read(sample, sittings.splice(size, rng), -1, rng) for size in sizes]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedReading:
    """Readings of several accounts as if they were one.

    Args:
        follow_up: How much closer a prompt is to the nearest of the `_RECENT` before it than to
            the nearest of as many at random: the prompt before is often another customer's.
        follow_up_error: Its standard error.
        novelty: Mean distance of a prompt to the nearest of the others, over that of any two; low
            where customers ask the same things again. It falls with the number of prompts, so
            at most `_COMPARED` are compared.
    """

    follow_up: float
    follow_up_error: float
    novelty: float

    def is_one_deck(self, usual: float) -> bool:
        """Whether follow-up stays below half of what is usual, as for a single account."""
        return self.follow_up + Z * self.follow_up_error < ONE_DECK * usual


def joined_reading(sample: LinkSample, accounts: np.ndarray, seed: int) -> JoinedReading:
    """Reads several accounts as if they were one: all their exchanges in order of time."""
    rows = np.flatnonzero(np.isin(sample.accounts, accounts))
    rows = rows[np.argsort(sample.time_s[rows], kind="stable")]
    return _read_joined(sample.vectors[rows], np.random.default_rng(seed))


def joined_ordinary(
    sample: LinkSample, ordinary: np.ndarray, size: int, count: int, seed: int
) -> list[JoinedReading]:
    """Reads `count` spliced accounts of `size` exchanges as `joined_reading` does."""
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero(np.isin(sample.accounts, ordinary))
    if not len(usable):
        return []
    sittings = _Sittings.of(sample, usable)
    return [_read_joined(sample.vectors[sittings.splice(size, rng)], rng) for _ in range(count)]


def _read_joined(vectors: np.ndarray, rng: np.random.Generator) -> JoinedReading:
    later = np.arange(_RECENT, len(vectors))
    before = [distance(vectors[later], vectors[later - lag]) for lag in range(1, _RECENT + 1)]
    drawn = rng.integers(0, len(vectors) - 1, (_RECENT, len(later)))
    drawn += drawn >= later  # not the prompt itself
    at_random = [distance(vectors[later], vectors[other]) for other in drawn]
    nearest_before = np.min(before, axis=0)
    nearest_random = np.sort(np.min(at_random, axis=0))
    low = np.searchsorted(nearest_random, nearest_before, "left")
    high = np.searchsorted(nearest_random, nearest_before, "right")
    return JoinedReading(
        follow_up=float(0.5 - ((low + high) / (2 * len(later))).mean()),
        # both sides are drawn, so twice the variance of the mean of uniform ranks
        follow_up_error=float(1 / np.sqrt(6 * len(later))),
        novelty=_novelty(vectors[rng.permutation(len(vectors))[:_COMPARED]], rng),
    )


def _novelty(vectors: np.ndarray, rng: np.random.Generator) -> float:
    a, b = rng.integers(0, len(vectors), (2, _PAIRS))
    apart = a != b
    usual = float(np.median(distance(vectors[a[apart]], vectors[b[apart]])))
    found = nearest(vectors, min(2, len(vectors)), exact_below=len(vectors) + 1, rounds=1)
    return float(found.squares[:, -1].mean()) / max(usual, 1e-9)


@dataclass(frozen=True, slots=True)
class _Sittings:
    """Where each sitting begins among the rows of a sample, and how many rows it has."""

    begin: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, sample: LinkSample, rows: np.ndarray) -> "_Sittings":
        _, first, size = np.unique(sample.sitting[rows], return_index=True, return_counts=True)
        return cls(rows[first], size)

    def splice(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Returns the rows of sittings drawn with replacement, one after the other, `count` of
        them.
        """
        drawn = rng.integers(0, len(self.size), count)  # each has at least one row
        ends = np.cumsum(self.size[drawn])
        drawn = drawn[: np.searchsorted(ends, count) + 1]
        sizes = self.size[drawn]
        before = np.cumsum(sizes) - sizes
        rows = np.repeat(self.begin[drawn] - before, sizes) + np.arange(sizes.sum())
        return np.asarray(rows[:count])


def _read(
    sample: LinkSample, rows: np.ndarray, account: int, rng: np.random.Generator
) -> LoneReading:
    vectors = sample.vectors[rows]
    sitting = sample.sitting[rows]
    a, b = rng.integers(0, len(rows), (2, _PAIRS))
    apart = sitting[a] != sitting[b]
    far = np.sort(distance(vectors[a[apart]], vectors[b[apart]]))
    first = np.flatnonzero(sitting[1:] == sitting[:-1])
    if len(first) < 20 or not len(far):
        first = np.arange(len(rows) - 1)
    near = distance(vectors[first], vectors[first + 1])
    rank = (np.searchsorted(far, near, "left") + np.searchsorted(far, near, "right")) / (
        2 * max(len(far), 1)
    )
    return LoneReading(
        account=account,
        follow_up=float(0.5 - rank.mean()),
        follow_up_error=float(1 / np.sqrt(12 * len(near))),
        breadth=float(far.mean()) if len(far) else 0.0,
    )
