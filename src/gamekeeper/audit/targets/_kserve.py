"""A model of a KServe v2 server (KServe, Triton, MLServer, OpenVINO): its metadata say what it is
asked with, and which of its outputs are scores.

Source: the Open Inference Protocol, github.com/kserve/open-inference-protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, QueryError, TargetError
from gamekeeper.audit.targets.description import Endpoint
from gamekeeper.audit.targets.posting import Poster

_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_WHOLE = tuple(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
_SCORES = ("prob", "score", "logit")


@dataclass(frozen=True, slots=True)
class _Input:
    """What an input tensor is called, holds, and the shape of one row; None for any."""

    name: str
    datatype: str
    shape: tuple[int, ...] | None


class KServeModel:
    """A model that is asked by inference requests.

    Args:
        endpoint: Its description.
        poster: Sends requests.
        name: By which messages call it.
    """

    def __init__(self, endpoint: Endpoint, poster: Poster, name: str) -> None:
        self._endpoint = endpoint
        self._poster = poster
        self._name = name
        self._url = f"{endpoint.url.rstrip('/')}/v2/models/{endpoint.kserve}"
        self._input: _Input | None = None
        self.remarks: tuple[str, ...] = ()

    def infer(self, inputs: Array) -> Any:
        """Returns the output that is read, as nested lists or an array, one answer an input.

        Args:
            inputs: float64, shape (n, width).

        Raises:
            QueryError: It does not answer these inputs.
            TargetError: It takes other inputs, or does not say which of its outputs are scores.
        """
        wanted = self._input or self._described()
        self._input = wanted
        rows = self._shaped(inputs, wanted)
        tensor = {
            "name": wanted.name,
            "shape": list(rows.shape),
            "datatype": wanted.datatype,
            "data": self._data(rows, wanted),
        }
        document: dict[str, Any] = {"inputs": [tensor]}
        if self._endpoint.output is not None:
            document["outputs"] = [{"name": self._endpoint.output}]
        answer = self._poster.post(f"{self._url}/infer", document)
        return self._read(self._chosen(answer))

    def _described(self) -> _Input:
        """Returns the model's input as its metadata, or the owner, says."""
        endpoint = self._endpoint
        if endpoint.input is not None and endpoint.datatype is not None:
            return _Input(endpoint.input, self._typed(endpoint.datatype), None)
        try:
            metadata = self._poster.get(self._url)
            inputs = list(metadata["inputs"])
            described = {each["name"]: each for each in inputs}
        except (TargetError, KeyError, TypeError) as error:
            raise self._ask(f"its metadata cannot be read ({error})") from error
        if len(inputs) > 1:
            names = ", ".join(described)
            raise TargetError(
                f"{self._name}: {endpoint.kserve} takes {len(inputs)} inputs ({names}); a model"
                " with one input for all columns can be audited, any other by a function that"
                " calls it"
            )
        if not inputs:
            raise self._ask("its metadata names no input")
        name = endpoint.input or inputs[0]["name"]
        if name not in described:
            raise TargetError(
                f"{self._name}: {endpoint.kserve} has no input {name}; it has {inputs[0]['name']}"
            )
        datatype = self._typed(endpoint.datatype or str(described[name].get("datatype")))
        self._say(f"input {name} ({datatype}) is sent, as the metadata of {endpoint.kserve} says")
        shape = described[name].get("shape") or []
        return _Input(name, datatype, tuple(shape[1:]) if len(shape) > 1 else None)

    def _ask(self, why: str) -> TargetError:
        return TargetError(
            f"{self._name}: {why}; name the model's input in its description:"
            ' input = "...", datatype = "FP32"'
        )

    def _typed(self, datatype: str) -> str:
        if datatype not in (*_FLOATS, *_WHOLE, "BOOL"):
            raise TargetError(
                f"{self._name}: {self._endpoint.kserve} takes {datatype}; only numbers are sent"
            )
        return datatype

    def _shaped(self, inputs: Array, wanted: _Input) -> Array:
        if wanted.shape is None:
            return inputs
        sides = [side if side > 0 else -1 for side in map(int, wanted.shape)]
        try:
            return inputs.reshape(len(inputs), *sides)
        except ValueError as error:
            raise TargetError(
                f"{self._name} takes inputs of shape {wanted.shape}; found {inputs.shape[1]}"
                " numbers"
            ) from error

    def _data(self, rows: Array, wanted: _Input) -> list[Any]:
        flat = rows.ravel()
        if wanted.datatype in _FLOATS:
            return [None if np.isnan(value) else value for value in flat.tolist()]
        whole = flat.round()
        if np.isnan(flat).any() or not np.array_equal(flat, whole):
            raise QueryError(
                f"{self._name} takes whole numbers ({wanted.datatype}); found"
                f" {flat[flat != whole][0]}"
            )
        kind = bool if wanted.datatype == "BOOL" else int
        return [kind(value) for value in whole.tolist()]

    def _chosen(self, answer: Any) -> Mapping[str, Any]:
        """Returns the output with the scores."""
        try:
            outputs: dict[str, dict[str, Any]] = {
                str(each["name"]): each for each in answer["outputs"]
            }
        except (KeyError, TypeError) as error:
            raise QueryError(
                f'{self._name}: the answer has no "outputs": {answer}'[:300]
            ) from error
        stated = self._endpoint.output
        if stated is not None:
            if stated not in outputs:
                raise QueryError(f"{self._name}: no output {stated}; there are {_listed(outputs)}")
            return outputs[stated]
        name = self._scores(outputs)
        others = [each for each in outputs if each != name]
        if others:
            self._say(f"output {name} is read, not {', '.join(others)}; `output` names another")
        return outputs[name]

    def _scores(self, outputs: Mapping[str, Mapping[str, Any]]) -> str:
        if not outputs:
            raise QueryError(f"{self._name}: the answer has no outputs")
        floats = [n for n, output in outputs.items() if output.get("datatype") in _FLOATS]
        named = [n for n in floats if any(word in n.lower() for word in _SCORES)]
        for few in (list(outputs), floats, named):
            if len(few) == 1:
                return few[0]
        raise TargetError(
            f"{self._name}: {self._endpoint.kserve} has several outputs, {_listed(outputs)}; name"
            ' the one with the scores in its description: output = "..."'
        )

    def _read(self, output: Mapping[str, Any]) -> Any:
        data = output.get("data")
        shape = output.get("shape")
        if not isinstance(data, list) or not isinstance(shape, list):
            found = ", ".join(output)
            raise QueryError(
                f"{self._name}: output {output.get('name')} has no data as JSON; it has {found}"
            )
        flat = [*_flat(data)]
        if int(np.prod(shape)) != len(flat):
            raise QueryError(f"{self._name} gave {len(flat)} numbers for a shape of {shape}")
        return _rows(flat, shape)

    def _say(self, remark: str) -> None:
        if remark not in self.remarks:
            self.remarks = (*self.remarks, remark)


def _flat(data: Sequence[Any]) -> list[Any]:
    """Tensors may come flat or nested."""
    found: list[Any] = []
    for item in data:
        found.extend(_flat(item) if isinstance(item, list) else [item])
    return found


def _rows(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    """Returns values as one list for each input, or one value."""
    count = int(shape[0]) if shape else 1
    width = len(flat) // count if count else 0
    if len(shape) < 2:
        return flat
    return [flat[at * width : (at + 1) * width] for at in range(count)]


def _listed(outputs: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} ({output.get('datatype')})" for name, output in outputs.items())
