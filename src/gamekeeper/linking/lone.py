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

from gamekeeper.linking.memory import distance
from gamekeeper.linking.sample import LinkSample
from gamekeeper.linking.strength import ONE_DECK, Z

MIN_EXCHANGES = 200
"""Fewer tell too little, and copy too little."""

_MIN_SITTINGS = 3
_PAIRS = 1_000


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
    ends = np.flatnonzero(np.diff(sample.sitting[usable], append=-1) != 0) + 1
    sittings = np.split(usable, ends[:-1])
    return [_read(sample, _splice(sittings, size, rng), -1, rng) for size in sizes]


def _splice(sittings: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    drawn: list[np.ndarray] = []
    missing = size
    while missing > 0:
        drawn.append(sittings[int(rng.integers(len(sittings)))])
        missing -= len(drawn[-1])
    return np.concatenate(drawn)[:size]


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
