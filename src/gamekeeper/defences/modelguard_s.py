"""ModelGuard-S: one of a few fixed answers, so that an answer tells no more than its number.

Whatever a thief knows of the defence, an answer out of m tells at most log2 m bits, and fewer where
some are given far more often than others. So the owner makes a codebook from scores of the own
validation data: for each class in first place, centres are added until every row is within the
budget of one. A row is given the first centre within the budget, the commonest centres first, which
keeps the answers' entropy low.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.base.errors import UsageError
from gamekeeper.defences._defence import (
    DefenceCard,
    Parameter,
    Scores,
    defence,
    keep_top1,
    require_scores,
)

MODELGUARD_S = DefenceCard(
    name="modelguard-s",
    purpose=(
        "Gives one of a few fixed answers, the most common one within a budget of the true scores."
    ),
    parameters=(
        Parameter(
            name="codebook",
            meaning="the answers, rows of scores, made by fit_codebook",
            default=None,
        ),
        Parameter(
            name="budget",
            meaning="L1 change of a row, kept on the data the codebook was made from",
            default=0.5,
            low=0.0,
            high=2.0,
        ),
    ),
    keeps_top1=True,
    cost_to_users=(
        "Confidence comes in steps, right on average; digits: L1 change .14, calibration error .03"
        " to .03."
    ),
    undone_by=(
        "What is withheld cannot be restored; a thief trains on the label and the coarse"
        " confidence."
    ),
    source=(
        "Tang et al., ModelGuard, USENIX Security 2024, variant S, in the form of its public code"
        " (centres grown until all are within the budget, the first that fits is given); here the"
        " codebook is made beforehand and frozen, so that replicas agree, and is in order of use."
    ),
)

_ROUNDS = 25
_ROOM = 2**18  # numbers in one array


def fit_codebook(scores: np.ndarray, budget: float) -> np.ndarray:
    """Makes the answers of `modelguard-s`.

    Args:
        scores: Probabilities of validation data, shape (n, classes). Not the training data: there a
            model is too sure.
        budget: L1 distance at most from every row to a centre that has the same class in first
            place.

    Returns:
        Centres, float64, shape (m, classes), for each class the commonest first. A class that is
        never in first place has one: 1 for itself.

    Raises:
        InputError: `scores` cannot be scores.
        UsageError: `budget` is not above 0.
    """
    if not budget > 0:
        raise UsageError(f"the budget of a codebook is above 0; found {budget}")
    scores = require_scores(scores)
    scores = scores / scores.sum(1, keepdims=True)
    top = scores.argmax(1) if len(scores) else np.zeros(0, np.intp)
    books = [_centres(scores[top == c], budget) for c in range(scores.shape[1])]
    alone = np.eye(scores.shape[1])
    return np.concatenate([b if len(b) else alone[c : c + 1] for c, b in enumerate(books)])


def _centres(rows: np.ndarray, budget: float) -> np.ndarray:
    if not len(rows):
        return rows
    centres = rows.mean(0, keepdims=True)
    while True:
        centres, nearest, distance = _settled(rows, centres)
        if distance.max() <= budget:
            order = np.argsort(-np.bincount(nearest, minlength=len(centres)), kind="stable")
            return np.asarray(centres[order])
        centres = np.concatenate([centres, rows[distance.argmax()][None]])


def _settled(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moves centres to the means of their rows; returns them, the nearest of each row, and its
    distance.
    """
    for _ in range(_ROUNDS):
        nearest = _distances(rows, centres).argmin(1)
        moved = np.stack([rows[nearest == c].mean(0) for c in np.unique(nearest)])
        if moved.shape == centres.shape and np.allclose(moved, centres, atol=1e-4):
            break
        centres = moved
    distances = _distances(rows, centres)
    return centres, distances.argmin(1), distances.min(1)


def _distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """L1, shape (n, m); a few rows at a time, for the differences have n m classes numbers."""
    step = max(1, _ROOM // max(1, centres.size))
    parts = [
        np.abs(rows[i : i + step, None, :] - centres).sum(2) for i in range(0, len(rows), step)
    ]
    return np.concatenate(parts)


@defence(MODELGUARD_S)
def modelguard_s(key: bytes, *, codebook: object, budget: float) -> Scores:
    """Makes the defence; the key is not used."""
    centres = require_scores(np.asarray(codebook))
    centres = centres / centres.sum(1, keepdims=True)
    first = centres.argmax(1) if len(centres) else np.zeros(0, np.intp)
    if set(first.tolist()) != set(range(centres.shape[1])):
        raise UsageError(
            "the codebook of modelguard-s wants an answer for each class; make it with fit_codebook"
        )

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        if p.shape[1] != centres.shape[1]:
            raise UsageError(
                f"the codebook has {centres.shape[1]} classes and the scores {p.shape[1]}"
            )
        distance = _distances(p, centres)
        distance[first != p.argmax(1)[:, None]] = np.inf
        fits = distance <= budget
        return np.asarray(centres[np.where(fits.any(1), fits.argmax(1), distance.argmin(1))])

    centres = keep_top1(centres, centres.copy())
    return change
