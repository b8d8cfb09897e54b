"""Only the class in first place: 1 for it, 0 for the others."""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Scores, defence

LABELS_ONLY = DefenceCard(
    name="labels-only",
    purpose="Gives only the class in first place.",
    parameters=(),
    keeps_top1=True,
    cost_to_users=(
        "No confidence to sort or set thresholds by; digits: L1 change .12, calibration error .03"
        " to .05."
    ),
    undone_by=(
        "The scores cannot be restored; a thief trains on labels and pays with more queries."
    ),
    source=(
        "Truncation to the label: Tramer et al., Stealing Machine Learning Models, USENIX Security"
        " 2016, section 7."
    ),
)


@defence(LABELS_ONLY)
def labels_only(key: bytes) -> Scores:
    """Makes the defence; the key is not used."""

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        given = np.zeros_like(p)
        given[np.arange(len(p)), p.argmax(1)] = 1.0
        return given

    return change
