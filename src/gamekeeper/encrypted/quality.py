"""What compiling loses, and how far few rows stretch the range: figures with their baselines.

Classes and labels are compared by what is decided, beside the best constant decision; values of a
regression by R2 and differences, for which a constant has an R2 of 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamekeeper.encrypted.originals import Outputs
from gamekeeper.encrypted.square_network import Array

Truth = NDArray[Any]
"""True classes (positions), shape (n,); or true labels (0, 1) or values, shape (n, outputs)."""

_MIN_STRETCH = 4.0  # times the usual range: two bits of the noise that hides the weights
_MIN_OTHERS = 5
_FEW = 100  # one row of so many is few, at each end of a range


def compared(
    original: Array, compiled: Array, outputs: Outputs, truth: Truth | None
) -> dict[str, float | None]:
    """Returns how well compiled scores keep to the original's, and both to the truth.

    Args:
        original: Scores of the original, shape (n, outputs).
        compiled: Scores of the compiled model, same shape.
        outputs: What the outputs are.
        truth: The truth, if it is known.
    """
    if outputs == "values":
        return _compared_values(original, compiled, truth)
    theirs = decided(original, outputs)
    ours = decided(compiled, outputs)
    figures: dict[str, float | None] = {
        "agreement": float((theirs == ours).mean()),
        "agreement_constant": best_constant(theirs),
    }
    if truth is not None:
        figures["accuracy_original"] = float((theirs == truth).mean())
        figures["accuracy"] = float((ours == truth).mean())
        figures["accuracy_constant"] = best_constant(truth)
    return figures


def decided(scores: Array, outputs: Outputs) -> NDArray[np.int64]:
    """Returns classes, shape (n,); or for each label whether it applies, shape (n, outputs)."""
    if outputs == "classes":
        chosen: NDArray[np.int64] = scores.argmax(axis=1)
        return chosen
    applies: NDArray[np.int64] = (scores > 0).astype(np.int64)
    return applies[:, 0] if outputs == "score" else applies


def best_constant(decisions: Truth) -> float:
    """Returns the share of rows on which the best constant decision is right, mean over labels."""
    columns = decisions.reshape(len(decisions), -1).T
    shares = [np.unique(column, return_counts=True)[1].max() / len(column) for column in columns]
    return float(np.mean(shares))


def _compared_values(
    original: Array, compiled: Array, truth: Truth | None
) -> dict[str, float | None]:
    differences = np.abs(compiled - original)
    figures = {
        "r2": r2(compiled, original),
        "mean_difference": float(differences.mean()),
        "largest_difference": float(differences.max()),
    }
    if truth is not None:
        figures["r2_truth_original"] = r2(original, truth)
        figures["r2_truth"] = r2(compiled, truth)
    return figures


def r2(found: Array, wanted: Array) -> float | None:
    """Returns the share of variance that is explained, mean over outputs; a constant has 0.

    None if all that is wanted is constant.
    """
    left = ((found - wanted) ** 2).sum(axis=0)
    whole = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    varies = whole > 0
    return float(np.mean(1 - left[varies] / whole[varies])) if varies.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A feature whose range few rows stretch.

    Args:
        feature: Position of the feature.
        low: Smallest value.
        high: Largest value.
        usual_low: Smallest value of all other rows.
        usual_high: Largest value of all other rows.
        rows: Number of the few rows.
    """

    feature: int
    low: float
    high: float
    usual_low: float
    usual_high: float
    rows: int

    @property
    def is_large(self) -> bool:
        """Whether the range is four times the usual one, or more."""
        return self.high - self.low >= _MIN_STRETCH * (self.usual_high - self.usual_low)


def stretched(inputs: Array) -> tuple[list[Stretch], NDArray[np.bool_]]:
    """Returns the features whose range few rows stretch to four times or more, and these rows.

    Few are one in a hundred at each end, at least one row; they are farther from the other rows
    than these are from each other. Of a feature that is the same in nearly all rows, as a count of
    a rare word, the values that differ are judged alone.

    Args:
        inputs: Shape (n, d).
    """
    found = []
    rows = np.zeros(len(inputs), np.bool_)
    for feature, column in enumerate(inputs.T):
        beyond = _beyond(column)
        if beyond.any() and (each := _stretch(column, beyond, feature)).is_large:
            found.append(each)
            rows |= beyond
    return found, rows


def _beyond(column: Array) -> NDArray[np.bool_]:
    """Whether each value is farther from all but few than these are from each other."""
    low, high = _inner(column)
    if low == high:
        constant = low
        others = column[column != constant]
        low, high = _inner(others) if len(others) >= _MIN_OTHERS else (0.0, 0.0)
        if low == high:
            return np.zeros(len(column), np.bool_)
        low = min(low, constant)
        high = max(high, constant)
    width = high - low
    result: NDArray[np.bool_] = (column < low - width) | (column > high + width)
    return result


def _inner(column: Array) -> tuple[float, float]:
    """Returns the smallest and the largest value of all but few."""
    few = max(1, len(column) // _FEW)
    ordered = np.partition(column, [few, len(column) - 1 - few])
    return float(ordered[few]), float(ordered[-1 - few])


def _stretch(column: Array, beyond: NDArray[np.bool_], feature: int) -> Stretch:
    usual = column[~beyond]
    return Stretch(
        feature=feature,
        low=float(column.min()),
        high=float(column.max()),
        usual_low=float(usual.min()),
        usual_high=float(usual.max()),
        rows=int(beyond.sum()),
    )
