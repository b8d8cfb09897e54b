"""What compiling loses is stated with its baseline, by what the outputs are, on ordinary rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from encrypted.builders import make_network
from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.compiling import CompileOptions, compile_model, train_model
from gamekeeper.encrypted.originals import OriginalModel
from gamekeeper.encrypted.quality import best_constant, compared, r2, stretched
from gamekeeper.encrypted.truth import stated_outputs, true_outputs

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(400, 5))
VALUES = INPUTS @ np.arange(1.0, 6.0)
LABELS = (VALUES > 4).astype(int)


def test_a_ruined_one_output_model_does_not_agree() -> None:
    """Its one score is compared with its threshold, beside the best constant."""
    score = VALUES[:, None] - 4
    same = compared(score, score * 2, "score", LABELS)
    ruined = compared(score, np.full_like(score, -1.0), "score", LABELS)
    assert same["agreement"] == same["accuracy"] == 1.0
    assert ruined["agreement"] == ruined["agreement_constant"] == float((LABELS == 0).mean())


def test_values_are_compared_by_error_and_not_by_class() -> None:
    """A constant explains nothing of them."""
    score = VALUES[:, None]
    figures = compared(score, score + 0.5, "values", score)
    assert figures["largest_difference"] == pytest.approx(0.5)
    assert 0.9 < figures["r2"] < 1 and figures["r2_truth_original"] == 1  # type: ignore[operator]
    assert "agreement" not in figures and "accuracy" not in figures
    constant = np.full_like(score, score.mean())
    assert compared(score, constant, "values", None)["r2"] == pytest.approx(0)
    assert r2(score, constant) is None


def test_labels_are_compared_each_for_itself() -> None:
    """Two may apply to one row."""
    scores = np.array([[1.0, 1.0], [-1.0, 2.0], [-1.0, 3.0], [-1.0, 1.0]])
    figures = compared(scores, scores * [[1.0, -1.0]], "labels", None)
    assert figures["agreement"] == 0.5 and figures["agreement_constant"] == (0.75 + 1) / 2


def test_the_best_constant_is_the_share_of_the_commonest_class() -> None:
    """Of what is compared."""
    assert best_constant(np.array([0, 2, 2, 1])) == 0.5


def test_a_regression_is_reported_as_one() -> None:
    """With and without the truth; what is exact has no difference."""
    model = LinearRegression().fit(INPUTS, VALUES)
    made = compile_model(model, INPUTS, CompileOptions(), VALUES + 1)
    assert made.report["outputs"] == "values" and made.report["rows_of_inputs"] == 400
    assert made.report["r2"] == pytest.approx(1) and made.report["r2_truth"] < 1
    assert made.description.labels == ()


@pytest.mark.extra
@pytest.mark.filterwarnings("ignore")  # it need not converge
def test_a_network_of_values_is_trained_towards_its_values() -> None:
    """And not towards classes, which would lose their scale."""
    pytest.importorskip("tenseal")
    network = MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=2000, random_state=0, learning_rate_init=0.01
    )
    two = np.column_stack([VALUES, np.maximum(VALUES, 0) * 3 + 100])
    model = make_pipeline(StandardScaler(), network).fit(INPUTS, two)
    plain = compile_model(model, INPUTS, CompileOptions(training=None))
    made = compile_model(model, INPUTS, CompileOptions())
    assert made.report["r2"] > 0.95
    assert made.report["r2"] >= plain.report["r2"]


@pytest.mark.extra
def test_one_logit_is_a_score_where_the_model_or_labels_say_so() -> None:
    """After a sigmoid, with two labels, or as stated; otherwise it is a value."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    linear = nn.Linear(5, 1)
    with torch.no_grad():
        linear.weight[:] = torch.arange(1.0, 6.0)
        linear.bias[:] = -4.0
    bare = nn.Sequential(linear)
    for model, options, labels, outputs in (
        (nn.Sequential(linear, nn.Sigmoid()), CompileOptions(), None, "score"),
        (bare, CompileOptions(), LABELS, "score"),
        (bare, CompileOptions(), LABELS * 2 - 1, "score"),
        (bare, CompileOptions(outputs="score"), None, "score"),
        (bare, CompileOptions(), None, "values"),
        (bare, CompileOptions(), VALUES, "values"),
    ):
        report = compile_model(model, INPUTS, options, labels).report
        assert report["outputs"] == outputs
        assert report["outputs_assumed"] is (outputs == "values")
        if outputs == "score" and labels is not None:
            assert report["accuracy"] > 0.99 > report["accuracy_constant"]


def original(width: int, **fields: Any) -> OriginalModel:
    return OriginalModel(layers=make_network(5, width).layers, **fields)


def test_several_outputs_that_nothing_tells_are_asked_for() -> None:
    """Labels tell, and so does the option."""
    origin = original(3)
    with pytest.raises(InputError, match="--outputs"):
        stated_outputs(origin, None, None)
    assert stated_outputs(origin, "values", None).outputs == "values"
    assert stated_outputs(origin, None, np.zeros(4)).outputs == "classes"
    assert stated_outputs(origin, None, np.eye(3)).outputs == "labels"
    assert stated_outputs(origin, None, np.eye(3) * 5).outputs == "values"


