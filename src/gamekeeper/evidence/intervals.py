"""Intervals for shares."""

from math import sqrt


def wilson_interval(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Returns the Wilson score interval of a share (95 % at the default z); (0, 1) where nothing was counted.

    Source: Wilson, Probable inference, JASA 1927.

    Example:
        >>> [round(x, 3) for x in wilson_interval(0, 100)]
        [0.0, 0.037]
    """
    if of == 0:
        return (0.0, 1.0)
    share, pull = hits / of, z * z / of
    centre = (share + pull / 2) / (1 + pull)
    half = z * sqrt(share * (1 - share) / of + pull / (4 * of)) / (1 + pull)
    return (max(0.0, centre - half), min(1.0, centre + half))
