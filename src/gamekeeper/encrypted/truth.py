"""What outputs are where the model does not say, and true labels as numbers that fit them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.encrypted.originals import OriginalModel, Outputs, matched_classes
from gamekeeper.encrypted.quality import Truth
from gamekeeper.encrypted.square_network import Array

_BINARY = ([0.0, 1.0], [-1.0, 1.0])
_ASK = "--outputs classes, labels or values; or --labels, which tell"


def stated_outputs(origin: OriginalModel, stated: Outputs | None, labels: Any) -> OriginalModel:
    """Returns the model with what its outputs are.

    A layer without an activation at the end of a network may give scores of classes or values. One
    such output is read as a value, unless its labels are two; of several, nothing tells.

    Args:
        origin: The model.
        stated: What the owner says; None if nothing.
        labels: True labels; None if they are not known.

    Raises:
        InputError: It is not known, or cannot be what was stated.
    """
    if stated is not None:
        _require_possible(origin, stated)
        return replace(origin, outputs=stated)
    if origin.outputs == "values" and origin.width == 1 and not origin.is_regressor:
        return replace(origin, outputs="score") if _are_binary(labels) else origin
    if origin.outputs is not None:
        return origin
    if labels is None:
        found = f"{origin.width} outputs of a Linear layer"
        expected = "scores of classes, or values, as stated"
        raise input_error("model", "what its outputs are is not known", found, expected, _ASK)
    return replace(origin, outputs=_by_labels(labels, origin.width))


def _require_possible(origin: OriginalModel, stated: Outputs) -> None:
    is_possible = (origin.width == 1) == (stated == "score") or stated == "values"
    if (origin.classes and stated != "classes") or not is_possible:
        known = f"{origin.width} outputs, {len(origin.classes)} named classes"
        raise input_error("model", f"its outputs cannot be {stated}", known, "another --outputs")


def _by_labels(labels: Any, width: int) -> Outputs:
    values = _numbers(labels)
    if values is None or values.ndim == 1 or values.shape[1] == 1:
        return "classes"
    return "labels" if np.isin(values, (0, 1)).all() else "values"


def _are_binary(labels: Any) -> bool:
    values = None if labels is None else _numbers(labels)
    return values is not None and np.unique(values).tolist() in _BINARY


def true_outputs(labels: Any, origin: OriginalModel, rows: int) -> Truth:
    """Returns the truth as numbers: positions of classes, 0 and 1 of labels, or values.

    Args:
        labels: Shape (rows,), or (rows, outputs) for labels and values.
        origin: The model, with what its outputs are.
        rows: Number of inputs.

    Raises:
        InputError: There are more or fewer, or some are not of the model.
    """
    shape = np.shape(labels)
    if not shape or shape[0] != rows:
        raise _unfit(f"shape {shape}", f"{rows} labels, one for each input")
    if origin.outputs == "classes":
        named = origin.classes or tuple(range(origin.width))
        return matched_classes(_one_column(labels), named)
    values = _numbers(labels)
    if values is None:
        raise _unfit("texts", "numbers: the model names no classes")
    if values.reshape(rows, -1).shape[1] != origin.width:
        raise _unfit(f"shape {values.shape}", f"{origin.width} columns, one for each output")
    if origin.outputs == "values":
        return values.reshape(rows, -1)
    if not np.isin(values, (0, 1)).all() and not (origin.width == 1 and _are_binary(values)):
        found = ", ".join(map(str, np.unique(values)[:5]))
        raise _unfit(found, "0 and 1, for each label")
    truth = (values > 0).astype(np.int64)
    return truth.reshape(-1) if origin.outputs == "score" else truth


def classes_of(labels: Any, rows: int) -> Sequence[Any]:
    """Returns the classes in labels, in order, as numbers if they are whole numbers.

    Raises:
        InputError: They are not of classes, or their number differs from that of the inputs.
    """
    listed = _one_column(labels)
    if len(listed) != rows:
        raise _unfit(f"{len(listed)} labels", f"{rows} labels, one for each input")
    values = _numbers(np.array(listed))
    if values is None:
        return sorted({str(label) for label in listed})
    if (values != np.round(values)).any():
        raise _unfit("numbers with fractions", "classes: whole numbers or texts")
    return [int(value) for value in np.unique(values)]


def _one_column(labels: Any) -> list[Any]:
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise _unfit(f"shape {values.shape}", "one column of classes")
    return list(values.tolist())


def _numbers(labels: Any) -> Array | None:
    """Returns labels as float64; None if they are texts."""
    values = np.asarray(labels)
    if values.dtype.kind in "fiub":
        numbers: Array = values.astype(np.float64)
        return numbers
    return None


def _unfit(found: str, expected: str) -> InputError:
    return input_error("labels", "do not fit the model and its inputs", found, expected)
