"""KServe's Open Inference Protocol, version 2: `POST /v2/models/NAME[/versions/V]/infer`, as JSON.

The first dimension of every input is the batch; inputs are joined row by row in the order of their
names, so that another order of the same tensors is the same input. Texts (`BYTES`) are prompts.
Tensors whose data is not in the JSON (the binary extension, shared memory, base64) are
refused: they cannot be judged, and an answer in that form could not be defended. Source: KServe,
open-inference-protocol, inference_rest.md.
"""

import re
from typing import Any

from gamekeeper.guard.routes._defaults import RouteDefaults, unchanged
from gamekeeper.guard.routes._fields import a_list, an_object, without
from gamekeeper.guard.routes._openai import MAX_INPUTS
from gamekeeper.guard.routes._route import Json, Strip, UnreadableRequestError, Withheld
from gamekeeper.guard.routes._scores import Defended, defended, inputs_of
from gamekeeper.guard.routes._shape import ANY, MAP, Shape
from gamekeeper.guard.routes._tensor import Tensor, filled, tensor_of
from gamekeeper.guard.routes._unstreamed import unstreamed
from gamekeeper.guard.routes.classifier import MAX_ROWS
from gamekeeper.guard.routes.query import Query

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/[^/]+)?/infer")
_INPUT = Shape("name", "datatype", shape=ANY, data=ANY, parameters=MAP)  # all read by the route
_OUTPUT = Shape("name", parameters=MAP)
_ELSEWHERE = ("binary_data_size", "binary_data", "binary_data_output", "shared_memory_region")


class KserveInfer(RouteDefaults):
    """The route `kserve.infer`."""

    name = "kserve.infer"
    answers_text = False
    shape = Shape("id", inputs=_INPUT, outputs=_OUTPUT, parameters=MAP)

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return "POST /v2/models/NAME/infer"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == "POST" and _PATH.fullmatch(path) is not None

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; the model is the one that the path names, of whatever version."""
        asked = _PATH.fullmatch(path)
        _require_inline(an_object(body, "body"), "body")
        for at, output in enumerate(a_list(body.get("outputs") or [], "outputs")):
            _require_inline(an_object(output, f"outputs[{at}]"), f"outputs[{at}]")
        texts, rows = _inputs(body)
        return Query(model=asked.group(1) if asked else None, prompts=texts, features=rows)

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`; scores as text (Triton's classification extension) are not asked for."""
        outputs = body.get("outputs")
        if withheld.scores is None or not outputs:
            return body
        return body | {"outputs": [_without_ranking(output) for output in outputs]}

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`; outputs of floats are scores, others that name the class in first place
        follow them.
        """
        if withheld.scores is None:
            return answer
        outputs = [
            an_object(output, "outputs") for output in a_list(answer.get("outputs"), "outputs")
        ]
        tensors = [tensor_of(output, f"outputs[{at}]") for at, output in enumerate(outputs)]
        results = {
            at: _defended(t, withheld, query) for at, t in enumerate(tensors) if t.kind == "float"
        }
        kept = [
            _scored(output, results[at])
            if at in results
            else _labelled(output, tensors[at], [*results.values()])
            for at, output in enumerate(outputs)
        ]
        return answer | {"outputs": kept}

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return unchanged if withheld.scores is None else unstreamed

    def refusal(self, status: int, code: str, message: str) -> Json:
        """See `Route`; this form has no place for the code."""
        return {"error": message}


def _require_inline(value: Json, field: str) -> None:
    parameters = value.get("parameters")
    if parameters is None:
        return
    for name in _ELSEWHERE:
        if an_object(parameters, f"{field}.parameters").get(name):
            raise UnreadableRequestError(
                f'field "{field}.parameters.{name}": expected tensors inside the JSON'
            )
    if parameters.get("content_type") == "base64":
        raise UnreadableRequestError(
            f'field "{field}.parameters.content_type": found base64, expected plain text'
        )


def _inputs(body: Json) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    given = a_list(body.get("inputs"), "inputs")
    for at, value in enumerate(given):
        _require_inline(an_object(value, f"inputs[{at}]"), f"inputs[{at}]")
    tensors = sorted(
        (tensor_of(value, f"inputs[{at}]") for at, value in enumerate(given)), key=lambda t: t.name
    )
    if len({tensor.rows for tensor in tensors}) != 1 or len(
        {tensor.name for tensor in tensors}
    ) != len(tensors):
        raise UnreadableRequestError(
            'field "inputs": expected tensors of different names and the same first dimension'
        )
    rows = range(tensors[0].rows)
    worded = [tensor for tensor in tensors if tensor.kind == "text"]
    counted = [tensor for tensor in tensors if tensor.kind != "text"]
    if len(rows) > (MAX_INPUTS if worded else MAX_ROWS):
        raise UnreadableRequestError(
            f'field "inputs": found {len(rows)} rows, more than one request may have'
        )
    texts = tuple("\n".join(_joined(worded, at)) for at in rows) if worded else ()
    return texts, tuple(_joined(counted, at) for at in rows) if counted else ()


def _joined(tensors: list[Tensor], at: int) -> tuple[Any, ...]:
    return tuple(value for tensor in tensors for value in tensor.row(at))


def _without_ranking(output: Any) -> Any:
    parameters = output.get("parameters") if isinstance(output, dict) else None
    if not isinstance(parameters, dict) or "classification" not in parameters:
        return output
    return output | {"parameters": without(parameters, "classification")}


def _defended(tensor: Tensor, withheld: Withheld, query: Query) -> Defended:
    assert withheld.scores is not None
    rows = [list(tensor.row(at)) for at in range(tensor.rows)]
    return defended(rows, inputs_of(query), withheld.scores)


def _scored(output: Json, result: Defended) -> Json:
    return filled(output, [value for row in result.rows for value in row])


def _labelled(output: Json, tensor: Tensor, results: list[Defended]) -> Json:
    """An output that is not scores: where it gave the class in first place, it gives the one that
    is there now.
    """
    changed = next((result for result in results if result.before != result.after), None)
    if changed is None or len(tensor.elements) != len(changed.rows):
        return output
    if tensor.kind == "text":  # which name the class now in first place has is not known
        blank = zip(tensor.elements, changed.before, changed.after, strict=True)
        return filled(output, [text if was == now else "" for text, was, now in blank])
    if tensor.kind == "integer" and [int(value) for value in tensor.elements] == changed.before:
        return filled(output, list(changed.after))
    return output
