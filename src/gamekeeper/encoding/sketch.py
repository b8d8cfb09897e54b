"""Cells: a fixed random partition of the space of vectors, to count how much of it an account
covers.
"""

import numpy as np

BITS = 12


def cells(vectors: np.ndarray) -> np.ndarray:
    """Returns the cell of each vector: the signs of its products with `BITS` fixed random
    directions.

    Args:
        vectors: float32, shape (n, d).

    Returns:
        uint16, shape (n,), 0 to 2**BITS - 1.

    Source: Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002.
    """
    directions = (
        np.random.default_rng(7).standard_normal((vectors.shape[1], BITS)).astype(np.float32)
    )
    signs = (vectors @ directions) > 0
    return (signs @ (1 << np.arange(BITS))).astype(np.uint16)
