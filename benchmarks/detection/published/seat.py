"""SEAT: an account whose queries are near copies of each other is extracting.

Counts pairs of queries of one account whose embeddings are nearer than a distance that few pairs of
ordinary queries fall under; the paper cancels an account at 50 pairs.

For a log of many accounts: the encoder is `hunt`'s, not one trained adversarially on the model's
own inputs, and the distance is that under which one ordinary pair in 10,000 falls.

Source: Zhang, Chen, Wagner, AISec 2021, doi 10.1145/3474369.3486863. Checked against what its rule
    says: variants of few seeds are counted, natural queries are not, and an account's count does
    not change where its queries are split by seed over accounts. Its factors of 3.8 to 16 depend on
    image models that were not run.
"""

import numpy as np

from published.traffic import Traffic

FALL_UNDER = 1e-4
PAIRS = 50_000
ROUNDS = 20


def seat(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores each account by its number of near pairs."""
    near = near_enough(reference)
    return np.array([near_pairs(subject.vectors[rows], near) for rows in subject.rows], float)


def near_enough(reference: Traffic) -> float:
    """The similarity that one in 10,000 pairs of ordinary queries exceeds."""
    rng = np.random.default_rng(0)
    similarities = [_pairs_at_random(reference, rng) for _ in range(ROUNDS)]
    return float(np.quantile(np.concatenate(similarities), 1 - FALL_UNDER))


def _pairs_at_random(reference: Traffic, rng: np.random.Generator) -> np.ndarray:
    left, right = rng.integers(0, len(reference.vectors), (2, PAIRS))
    apart = reference.account[left] != reference.account[right]
    ends = reference.vectors[left[apart]], reference.vectors[right[apart]]
    return np.einsum("ij,ij->i", *ends)


def near_pairs(vectors: np.ndarray, near: float) -> int:
    """Pairs of vectors, shape (n, d), whose similarity exceeds `near`."""
    above = np.count_nonzero(vectors @ vectors.T > near)
    own = np.count_nonzero((vectors * vectors).sum(axis=1) > near)
    return int(above - own) // 2
