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


def exact_interval(hits: int, of: int) -> tuple[float, float]:
    """Clopper-Pearson 95 % interval of a share: never too narrow, also for shares near 0 or 1.

    Args:
        hits: Out of `of`.
        of: At least 1.

    Source: Clopper & Pearson, Biometrika 1934.
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return low, high
