"""Marginal Mahalanobis distance: how far are queries from the bulk of ordinary ones?

One Gaussian over all ordinary embeddings (marginal: not one a class); the score of a window is the
mean distance of its queries, one-sided.

For a log of many accounts: the window is an account's latest queries, and the score is in standard
errors of that mean for ordinary queries.

Source: the adapted baseline of arXiv 2606.05725, after Lee et al., NeurIPS 2018. Checked: squared
    distances of Gaussian queries have the mean of chi-square, d. Its figures need query sets that
    could not be had.
"""

import numpy as np

from published.traffic import Traffic, window

RIDGE = 1e-4
"""Added to the covariance's diagonal, times its mean, so that it can be inverted."""


def mahalanobis(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores the latest window of each account."""
    ordinary = squared_distances(reference.vectors, reference.vectors) ** 0.5
    distances = squared_distances(subject.vectors, reference.vectors) ** 0.5
    scores = np.full(len(subject.accounts), -np.inf)
    for number, rows in enumerate(subject.rows):
        seen = window(rows)
        if len(seen):
            error = ordinary.std() / len(seen) ** 0.5
            scores[number] = (distances[seen].mean() - ordinary.mean()) / error
    return scores


def squared_distances(vectors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance of each of `vectors` to the Gaussian of `reference`."""
    covariance = np.cov(reference, rowvar=False).astype(np.float64)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    off = vectors - reference.mean(axis=0)
    solved = np.linalg.solve(covariance, off.T).T
    return np.asarray((off * solved).sum(axis=1))
