"""A scikit-learn estimator in a file as a target: its probabilities, or its labels if it has no
others.

A pickle runs code when it is read. Reading one's own is what an audit is for; one that came from
elsewhere is not to be read at all, so that the command line asks for `--trust-file`.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.base.errors import Fault, InputError


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
                f"{self.name} cannot answer {inputs.shape[1]} numbers an input: {error}"
            ) from error


def estimator_target(path: Path) -> EstimatorTarget:
    """Reads an estimator that `pickle` or `joblib` wrote; this runs what stands in the file.

    Raises:
        InputError: It cannot be read, or holds no classifier.
    """
    try:
        estimator = _loaded(path)
    except Exception as error:
        raise InputError(
            [_fault(path, "cannot be read", f"{type(error).__name__}: {error}")]
        ) from error
    if not hasattr(estimator, "predict"):
        raise InputError([_fault(path, "holds no classifier", type(estimator).__name__)])
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


def _fault(path: Path, problem: str, found: str) -> Fault:
    return Fault(
        where=str(path),
        problem=problem,
        found=found[:200],
        expected="a classifier of scikit-learn, pickled",
    )
