"""How wide a model is inside, from its logits: all of them are made of so many numbers, and no
more.

    logits = W e(x),   W of shape (classes, h): any number of answers has rank h

Eigenvalues of the answers' Gram matrix fall off a cliff after the h-th; what rounding adds is at
the foot of it. Log-probabilities do as well as logits, for what they lack is the same for all
classes and is taken off. The same decomposition gives W itself, up to a change of basis that no
answer tells: W A for some A of shape (h, h).

Source: Carlini et al., Stealing Part of a Production Language Model, ICML 2024; Finlayson et al.,
    2024.
"""

import numpy as np

from gamekeeper.audit.targets import Array

_CLIFF = 8.0  # times, from one eigenvalue to the next
_LEAST_ROWS = 8


def hidden_width(logits: Array) -> int | None:
    """Returns the width h; None if answers are too few to show it, or none is below their number.

    Args:
        logits: Or log-probabilities, shape (n, classes), n and classes above h.
    """
    rows = np.asarray(logits, np.float32)
    if min(rows.shape) < _LEAST_ROWS:
        return None
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows if len(rows) <= rows.shape[1] else rows.T
    values = np.linalg.eigvalsh((rows @ rows.T).astype(np.float64))[::-1]
    # float32 sums leave this much of the largest; what is below is arithmetic, with cliffs of its
    # own
    floor = values[0] * np.finfo(np.float32).eps
    falls = np.maximum(values[:-1], floor) / np.maximum(values[1:], floor)
    width = int(falls.argmax()) + 1
    return width if falls[width - 1] > _CLIFF and width < len(values) - 1 else None


def projection(logits: Array, width: int) -> Array:
    """Returns the last layer up to a change of basis and a number common to all classes, shape
    (classes, width).

    Args:
        logits: Or log-probabilities, shape (n, classes); n at least the width.
        width: Of the last layer's input, see `hidden_width`.
    """
    rows = np.asarray(logits, np.float64)
    _, sizes, right = np.linalg.svd(rows - rows.mean(axis=1, keepdims=True), full_matrices=False)
    return np.asarray((right[:width] * sizes[:width, None]).T / np.sqrt(len(rows)))


def unexplained(layer: Array, logits: Array) -> float:
    """Returns the share of the logits' spread that no input of a layer gives: 0 for the layer that
    they came from.

    Args:
        layer: Shape (classes, width).
        logits: Shape (n, classes), others than those that the layer was read from.
    """
    rows = np.asarray(logits, np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    basis = np.linalg.qr(layer)[0]
    missed = float(np.linalg.norm(rows - rows @ basis @ basis.T))
    whole = float(np.linalg.norm(rows))
    return missed / max(whole, 1e-300)
