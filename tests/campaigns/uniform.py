"""Whether p-values keep what they promise, with the error of the check itself."""

from collections.abc import Sequence

import numpy as np

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75)


def require_valid(p_values: Sequence[np.ndarray], errors: float = 3.0) -> None:
    """Fails where p-values of worlds without any campaign are too often small.

    Under the null P(p <= a) <= a. The share of p-values up to a is measured in each world, because
    those of one world depend on each other, and may exceed a by `errors` standard errors of its
    mean over worlds: by chance one check in 740 fails at each level.

    Args:
        p_values: One array for each world.
        errors: Standard errors that are allowed.
    """
    for level in LEVELS:
        shares = np.array([(p <= level + 1e-12).mean() for p in p_values if len(p)])
        allowed = level + errors * shares.std(ddof=1) / np.sqrt(len(shares))
        assert shares.mean() <= allowed, (level, shares.mean(), allowed)


def require_uniform(p_values: np.ndarray) -> None:
    """Fails where independent p-values are not uniform: neither too small nor too large.

    The bound is that of Dvoretzky, Kiefer and Wolfowitz (Massart 1990) at one in a thousand, with
    room for a p-value that takes no more than a hundred values.
    """
    ordered = np.sort(p_values)
    share = np.arange(1, len(ordered) + 1) / len(ordered)
    bound = np.sqrt(np.log(2 / 1e-3) / (2 * len(ordered))) + 0.01
    assert np.abs(share - ordered).max() <= bound, (np.abs(share - ordered).max(), bound)
