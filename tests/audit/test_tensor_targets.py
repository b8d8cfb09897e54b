import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamekeeper.audit.columns import Columns, with_columns
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets import TargetError, TensorTarget, onnx_target, torch_target
from gamekeeper.audit.targets._onnx_graph import read_graph
from gamekeeper.base.errors import InputError, UsageError


def test_rows_are_brought_into_the_shape_and_the_batch_that_are_wanted() -> None:
    """Pictures for a network that was exported with four at once."""
    met = []

    def run(inputs: np.ndarray) -> np.ndarray:
        met.append(inputs.shape)
        return inputs.sum(axis=(1, 2, 3))[:, None] * [1, 2]

    inputs = np.arange(6 * 4, dtype=float).reshape(6, 4)
    answers = TensorTarget(run, "net", (1, 2, 2), batch=4).ask(inputs)
    assert met == [(4, 1, 2, 2)] * 2
    assert np.allclose(answers[:, 0], inputs.sum(axis=1))


def test_wrong_width_is_said() -> None:
    """What is taken, and what was given."""
    with pytest.raises(TargetError, match=r"takes inputs of shape \(1, 3, 3\); found 4 numbers"):
        TensorTarget(lambda inputs: inputs, "net", (1, 3, 3)).ask(np.zeros((2, 4)))


@pytest.mark.extra
def test_exported_network_answers_as_the_network_does(tmp_path: Path) -> None:
    """With any number of inputs, or with the number that it was exported with."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    ).eval()
    inputs = np.random.default_rng(0).standard_normal((5, 16))
    with torch.no_grad():
        wanted = network(torch.tensor(inputs, dtype=torch.float32).reshape(5, 1, 4, 4)).numpy()
    example = (torch.zeros(2, 1, 4, 4),)
    any_number = {"dynamic_shapes": ({0: torch.export.Dim("n")},)}
    for kind, more in (("any", any_number), ("two", {})):
        path = tmp_path / f"{kind}.pt2"
        torch.export.save(torch.export.export(network, example, **more), path)
        assert np.allclose(torch_target(path).ask(inputs), wanted, atol=1e-5)


@pytest.mark.extra
def test_pickle_is_no_network(tmp_path: Path) -> None:
    """It is not read, and the message says why."""
    import torch

    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="a pickle runs code"):
        torch_target(path)


@pytest.mark.extra
def test_onnx_classifier_gives_its_scores(tmp_path: Path) -> None:
    """Labels come first in what converters write; scores are what is audited."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    inputs = np.random.default_rng(1).standard_normal((50, 4))
    model = LogisticRegression().fit(inputs, inputs[:, 0] > 0)
    for zipped in (True, False):
        (tmp_path / "model.onnx").write_bytes(
            skl2onnx.to_onnx(
                model, inputs[:1].astype(np.float32), options={"zipmap": zipped}
            ).SerializeToString()
        )
        answers = onnx_target(tmp_path / "model.onnx").ask(inputs)
        assert np.allclose(answers, model.predict_proba(inputs), atol=1e-4)


@pytest.mark.extra
def test_what_is_no_onnx_is_said(tmp_path: Path) -> None:
    """Where, and what was expected."""
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="an ONNX model"):
        onnx_target(tmp_path / "model.onnx")


