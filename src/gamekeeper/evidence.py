"""How sure: ranks among decoys, false discovery control, and intervals for shares.

A claim counts only against what chance gives. Decoys are made in the same way as the claim, with
the meaning taken out, and the claim's rank among them is an exact p-value with no assumption about
the traffic:

    p = (1 + decoys at least as extreme) / (1 + decoys)

It is exact where the claim and its decoys are exchangeable under "nothing is going on"; it is never
0, and never smaller than the number of decoys supports.

Source: Besag and Clifford, Sequential Monte Carlo p-values, Biometrika 1991; Vovk, Gammerman and
    Shafer,
Algorithmic Learning in a Random World, 2005 (conformal p-values).
"""

from typing import Literal

import numpy as np


def rank_p_value(value: float, decoys: np.ndarray) -> float:
    """Returns the one-sided p-value of `value`; large values are extreme.

    Args:
        value: The claim's statistic; NaN (not measured) gives 1.
        decoys: The decoys' statistics, shape (n,); NaN ones (not measured) count as not extreme.

    Example:
        >>> rank_p_value(3.0, np.array([1.0, 2.0, 4.0]))
        0.5
    """
    if np.isnan(value):
        return 1.0
    return float((1 + np.sum(decoys >= value)) / (1 + len(decoys)))


def rank_p_values(values: np.ndarray, decoys: np.ndarray) -> np.ndarray:
    """Returns `rank_p_value` for each of `values`, shape (m,), against the same decoys."""
    ordered = np.sort(decoys[~np.isnan(decoys)])
    at_least = len(ordered) - np.searchsorted(ordered, values, side="left")
    p_values = (1 + at_least) / (1 + len(decoys))
    return np.where(np.isnan(values), 1.0, p_values)


def tail_p_value(
    value: float, decoys: np.ndarray, *, count: float, scale: float, repeats: int = 1
) -> float:
    """Returns the p-value of `value` as `rank_p_value` does, and beyond all decoys a bound.

    Beyond the largest, excesses over the median of the positive decoys are taken for exponential.
    Their mean is estimated together with `scale`, which weighs as much as five decoys and is its
    least. Where the decoys count for fewer than ten, nothing is extrapolated.

    Args:
        value: The claim's statistic; large values are extreme.
        decoys: The decoys' statistics, 0 or more, shape (n,).
        count: For how many independent decoys they count, those of strength 0 that are not among
            them too.
        scale: Mean of the positive ones that is usual elsewhere.
        repeats: How often much the same decoy was drawn; so many weigh as one.

    Source: Pickands, Statistical inference using extreme order statistics, Annals of Statistics
        1975; the exponential is the generalised Pareto distribution of shape 0.

    Example:
        >>> decoys = np.array([0.0] * 90 + [1.0] * 10)
        >>> bound = tail_p_value(40.0, decoys, count=100, scale=5.0)
        >>> rank_p_value(40.0, decoys) > 100 * bound
        True
    """
    weight = min(1.0, count / max(len(decoys), 1))
    rank = (1 + weight * np.count_nonzero(decoys >= value)) / (1 + count)
    if count < _ENOUGH or (decoys >= value).any():
        return float(rank)
    positive = decoys[decoys > 0]
    above = np.median(positive) if len(positive) >= _ENOUGH else 0.0
    excess = positive[positive > above] - above
    mean = (excess.sum() / repeats + _USUAL_WEIGHT * scale) / (
        len(excess) / repeats + _USUAL_WEIGHT
    )
    often = (1 + weight * len(excess)) / (1 + count)
    return float(min(rank, often * np.exp(-(value - above) / max(mean, scale))))


def least_tail_p_value(count: float) -> float:
    """Returns the smallest value that `tail_p_value` can have; 0 where it extrapolates."""
    return 0.0 if count >= _ENOUGH else 1 / (1 + count)


_ENOUGH = 10  # decoys; below that many nothing is said of values beyond all of them
_USUAL_WEIGHT = 5  # of what is usual elsewhere, in decoys


def discoveries(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Returns which claims hold when a share of at most `rate` of those that hold may be false.

    Args:
        p_values: Of all claims that were tested, 0 to 1, shape (n,).
        rate: Wanted false discovery rate, 0 to 1.

    Returns:
        bool, shape (n,).

    Source: Benjamini and Hochberg, Controlling the false discovery rate, JRSS B 1995; valid under
        positive
    dependence (Benjamini and Yekutieli 2001) and for conformal p-values that share their decoys
    (Bates et al., Annals of Statistics 2023).

    Example:
        >>> discoveries(np.array([0.001, 0.5, 0.02]), 0.05).tolist()
        [True, False, True]
    """
    from scipy.stats import false_discovery_control

    if not len(p_values):
        return np.zeros(0, bool)
    adjusted = false_discovery_control(p_values, method="bh")
    # p n / i and rate differ in the last bit where p is exactly rate i / n, which ranks among
    # decoys do hit
    return np.asarray(adjusted <= rate * (1 + 1e-12))


def wilson_interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the Wilson score interval of a share; (0, 1) where nothing was counted.

    Source: Wilson, Probable inference, JASA 1927.

    Example:
        >>> [round(x, 3) for x in wilson_interval(0, 100)]
        [0.0, 0.037]
    """
    return _interval(hits, of, "wilson", confidence)


def exact_interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval of a share: never too narrow, also near 0 and 1.

    It is (0, 1) where nothing was counted.

    Source: Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 1934.

    Example:
        >>> [round(x, 3) for x in exact_interval(0, 100)]
        [0.0, 0.036]
    """
    return _interval(hits, of, "exact", confidence)


def _interval(
    hits: int, of: int, method: Literal["exact", "wilson"], confidence: float
) -> tuple[float, float]:
    from scipy.stats import binomtest

    if of == 0:
        return (0.0, 1.0)
    interval = binomtest(hits, of).proportion_ci(confidence, method=method)
    return float(interval.low), float(interval.high)
