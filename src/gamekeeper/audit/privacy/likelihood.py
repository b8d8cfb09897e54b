"""How likely a reading is, of a row of which a few shadows are known: what few cannot say is taken
from all rows.

A row's readings x (d of them) are normal around its own mean, with the covariance of all rows, S,
times a scale of its own. The mean is normal around what the row's other side (in for out, out for
in) foretells, with covariance T; the scale is inverse gamma around 1. From n shadows with mean m,
foretold f, and squared distances Q from their mean,

    G = T (T + S/n)^-1      m' = f + G (m - f)      C = S + G S/n      s = (v + Q) / (v + (n - 1) d)

    x ~ Student's t, v + (n - 1) d degrees of freedom, centre m', matrix s C

T, S and the foretelling line are those of the rows at hand (empirical Bayes).

Source: the conjugate prior for LiRA with few shadows as in BaVarIA, 2026; Gelman et al., Bayesian
    Data Analysis,
chapters 3 and 5. What differs here: the mean is shrunk too, towards what the other side foretells.
"""

import numpy as np

from gamekeeper.audit.targets import Array

_PRIOR = 24.0  # v, degrees of freedom that all rows count for
_LEAST = 1e-9


def log_likelihood(x: Array, shadows: Array, other: Array) -> Array:
    """Returns the log-likelihood of each row's readings, up to a constant, shape (n,).

    Args:
        x: The target's readings, shape (n, d).
        shadows: Those of the shadows on the side in question, shape (shadows, n, d).
        other: Those of the shadows on the other side, shape (others, n, d).
    """
    count, _, width = shadows.shape
    mean = shadows.mean(axis=0)
    common = _common(shadows)
    foretold = _foretold(mean, other.mean(axis=0))
    between = _positive(np.cov((mean - foretold).T).reshape(width, width) - common / count)
    gain = between @ np.linalg.inv(between + common / count)
    matrix = common + gain @ common / count
    freedom = _PRIOR + (count - 1) * width
    scale = (_PRIOR + _squares(shadows - mean, common).sum(axis=0)) / freedom
    far = _squares(x - foretold - (mean - foretold) @ gain.T, matrix) / scale
    volume = np.linalg.slogdet(matrix)[1] + width * np.log(scale)
    return np.asarray(-0.5 * volume - 0.5 * (freedom + width) * np.log1p(far / freedom))


def _common(shadows: Array) -> Array:
    """Covariance of readings around each row's mean, shape (d, d); of one shadow a row, half that
    of all readings.
    """
    count, rows, width = shadows.shape
    rest = (shadows - shadows.mean(axis=(0, 1) if count == 1 else 0)).reshape(-1, width)
    return np.asarray(rest.T @ rest / ((count - 1 or 2) * rows) + _LEAST * np.eye(width))


def _foretold(mean: Array, other: Array) -> Array:
    """Each row's mean as a line in the means of its other side, shape (n, d)."""
    given = np.column_stack([np.ones(len(other)), other])
    return np.asarray(given @ np.linalg.lstsq(given, mean, rcond=None)[0])


def _positive(matrix: Array) -> Array:
    """The nearest covariance: a variance below 0 is invalid."""
    sizes, directions = np.linalg.eigh(matrix)
    return np.asarray((directions * np.maximum(sizes, 0)) @ directions.T)


def _squares(x: Array, matrix: Array) -> Array:
    """Squared distances by a covariance, the last axis summed."""
    return np.asarray((x @ np.linalg.inv(matrix) * x).sum(axis=-1))
