"""p-values by rank among decoys.

    p = (1 + decoys at least as extreme) / (1 + decoys)

Exact where the claim and its decoys are exchangeable under "nothing is going on"; never 0, and never smaller
than the number of decoys supports.

Source: Besag and Clifford, Sequential Monte Carlo p-values, Biometrika 1991; Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005 (conformal p-values).
"""

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
