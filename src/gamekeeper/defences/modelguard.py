"""ModelGuard-W: the answer that costs the thief most within a bound on the change.

    maximise  - sum_j y'_j log y_j     the loss of a thief who has the true y, on the answer y'
    so that   sum |y' - y| <= budget,  y' on the simplex,  the class in first place stays ahead

In words: the likeliest class gives and the least likely takes, as far as the budget goes. The
published code asks a linear program for each row. It has a short solution: where the first place
stays first after giving all, that is the answer. Otherwise let t be the score that the first place
keeps. Given t, the others are filled up to t from the least likely upwards and drained from the
likeliest downwards, which two running sums say. The loss is concave in t, so that the best of a
grid of t comes close to the program's value (a test holds it).
"""

from collections.abc import Sequence

import numpy as np

from gamekeeper.defences._defence import DefenceCard, Parameter, Scores, defence

MODELGUARD = DefenceCard(
    name="modelguard",
    purpose=(
        "Moves probability from the likeliest class to the least likely, within a budget; the first"
        " place stays."
    ),
    parameters=(
        Parameter(
            name="budget", meaning="L1 change of a row at most", default=0.2, low=0.0, high=2.0
        ),
    ),
    keeps_top1=True,
    cost_to_users=(
        "Every row changes by the budget, so do ranks; digits: L1 change .20, calibration error .03"
        " to .12."
    ),
    undone_by=(
        "Taking the label; or undoing the move, which is the same for all rows of one kind: a few"
        " known pairs, or a thief's own model behind the same defence, show how to undo it."
    ),
    source=(
        "Tang et al., ModelGuard, USENIX Security 2024, variant W, in the form of its public code"
        " (linear program per row, log floored at 1e-6); here solved in closed form or on a grid,"
        " and every first place leads strictly."
    ),
)

_FLOOR = 1e-6
_LEAD = 1e-4  # share of its score by which the first place leads
_TRIES = 96
_SHARES = np.linspace(0.0, 1.0, _TRIES)
_ROOM = 2**18  # numbers in one array, so that large batches stay in cache


@defence(MODELGUARD)
def modelguard(key: bytes, *, budget: float) -> Scores:
    """Makes the defence; the key is not used."""
    half = budget / 2

    def change(p: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        rows = np.arange(len(p))[:, None]
        order = np.argsort(-p, axis=1, kind="stable")
        given = np.empty_like(p)
        given[rows, order] = costliest(p[rows, order], half)
        return given

    return change


def costliest(falling: np.ndarray, half: float) -> np.ndarray:
    """Returns the rows that cost the thief most.

    Args:
        falling: Probabilities, each row in falling order, shape (n, classes).
        half: Probability that may move, which is half of the L1 budget.
    """
    given = falling.copy()
    given[:, 0] -= half
    given[:, -1] += half
    rivals = given[:, 1:].max(1, initial=0.0)
    hard = np.flatnonzero(rivals > given[:, 0] * (1 - _LEAD))
    step = max(1, _ROOM // (_TRIES * falling.shape[1]))
    for start in range(0, len(hard), step):
        rows = hard[start : start + step]
        given[rows] = _searched(falling[rows], half)
    return given


def _searched(falling: np.ndarray, half: float) -> np.ndarray:
    classes = falling.shape[1]
    if classes == 1:
        return falling
    first = falling[:, :1]
    low = np.maximum(first - half, 1.0 / (1.0 + (1 - _LEAD) * (classes - 1)))
    high = np.minimum(first + half, 1.0)
    moved, possible = _moved(falling, low + (high - low) * _SHARES, half)
    cost = -np.log(np.maximum(falling, _FLOOR))
    loss = np.where(possible, (moved * cost[:, None, :]).sum(2), -np.inf)
    rows = np.arange(len(loss))
    best = loss.argmax(1)
    moved[loss[rows, best] == -np.inf] = (
        0.0  # a budget below the lead: the row stays, near ties are put right later
    )
    return np.asarray(np.maximum(falling + moved[rows, best], 0.0))


def _moved(falling: np.ndarray, t: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns what each class gains, shape (n, tries, classes), and whether each t can be had,
    shape (n, tries).
    """
    rest = falling[:, None, 1:]
    most = t[:, :, None] * (1 - _LEAD)
    spare = falling[:, None, 0] - t
    above = np.maximum(rest - most, 0.0)
    full = np.clip((1.0 - t)[:, :, None] - most * np.arange(rest.shape[2])[::-1], 0.0, most)
    must_give = np.maximum(spare, 0.0) + above.sum(2)
    must_take = np.maximum(-spare, 0.0)
    useful = np.maximum(spare, 0.0) + np.maximum(rest - full, 0.0).sum(2)
    move = np.minimum(half, useful)
    given = above + _filled((move - must_give)[:, :, None], np.minimum(rest, most))
    taken = _filled((move - must_take)[:, :, None], np.maximum(most - rest, 0.0)[:, :, ::-1])[
        :, :, ::-1
    ]
    moved = np.concatenate([-spare[:, :, None], taken - given], axis=2)
    possible = (must_give <= move + 1e-12) & (must_take <= move + 1e-12)
    return moved, possible & (np.abs(moved.sum(2)) < 1e-9)


def _filled(amount: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Pours an amount into vessels, one after the other."""
    return np.asarray(np.clip(amount - (np.cumsum(room, axis=2) - room), 0.0, room))
