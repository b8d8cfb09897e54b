"""What the other rows do to a row: how a model reads it depends on what else was in the training
data.

Where a row's neighbours of the same label were in, it is read as a member would be. A kernel
regression that is trained on the same rows foretells that, of each row with the row itself left
out,

    F_-j = (F_j - h_j Y_j) / (1 - h_j)        h_j = w_j k_j' A^-1 k_j        A = K_m + K' W K

with weights w: 1 for rows that were in, 0 for those that were not, and of a target, of which this
is not known, how likely each was by a first verdict. What is foretold is then taken out of the
readings, as far as it moves with them. K holds the kernel of rows with up to a thousand of them,
K_m that of these among themselves.

The kernel is that of wide networks of one layer; what it says of other learners is less, and then
weighs less. It pays where the crowd accounts for the smaller part and the first verdict is good;
elsewhere the first verdict is the better.

Source: joint verdicts as in the cascading attacks of Du et al., NDSS 2025, which train more shadows
    for them; here a
regression foretells what these would. Kernel: Jacot et al., NeurIPS 2018; the row left out: Allen,
PRESS, 1974.
"""

import numpy as np

from gamekeeper.audit.targets import Array

_MOST = 1_000  # rows that the kernel is taken with
_JITTER = 1e-6
_LEAST = 1e-12


class Crowd:
    """A kernel regression that predicts how the other rows change the reading of a row.

    Args:
        inputs: All rows, shape (n, width).
        labels: Theirs, from 0, shape (n,).
    """

    def __init__(self, inputs: Array, labels: Array) -> None:
        spread = inputs.std(axis=0)
        rows = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, spread, 1)
        some = np.linspace(0, len(rows) - 1, min(_MOST, len(rows))).astype(int)
        self._kernel = _kernel(rows, rows[some])
        self._inner = self._kernel[some] + _JITTER * np.eye(len(some))
        self._own = labels[:, None] == np.arange(labels.max() + 1)

    def pull(self, weights: Array) -> Array:
        """Returns what rows of these weights, shape (n,), foretell of each row's own label, shape
        (n,).
        """
        wanted = self._own - self._own.mean(axis=0)
        solved = np.linalg.solve(
            self._inner + self._kernel.T * weights @ self._kernel, self._kernel.T
        )
        own = weights * np.einsum("nm,mn->n", self._kernel, solved)
        fitted = self._kernel @ (solved @ (weights[:, None] * wanted))
        alone = (fitted - own[:, None] * wanted) / (1 - own)[:, None]
        return np.asarray(alone[self._own])


def without_pull(x: Array, shadows: Array, pull: Array, pulls: Array) -> tuple[Array, Array]:
    """Returns readings of a target and of shadows, less what the crowd accounts for.

    Args:
        x: The target's, shape (n, d).
        shadows: Theirs, shape (shadows, n, d).
        pull: On the target's rows, shape (n,).
        pulls: On the shadows', shape (shadows, n).
    """
    usual = pulls.mean(axis=0)
    moved = pulls - usual
    slope = np.einsum("kn,knd->d", moved, shadows - shadows.mean(axis=0)) / (
        (moved**2).sum() + _LEAST
    )
    return x - (pull - usual)[:, None] * slope, shadows - moved[..., None] * slope


def _kernel(rows: Array, others: Array) -> Array:
    """The tangent kernel of a ReLU network of one wide layer, with a bias, about 1 for rows
    alike.
    """
    one, two = (np.column_stack([each, np.ones(len(each))]) for each in (rows, others))
    sizes = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
    cosine = np.clip(one @ two.T / sizes, -1, 1)
    angle = np.arccos(cosine)
    first = (np.sqrt(1 - cosine**2) + (np.pi - angle) * cosine) / np.pi
    return np.asarray(sizes * (first + cosine * (1 - angle / np.pi)) / (2 * one.shape[1]))
