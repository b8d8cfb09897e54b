"""How wide a model is inside, from its logits: all of them are made of so many numbers, and no more.

    logits = W e(x),   W of shape (classes, h): any number of answers has rank h

Eigenvalues of the answers' Gram matrix fall off a cliff after the h-th; what rounding adds lies at the foot of it.
Log-probabilities do as well as logits, for what they lack is the same for all classes and is taken off.

Source: Carlini et al., Stealing Part of a Production Language Model, ICML 2024; Finlayson et al., 2024.
"""

import numpy as np

from gamekeeper.audit.targets import Array

_CLIFF = 8.0  # times, from one eigenvalue to the next
_LEAST_ROWS = 8


def hidden_width(logits: Array) -> int | None:
    """Returns the width h; None if answers are too few to show it, or none lies below their number.

    Args:
        logits: Or log-probabilities, shape (n, classes), n and classes above h.
    """
    rows = np.asarray(logits, np.float32)
    if min(rows.shape) < _LEAST_ROWS:
        return None
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows if len(rows) <= rows.shape[1] else rows.T
    values = np.linalg.eigvalsh((rows @ rows.T).astype(np.float64))[::-1]
    # float32 sums leave this much of the largest; what lies below is arithmetic, with cliffs of its own
    floor = values[0] * np.finfo(np.float32).eps
    falls = np.maximum(values[:-1], floor) / np.maximum(values[1:], floor)
    width = int(falls.argmax()) + 1
    return width if falls[width - 1] > _CLIFF and width < len(values) - 1 else None
