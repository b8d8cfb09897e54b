"""A scikit-learn estimator in a file as a target: its probabilities, or its labels if it has none.

A pickle runs code when it is read. An audit is for reading one's own files; one from elsewhere must
not be read at all, so the command line asks for `--trust-file`.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.base.errors import InputError, input_error


class EstimatorTarget:
    """See `Target`.

    Args:
        estimator: Has `predict_proba`, or `predict`.
        name: By which reports call it.
    """

    def __init__(self, estimator: Any, name: str) -> None:
        self.name = name
        self._answer = getattr(estimator, "predict_proba", None) or _labels(estimator)

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        try:
            return np.asarray(self._answer(inputs), np.float64)
        except ValueError as error:
            raise TargetError(
                f"{self.name} cannot answer inputs of {inputs.shape[1]} numbers: {error}"
            ) from error


def estimator_target(path: Path) -> EstimatorTarget:
    """Reads an estimator that `pickle` or `joblib` wrote; this runs the code in the file.

    Raises:
        InputError: It cannot be read, or does not contain a classifier.
    """
    try:
        estimator = _loaded(path)
    except Exception as error:
        raise _unusable(
            path, "the file cannot be read", f"{type(error).__name__}: {error}"
        ) from error
    if not hasattr(estimator, "predict"):
        raise _unusable(path, "the file does not contain a classifier", type(estimator).__name__)
    return EstimatorTarget(estimator, path.name)


def _loaded(path: Path) -> Any:
    try:
        import joblib
    except ImportError:
        return pickle.loads(path.read_bytes())
    return joblib.load(path)  # reads plain pickles too


def _labels(estimator: Any) -> Any:
    """`predict`, its labels as their numbers in the order of `classes_`."""
    known = {label: number for number, label in enumerate(estimator.classes_)}
    return lambda inputs: np.array([known[label] for label in estimator.predict(inputs)])


def _unusable(path: Path, problem: str, found: str) -> InputError:
    return input_error(path, problem, found[:200], "a scikit-learn classifier, pickled")
