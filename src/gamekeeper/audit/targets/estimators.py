"""A model object with scikit-learn's methods as a target: what it gives out, by what it is.

    classifier with predict_proba         probabilities; of several labels, the probability of each
    classifier without                    labels, by their place in `classes_`
    regressor                             values
    outlier detector, clustering          labels
    only a decision_function              scores

A pickle runs code when it is read. An audit is for reading one's own files; one from elsewhere must
not be read at all, so the command line asks for `--trust-file`.
"""

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.columns import Columns, blamed, has_pandas
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets._quiet import quietly
from gamekeeper.audit.targets._target import Array, QueryError
from gamekeeper.audit.targets.boosters import given_names, is_booster, read_booster
from gamekeeper.audit.targets.reading import AnswerReader
from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.extras import missing_extra
from gamekeeper.base.tables import column_order

_SUM = 1e-3  # by which the sum of a row of probabilities is off, at most
_EXPECTED = "a model with predict or predict_proba, as scikit-learn, XGBoost and LightGBM have"


class EstimatorTarget:
    """A model object as a target.

    Args:
        estimator: Has `predict_proba`, `predict` or `decision_function`; or a Booster.
        name: By which reports call it.
        names: Of the columns that it was trained on; None for what it says.

    Raises:
        UsageError: It is not such an object.
    """

    def __init__(self, estimator: Any, name: str, names: Sequence[str] | None = None) -> None:
        self.name = name
        self._estimator = estimator
        self._call, self._kind, self._read_as = _interface(estimator)
        self._trained_on = tuple(names or _trained_on(estimator))
        self._is_classifier = bool(_classes(estimator))
        self._reader = AnswerReader(name)
        self._columns: Columns | None = None
        self.columns: Columns | None = None  # see `columns_of`
        self._order: list[int] | None = None
        self._remark = ""

    @property
    def answers(self) -> AnswerKind | None:
        """See `Target`; of a classifier, it is known after the first answer."""
        return self._kind

    @property
    def classes(self) -> tuple[str, ...]:
        """See `classes_of`."""
        known = _classes(self._estimator)
        return tuple(map(str, known)) if all(np.ndim(each) == 0 for each in known) else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `remarks_of`."""
        said = [f"{type(self._estimator).__name__}: {self._read_as} is read"]
        return tuple(said + [self._remark] * bool(self._remark))

    def for_columns(self, columns: Columns) -> "EstimatorTarget":
        """Returns the same model for inputs with these columns, which it gets by their names.

        Raises:
            InputError: Its columns have other names, or another number.
            UsageError: It takes numbers only, and a column is text.
        """
        target = EstimatorTarget(self._estimator, self.name, self._trained_on)
        if columns.has_text and is_booster(self._estimator):
            texts = ", ".join(columns.texts)
            raise UsageError(
                f"{self.name} is a bare Booster, which takes numbers; text: {texts}. Give the"
                " pipeline that encodes it, or a function"
            )
        target._columns = columns
        if columns.has_text or self._trained_on:
            target.columns = columns
        target._take_names(columns)
        return target

    def _take_names(self, columns: Columns) -> None:
        wanted = self._trained_on
        if not wanted:
            return
        if not columns.names:
            if columns.width != len(wanted):
                found = f"{columns.width} columns without names"
                raise input_error(
                    "the inputs", "columns do not fit the model", found, ", ".join(wanted)[:300]
                )
            self._columns = columns.named(wanted)
            self._remark = "columns of the inputs have no names: they are taken as the model's"
            return
        order = column_order(columns.names, wanted, "the inputs", "the model")
        if order != list(range(columns.width)):
            self._order = order
            self._columns = columns.reordered(order)
            self._remark = "columns are put into the order of the model by their names"

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        rows = inputs if self._order is None else inputs[:, self._order]
        try:
            answer = quietly(self._call, self._given(rows))
        except Exception as error:
            said = blamed(error, rows, self._columns)
            raise QueryError(
                f"{self.name} cannot answer {len(inputs)} inputs of {inputs.shape[1]} values:"
                f" {said}"
            ) from error
        if isinstance(answer, list) and self._read_as == "predict_proba":
            answer = self._several(answer)
        read = self._reader.read(answer, len(inputs))
        self._learn_kind(read)
        return read

    def _given(self, rows: Array) -> Any:
        columns = self._columns
        if columns is None or is_booster(self._estimator):
            return rows
        if self._trained_on and (columns.has_text or has_pandas()):
            return columns.frame(rows)
        # fitted on an array, which holds objects if some columns are text
        return np.array(columns.cells(rows), object) if columns.has_text else rows

    def _several(self, answer: list[Any]) -> Array:
        """One array for each of several outputs: the probability of "yes" of each."""
        parts = [np.asarray(part, np.float64) for part in answer]
        if any(part.ndim != 2 or part.shape[1] != 2 for part in parts):
            shapes = ", ".join(str(part.shape) for part in parts)
            raise QueryError(
                f"{self.name} has several outputs that are not yes or no: {shapes}; audit each by"
                " a function that returns it"
            )
        self._kind = AnswerKind.MULTILABEL
        return np.stack([part[:, 1] for part in parts], axis=1)

    def _learn_kind(self, read: Array) -> None:
        """A classifier may be of one label or of several that do not depend on each other."""
        width = 1 if read.ndim == 1 else read.shape[1]
        if self._kind is None and self._read_as == "predict_proba":
            sums = np.allclose(read.sum(axis=1), 1, atol=_SUM) if width > 1 else False
            several = AnswerKind.SCORES if sums else AnswerKind.MULTILABEL
            self._kind = several if width > 1 else AnswerKind.SCORE
        elif self._kind is None and self._is_classifier:
            self._kind = AnswerKind.LABELS if width == 1 else AnswerKind.MULTILABEL


def estimator_target(path: str | Path) -> EstimatorTarget:
    """Reads a model that `pickle` or `joblib` wrote; this runs the code in the file.

    Raises:
        InputError: It cannot be read, or does not contain a model.
        MissingExtraError: It needs a package of an extra that is not installed.
    """
    path = Path(path)
    try:
        estimator = quietly(_loaded, path)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (missing := missing_extra(error)):
            raise missing from error
        said = f"{type(error).__name__}: {error}"
        raise _unusable(path, "the file cannot be read", said) from error
    return target_of(estimator, path)


def target_of(estimator: Any, path: Path) -> EstimatorTarget:
    """Returns a model that was read from a file as a target.

    Raises:
        InputError: It is not one.
    """
    try:
        return EstimatorTarget(estimator, path.name)
    except UsageError as error:
        raise _unusable(path, "the file does not contain a model", str(error)) from error


def _loaded(path: Path) -> Any:
    try:
        import joblib
    except ImportError:
        return pickle.loads(path.read_bytes())
    return joblib.load(path)  # reads plain pickles too


def _interface(estimator: Any) -> tuple[Callable[[Any], Any], AnswerKind | None, str]:
    """Returns what is asked, what it answers, and the name of what is asked."""
    if is_booster(estimator):
        booster = read_booster(estimator)
        return booster.predict, booster.answers, f"predict ({booster.objective})"
    if _has(estimator, "predict_proba"):
        return estimator.predict_proba, None, "predict_proba"
    if _has(estimator, "predict"):
        if _classes(estimator):
            return _numbered(estimator), None, "predict"
        return estimator.predict, _kind_of(estimator), "predict"
    if _has(estimator, "decision_function"):
        is_one = len(_classes(estimator)) <= 2
        kind = AnswerKind.SCORE if is_one else AnswerKind.SCORES
        return estimator.decision_function, kind, "decision_function"
    raise UsageError(f"{type(estimator).__name__} has neither predict nor predict_proba")


def _has(estimator: Any, method: str) -> bool:
    """An estimator may say by any error that it does not have a method as it was made."""
    try:
        return getattr(estimator, method, None) is not None
    except Exception:
        return False


def _classes(estimator: Any) -> list[Any]:
    """Returns the classes of a classifier, in order; of other models none."""
    found = getattr(estimator, "classes_", None) if _has(estimator, "classes_") else None
    if found is None or isinstance(found, Mapping):
        return []
    return found.tolist() if isinstance(found, np.ndarray) else list(found)


def _kind_of(estimator: Any) -> AnswerKind | None:
    try:
        from sklearn import base
    except ImportError:
        return None
    for is_kind, kind in (
        (base.is_regressor, AnswerKind.VALUES),
        (base.is_outlier_detector, AnswerKind.LABELS),
        (base.is_clusterer, AnswerKind.LABELS),
    ):
        try:
            if quietly(is_kind, estimator):
                return kind
        except Exception:  # objects of other libraries have no tags
            continue
    old = {"regressor": AnswerKind.VALUES, "clusterer": AnswerKind.LABELS}
    return old.get(str(getattr(estimator, "_estimator_type", "")))


def _numbered(estimator: Any) -> Callable[[Any], Array]:
    """`predict`, its labels as their numbers in the order of `classes_`."""
    classes = _classes(estimator)
    if np.ndim(classes[0]) > 0:  # several outputs have classes of their own
        return estimator.predict  # type: ignore[no-any-return]
    known = {label: number for number, label in enumerate(classes)}

    def numbered(inputs: Any) -> Array:
        labels = np.asarray(estimator.predict(inputs))
        if labels.ndim > 1 and labels.shape[1] > 1:  # yes and no for each of several labels
            return labels
        return np.array([known[label] for label in labels.ravel().tolist()], np.float64)

    return numbered


def _trained_on(estimator: Any) -> tuple[str, ...]:
    """Returns the names of the columns that a model was trained on; empty if it has none."""
    if is_booster(estimator):
        return read_booster(estimator).names
    for attribute in ("feature_names_in_", "feature_names_"):
        if _has(estimator, attribute):
            return given_names([str(name) for name in getattr(estimator, attribute)])
    return ()


def _unusable(path: Path, problem: str, found: str) -> InputError:
    return input_error(path, problem, found[:200], _EXPECTED)
