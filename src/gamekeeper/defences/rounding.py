"""Fewer decimals.

Rows are rounded by largest remainders, so that they sum to exactly 1: every class gets the whole
units in it, and the units left over go to the classes that lost most. A first place that would only
tie takes one unit more from a class it ties with.
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence

ROUNDING = DefenceCard(
    name="rounding",
    purpose=(
        "Rounds scores to a few decimals, so that rows still sum to 1 and the first place stays"
        " unique."
    ),
    parameters=(
        Parameter(
            name="decimals", meaning="decimals that are kept", default=1, low=1, high=12, whole=True
        ),
    ),
    keeps_top1=True,
    cost_to_users=(
        "Almost nothing; digits, one decimal: L1 change .04, calibration error .03 to .03."
    ),
    undone_by="More queries; networks hardly notice, linear models lose exact equation solving.",
    source=(
        "Tramer et al., USENIX Security 2016, section 7; largest remainders in place of plain"
        " rounding."
    ),
)


@defence(ROUNDING)
def rounding(key: bytes, *, decimals: int) -> Scores:
    """Makes the defence; the key is not used."""
    units = 10**decimals

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        return np.asarray(_untied(whole_units(p, units), p.argmax(1)) / units)

    return change


def whole_units(p: np.ndarray, units: int) -> np.ndarray:
    """Returns rows of whole numbers, float64, that sum to `units` and lie nearest to `p` times as
    many.
    """
    exact = p * units
    whole = np.floor(exact)
    order = np.argsort(whole - exact, axis=1, kind="stable")
    left = units - whole.sum(1, keepdims=True)
    whole[np.arange(len(p))[:, None], order] += np.arange(p.shape[1]) < left
    return np.asarray(whole)


def _untied(whole: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Floors keep the order, so that the first place at worst ties, or is one unit behind
    an equal.
    """
    rows = np.arange(len(whole))
    others = whole.copy()
    others[rows, top] = -np.inf
    rival = others.argmax(1)
    lacks = np.maximum(0.0, others[rows, rival] - whole[rows, top] + 1.0)
    step = np.ceil(lacks / 2)
    whole[rows, top] += step
    whole[rows, rival] -= step
    return whole
