"""False discovery control over all claims of a run.

Source: Benjamini and Hochberg, Controlling the false discovery rate, JRSS B 1995; valid under positive
dependence (Benjamini and Yekutieli 2001) and for conformal p-values that share their decoys (Bates et al.,
Annals of Statistics 2023).
"""

import numpy as np


def discoveries(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Returns which claims stand when a share of at most `rate` of those that stand may be false.

    Args:
        p_values: Of all claims that were tested, shape (n,).
        rate: Wanted false discovery rate, 0 to 1.

    Returns:
        bool, shape (n,).

    Example:
        >>> discoveries(np.array([0.001, 0.5, 0.02]), 0.05).tolist()
        [True, False, True]
    """
    order = np.argsort(p_values)
    passes = p_values[order] <= rate * np.arange(1, len(p_values) + 1) / max(len(p_values), 1)
    stand = np.zeros(len(p_values), bool)
    if passes.any():
        stand[order[: np.flatnonzero(passes)[-1] + 1]] = True
    return stand
