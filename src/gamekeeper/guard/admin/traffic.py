"""The traffic of the last quarter of an hour, in points of five seconds: what the page draws.

A point holds differences of the counters that Prometheus scrapes, so it cannot disagree with them.
"""

from collections import Counter as Counts
from collections import deque
from typing import NamedTuple

from gamekeeper.guard.admin.figures import counts, total
from gamekeeper.guard.telemetry.metrics import Metrics

EVERY_S = 5.0
KEPT_S = 900.0


class Point(NamedTuple):
    """What happened in a short time.

    Args:
        at: Its end, epoch seconds.
        seconds: How long it was.
        actions: Requests by what was done with them.
        would: Requests by what would have been done; only in a dry run.
        refused: Requests refused before they were judged.
        exchanges: Exchanges answered.
    """

    at: float
    seconds: float
    actions: dict[str, int]
    would: dict[str, int]
    refused: int
    exchanges: int


class _Seen(NamedTuple):
    at: float
    actions: Counts[str]
    would: Counts[str]
    refused: int
    exchanges: int


class Traffic:
    """The traffic of the last quarter of an hour, sampled from the metrics.

    Args:
        metrics: That are sampled.
        now: Epoch seconds; counting begins here.
    """

    def __init__(self, metrics: Metrics, now: float) -> None:
        self._metrics = metrics
        self._last = self._look(now)
        self.points: deque[Point] = deque(maxlen=round(KEPT_S / EVERY_S))

    def sample(self, now: float) -> Point | None:
        """Adds a point if one is due, and returns it."""
        if now - self._last.at < EVERY_S:
            return None
        last = self._last
        self._last = self._look(now)
        point = Point(
            at=now,
            seconds=now - last.at,
            actions=dict(self._last.actions - last.actions),
            would=dict(self._last.would - last.would),
            refused=self._last.refused - last.refused,
            exchanges=self._last.exchanges - last.exchanges,
        )
        self.points.append(point)
        return point

    def per_second(self, last_s: float = 60.0) -> float:
        """Returns requests a second over the last points that make up so many seconds."""
        recent = list(self.points)[-round(last_s / EVERY_S) :]
        seconds = sum(point.seconds for point in recent)
        return (
            sum(sum(point.actions.values()) + point.refused for point in recent) / seconds
            if seconds
            else 0.0
        )

    def _look(self, now: float) -> _Seen:
        return _Seen(
            at=now,
            actions=counts(self._metrics.requests, "action"),
            would=counts(self._metrics.would, "action"),
            refused=total(self._metrics.refused),
            exchanges=total(self._metrics.exchanges),
        )
