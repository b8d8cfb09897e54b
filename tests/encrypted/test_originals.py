"""Which models are read, by what they answer and not by their attributes; and what is refused."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.compiling import CompileOptions, compile_model
from gamekeeper.encrypted.originals import matched_classes, read_original, require_same_answers

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(300, 6)) * RNG.uniform(0.5, 20, 6) + RNG.normal(size=6)
SCORES = INPUTS @ RNG.normal(size=(6, 3)) / 20
LABELS = (SCORES - SCORES.mean(0)).argmax(axis=1)
BINARY = (SCORES[:, 0] > 0).astype(int)
VALUES = SCORES[:, 0] * 10 + 50

FOLDED: dict[str, Any] = {
    "PCA": PCA(4),
    "whitened PCA": PCA(4, whiten=True),
    "SVD": TruncatedSVD(4),
    "SelectKBest": SelectKBest(k=3),
    "VarianceThreshold": VarianceThreshold(),
    "RobustScaler": RobustScaler(),
    "RobustScaler without centre": RobustScaler(with_centering=False),
    "SimpleImputer": SimpleImputer(),
    "several": make_pipeline(SimpleImputer(), StandardScaler(), PCA(5), SelectKBest(k=3)),
}


def steps(model: Any) -> list[Any]:
    return [step for _, step in model.steps] if hasattr(model, "steps") else [model]


@pytest.mark.parametrize("step", FOLDED.values(), ids=FOLDED)
def test_steps_that_are_linear_are_folded_into_the_first_layer(step: Any) -> None:
    """The scores are those of the pipeline."""
    model = make_pipeline(*steps(step), LogisticRegression(max_iter=500)).fit(INPUTS, LABELS)
    assert np.allclose(read_original(model).scores(INPUTS), model.decision_function(INPUTS))


@pytest.mark.parametrize(
    "step",
    [Normalizer(), MinMaxScaler(clip=True), SimpleImputer(add_indicator=True)],
    ids=["Normalizer", "clip", "indicator"],
)
def test_steps_that_are_not_linear_are_named(step: Any) -> None:
    """With what can be folded."""
    model = make_pipeline(step, LogisticRegression(max_iter=500)).fit(INPUTS, LABELS)
    with pytest.raises(InputError, match=type(step).__name__):
        read_original(model)


def test_a_search_is_its_best_model() -> None:
    """As scikit-learn refits it."""
    search = GridSearchCV(make_pipeline(StandardScaler(), LinearSVC()), {"linearsvc__C": [0.1, 1]})
    search.fit(INPUTS, LABELS)
    assert np.allclose(read_original(search).scores(INPUTS), search.decision_function(INPUTS))


def test_a_calibrated_classifier_is_read_where_its_probability_is_monotone_in_one_score() -> None:
    """The scores are its log odds, and their negative."""
    model = CalibratedClassifierCV(LinearSVC(), ensemble=False).fit(INPUTS, BINARY)
    scores = read_original(model).scores(INPUTS)
    assert np.allclose(1 / (1 + np.exp(-scores[:, 1])), model.predict_proba(INPUTS)[:, 1])
    assert np.allclose(scores[:, 0], -scores[:, 1])
    made = compile_model(model, INPUTS, CompileOptions(), BINARY)
    assert made.report["agreement"] == 1.0


@pytest.mark.parametrize(
    ("model", "labels", "reason"),
    [
        (CalibratedClassifierCV(LinearSVC()), BINARY, "mean of 5"),
        (CalibratedClassifierCV(LinearSVC(), ensemble=False), LABELS, "3 classes"),
        (
            CalibratedClassifierCV(LinearSVC(), ensemble=False, method="isotonic"),
            BINARY,
            "isotonic",
        ),
    ],
)
def test_other_calibrated_classifiers_are_refused_with_the_reason(
    model: Any, labels: np.ndarray, reason: str
) -> None:
    """No linear score gives their probabilities."""
    with pytest.raises(InputError, match=reason):
        read_original(model.fit(INPUTS, labels))


@pytest.mark.parametrize(
    ("model", "truth"),
    [
        (PoissonRegressor(alpha=1), VALUES - VALUES.min()),
        (SVC(kernel="linear"), LABELS),
    ],
    ids=["exp", "pairs of classes"],
)
def test_models_that_compute_more_than_their_coefficients_say_are_refused(
    model: Any, truth: np.ndarray
) -> None:
    """They have `coef_` and `intercept_`, and answer otherwise."""
    model.fit(INPUTS, truth)
    with pytest.raises(InputError, match="not those of its layers"):
        compile_model(model, INPUTS, CompileOptions())


@pytest.mark.parametrize(
    "model",
    [RandomForestClassifier(5), OneVsRestClassifier(LinearSVC())],
    ids=lambda m: type(m).__name__,
)
def test_models_of_other_kinds_are_refused_by_name(model: Any) -> None:
    """Trees; several models in one."""
    model.fit(INPUTS, LABELS)
    with pytest.raises(InputError, match=type(model).__name__):
        read_original(model)


@pytest.mark.filterwarnings("ignore")  # five epochs do not converge
def test_what_outputs_are_is_taken_from_the_model() -> None:
    """Classes, labels that do not exclude each other, values."""
    labels = np.column_stack([BINARY, LABELS == 2]).astype(int)
    two = np.column_stack([VALUES, VALUES**2])
    cases = [
        (LogisticRegression(max_iter=500).fit(INPUTS, LABELS), "classes", ("0", "1", "2")),
        (RidgeClassifier().fit(INPUTS, BINARY), "classes", ("0", "1")),
        (RidgeClassifier().fit(INPUTS, labels), "labels", ()),
        (MLPClassifier((4,), max_iter=5).fit(INPUTS, labels), "labels", ()),
        (LinearRegression().fit(INPUTS, VALUES), "values", ()),
        (MultiTaskLasso().fit(INPUTS, two), "values", ()),
        (MLPRegressor(hidden_layer_sizes=(4,), max_iter=5).fit(INPUTS, VALUES), "values", ()),
    ]
    for model, outputs, names in cases:
        origin = read_original(model)
        assert (origin.outputs, origin.labels) == (outputs, names)
        require_same_answers(model, origin, INPUTS)


@pytest.mark.parametrize(
    ("labels", "classes", "places"),
    [
        ([3.0, 7.0, 3.0], (3, 7), [0, 1, 0]),
        ([-1.0, 1.0], (-1, 1), [0, 1]),
        (["yes", "no"], ("no", "yes"), [1, 0]),
        ([0.0, 1.0], (False, True), [0, 1]),
        ([1.0, 0.0], ("0", "1"), [1, 0]),
        ([True, False], (0, 1), [1, 0]),
        (["1", "0"], (0, 1), [1, 0]),
    ],
)
def test_labels_are_matched_with_classes_by_their_value(
    labels: list[Any], classes: tuple[Any, ...], places: list[int]
) -> None:
    """Never by position."""
    assert matched_classes(labels, classes).tolist() == places


@pytest.mark.parametrize(
    ("labels", "classes"), [([0.0, 1.0], (3, 7)), (["maybe"], ("no", "yes")), ([0.0], ("a", "b"))]
)
def test_labels_that_are_not_classes_are_refused(
    labels: list[Any], classes: tuple[Any, ...]
) -> None:
    """The message has both."""
    with pytest.raises(InputError, match=f"{classes[0]}, {classes[1]}"):
        matched_classes(labels, classes)


@pytest.mark.extra
def test_batch_normalisation_is_folded_wherever_it_is() -> None:
    """With the stored averages, also of a network that was saved while it was trained."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm1d(6),
        nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5)),
        nn.BatchNorm1d(5, affine=False),
        nn.Linear(5, 4),
        nn.Linear(4, 3),
        nn.Softmax(1),
    )
    rows = torch.from_numpy(INPUTS).float()
    for _ in range(5):
        model(rows)  # moves the averages
    assert model.training
    origin = read_original(model)
    require_same_answers(model, origin, INPUTS)
    assert model.training and len(origin.layers) == 2 and origin.outputs == "classes"
    with torch.no_grad():
        wanted = model.eval()[:-1](rows).numpy()
    assert np.allclose(origin.scores(INPUTS), wanted, atol=1e-4)


