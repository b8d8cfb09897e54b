"""Membership: was this row in the training data? Judged where it counts, at few false alarms.

Models are trained by the owner's own recipe on random halves of the same rows, two and two: what
one of a pair has not, the other has. Each model in turn is the target, all pairs but its own are
the shadows, so that every row is in half of them whatever the target had. (With the target's other
half among the shadows, a row that the target had is in fewer of them than one that it had not: a
mean over shadows then tells the answer, and the figures are too high.)

A row's reading is the log-odds of its label,

    r = log p_y - log (1 - p_y)

at the row itself, and on average at points around it: the trace of a row is sharper than what grew
there by itself.

    loss    r at the row alone
    lira    log p(r | in) - log p(r | out), of both readings, see `likelihood`
    joint   the same, less what the other rows do to a row by lira's verdict on them, see `crowd`
    rmia    p_y over its mean over shadows

Source: Carlini et al., Membership Inference Attacks From First Principles, S&P 2022 (LiRA, and TPR
    at low FPR);
Zarifzadeh et al., ICML 2024 (RMIA; with one population for all rows its order is that of the ratio
used here).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.privacy.crowd import Crowd, without_pull
from gamekeeper.audit.privacy.likelihood import log_likelihood
from gamekeeper.audit.targets import Array
from gamekeeper.evidence import exact_interval

Answer = Callable[[Array], Array]
"""Inputs, shape (n, width), to probabilities, shape (n, classes)."""
Recipe = Callable[[Array, Array, int], Answer]
"""Inputs, labels and a seed to a trained model: the owner's own training."""

FALSE_ALARMS = (0.01, 0.001)
"""Shares of non-members taken for members at which a leak is told."""
# points around a row, and how far off, in deviations of each feature
_AROUND = 16
_REACH = 0.35
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class Shadows:
    """Models on random halves of the same rows, in pairs that halve them: 0 and 1, 2 and 3, and so
    on.

    Args:
        readings: Log-odds of each row's label by each model, at the row and around it, shape
            (models, n, 2).
        members: Whether the model had the row, shape (models, n).
        crowd: What other rows do to a row.
    """

    readings: Array
    members: Array
    crowd: Crowd


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
    trained: Callable[[Array, Array, Answer], object] = lambda rows, labels, answer: None,
) -> Shadows:
    """Trains models on random halves, so that each row is in exactly half of each pair of them.

    Args:
        fit: The owner's recipe.
        inputs: Rows, shape (n, width).
        labels: Theirs, from 0, shape (n,).
        models: To train; 4 at least.
        rng: Draws the halves.
        poison: Rows and labels that every model is given beside its half.
        trained: Told of each model that is done: rows and labels it was given, and how it answers.
    """
    members = np.empty((models, len(inputs)), bool)
    readings = np.empty((*members.shape, 2))
    around = int(rng.integers(1 << 31))
    for number in range(models):
        members[number] = (
            ~members[number - 1] if number % 2 else rng.permutation(len(inputs)) % 2 == 0
        )
        rows = inputs[members[number]]
        wanted = labels[members[number]]
        if poison is not None:
            rows = np.vstack([rows, poison[0]])
            wanted = np.concatenate([wanted, poison[1]])
        answer = fit(rows, wanted, int(rng.integers(1 << 31)))
        readings[number] = _read(answer, inputs, labels, around)
        trained(rows, wanted, answer)
    return Shadows(readings, members, Crowd(inputs, labels))


def _read(answer: Answer, inputs: Array, labels: Array, around: int) -> Array:
    """Log-odds at each row and on average around it, shape (n, 2), at the same points for all
    models.
    """
    rng = np.random.default_rng(around)
    reach = _REACH * inputs.std(axis=0)
    near = np.zeros(len(inputs))
    for _ in range(_AROUND):
        near += (
            log_odds_of(answer(inputs + reach * rng.standard_normal(inputs.shape)), labels)
            / _AROUND
        )
    return np.stack([log_odds_of(answer(inputs), labels), near], axis=1)


def log_odds_of(answers: Array, labels: Array) -> Array:
    """Returns log p_y - log (1 - p_y), shape (n,); 1 - p_y is summed, so that it keeps its
    digits.
    """
    rows = np.arange(len(labels))
    own = answers[rows, labels]
    rest = answers.copy()
    rest[rows, labels] = 0
    return np.asarray(np.log(own + _FLOOR) - np.log(rest.sum(axis=1) + _FLOOR))


def leaks(shadows: Shadows, rows: Array | None = None) -> tuple[Leak, ...]:
    """Plays every attack, each model in turn the target.

    Args:
        shadows: Models, 4 at least; the other pairs are the target's shadows.
        rows: Of which membership is asked, positions; None for all.
    """
    rows = np.arange(shadows.members.shape[1]) if rows is None else rows
    pulls = np.stack([shadows.crowd.pull(had.astype(float)) for had in shadows.members])
    scores: dict[str, list[Array]] = {}
    for target in range(len(shadows.readings)):
        for name, score in _scores(shadows, pulls, target):
            scores.setdefault(name, []).append(score[rows])
    members = shadows.members[:, rows].ravel()
    return tuple(_leak(name, np.concatenate(each), members) for name, each in scores.items())


def _scores(shadows: Shadows, pulls: Array, target: int) -> Iterator[tuple[str, Array]]:
    """Each attack's score of every row, shape (n,); higher is more likely a member."""
    pair = [target, target ^ 1]
    reading = shadows.readings[target]
    others, pulls, had = (
        np.delete(each, pair, axis=0) for each in (shadows.readings, pulls, shadows.members)
    )
    yield "loss", reading[:, 0]
    inside = _parted(others, had)
    outside = _parted(others, ~had)
    verdict = log_likelihood(reading, inside, outside) - log_likelihood(reading, outside, inside)
    yield "lira", verdict
    pull = shadows.crowd.pull(np.exp(_log_p(verdict)))
    in_reading, inside = without_pull(reading, inside, pull, _parted(pulls, had))
    out_reading, outside = without_pull(reading, outside, pull, _parted(pulls, ~had))
    yield (
        "joint",
        log_likelihood(in_reading, inside, outside) - log_likelihood(out_reading, outside, inside),
    )
    yield (
        "rmia",
        _log_p(reading[:, 0]) - np.log(np.exp(_log_p(others[..., 0])).mean(axis=0) + _FLOOR),
    )


def _parted(each: Array, had: Array) -> Array:
    """What models give for each row, of those that count, shape (models / 2, n, ...): as many for
    every row.
    """
    order = np.argsort(~had, axis=0, kind="stable")[: len(had) // 2]
    return np.take_along_axis(each, order.reshape(*order.shape, *(1,) * (each.ndim - 2)), axis=0)


def _log_p(readings: Array) -> Array:
    return np.asarray(-np.logaddexp(0, -readings))


def _leak(name: str, scores: Array, members: Array) -> Leak:
    inside = scores[members]
    outside = np.sort(scores[~members])[::-1]
    found = []
    intervals = []
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
