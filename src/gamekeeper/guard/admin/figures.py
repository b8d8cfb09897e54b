"""Figures of Prometheus metrics, read back."""

from collections import Counter as Counts
from collections.abc import Iterator

from prometheus_client import Counter, Gauge
from prometheus_client.samples import Sample


def value(gauge: Gauge) -> float:
    """Returns the value of a gauge without labels."""
    return next(_samples(gauge)).value


def total(counter: Counter) -> int:
    """Returns the sum of a counter over all its labels."""
    return int(sum(sample.value for sample in _samples(counter)))


def counts(counter: Counter, label: str) -> Counts[str]:
    """Returns a counter by one of its labels."""
    found: Counts[str] = Counts()
    for sample in _samples(counter):
        found[sample.labels[label]] += int(sample.value)
    return found


def _samples(metric: Counter | Gauge) -> Iterator[Sample]:
    """Its samples; a counter also has one that says when it began."""
    for family in metric.collect():
        yield from (sample for sample in family.samples if not sample.name.endswith("_created"))