@pytest.mark.extra
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Linear", "LayerNorm", "ReLU", "Last"), "LayerNorm"),
        (("Linear", "Softmax", "Last"), "Softmax"),
        (("Linear", "PReLU", "Last"), "PReLU"),
        (("Linear", "ReLU"), "ReLU"),
        (("ReLU", "Linear"), "ReLU"),
        (("Conv1d",), "Conv1d"),
    ],
)
def test_the_layer_that_is_the_cause_is_named(names: tuple[str, ...], told: str) -> None:
    """And not the activation after it."""
    nn = pytest.importorskip("torch").nn
    made = {
        "Linear": lambda: nn.Linear(6, 5),
        "Last": lambda: nn.Linear(5, 3),
        "LayerNorm": lambda: nn.LayerNorm(5),
        "Softmax": lambda: nn.Softmax(1),
        "PReLU": nn.PReLU,
        "ReLU": nn.ReLU,
        "Conv1d": lambda: nn.Conv1d(1, 1, 1),
    }
    with pytest.raises(InputError, match=rf"found\s+{told}"):
        read_original(nn.Sequential(*(made[name]() for name in names)))


@pytest.mark.extra
def test_a_module_that_does_more_than_its_children_is_refused() -> None:
    """A connection around a layer is in no list of layers."""
    torch = pytest.importorskip("torch")

    class Residual(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(6, 6)
            self.act = torch.nn.ReLU()
            self.last = torch.nn.Linear(6, 3)

        def forward(self, rows: Any) -> Any:
            return self.last(self.act(self.first(rows)) + rows)

    with pytest.raises(InputError, match="not those of its layers"):
        compile_model(Residual(), INPUTS, CompileOptions(outputs="classes"))


def test_inputs_of_another_width_are_refused() -> None:
    """Before anything is fitted."""
    model = Ridge().fit(INPUTS, VALUES)
    with pytest.raises(InputError, match="6 columns"):
        compile_model(model, INPUTS[:, :5], CompileOptions())


class _LowThreshold(LogisticRegression):
    """Answers the second class from a probability of .05 on, as models of rare events do."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.05).astype(int)]


class _Clipped(LinearRegression):
    """Answers no negative values."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.maximum(super().predict(X), 0)


class _OneVeryLarge(LinearRegression):
    """Is wrong by its usual size, which is small beside one answer."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        answers = super().predict(X)
        return np.where(np.abs(answers) > 1e4, answers, answers + 1)


class _Other(LogisticRegression):
    """Answers names that are not its classes."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.where(super().predict(X) == 1, "yes", "no")


@pytest.mark.parametrize(
    ("kind", "is_searched"), [(_LowThreshold, False), (_LowThreshold, True), (_Other, False)]
)
def test_a_classifier_that_decides_otherwise_than_its_scores_is_refused(
    kind: type, is_searched: bool
) -> None:
    """What is printed of the original would not be true of its predict."""
    model = make_pipeline(StandardScaler(), kind(max_iter=500))
    if is_searched:
        model = GridSearchCV(model, {})
    model.fit(INPUTS, BINARY)
    with pytest.raises(InputError, match="predict decides otherwise than the scores"):
        compile_model(model, INPUTS, CompileOptions(), BINARY)


@pytest.mark.parametrize("kind", [_Clipped, _OneVeryLarge])
def test_a_regressor_that_changes_its_linear_answers_is_refused(kind: type) -> None:
    """Also where the change is small beside its largest answer."""
    rows = np.vstack([INPUTS, np.full((1, INPUTS.shape[1]), 1e6)])
    model = kind().fit(rows, rows @ np.arange(1.0, rows.shape[1] + 1))
    with pytest.raises(InputError, match="its answers are not those of its layers"):
        compile_model(model, rows, CompileOptions())


def test_what_cannot_be_compared_is_refused() -> None:
    """Coefficients without a predict."""
    model = SimpleNamespace(coef_=np.ones((1, INPUTS.shape[1])), intercept_=np.zeros(1))
    with pytest.raises(InputError, match="no predict to compare with"):
        compile_model(model, INPUTS, CompileOptions())


def test_classes_are_compared_by_value() -> None:
    """A predict that answers 1.0 for the class 1 answers the same class."""

    class Floats(LogisticRegression):
        def predict(self, X: np.ndarray) -> np.ndarray:
            return super().predict(X).astype(float)

    model = Floats(max_iter=500).fit(INPUTS, BINARY)
    require_same_answers(model, read_original(model), INPUTS)
