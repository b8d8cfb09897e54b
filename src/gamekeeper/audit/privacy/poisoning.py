"""Poisoning that raises leakage: a few mislabelled copies of a row make its membership show.

Who can put rows into the training data adds copies of a row with a wrong label. A model that had
the row itself must then bend around them, one that had not need not: the readings part. Every model
is given the poison; membership is asked of the rows it aims at.

Source: Tramer et al., Truth Serum, CCS 2022.
"""

from collections.abc import Callable

import numpy as np

from gamekeeper.audit.privacy.membership import Answer, Leak, Recipe, leaks, train_shadows
from gamekeeper.audit.targets import Array


def poisoned_leaks(
    fit: Recipe,
    inputs: Array,
    labels: Array,
    rng: np.random.Generator,
    *,
    copies: int,
    aimed: int,
    models: int,
    trained: Callable[[Array, Array, Answer], object] = lambda rows, labels, answer: None,
) -> tuple[Leak, ...]:
    """Membership of some rows, of each of which mislabelled copies are in the training data.

    Args:
        fit: The owner's recipe.
        inputs: Rows, shape (n, width).
        labels: Theirs, from 0, shape (n,).
        rng: Draws rows, wrong labels and halves.
        copies: Of each row; 0 for the same rows without poison.
        aimed: Rows that the poison aims at.
        models: To train.
        trained: Told of each model's rows, of which the last `copies` times `aimed` are poison,
            labels and answers.
    """
    rows = rng.permutation(len(inputs))[:aimed]
    classes = int(labels.max()) + 1
    wrong = (labels[rows] + rng.integers(1, classes, size=len(rows))) % classes
    poison = (np.repeat(inputs[rows], copies, axis=0), np.repeat(wrong, copies)) if copies else None
    return leaks(
        train_shadows(fit, inputs, labels, models, rng, poison=poison, trained=trained), rows
    )
