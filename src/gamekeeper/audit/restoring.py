"""What an attacker does about a known defence: rehearse it, and learn the way back.

Rows of probabilities are drawn and put through the same defence with another key; the way from
given to true is learnt by a table (nearest neighbours) and by trees, whichever errs less on rows
kept apart. Rows are sorted first, because no defence here depends on which class is which; so a few
thousand rows suffice for any number of classes. No query is spent.

Source: the table and the network of D-DAE (Chen et al., USENIX Security 2023), in the form stated
    here.
"""

from collections.abc import Callable

import numpy as np

from gamekeeper.audit.targets import Array
from gamekeeper.defences import Scores

Restore = Callable[[Array], Array]
"""Rows as they were given to rows as they may have been, both of shape (n, classes)."""

_ROWS = 4_000
_FLOOR = 1e-6
_NEIGHBOURS = 5


def learn_to_restore(defence: Scores, classes: int, rng: np.random.Generator) -> Restore:
    """Returns the way back through a defence.

    Args:
        defence: As the thief runs it.
        classes: Of a row.
        rng: Draws the rows.
    """
    true = _drawn(classes, rng)
    given = defence(true, [rng.bytes(16) for _ in range(_ROWS)])
    order = np.argsort(-given, axis=1, kind="stable")
    learnt = _learnt(_logs(given, order), _logs(true, order), rng)

    def restore(rows: Array) -> Array:
        order = np.argsort(-rows, axis=1, kind="stable")
        likely = np.exp(learnt(_logs(rows, order)))
        restored = np.empty_like(rows)
        np.put_along_axis(restored, order, likely / likely.sum(axis=1, keepdims=True), axis=1)
        return restored

    return restore


def _drawn(classes: int, rng: np.random.Generator) -> Array:
    """Rows from unsure to sure, shape (4,000, classes)."""
    scores = rng.standard_normal((_ROWS, classes)) * rng.uniform(0.3, 6, (_ROWS, 1))
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def _logs(rows: Array, order: Array) -> Array:
    return np.asarray(np.log(np.maximum(np.take_along_axis(rows, order, axis=1), _FLOOR)))


def _learnt(given: Array, true: Array, rng: np.random.Generator) -> Restore:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.neighbors import KNeighborsRegressor

    kept = int(_ROWS * 0.8)
    ways = [
        KNeighborsRegressor(_NEIGHBOURS, weights="distance"),
        ExtraTreesRegressor(50, min_samples_leaf=3, random_state=int(rng.integers(1 << 31))),
    ]
    errors = [
        np.abs(way.fit(given[:kept], true[:kept]).predict(given[kept:]) - true[kept:]).mean()
        for way in ways
    ]
    best = ways[int(np.argmin(errors))]
    return lambda rows: np.asarray(best.predict(rows))
