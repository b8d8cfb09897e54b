"""Noise that is drawn again for every answer, for comparison: repeated queries average it away.

    y' = (1 - amount) y + amount r,   r a point of the simplex, another each time

`gamekeeper.defences` has keyed noise in its place, so this one is only here.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.audit.targets import Array

NAME = "free-noise"
PURPOSE = "Mixes scores with noise that is drawn again for every answer; for comparison in audits."
UNDONE_BY = "Asking again and averaging; taking the label."
_AMOUNT = 0.2


class FreeNoise:
    """A defence that adds new noise to every answer.

    Args:
        rng: Draws the noise.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, scores: Array, inputs: Sequence[bytes]) -> Array:
        """Returns probabilities, shape (n, classes), with noise."""
        noise = self._rng.dirichlet(np.ones(scores.shape[1]), len(scores))
        return np.asarray((1 - _AMOUNT) * scores + _AMOUNT * noise)
