"""A network in a file as a target: ONNX, or what `torch.export` or TorchScript wrote.

None of the three runs Python that is in the file, as a pickle would. Rows are brought into the
shape that the network wants (a picture's channels and sides), and batches into the size that it was
exported with. Where a graph shows how it computes its output, that says what the output is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.columns import Columns, blamed
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets._onnx_graph import OnnxGraph, read_graph
from gamekeeper.audit.targets._quiet import quietly
from gamekeeper.audit.targets._target import Array, QueryError, TargetError
from gamekeeper.audit.targets.reading import AnswerReader
from gamekeeper.base.errors import InputError, MissingExtraError, UsageError, input_error
from gamekeeper.base.tables import column_order

Run = Callable[[Array], Any]
"""Inputs as the network wants them, to what it answers."""

_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.str_,
}
_ONNX_FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")
_SCORE_NAMES = ("prob", "score", "logit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that was read.

    Args:
        run: Answers a batch, shape (n, *shape); where inputs have names, one column for each.
        shape: Of an input.
        batch: Inputs that it takes at once, exactly; None for any number.
        answers: What its graph says that it answers; None if it does not.
        classes: Names of its classes, empty if it has none.
        names: Of the columns that it takes one by one; empty if it takes them together.
        texts: Of these, which are text.
        remarks: What was recognised.
    """

    run: Run
    shape: tuple[int, ...]
    batch: int | None = None
    answers: AnswerKind | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


