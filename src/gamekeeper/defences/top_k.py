"""The k highest scores, shared out among them again; 0 for the others."""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence

TOP_K = DefenceCard(
    name="top-k",
    purpose="Gives the k highest scores, scaled to sum to 1, and 0 for the others.",
    parameters=(
        Parameter(
            name="k",
            meaning="classes that keep a score",
            default=2,
            low=1,
            high=100_000,
            whole=True,
        ),
    ),
    keeps_top1=True,
    cost_to_users=(
        "Scores of unlikely classes are gone; digits, two kept: L1 change .04, calibration error"
        " .03 to .03."
    ),
    undone_by="Training on what is left: the unlikely classes carried little.",
    source=(
        "Truncation: Orekondy et al., Knockoff Nets, CVPR 2019; Tramer et al., USENIX Security"
        " 2016, section 7."
    ),
)


@defence(TOP_K)
def top_k(key: bytes, *, k: int) -> Scores:
    """Makes the defence; the key is not used."""

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        order = np.argsort(-p, axis=1, kind="stable")
        given = p.copy()
        given[np.arange(len(p))[:, None], order[:, k:]] = 0.0
        return np.asarray(given / given.sum(1, keepdims=True))

    return change
