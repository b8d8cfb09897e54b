"""Coverage: how much of the space of queries does one account touch?

Counts the buckets of a locality-sensitive hash (signs of random projections) that an account's
window touches: a thief of an encoder's whole space covers more than a user with a task.

For a log of many accounts: the window is an account's latest queries; the score is in standard
deviations of windows of ordinary queries, whosever they are.

Source: Dubinski et al., Bucks for Buckets (B4B), NeurIPS 2023, arXiv 2310.08571; 2,048 buckets as in
    the adapted baseline CAP of arXiv 2606.05725. Checked against its premise: queries over the
    whole space touch more buckets than as many of one task.
"""

import numpy as np

from published.traffic import SIZES, Traffic, window

BITS = 11
NULL_WINDOWS = 200


def coverage(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores the latest window of each account."""
    rng = np.random.default_rng(0)
    planes = rng.standard_normal((reference.vectors.shape[1], BITS))
    centre = reference.vectors.mean(axis=0)
    ordinary = buckets(reference.vectors - centre, planes)
    null = {
        size: [len(set(rng.choice(ordinary, size))) for _ in range(NULL_WINDOWS)] for size in SIZES
    }
    touched = buckets(subject.vectors - centre, planes)
    scores = np.full(len(subject.accounts), -np.inf)
    for number, rows in enumerate(subject.rows):
        seen = window(rows)
        if len(seen):
            drawn = null[len(seen)]
            scores[number] = (len(set(touched[seen])) - np.mean(drawn)) / (np.std(drawn) + 1e-9)
    return scores


def buckets(vectors: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Bucket of each vector: the signs of its projections, as bits."""
    signs = vectors @ planes > 0
    return np.asarray(signs @ (1 << np.arange(planes.shape[1])))
