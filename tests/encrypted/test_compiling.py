"""Models of scikit-learn and torch -> networks of squares."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC

from encrypted.builders import make_model, make_network, make_rows
from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.compiled_model import read_model, write_model
from gamekeeper.encrypted.compiling import CompileOptions, compile_model, train_model
from gamekeeper.encrypted.fitting import Training, fit_network, one_hot, train_network
from gamekeeper.encrypted.originals import read_original
from gamekeeper.encrypted.square_network import Layer, balance, fold_biases, with_quadratic


def make_data(rows: int = 400, width: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = (
        rng.normal(size=(rows, width)) * rng.uniform(0.1, 20, width) + rng.normal(size=width) * 5
    )
    scores = make_network(width, 8, classes).scores((inputs - inputs.mean(0)) / inputs.std(0))
    return inputs, (scores - np.median(scores, axis=0)).argmax(axis=1)


INPUTS, LABELS = make_data()
LINEAR: list[Any] = [
    LogisticRegression(max_iter=500),
    LinearSVC(),
    SGDClassifier(random_state=0),
    RidgeClassifier(),
    LogisticRegression(max_iter=500).set_params(C=0.1),
]


@pytest.mark.parametrize("model", LINEAR, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), "passthrough"], ids=str
)
def test_linear_models_stay_as_they_are(model: Any, scaler: Any) -> None:
    """With whatever scales inputs before them folded in; agreement is all."""
    pipeline = make_pipeline(scaler, model).fit(INPUTS, LABELS)
    made = compile_model(pipeline, INPUTS, CompileOptions(), LABELS)
    assert np.allclose(
        made.scores(INPUTS), pipeline.decision_function(INPUTS), atol=1e-6 * np.abs(INPUTS).max()
    )
    assert made.report["agreement"] == 1.0
    assert made.description.labels == ("0", "1", "2")
    assert made.flood_bits > 30


def test_one_score_of_two_classes_becomes_two() -> None:
    """So that the larger one names the class."""
    model = LogisticRegression(max_iter=500).fit(INPUTS, np.where(LABELS > 0, "yes", "no"))
    made = compile_model(model, INPUTS, CompileOptions())
    assert made.description.labels == ("no", "yes")
    labels = np.array(made.description.labels)[made.scores(INPUTS).argmax(axis=1)]
    assert (labels == model.predict(INPUTS)).all()
    assert made.network.determining_rows == 4  # each score of a row of its own: (6 + 1) / 2


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_networks_of_scikit_learn_are_read_as_they_are(activation: str) -> None:
    """Before any square is fitted."""
    model = MLPClassifier((5, 4), activation=activation, max_iter=20, random_state=0)
    with pytest.warns(UserWarning):
        model.fit(INPUTS, LABELS)
    scores = read_original(model).scores(INPUTS)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert np.allclose(powers / powers.sum(axis=1, keepdims=True), model.predict_proba(INPUTS))


@pytest.mark.extra
def test_a_trained_network_of_squares_keeps_accuracy() -> None:
    """Loss is stated: agreement with the original, and both accuracies."""
    pytest.importorskip("tenseal")
    inputs, labels = make_data(1500)
    network = MLPClassifier((16,), max_iter=2000, tol=1e-3, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(inputs, labels)
    plain = compile_model(model, inputs, CompileOptions(training=None), labels)
    made = compile_model(model, inputs, CompileOptions(training=Training(epochs=80)), labels)
    assert (
        made.report["agreement"] > 0.85
        and made.report["agreement"] >= plain.report["agreement"] - 0.02
    )
    assert made.report["accuracy"] > made.report["accuracy_original"] - 0.05
    assert 0 < made.report["activation_errors"][0] < 1
    assert made.flood_bits > 5


@pytest.mark.extra
def test_a_network_is_trained_from_nothing() -> None:
    """Without a model, from labels."""
    pytest.importorskip("tenseal")
    inputs, labels = make_data(1500)
    made = train_model(inputs, labels, (8,), CompileOptions(training=Training(epochs=80)))
    assert made.report["accuracy"] > 0.8
    assert made.network.hidden == 1


@pytest.mark.extra
def test_torch_networks_are_read_with_any_activation() -> None:
    """Linear and activations in turn; dropout and the softmax at the end do not count."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.GELU(),
        nn.Dropout(),
        nn.Linear(5, 3, bias=False),
        nn.Softmax(1),
    ).eval()
    scores = read_original(model).scores(INPUTS)
    with torch.no_grad():
        wanted = model[:-1](torch.from_numpy(INPUTS).float()).numpy()
    assert np.allclose(scores, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "rows"), [((64, 10), 65), ((64, 32, 10), 241), ((10, 512, 2), 66), ((3, 8, 8, 1), 35)]
)
def test_rows_that_determine_a_network_are_no_more_than_its_polynomials_have_coefficients(
    sizes: tuple[int, ...], rows: int
) -> None:
    """A wide network of few inputs has many parameters, and is a quadratic form all the same:
    honest rows find it.
    """
    network = make_network(*sizes)
    assert network.determining_rows == rows
    if sizes == (10, 512, 2):
        asked = make_rows(rows, 10, seed=2)
        other = make_rows(20, 10, seed=3)
        found = np.linalg.solve(_monomials(asked), network.scores(asked))
        assert np.abs(_monomials(other) @ found - network.scores(other)).max() < 1e-6


def _monomials(rows: np.ndarray) -> np.ndarray:
    full = np.column_stack([rows, np.ones(len(rows))])
    at = np.triu_indices(full.shape[1])
    return full[:, at[0]] * full[:, at[1]]