def traced(network: Any, example: Any, path: Path) -> None:
    """Writes TorchScript, which torch calls deprecated and people still have."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(network, example), path)


def converted(model: Any, inputs: Any, path: Path, **options: Any) -> TensorTarget:
    skl2onnx = pytest.importorskip("skl2onnx")
    path.write_bytes(skl2onnx.to_onnx(model, inputs[:1], **options).SerializeToString())
    return onnx_target(path)


@pytest.mark.extra
def test_onnx_graph_says_what_it_answers(tmp_path: Path) -> None:
    """By its operators, and by the labels beside its scores."""
    from sklearn.ensemble import IsolationForest, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression

    inputs = np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32)
    kinds = np.array(["a", "b", "c"])[np.digitize(inputs[:, 0], [-0.5, 0.5])]
    for model, kind in (
        (LogisticRegression().fit(inputs, kinds), AnswerKind.SCORES),
        (LinearRegression().fit(inputs, inputs[:, 0]), AnswerKind.VALUES),
        (RandomForestRegressor(2).fit(inputs, inputs[:, 0]), AnswerKind.VALUES),
        (IsolationForest(n_estimators=2).fit(inputs), AnswerKind.SCORE),
    ):
        opsets = {"target_opset": {"": 15, "ai.onnx.ml": 3}}
        target = converted(model, inputs, tmp_path / "m.onnx", **opsets)
        assert target.answers is kind
        assert target.classes == (("a", "b", "c") if kind is AnswerKind.SCORES else ())


@pytest.mark.extra
def test_scores_of_many_classes_keep_their_order(tmp_path: Path) -> None:
    """Class 10 comes after class 2, not before it."""
    from sklearn.ensemble import RandomForestClassifier

    inputs = np.random.default_rng(1).standard_normal((120, 4)).astype(np.float32)
    model = RandomForestClassifier(3).fit(inputs, np.arange(120) % 12)
    target = converted(model, inputs, tmp_path / "m.onnx", options={"zipmap": True})
    assert np.allclose(target.ask(inputs), model.predict_proba(inputs), atol=1e-5)
    assert target.classes == tuple(str(number) for number in range(12))


@pytest.mark.extra
def test_onnx_pipeline_gets_its_columns_by_name(tmp_path: Path) -> None:
    """Text among them, each in an input of its own."""
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "city": rng.choice(np.array(["Lima", "Oslo"], object), 80),
            "age": rng.uniform(18, 80, 80).astype(np.float32),
        }
    ).astype({"city": object})
    parts = [("text", OneHotEncoder(), ["city"]), ("numbers", "passthrough", ["age"])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression())
    model.fit(frame, frame["city"] == "Oslo")
    target = converted(model, frame, tmp_path / "m.onnx", options={"zipmap": False})
    columns = Columns(
        names=("age", "city"), categories=(None, ("Lima", "Oslo")), missing=(False, False)
    )
    rows = np.stack([frame["age"], frame["city"] == "Oslo"], axis=1).astype(float)
    answers = with_columns(target, columns).ask(rows)
    assert np.allclose(answers, model.predict_proba(frame), atol=1e-5)
    with pytest.raises(UsageError, match="columns of text are none; the model takes city"):
        with_columns(target, Columns(names=columns.names, categories=(None,) * 2, missing=(False,) * 2))  # fmt: skip


@pytest.mark.extra
@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("Softmax", AnswerKind.SCORES),
        ("Sigmoid", AnswerKind.MULTILABEL),
        ("Identity", None),
    ],
)
def test_last_operator_of_a_network_says_what_it_answers(
    last: str, kind: AnswerKind | None, tmp_path: Path
) -> None:
    """Where the file shows it."""
    import torch

    end = torch.nn.Softmax(dim=1) if last == "Softmax" else getattr(torch.nn, last)()
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), end).eval()
    program = torch.export.export(
        network, (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, tmp_path / "m.pt2")
    assert torch_target(tmp_path / "m.pt2").answers is kind
    traced(network, torch.zeros(2, 4), tmp_path / "m.pt")
    scripted = torch_target(tmp_path / "m.pt")
    assert scripted.answers is (kind if last == "Softmax" else None)
    assert scripted.ask(np.zeros((2, 4))).shape == (2, 3)


@pytest.mark.extra
def test_one_sigmoid_is_one_score(tmp_path: Path) -> None:
    """As most networks for two classes answer."""
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()).eval()
    program = torch.export.export(
        network, (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, tmp_path / "m.pt2")
    assert torch_target(tmp_path / "m.pt2").answers is AnswerKind.SCORE


@pytest.mark.extra
def test_double_network_is_given_doubles(tmp_path: Path) -> None:
    """And it is said."""
    import torch

    network = torch.nn.Linear(4, 2).double().eval()
    example = torch.zeros(2, 4, dtype=torch.float64)
    traced(network, example, tmp_path / "m.pt")
    torch.export.save(torch.export.export(network, (example,)), tmp_path / "m.pt2")
    inputs = np.random.default_rng(0).standard_normal((2, 4))
    wanted = network(torch.tensor(inputs)).detach().numpy()
    for name in ("m.pt", "m.pt2"):
        target = torch_target(tmp_path / name)
        assert np.array_equal(target.ask(inputs), wanted)
        assert target.remarks == ("inputs are given as float64, which it takes",)


@pytest.mark.extra
def test_network_that_returns_several_tensors_is_refused(tmp_path: Path) -> None:
    """Which of them are scores is not known."""
    import torch

    class Two(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return rows, rows * 2

    traced(Two(), torch.zeros(2, 4), tmp_path / "m.pt")
    with pytest.raises(TargetError, match="returns 2 tensors"):
        torch_target(tmp_path / "m.pt").ask(np.zeros((2, 4)))


def test_graph_of_a_file_that_is_not_one_is_an_error() -> None:
    """Cut anywhere."""
    for data in (b"\x3a\x7f", b"\xff" * 12, b"\x03"):
        with pytest.raises(ValueError, match="Protocol Buffers"):
            read_graph(data)
