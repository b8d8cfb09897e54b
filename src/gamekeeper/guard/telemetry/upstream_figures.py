"""Figures of the upstream's answers: how many, by class of status, how soon they began, and how
many are under way.

They are noted with every request, so they are plain numbers that are made into metrics when
Prometheus asks: its own counters and histograms cost three microseconds each time.
"""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class UpstreamFigures(Collector):
    """Figures of the upstream's answers, for a registry of Prometheus."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.answers = dict.fromkeys(CLASSES, 0)
        self._sooner = [0] * (len(BOUNDS_S) + 1)  # by bound; the last is without one
        self._sum_s = 0.0

    def note_answer(self, status: int) -> str:
        """Counts an answer, and returns the class of its status."""
        name = CLASSES[min(max(status // 100, 1), 5) - 1]
        self.answers[name] += 1
        return name

    def note_first_byte(self, seconds: float) -> None:
        """Counts how soon an answer began, in seconds after its request was forwarded."""
        self._sooner[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def collect(self) -> Iterator[Metric]:
        """Returns the metrics."""
        answers = CounterMetricFamily(
            "gamekeeper_upstream_answers",
            "Answers of the upstream by class of status.",
            labels=["status"],
        )
        for name, count in self.answers.items():
            answers.add_metric([name], count)
        yield answers
        yield GaugeMetricFamily(
            "gamekeeper_upstream_in_flight",
            "Requests that the upstream is answering.",
            self.in_flight,
        )
        yield HistogramMetricFamily(
            "gamekeeper_upstream_first_byte_seconds",
            "Time from a forwarded request to the first byte of its answer's body.",
            self._buckets(),
            self._sum_s,
        )

    def _buckets(self) -> list[tuple[str, float]]:
        """Counts up to each bound, as Prometheus wants them."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*BOUNDS_S, "+Inf"), self._sooner, strict=True):
            total += count
            buckets.append((str(bound), total))
        return buckets
