"""Reverse sigmoid: scores bent so that their gradients mislead. No defence; see the card.

    y' = a (y - beta (sigmoid(gamma logit(y)) - 1/2)),   a so that rows sum to 1

with sigmoid(gamma logit(y)) = y^gamma / (y^gamma + (1 - y)^gamma), which is defined at 0 and 1 as
well.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence

REVERSE_SIGMOID = DefenceCard(
    name="reverse-sigmoid",
    purpose=(
        "Bends scores so that several inputs share an answer; included because people ask for"
        " it: it is not a defence."
    ),
    parameters=(
        Parameter(
            name="beta",
            meaning="how far scores are bent, dimensionless",
            default=1.0,
            low=0.0,
            high=2.0,
        ),
        Parameter(
            name="gamma", meaning="how sharply, dimensionless", default=0.2, low=0.0, high=10.0
        ),
    ),
    keeps_top1=True,
    cost_to_users="Scores that mean little; digits: L1 change 1.53, calibration error .03 to .75.",
    undone_by=(
        "Taking the label and leaving the scores, or a table of a few known pairs: the map is the"
        " same for all."
    ),
    source=(
        "Lee et al., Defending Against Neural Network Model Stealing Attacks Using Deceptive"
        " Perturbations, DLS 2019 (arXiv 2018), equations 3 and 4; here negative scores become 0"
        " and the first place is kept."
    ),
    maturity="retired",
)


@defence(REVERSE_SIGMOID)
def reverse_sigmoid(key: bytes, *, beta: float, gamma: float) -> Scores:
    """Makes the defence; the key is not used."""

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        for_ = p**gamma
        against = np.maximum(1.0 - p, 0.0) ** gamma
        bent = np.maximum(p - beta * (for_ / (for_ + against) - 0.5), 0.0)
        sums = bent.sum(1, keepdims=True)
        return np.asarray(np.where(sums > 0, bent / np.where(sums > 0, sums, 1.0), p))

    return change
