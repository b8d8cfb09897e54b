"""A network in a file as a target: ONNX, or what `torch.export` or TorchScript wrote.

None of the three runs Python that stands in the file, as a pickle would. Rows are brought into the
shape that the network wants (a picture's channels and sides), and batches into the size that it was
exported with.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.base.errors import InputError, MissingExtraError, input_error

Run = Callable[[Array], Any]
"""Inputs as the network wants them, to what it answers."""


class TensorTarget:
    """See `Target`.

    Args:
        run: Answers a batch, shape (n, *shape).
        name: By which reports call it.
        shape: Of an input.
        batch: Inputs that it takes at once, exactly; None for any number.
    """

    def __init__(self, run: Run, name: str, shape: Sequence[int], batch: int | None = None) -> None:
        self._run = run
        self.name = name
        self._shape = tuple(shape)
        self._batch = batch

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        try:
            shaped = inputs.reshape(len(inputs), *self._shape)
        except ValueError as error:
            raise TargetError(
                f"{self.name} takes inputs of shape {self._shape}; found {inputs.shape[1]} numbers"
            ) from error
        size = self._batch or max(1, len(shaped))
        parts = [shaped[start : start + size] for start in range(0, len(shaped), size)]
        try:
            return (
                np.concatenate([self._answered(part, size) for part in parts])
                if parts
                else np.empty((0, 1))
            )
        except Exception as error:
            raise TargetError(
                f"{self.name} failed on {len(inputs)} inputs: {type(error).__name__}: {error}"
            ) from error

    def _answered(self, part: Array, size: int) -> Array:
        """Fills a batch up with its last input where the network takes no fewer."""
        missing = size - len(part) if self._batch else 0
        whole = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        return np.asarray(self._run(whole), np.float64)[: len(part)]


def onnx_target(path: Path) -> TensorTarget:
    """Reads an ONNX model; of several outputs, the scores.

    Raises:
        InputError: It cannot be read.
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("an ONNX target", "onnx") from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _unreadable(path, str(error), "an ONNX model") from error
    wanted = session.get_inputs()[0]
    kind = np.float64 if "double" in wanted.type else np.float32
    batch, *shape = wanted.shape

    def run(inputs: Array) -> Any:
        return _scores(session.run(None, {wanted.name: inputs.astype(kind)}))

    return TensorTarget(run, path.name, _sides(shape), batch if isinstance(batch, int) else None)


def torch_target(path: Path) -> TensorTarget:
    """Reads a network that `torch.export.save` (.pt2) or `torch.jit.save` wrote.

    Raises:
        InputError: It cannot be read, or is a pickle.
        MissingExtraError: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("a torch target", "torch") from None
    try:
        if path.suffix != ".pt2":
            return TensorTarget(_torch_run(torch.jit.load(path).eval()), path.name, (-1,))
        program = torch.export.load(path)
    except Exception as error:
        expected = (
            "a network of torch.export.save (.pt2) or torch.jit.save; weights alone have no"
            " network, a pickle runs code"
        )
        raise _unreadable(path, str(error), expected) from error
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    batch, *shape = placeholders[-1].meta["val"].shape
    return TensorTarget(
        _torch_run(program.module()),
        path.name,
        _sides(shape),
        batch if type(batch) is int else None,
    )


def _torch_run(network: Any) -> Run:
    import torch

    def run(inputs: Array) -> Any:
        with torch.no_grad():
            return network(torch.as_tensor(inputs, dtype=torch.float32)).numpy()

    return run


def _scores(outputs: list[Any]) -> Any:
    """Of a classifier's outputs, the last that holds numbers for classes; converters put labels
    first.
    """
    last = outputs[-1]
    if isinstance(last, list):  # one dictionary a row
        return [[row[name] for name in last[0]] for row in last]
    return last


def _sides(shape: Sequence[Any]) -> tuple[int, ...]:
    sides = tuple(side if isinstance(side, int) else -1 for side in shape)
    return sides or (-1,)


def _unreadable(path: Path, found: str, expected: str) -> InputError:
    return input_error(path, "the file cannot be read", found[:200], expected)
