"""A reading among ordinary ones, as a strip plot.

All plots share one scale: 0 is the ordinary median and 1 the ordinary 95th percentile towards
suspicion. Distances are drawn by log(1 + distance), so that 2 and 40 times both fit:

    t = (value - median) / (percentile - median)
"""

import math
from dataclasses import dataclass
from typing import Any

from gamekeeper.report.formatting import count

_LEAST = -3.0
_MOST = 60.0
WIDTH = 220.0
MARGIN = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StripPlot:
    """Positions on a strip plot that is `WIDTH` wide.

    Args:
        value: Position of the value.
        median: Position of the ordinary median.
        high: Position of the ordinary 95th percentile.
        is_beyond: Whether the value is past the plot's end.
        is_unusual: Whether the value is past the ordinary 95th percentile.
        says: The same in words.
    """

    value: float
    median: float
    high: float
    is_beyond: bool
    is_unusual: bool
    says: str


def strip_plot(row: dict[str, Any]) -> StripPlot | None:
    """Draws one row of `READINGS`; None where there is nothing to compare."""
    levels = [row[name] for name in ("value", "ordinary", "ordinary_high")]
    if any(level is None or not math.isfinite(level) for level in levels):
        return None
    value, median, high = levels
    t = _distance(value, median, high)
    return StripPlot(
        value=_place(min(max(t, _LEAST), _MOST)),
        median=_place(0),
        high=_place(1),
        is_beyond=not _LEAST <= t <= _MOST,
        is_unusual=t > 1,
        says=_says(t),
    )


def _distance(value: float, median: float, high: float) -> float:
    if high != median:
        return (value - median) / (high - median)
    return 0.0 if value == median else math.inf  # ordinary ones are all alike, and this one is not


def _place(t: float) -> float:
    low = -math.log1p(-_LEAST)
    top = math.log1p(_MOST)
    bent = math.copysign(math.log1p(abs(t)), t)
    return round(MARGIN + (WIDTH - 2 * MARGIN) * (bent - low) / (top - low), 1)


def _says(t: float) -> str:
    if t <= 0:
        return "on the unsuspicious side of the ordinary median"
    if t <= 1:
        return "between the ordinary median and its 95th percentile"
    if math.isinf(t):
        return "different from all ordinary ones, which are equal"
    return (
        f"{count(t) if t >= 10 else f'{t:.2g}'} times as far from the ordinary median as the 95th"
        " percentile"
    )
