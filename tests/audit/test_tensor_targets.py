from pathlib import Path

import numpy as np
import pytest

from gamekeeper.audit.targets import TargetError, TensorTarget, onnx_target, torch_target
from gamekeeper.base.errors import InputError


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