def test_quadratics_are_exact() -> None:
    """An activation that is a quadratic loses nothing."""
    layers = make_network(6, 5, 3).layers
    quadratic = lambda t: 0.3 * t**2 - 2 * t + 1  # noqa: E731
    rows = make_rows(50, 6)
    wanted = (
        quadratic(rows @ layers[0].weights.T + layers[0].bias) @ layers[1].weights.T
        + layers[1].bias
    )
    assert np.allclose(with_quadratic(layers, [(0.3, -2.0, 1.0)]).scores(rows), wanted)
    found = fit_network(layers, [quadratic], rows)
    assert np.allclose(found.network.scores(rows), wanted)
    assert found.errors[0] < 1e-9


def test_what_is_all_but_straight_is_bent_a_little() -> None:
    """A square has to carry it: the fit stays near."""
    layers = make_network(6, 5, 3).layers
    rows = make_rows(200, 6)
    assert fit_network(layers, [lambda t: t], rows).errors[0] < 0.05


def test_rewriting_a_network_changes_no_score() -> None:
    """Balanced hidden units; biases as weights."""
    network = make_network(6, 5, 4, 3)
    rows = make_rows(50, 6)
    even = balance(network, rows)
    assert np.allclose(even.scores(rows), network.scores(rows))
    reach = np.abs(rows @ even.layers[0].weights.T + even.layers[0].bias).max(axis=0)
    assert np.allclose(reach, 1)
    ones = np.column_stack([rows, np.ones(len(rows))])
    assert np.allclose(fold_biases(network).scores(ones), network.scores(rows))


def test_training_is_the_same_for_the_same_seed() -> None:
    """And another for another."""
    targets = one_hot(LABELS, 3)
    one, same, other = (
        train_network(INPUTS, targets, (4,), Training(epochs=3, seed=s)).scores(INPUTS)
        for s in (1, 1, 2)
    )
    assert (one == same).all() and not np.allclose(one, other)


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (object(), INPUTS),
        (make_pipeline(PolynomialFeatures(), RidgeClassifier()), INPUTS),
        (RidgeClassifier(), INPUTS[:3]),
        (RidgeClassifier(), np.full((50, 6), np.nan)),
    ],
)
def test_what_cannot_be_compiled_is_said(model: Any, inputs: np.ndarray) -> None:
    """A model of another kind, a step that does not fold, rows that are too few or none."""
    if hasattr(model, "fit"):
        model.fit(INPUTS, LABELS)
    with pytest.raises(InputError):
        compile_model(model, inputs, CompileOptions())


def test_scores_that_are_too_large_for_the_error_are_said() -> None:
    """Noise below a unit of the ring would hide nothing."""
    model = LogisticRegression(max_iter=500).fit(INPUTS, LABELS)
    model.coef_ = model.coef_ * 1e7
    with pytest.raises(InputError, match="too large for that error"):
        compile_model(model, INPUTS, CompileOptions(packing="batched"))


def test_a_model_survives_its_file(tmp_path: Path) -> None:
    """Bit for bit, mode 0600, and no pickle."""
    model = make_model(6, 5, 3, labels=("a", "b", "c"), features=tuple("uvwxyz"))
    path = tmp_path / "m.he"
    write_model(model, path)
    read = read_model(path)
    assert read.to_dict() == model.to_dict()
    assert read.description.digest == model.description.digest
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\x80\x04", b'{"format": "gamekeeper/encrypted-model@2"}']
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, another JSON, a pickle, a later format."""
    (tmp_path / "m.he").write_bytes(content)
    with pytest.raises(InputError):
        read_model(tmp_path / "m.he")


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    """Each field in turn taken out, or made another thing."""
    import orjson

    model = make_model(6, 5, 3)
    path = tmp_path / "m.he"
    for name in model.to_dict():
        for value in (None, [], "x", {}, 3):
            if name == "report" and isinstance(value, dict | list):
                continue
            path.write_bytes(orjson.dumps(model.to_dict() | {name: value}))
            if name == "flood_bits" and value == 3:
                assert read_model(path).flood_bits == 3
                continue
            with pytest.raises(InputError):
                read_model(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("scales", "weights"), ["a", "b"]),
        (("scales", "weights"), [-5, 34]),
        (("scales", "weights"), [5_000, 34]),
        (("description", "error"), 0),
        (("description", "error"), -1),
        (("description", "error"), True),
        (("description", "determining_rows"), 0),
        (
            ("layers",),
            [
                {"weights": [[1.0] * 6] * 9, "bias": [0] * 9},
                {"weights": [[1.0] * 9] * 3, "bias": [0] * 3},
            ],
        ),
    ],
)
def test_models_that_would_fail_or_flood_nothing_when_asked_are_refused(
    tmp_path: Path, where: tuple[str, ...], value: Any
) -> None:
    """When they are read: with an error of 0 there would be no noise."""
    import orjson

    fields = make_model(6, 5, 3).to_dict()
    held = fields
    for name in where[:-1]:
        held = held[name]
    held[where[-1]] = value
    (tmp_path / "m.he").write_bytes(orjson.dumps(fields))
    with pytest.raises(InputError):
        read_model(tmp_path / "m.he")


def test_layers_that_do_not_fit_are_refused() -> None:
    """Sizes, invalid numbers, nothing at all."""
    good = Layer(np.ones((2, 3)), np.ones(2))
    for layers in (
        (),
        (good, good),
        (Layer(np.ones((2, 3)), np.ones(3)),),
        (Layer(np.full((2, 3), np.nan), np.ones(2)),),
    ):
        with pytest.raises(InputError):
            from gamekeeper.encrypted.square_network import SquareNetwork

            SquareNetwork(layers)
