"""Noise that asking again does not average away.

    y' = (1 - amount) z + amount r,   r a point of the simplex drawn from the key and from what was
                                      asked

What "asked" means is the parameter `by`; `defences/keyed.py` says why. By input, z is the true row
y. By scores, z is y rounded, and r is drawn from z: two answers with the same noise would otherwise
differ by exactly what the truth differs by. So an answer tells which rounded row it stands for, and
not even that to who does not know the key.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence
from gamekeeper.defences.keyed import keyed_uniform, on_grid, random_simplex
from gamekeeper.defences.rounding import whole_units

KEYED_NOISE = DefenceCard(
    name="keyed-noise",
    purpose=(
        "Mixes scores with noise that is the same for the same input, and unknown without the key."
    ),
    parameters=(
        Parameter(
            name="amount",
            meaning="share of the row that is noise; L1 change at most twice it",
            default=0.2,
            low=0.0,
            high=1.0,
        ),
        Parameter(
            name="by",
            meaning="what the noise is drawn from",
            default="scores",
            choices=("scores", "input"),
        ),
        Parameter(
            name="steps",
            meaning="by scores: the steps that a row is rounded to",
            default=4,
            low=1,
            high=10_000,
            whole=True,
        ),
        Parameter(
            name="grid",
            meaning="by input: width of the grid, in units of the features",
            default=1e-3,
            low=1e-12,
            high=1e12,
        ),
    ),
    keeps_top1=True,
    cost_to_users=(
        "Confidence is too low by about the amount: digits, L1 change .34, calibration error .03 to"
        " .16."
    ),
    undone_by=(
        "Taking the label. By scores also: known pairs of true and given rows reveal the noise of"
        " their kind, and walking an input until the noise jumps finds where the true scores round."
        " By input: jitter wider than the grid, training that smooths over neighbours, and the"
        " difference of two inputs on one point of the grid, which is exact."
    ),
    source=(
        "Noise on outputs is folklore; the keyed draw from the input or from rounded scores is"
        " ours."
    ),
)


@defence(KEYED_NOISE)
def keyed_noise(key: bytes, *, amount: float, by: str, steps: int, grid: float) -> Scores:
    """Makes the defence."""
    draw = keyed_uniform(key, "keyed-noise/1")

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        if by == "scores":
            p = whole_units(p, steps) / steps
            asked = [row.tobytes() for row in p]
        else:
            asked = on_grid(inputs, grid)
        return np.asarray((1.0 - amount) * p + amount * random_simplex(draw(asked, p.shape[1])))

    return change