class TensorTarget:
    """A network as a target.

    Args:
        run: Answers a batch, shape (n, *shape).
        name: By which reports call it.
        shape: Of an input.
        batch: Inputs that it takes at once, exactly; None for any number.
        network: What else is known of it; replaces `run`, `shape` and `batch`.
    """

    def __init__(
        self,
        run: Run,
        name: str,
        shape: Sequence[int],
        batch: int | None = None,
        *,
        network: Network | None = None,
    ) -> None:
        self.name = name
        self._network = network or Network(run=run, shape=tuple(shape), batch=batch)
        # maps of scores are in the order of the classes as the network has them
        self._reader = AnswerReader(name, self._network.classes)
        self._columns: Columns | None = None
        self.columns: Columns | None = None  # see `columns_of`
        self._order: list[int] | None = None

    @property
    def answers(self) -> AnswerKind | None:
        """See `Target`."""
        return self._network.answers

    @property
    def classes(self) -> tuple[str, ...]:
        """See `classes_of`."""
        return self._network.classes or self._reader.classes

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `remarks_of`."""
        return (*self._network.remarks, *self._reader.remarks)

    def for_columns(self, columns: Columns) -> "TensorTarget":
        """Returns the same network for inputs with these columns.

        Raises:
            InputError: It takes columns of other names.
            UsageError: It takes numbers only, and a column is text.
        """
        network = self._network
        target = TensorTarget(network.run, self.name, network.shape, network=network)
        target._columns = columns
        target.columns = columns if network.names else None
        if network.names and columns.names:
            order = column_order(columns.names, network.names, "the inputs", "the model")
            target._order = order
            target._columns = columns.reordered(order)
            said = "columns are matched with the inputs of the model by their names"
            target._network = replace(network, remarks=(*network.remarks, said))
        held = target._columns.categories
        wants = [name in network.texts for name in network.names] or [False] * columns.width
        if [texts is not None for texts in held] != wants:
            found = ", ".join(columns.texts) or "none"
            expected = ", ".join(sorted(network.texts)) or "numbers only"
            raise UsageError(
                f"{self.name}: columns of text are {found}; the model takes {expected}"
            )
        return target

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        rows = self._given(inputs)
        size = self._network.batch or max(1, len(rows))
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        if not parts:
            return np.empty((0, 1))
        try:
            return np.concatenate([self._answered(part, size) for part in parts])
        except TargetError:
            raise
        except Exception as error:
            said = blamed(error, inputs, None if self._order else self._columns)
            raise QueryError(f"{self.name} failed on {len(inputs)} inputs: {said}") from error

    def _given(self, inputs: Array) -> Array:
        network = self._network
        rows = inputs if self._order is None else inputs[:, self._order]
        if network.texts:
            if self._columns is None:
                raise TargetError(f"{self.name} takes text: {', '.join(sorted(network.texts))}")
            cells = self._columns.cells(rows)
            return np.array([["" if c is None else c for c in row] for row in cells], object)
        try:
            return rows.reshape(len(rows), *network.shape)
        except ValueError as error:
            raise TargetError(
                f"{self.name} takes inputs of shape {network.shape}; found {inputs.shape[1]}"
                " numbers"
            ) from error

    def _answered(self, part: Array, size: int) -> Array:
        """Fills a batch up with its last input where the network takes no fewer."""
        missing = size - len(part) if self._network.batch else 0
        whole = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        answer = self._reader.read(quietly(self._network.run, whole), len(whole))
        return answer[: len(part)]


def onnx_target(path: str | Path) -> TensorTarget:
    """Reads an ONNX model; of several outputs, the scores.

    Raises:
        InputError: It cannot be read.
        MissingExtraError: onnxruntime is not installed.
    """
    path = Path(path)
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("an ONNX target", "onnx") from None
    try:
        graph = read_graph(path.read_bytes())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # only what ends it: warnings are about speed
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        raise _unreadable(path, str(error), "an ONNX model") from error
    inputs = session.get_inputs()
    outputs = session.get_outputs()
    read = _scores_of(path, outputs)
    remarks = _of_outputs(read, outputs)
    shape: tuple[int, ...] = (len(inputs),)
    batch: Any = None
    if len(inputs) == 1:
        batch, *sides = inputs[0].shape or [None]
        shape = _sides(sides)
    else:
        _require_columns(path, inputs)
    network = Network(
        run=_onnx_run(session, inputs, read.name),
        shape=shape,
        batch=batch if isinstance(batch, int) else None,
        answers=_onnx_kind(graph, read, outputs),
        classes=graph.classes,
        names=tuple(each.name for each in inputs) if len(inputs) > 1 else (),
        texts=frozenset(each.name for each in inputs if each.type == "tensor(string)"),
        remarks=remarks,
    )
    return TensorTarget(network.run, path.name, shape, network=network)


def _onnx_run(session: Any, inputs: Sequence[Any], output: str) -> Run:
    kinds = [_ONNX_TYPES.get(each.type, np.float32) for each in inputs]

    def run(rows: Array) -> Any:
        if len(inputs) == 1:
            given: Mapping[str, Array] = {inputs[0].name: rows.astype(kinds[0])}
        else:
            given = {
                each.name: rows[:, at : at + 1].astype(kinds[at]) for at, each in enumerate(inputs)
            }
        return session.run([output], given)[0]

    return run


def _require_columns(path: Path, inputs: Sequence[Any]) -> None:
    """Converters give each column of a table an input of its own; other inputs are not columns."""
    if any(list(each.shape)[1:] not in ([1], []) for each in inputs):
        shapes = ", ".join(f"{each.name} {each.shape}" for each in inputs)
        raise input_error(
            path,
            "the model has several inputs",
            shapes[:200],
            "one input, or one for each column",
            "audit it by a function that calls it: module:function",
        )


def _scores_of(path: Path, outputs: Sequence[Any]) -> Any:
    """Returns the output with scores; the labels only where there is nothing else."""
    scores = [o for o in outputs if o.type in _ONNX_FLOATS or o.type.startswith("seq(map")]
    named = [o for o in scores if any(word in o.name.lower() for word in _SCORE_NAMES)]
    for few in (named, scores, outputs):
        if few:
            return few[-1] if few is named else few[0]
    raise _unreadable(path, "a graph without outputs", "a model with an output")


def _of_outputs(read: Any, outputs: Sequence[Any]) -> tuple[str, ...]:
    others = [each.name for each in outputs if each is not read]
    if not others:
        return ()
    return (f"output {read.name} is read, not {', '.join(others)}",)


def _onnx_kind(graph: OnnxGraph, read: Any, outputs: Sequence[Any]) -> AnswerKind | None:
    """Returns what an output is, by the operator that computes it and by the labels beside it."""
    if read.type not in _ONNX_FLOATS and not read.type.startswith("seq("):
        operator = graph.operator(read.name)
        is_label = "Classifier" in operator or "ArgMax" in operator or bool(graph.classes)
        return AnswerKind.LABELS if is_label else None
    width = read.shape[-1] if not read.type.startswith("seq(") and read.shape else None
    operator = graph.operator(read.name)
    has_labels = any(each.type in ("tensor(int64)", "tensor(string)") for each in outputs)
    if graph.classes or has_labels or "Classifier" in operator:
        return AnswerKind.SCORE if width == 1 else AnswerKind.SCORES
    return AnswerKind.VALUES if operator.endswith("Regressor") else _kind_of(operator, width)


def _kind_of(operator: str, width: Any) -> AnswerKind | None:
    """Returns what the last operator of a network says of its output."""
    name = operator.lower()
    if "softmax" in name:
        return AnswerKind.SCORES
    if "sigmoid" in name and isinstance(width, int):
        return AnswerKind.SCORE if width == 1 else AnswerKind.MULTILABEL
    return None


def torch_target(path: str | Path) -> TensorTarget:
    """Reads a network that `torch.export.save` (.pt2) or `torch.jit.save` wrote.

    Raises:
        InputError: It cannot be read, or is a pickle.
        MissingExtraError: torch is not installed.
    """
    path = Path(path)
    try:
        import torch
    except ImportError:
        raise MissingExtraError("a torch target", "torch") from None
    try:
        is_script = path.suffix != ".pt2"
        if is_script:
            network = _of_script(quietly(torch.jit.load, path))
        else:
            network = _of_program(quietly(torch.export.load, path))
    except InputError:
        raise
    except Exception as error:
        expected = (
            "a network of torch.export.save (.pt2) or torch.jit.save; weights alone have no"
            " network, a pickle runs code"
        )
        is_saved = "constants.pkl" in str(error)  # torch takes it for a damaged TorchScript
        found = "a file of torch.save: weights, or a pickled network" if is_saved else str(error)
        raise _unreadable(path, found, expected) from error
    return TensorTarget(network.run, path.name, network.shape, network=network)


def _of_script(module: Any) -> Network:
    module = module.eval()
    weights = [each.dtype for each in module.parameters() if each.dtype.is_floating_point]
    operator = _last_of_script(module)
    return Network(
        run=_torch_run(module, weights[0] if weights else None),
        shape=(-1,),
        answers=AnswerKind.SCORES if "softmax" in operator else None,
        remarks=_of_type(weights[0] if weights else None),
    )


def _last_of_script(module: Any) -> str:
    try:
        graph = module.inlined_graph  # nodes are freed with it
        return str(next(iter(graph.outputs())).node().kind()).lower()
    except (RuntimeError, StopIteration, AttributeError):
        return ""


def _of_program(program: Any) -> Network:
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    example = placeholders[-1].meta["val"]
    batch, *shape = example.shape
    (output,) = [node for node in program.graph.nodes if node.op == "output"]
    last = output.args[0]
    last = last[0] if isinstance(last, list | tuple) and len(last) == 1 else last
    kind = None
    if hasattr(last, "target"):
        sides = last.meta["val"].shape
        width = sides[-1] if len(sides) > 1 else 1
        kind = _kind_of(str(last.target), width)
    return Network(
        run=_torch_run(program.module(), example.dtype),
        shape=_sides(shape),
        batch=batch if type(batch) is int else None,
        answers=kind,
        remarks=_of_type(example.dtype),
    )


def _of_type(kind: Any) -> tuple[str, ...]:
    name = str(kind).removeprefix("torch.")
    return () if name in ("float32", "None") else (f"inputs are given as {name}, which it takes",)


def _torch_run(network: Any, kind: Any) -> Run:
    import torch

    def run(inputs: Array) -> Any:
        with torch.no_grad():
            answer = network(torch.as_tensor(inputs, dtype=kind or torch.float32))
        return _one_tensor(answer)

    return run


def _one_tensor(answer: Any) -> Any:
    """The answer of a network that gives one tensor, alone or in a tuple or object."""
    parts = [*answer.values()] if isinstance(answer, Mapping) else answer
    if not isinstance(parts, list | tuple):
        return parts
    if len(parts) == 1:
        return parts[0]
    raise QueryError(
        f"the network returns {len(parts)} tensors; export one that returns the scores alone"
    )


def _sides(shape: Sequence[Any]) -> tuple[int, ...]:
    sides = tuple(side if isinstance(side, int) else -1 for side in shape)
    return sides or (-1,)


def _unreadable(path: Path, found: str, expected: str) -> InputError:
    return input_error(path, "the file cannot be read", found[:200], expected)
