"""How the guard is beside its figures: whether it drains, and how the upstream last answered.

Written with each answer, so it holds no more than a few fields; `/healthz` and `/readyz` read it.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple


class UpstreamOutcome(NamedTuple):
    """How the last request to the upstream ended.

    Args:
        is_reachable: Whether it answered at all, with whatever status.
        outcome: Class of the answer's status, such as `2xx`; else how it failed.
        at: When, seconds of the clock.
    """

    is_reachable: bool
    outcome: str
    at: float


class Health:
    """How the guard is.

    Args:
        ticks: A clock that is never set, seconds.
    """

    def __init__(self, ticks: Callable[[], float] = monotonic) -> None:
        self._ticks = ticks
        self.draining = False
        self.upstream: UpstreamOutcome | None = None

    def note_upstream(self, outcome: str, *, is_reachable: bool) -> None:
        """Notes how a request to the upstream ended."""
        self.upstream = UpstreamOutcome(is_reachable, outcome, self._ticks())

    @property
    def upstream_age_s(self) -> float | None:
        """How long ago the last request to the upstream ended; None before the first."""
        return None if self.upstream is None else self._ticks() - self.upstream.at
