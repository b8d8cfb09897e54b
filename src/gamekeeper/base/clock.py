"""A clock that never jumps: it follows the machine's clock, but at most a tenth faster or slower.

Decisions have an end and budgets have a day; a step of the machine's clock must neither end the one
nor renew the other.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic, time

_SLEW = 0.1


class SteadyClock:
    """Seconds since the epoch, steadily.

    Args:
        wall: The machine's clock, epoch seconds.
        ticks: A clock that is never set, seconds.
    """

    def __init__(
        self, wall: Callable[[], float] = time, ticks: Callable[[], float] = monotonic
    ) -> None:
        self._wall = wall
        self._ticks = ticks
        self._at = ticks()
        self._now = wall()

    def now(self) -> float:
        """Returns the time, epoch seconds; it never goes back."""
        return self._now + self._ticks() - self._at

    def follow(self) -> float:
        """Moves towards the machine's clock, to be called now and then; returns how far it is off,
        in seconds.
        """
        ticks = self._ticks()
        passed = self._ticks() - self._at
        off = self._wall() - (self._now + passed)
        self._now += passed + min(max(off, -_SLEW * passed), _SLEW * passed)
        self._at = ticks
        return off


def day_of(now: float) -> str:
    """Returns the day in UTC, such as `2026-11-23`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
