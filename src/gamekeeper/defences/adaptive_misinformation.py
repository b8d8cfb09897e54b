"""Adaptive misinformation: wrong answers to what the model does not know.

    h = 1 / (1 + exp(-steepness (threshold - max y))),   y' = (1 - h) y + h w

The score of being out of distribution is one minus the highest probability. w is drawn from the key
and the input and has its highest score at another class than y.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence, keep_top1
from gamekeeper.defences.keyed import keyed_uniform, on_grid, random_simplex

ADAPTIVE_MISINFORMATION = DefenceCard(
    name="adaptive-misinformation",
    purpose=(
        "Gives wrong answers, always the same ones, where the model is unsure; elsewhere it changes"
        " nothing."
    ),
    parameters=(
        Parameter(
            name="threshold",
            meaning="highest probability below which answers are wrong",
            default=0.5,
            low=0.0,
            high=1.0,
        ),
        Parameter(
            name="steepness",
            meaning="how sharp the switch is, per unit of probability",
            default=50.0,
            low=1.0,
            high=1e4,
        ),
        Parameter(
            name="grid",
            meaning="width of the grid that inputs are rounded to, in units of the features",
            default=1e-3,
            low=1e-12,
            high=1e12,
        ),
    ),
    keeps_top1=False,
    cost_to_users=(
        "A wrong label wherever the model is unsure; digits: 1.4 % of first places, L1 change .03."
    ),
    undone_by=(
        "Asking inputs like those the model was trained on: such a thief is not affected,"
        " because the model is sure of them. A thief with other inputs drops answers whose"
        " confidence is near the threshold."
    ),
    source=(
        "Kariyappa and Qureshi, Defending Against Model Stealing Attacks With Adaptive"
        " Misinformation, CVPR 2020; there the misinformation is a trained model, here a keyed"
        " draw, and sureness is the highest probability."
    ),
    maturity="experimental",
)


@defence(ADAPTIVE_MISINFORMATION)
def adaptive_misinformation(
    key: bytes, *, threshold: float, steepness: float, grid: float
) -> Scores:
    """Makes the defence."""
    draw = keyed_uniform(key, "misinformation/1")

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        far = np.clip(steepness * (p.max(1, keepdims=True) - threshold), -500.0, 500.0)
        h = 1.0 / (1.0 + np.exp(far))
        return np.asarray(
            (1.0 - h) * p + h * _wrong(p, draw(on_grid(inputs, grid), p.shape[1] + 1))
        )

    return change


def _wrong(p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Points of the simplex with another class than that of `p` in first place; `p` itself if there
    is but one.
    """
    rows, classes = p.shape
    if classes == 1:
        return p
    shift = 1 + (uniform[:, 0] * (classes - 1)).astype(np.intp)
    lead = np.zeros_like(p)
    lead[np.arange(rows), (p.argmax(1) + shift) % classes] = 1.0
    return keep_top1(lead, random_simplex(uniform[:, 1:]))