@pytest.mark.parametrize(
    ("origin", "outputs"),
    [
        (original(3), "score"),
        (original(1), "classes"),
        (original(2, outputs="classes", classes=("a", "b")), "values"),
    ],
)
def test_outputs_that_a_model_cannot_have_are_refused(origin: OriginalModel, outputs: Any) -> None:
    """By their number, or by the classes that it names."""
    with pytest.raises(InputError, match=f"cannot be {outputs}"):
        stated_outputs(origin, outputs, None)


@pytest.mark.parametrize(
    ("origin", "labels"),
    [
        (original(2, outputs="classes", classes=(3, 7)), np.array([0, 1])),
        (original(2, outputs="classes"), np.array([0, 2])),
        (original(2, outputs="classes"), np.array([0, -1])),
        (original(2, outputs="classes"), np.array([[0, 1], [1, 0]])),
        (original(2, outputs="labels"), np.array([0, 1])),
        (original(2, outputs="labels"), np.array([[0, 1], [1, 3]])),
        (original(1, outputs="values"), np.array(["a", "b"])),
        (original(1, outputs="score"), np.array([1, 2])),
        (original(1, outputs="values"), np.zeros(3)),
    ],
)
def test_labels_that_do_not_fit_are_refused(origin: OriginalModel, labels: np.ndarray) -> None:
    """Unknown classes, other shapes, texts, too many."""
    with pytest.raises(InputError, match="labels: "):
        true_outputs(labels, origin, 2)


def test_a_trained_network_has_the_names_of_its_classes() -> None:
    """Of any value; fractions are not classes."""
    pytest.importorskip("tenseal")
    options = CompileOptions()
    made = train_model(INPUTS, np.where(LABELS, "yes", "no"), (4,), options)
    assert made.description.labels == ("no", "yes")
    assert made.report["accuracy"] > made.report["accuracy_constant"]
    assert train_model(INPUTS, LABELS * 4 + 3, (4,), options).description.labels == ("3", "7")
    with pytest.raises(InputError, match="fractions"):
        train_model(INPUTS, VALUES, (4,), options)


def test_rows_that_stretch_a_range_are_found() -> None:
    """By feature; ordinary rows and rare truth values are not."""
    rows = np.column_stack([INPUTS, np.arange(400) == 7])
    assert stretched(rows)[0] == []
    rows[3, 1] = 1e5
    rows[9, 2] = -300
    found, which = stretched(rows)
    assert [(each.feature, each.rows) for each in found] == [(1, 1), (2, 1)]
    assert np.flatnonzero(which).tolist() == [3, 9]
    assert found[0].high == 1e5 and found[0].usual_high < 5


def test_rare_values_of_a_sparse_feature_do_not_stretch_it_unless_one_is_far_from_them() -> None:
    """A count of a rare word is 0 in nearly all rows."""
    rare = np.zeros((2_000, 1))
    rare[:10, 0] = 1, 2, 3, 2, 1, 4, 2, 1, 3, 2
    assert stretched(rare)[0] == []
    rare[2, 0] = 1e6
    (found,) = stretched(rare)[0]
    assert (found.rows, found.usual_low, found.usual_high) == (1, 0, 4)


def test_a_stretched_range_is_reported_with_what_it_costs() -> None:
    """Bits of noise, and figures without these rows; not where the owner states the range."""
    model = LogisticRegression().fit(INPUTS, LABELS)
    rows = INPUTS.copy()
    rows[5, 0] = 1e6
    made = compile_model(model, rows, CompileOptions(features=tuple("abcde")), LABELS)
    report = made.report["stretched"]
    assert report["rows"] == 1 and report["features"][0]["name"] == "a"
    assert report["without"]["flood_bits"] > made.flood_bits + 10
    assert report["without"]["rows"] == made.report["rows"] - 1
    assert report["without"]["accuracy"] >= made.report["accuracy"]
    assert "stretched" not in compile_model(model, INPUTS, CompileOptions(), LABELS).report
    stated = replace(CompileOptions(), range=(-4.0, 4.0))
    assert "stretched" not in compile_model(model, rows, stated, LABELS).report


def test_a_model_that_a_stretched_range_prevents_is_refused_with_that_cause() -> None:
    """Beside what the noise lacks."""
    rows = INPUTS.copy()
    rows[5, 0] = 1e15
    model = LogisticRegression().fit(INPUTS, LABELS)
    with pytest.raises(InputError, match=r"(?s)error: model.*few rows stretch.*column 1"):
        compile_model(model, rows, CompileOptions(packing="batched"))


def test_columns_of_a_frame_are_taken_by_name() -> None:
    """By `compile_model`, and by the compiled model; arrays are in order."""
    names = ("a", "b", "c", "d", "e")
    model = LogisticRegression().fit(INPUTS, LABELS)
    model.feature_names_in_ = np.array(names, dtype=object)
    frame = pl.DataFrame(INPUTS, schema=list(names))
    made = compile_model(model, frame.select(reversed(names)), CompileOptions(), LABELS)
    assert made.description.features == names and made.report["agreement"] == 1.0
    assert (made.scores(frame.select(reversed(names))) == made.scores(INPUTS)).all()
    with pytest.raises(InputError, match="missing: a; unknown: z"):
        made.scores(frame.rename({"a": "z"}))


def test_names_that_clients_would_refuse_are_refused_by_the_compiler() -> None:
    """Too long, or with control characters."""
    model = LogisticRegression().fit(INPUTS, LABELS)
    for name in ("x" * 300, "a\tb", ""):
        with pytest.raises(InputError, match="not a name"):
            compile_model(model, INPUTS, CompileOptions(features=(name, *"bcde")))
