"""PRADA: distances between a client's queries are normally distributed, unless they are made up.

Of each query, the distance to the nearest earlier one kept (`growing set`); a query is kept where
that distance exceeds a threshold that grows with those kept. From 100 distances on, every tenth
query, the Shapiro-Wilk statistic W of the distances within three standard deviations; an attack
where W < delta.

For a log of many accounts: a language model gives no classes, so all queries are of one class; the
score is 1 - the lowest W seen; accounts of 100 queries or fewer are not measured, as in the paper.

Source: Juuti, Szyller, Marchal, Asokan, EuroS&P 2019, arXiv 1805.02628, algorithm of section V.
    Checked against its claim that attacks by fixed steps from few seeds fall below delta = .95 and
    that queries drawn from one natural distribution stay above it; its images were not run.
"""

import numpy as np
from scipy.stats import shapiro

from published.traffic import Traffic

FEWEST = 100
EVERY = 10


def prada(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores each account by 1 - W."""
    scores = np.full(len(subject.accounts), -np.inf)
    for number, rows in enumerate(subject.rows):
        if len(rows) > FEWEST:
            scores[number] = 1 - lowest_w(subject.vectors[rows])
    return scores


def lowest_w(queries: np.ndarray) -> float:
    """The lowest W that a stream of queries, shape (n, d), reaches; 1 if it is too short."""
    distances = distances_to_kept(queries)
    ends = range(FEWEST + 1, len(distances) + 1, EVERY)
    return min((_w(distances[:end]) for end in ends), default=1.0)


def distances_to_kept(queries: np.ndarray) -> np.ndarray:
    """Distance of each query but the first to the nearest earlier one that was kept."""
    kept = np.empty_like(queries)
    kept[0] = queries[0]
    count = 1
    of_kept = [0.0]
    threshold = 0.0
    distances = np.empty(len(queries) - 1)
    for place, query in enumerate(queries[1:]):
        nearest = float(np.sqrt(np.square(kept[:count] - query).sum(axis=1).min()))
        distances[place] = nearest
        if nearest > threshold:
            kept[count] = query
            count += 1
            of_kept.append(nearest)
            threshold = max(threshold, float(np.mean(of_kept) - np.std(of_kept)))
    return distances


def _w(distances: np.ndarray) -> float:
    deviation = distances.std()
    if deviation == 0:
        return 0.0
    near = distances[np.abs(distances - distances.mean()) < 3 * deviation]
    return float(shapiro(near).statistic)
