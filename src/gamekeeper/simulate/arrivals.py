"""When calls come: the starts of conversations, and the turns within them.

All times are seconds from the first midnight of the traffic, float64. A `Starts` function draws
when `count` conversations begin within `days`; `unfold` adds the turns of each after its start.

 - session_starts: a person who is active at some hours of the day, and asks a few things in a
   sitting
 - burst_starts: a service with customers; a daily wave, and crowds within it (a Gamma-distributed
   rate for each ten minutes, as measured request streams show: far more variable than Poisson)
 - balanced_starts: a dispatcher that spreads work evenly, day and night
 - run_starts: one script run from a list, as fast as answers come back
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
WINDOW_S = 600.0
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Starts = Callable[[np.random.Generator, int, float], FloatArray]


def session_starts(rng: np.random.Generator, count: int, days: float) -> FloatArray:
    """Draws starts of one person's conversations: sittings on random days around an hour of their
    own.
    """
    sitting = np.cumsum(rng.random(count) < 0.6)  # 1.7 conversations in a sitting on average
    hour = (rng.uniform(0, 24) + rng.normal(0, 2.6, count + 1)) % 24
    begin = rng.integers(0, max(1, int(days)), count + 1) * DAY_S + hour * 3600
    pause = rng.lognormal(6.2, 0.8, count)
    since = np.cumsum(pause)
    first = np.searchsorted(sitting, sitting, side="left")
    return np.asarray(begin[sitting] + since - since[first], np.float64)


def burst_starts(rng: np.random.Generator, count: int, days: float) -> FloatArray:
    """Draws starts of calls of a service: ten-minute windows by their rate, crowded within a
    window.
    """
    windows = np.arange(max(1, int(days * DAY_S / WINDOW_S)))
    hour = windows * WINDOW_S / 3600 % 24
    wave = 1 + rng.uniform(0.4, 0.98) * np.cos((hour - rng.uniform(0, 24)) * np.pi / 12)
    rate = wave * rng.gamma(rng.uniform(0.1, 1.5), size=len(windows)) + 1e-9
    hit = rng.choice(len(windows), count, p=rate / rate.sum())
    crowd = rng.random(len(windows))[hit] + rng.exponential(0.1, count)
    return (hit + crowd % 1) * WINDOW_S


def balanced_starts(rng: np.random.Generator, count: int, days: float) -> FloatArray:
    """Draws one start in each of `count` equal parts of the time."""
    return (np.arange(count) + rng.random(count)) * (days * DAY_S / max(count, 1))


def run_starts(rng: np.random.Generator, count: int, days: float) -> FloatArray:
    """Draws starts of one run without pauses: a few seconds apart, at any hour of any day."""
    begin = rng.uniform(0, max(days - 0.5, 0.1)) * DAY_S
    return begin + np.cumsum(rng.exponential(2.5, count))


def unfold(
    rng: np.random.Generator, starts: FloatArray, turns: IntArray, days: float
) -> FloatArray:
    """Returns the times of all turns: each conversation's follow its start, about a minute apart.

    Args:
        rng: Randomness.
        starts: Seconds, shape (c,).
        turns: Number of turns of each conversation, at least 1, shape (c,).
        days: Length of the traffic; nothing comes after it.

    Returns:
        Seconds, shape (sum(turns),), conversation after conversation; rising within each.
    """
    first = np.repeat(np.cumsum(turns) - turns, turns)
    passed = np.cumsum(np.minimum(rng.lognormal(4.2, 1.0, int(turns.sum())), 1500.0))
    times = np.repeat(starts, turns) + passed - passed[first]
    return np.asarray(np.minimum(times, days * DAY_S - 1), np.float64)
