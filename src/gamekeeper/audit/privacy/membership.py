"""Membership: was this row in the training data? Judged where it counts, at few false alarms.

Models are trained by the owner's own recipe on random halves of the same rows, so that each row is known to be in half
of them. Each model in turn is the target, the others the shadows. A row's reading is the log-odds of its label,

    r = log p_y - log (1 - p_y)

    loss          r alone
    lira          log N(r; in) - log N(r; out), a normal for each row, from shadows that had it and shadows that had not
    lira-offline  how far r lies above the shadows that had it not, in their deviations
    rmia          p_y over its mean over shadows

Deviations from a few shadows are drawn towards that of all rows, as a few more shadows would (an inverse-gamma prior).

Source: Carlini et al., Membership Inference Attacks From First Principles, S&P 2022 (LiRA, and TPR at low FPR);
Zarifzadeh et al., ICML 2024 (RMIA; with one population for all rows its order is that of the ratio used here); the
prior in the manner of BaVarIA, 2026.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.targets import Array
from gamekeeper.evidence import exact_interval

Answer = Callable[[Array], Array]
"""Inputs, shape (n, width), to probabilities, shape (n, classes)."""
Recipe = Callable[[Array, Array, int], Answer]
"""Inputs, labels and a seed to a trained model: the owner's own training."""

FALSE_ALARMS = (0.01, 0.001)
"""Shares of non-members taken for members at which a leak is told."""
_PRIOR = 4.0  # shadows that the deviation of all rows counts for
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class Shadows:
    """Models on random halves of the same rows.

    Args:
        readings: Log-odds of each row's label by each model, shape (models, n).
        members: Whether the model had the row, shape (models, n).
    """

    readings: Array
    members: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """How well members are told from others.

    Args:
        attack: By name.
        auc: Area under the curve; .5 tells nothing.
        found: Of the members, the share found at each share of `FALSE_ALARMS`.
        intervals: Of `found`, 95 %, Clopper-Pearson, the threshold taken as given.
        members: Pairs of model and member that were judged.
        others: Pairs of model and other row; below 1 / this no share of false alarms can be told.
    """

    attack: str
    auc: float
    found: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    members: int
    others: int


def train_shadows(
    fit: Recipe,
    inputs: Array,
    labels: Array,
    models: int,
    rng: np.random.Generator,
    *,
    poison: tuple[Array, Array] | None = None,
    trained: Callable[[int], object] = lambda number: None,
) -> Shadows:
    """Trains models on random halves, so that each row is in exactly half of each pair of them.

    Args:
        fit: The owner's recipe.
        inputs: Rows, shape (n, width).
        labels: Theirs, from 0, shape (n,).
        models: To train; 4 at least.
        rng: Draws the halves.
        poison: Rows and labels that every model is given beside its half.
        trained: Told of each model that is done.
    """
    members = np.empty((models, len(inputs)), bool)
    readings = np.empty(members.shape)
    for number in range(models):
        members[number] = ~members[number - 1] if number % 2 else rng.permutation(len(inputs)) % 2 == 0
        rows, wanted = inputs[members[number]], labels[members[number]]
        if poison is not None:
            rows, wanted = np.vstack([rows, poison[0]]), np.concatenate([wanted, poison[1]])
        answers = fit(rows, wanted, int(rng.integers(1 << 31)))(inputs)
        readings[number] = log_odds_of(answers, labels)
        trained(number)
    return Shadows(readings, members)


def log_odds_of(answers: Array, labels: Array) -> Array:
    """Returns log p_y - log (1 - p_y), shape (n,); 1 - p_y is summed, so that it keeps its digits."""
    rows = np.arange(len(labels))
    own = answers[rows, labels]
    rest = answers.copy()
    rest[rows, labels] = 0
    return np.asarray(np.log(own + _FLOOR) - np.log(rest.sum(axis=1) + _FLOOR))


def leaks(shadows: Shadows, rows: Array | None = None) -> tuple[Leak, ...]:
    """Plays every attack, each model in turn the target.

    Args:
        shadows: Models; the others are the target's shadows.
        rows: Of which membership is asked, positions; None for all.
    """
    rows = np.arange(shadows.members.shape[1]) if rows is None else rows
    scores: dict[str, list[Array]] = {}
    for target in range(len(shadows.readings)):
        for name, score in _scores(shadows, target):
            scores.setdefault(name, []).append(score[rows])
    members = shadows.members[:, rows].ravel()
    return tuple(_leak(name, np.concatenate(each), members) for name, each in scores.items())


def _scores(shadows: Shadows, target: int) -> Iterator[tuple[str, Array]]:
    """Each attack's score of every row, shape (n,); higher is more likely a member."""
    reading = shadows.readings[target]
    others = np.delete(shadows.readings, target, axis=0)
    had = np.delete(shadows.members, target, axis=0)
    (mean_in, sd_in), (mean_out, sd_out) = _normal(others, had), _normal(others, ~had)
    yield "loss", reading
    yield "lira", _log_normal(reading, mean_in, sd_in) - _log_normal(reading, mean_out, sd_out)
    yield "lira-offline", (reading - mean_out) / sd_out
    yield "rmia", _log_p(reading) - np.log(np.exp(_log_p(others)).mean(axis=0) + _FLOOR)


def _normal(readings: Array, had: Array) -> tuple[Array, Array]:
    """Mean and deviation of each row over the models that count, the deviation drawn towards that of all rows."""
    n = had.sum(axis=0)
    mean = np.where(had, readings, 0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(had, readings - mean, 0) ** 2).sum(axis=0)
    common = squares.sum() / max(1, int(np.maximum(n - 1, 0).sum()))
    sd = np.sqrt((squares + _PRIOR * common) / (np.maximum(n - 1, 0) + _PRIOR)) + 1e-9
    return np.where(n > 0, mean, readings.mean()), sd


def _log_normal(x: Array, mean: Array, sd: Array) -> Array:
    return np.asarray(-np.log(sd) - 0.5 * ((x - mean) / sd) ** 2)


def _log_p(readings: Array) -> Array:
    return np.asarray(-np.logaddexp(0, -readings))


def _leak(name: str, scores: Array, members: Array) -> Leak:
    inside, outside = scores[members], np.sort(scores[~members])[::-1]
    found, intervals = [], []
    for share in FALSE_ALARMS:
        threshold = outside[min(int(share * len(outside)), len(outside) - 1)]
        hits = int((inside > threshold).sum())
        found.append(hits / len(inside))
        intervals.append(exact_interval(hits, len(inside)))
    return Leak(
        attack=name,
        auc=_auc(inside, outside),
        found=tuple(found),
        intervals=tuple(intervals),
        members=len(inside),
        others=len(outside),
    )


def _auc(inside: Array, outside: Array) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))
