"""KServe inference: tensors in, tensors out."""

from typing import Any

import numpy as np
import pytest

from gamekeeper.defences import make_defence, number_bytes, text_bytes
from gamekeeper.guard.routes import UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import ROUTES, infer, read, refused, swap, tensor

ROUTE = ROUTES["kserve.infer"]
NAME = "kserve.infer"
TWO = Query(features=((1.0,), (2.0,)))


def test_model_is_the_one_that_the_path_names() -> None:
    """Of whatever version; the body cannot name another."""
    assert (
        ROUTE.read(infer(model="other", model_name="other"), "/v2/models/iris/infer").model
        == "iris"
    )
    assert ROUTE.read(infer(), "/v2/models/iris/versions/3/infer").model == "iris"


@pytest.mark.parametrize("data", [[[1, 2], [3, 4.5]], [1, 2, 3, 4.5]])
def test_rows_are_read_nested_or_flat(data: list[Any]) -> None:
    """Both are one batch of two."""
    assert read(NAME, infer(tensor(data, (2, 2)))).features == ((1.0, 2.0), (3.0, 4.5))


def test_inputs_are_joined_in_the_order_of_their_names() -> None:
    """Another order of the same tensors is the same input, and gets the same keyed noise."""
    a = tensor([[[1], [2]], [[3], [4]]], (2, 2, 1), name="a")
    b = tensor([True, False], (2,), "BOOL", name="b")
    assert read(NAME, infer(a, b)).features == ((1.0, 2.0, 1.0), (3.0, 4.0, 0.0))
    assert read(NAME, infer(b, a)) == read(NAME, infer(a, b))


def test_texts_are_prompts() -> None:
    """And may stand beside numbers."""
    words = tensor(["one", "two"], (2,), "BYTES", name="w")
    assert read(NAME, infer(words)).prompts == ("one", "two")
    query = read(NAME, infer(words, tensor([1, 2], (2, 1), "INT64")))
    assert (query.prompts, query.features, query.inputs) == (("one", "two"), ((1.0,), (2.0,)), 2)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": {"x": 1}},
        {"inputs": ["x"]},
        infer(tensor([1, 2], (2, 1)), tensor([1, 2], (2, 1))),
        infer(tensor([1, 2], (2, 1)), tensor([1], (1,), name="y")),
        infer(tensor([1, 2, 3], (2, 2))),
        infer(tensor([[1, 2], [3]], (2, 2))),
        infer(tensor([[1, 2], 3, 4], (2, 2))),
        infer(tensor([[[1, 2]], [[3, 4]]], (2, 2))),
        infer(tensor([[1], [2]], (2,))),
        infer(tensor([], (0, 2))),
        infer(tensor([1], (-1, -1))),
        infer(tensor([1], (True, 1))),
        infer(tensor([1], (1.0,))),
        infer(tensor([1], ())),
        infer(tensor([1], (1,) * 9)),
        infer(tensor([1], (10**9, 10**9))),
        infer(tensor([1], (1,)) | {"shape": "1"}),
        infer(tensor([True], (1,))),
        infer(tensor([1], (1,), "BOOL")),
        infer(tensor(["1"], (1,))),
        infer(tensor([None], (1,))),
        infer(tensor([float("nan")], (1,))),
        infer(tensor([10**400], (1,), "INT64")),
        infer(tensor([1], (1,), "BYTES")),
        infer(tensor(["\ud800"], (1,), "BYTES")),
        infer(tensor([1], (1,), "fp32")),
        infer(tensor([1], (1,), ["FP32"])),
        infer(tensor([1], (1,), name=7)),
        infer({"name": "x", "shape": [2, 2], "datatype": "FP32"}),
        infer(tensor([1], (1,), parameters={"binary_data_size": 16})),
        infer(tensor([1], (1,), parameters={"shared_memory_region": "r"})),
        infer(tensor(["aGk="], (1,), "BYTES", parameters={"content_type": "base64"})),
        infer(tensor([1], (1,), parameters="x")),
        infer(parameters={"binary_data_output": True}),
        infer(outputs=[{"name": "y", "parameters": {"binary_data": True}}]),
        infer(outputs={"name": "y"}),
        infer(tensor(["x"] * 2049, (2049,), "BYTES")),
        infer(tensor([1] * 65_537, (65_537,))),
    ],
    ids=lambda body: repr(body)[:60],
)
def test_tensors_that_cannot_be_judged_are_refused(body: dict[str, Any]) -> None:
    """Data that stands elsewhere, or does not fit its shape, or is of another type."""
    refused(NAME, body)


def test_data_nested_beyond_reason_is_refused() -> None:
    """And not by running out of stack."""
    deep: Any = [1]
    for _ in range(900):
        deep = [deep]
    refused(NAME, infer(tensor(deep, (1, 1))))


def test_minus_zero_is_the_same_input_as_zero() -> None:
    """Each zero turned around would otherwise be another draw of keyed noise for what the model
    takes for one input.
    """
    query = read(NAME, infer(tensor([[-0.0, 1.0], [0.0, 1.0]], (2, 2))))
    assert number_bytes(query.features[0]) == number_bytes(query.features[1])


@pytest.mark.parametrize(
    ("data", "shape", "expected"),
    [
        ([[0.75, 0.25], [0.5, 0.5]], (2, 2), [[0.25, 0.75], [0.5, 0.5]]),
        ([0.75, 0.25, 0.5, 0.5], (2, 2), [0.25, 0.75, 0.5, 0.5]),
        ([[[0.75], [0.25]], [[0.5], [0.5]]], (2, 2, 1), [[[0.25], [0.75]], [[0.5], [0.5]]]),
        ([0.75, 0.5], (2,), [0.25, 0.5]),
        ([[0.75], [0.5]], (2, 1), [[0.25], [0.5]]),
    ],
)
def test_scores_are_defended_in_the_form_in_which_they_came(
    data: Any, shape: tuple[int, ...], expected: Any
) -> None:
    """One number is the probability of one of two classes."""
    given = {"model_name": "iris", "outputs": [tensor(data, shape)]}
    found = ROUTE.strip(given, Withheld(scores=swap), TWO)
    assert found == {"model_name": "iris", "outputs": [tensor(expected, shape)]}
    assert given["outputs"][0]["data"] == data


def test_defence_gets_the_inputs_as_defences_take_them() -> None:
    """The same input, the same bytes; of texts and numbers both."""
    seen: list[bytes] = []

    def note(scores: np.ndarray, inputs: Any) -> np.ndarray:
        seen.extend(inputs)
        return scores

    outputs = {"outputs": [tensor([[0.7, 0.3]], (1, 2))]}
    ROUTE.strip(outputs, Withheld(scores=note), Query(features=((1.0, 2.0),)))
    ROUTE.strip(outputs, Withheld(scores=note), Query(prompts=("a",)))
    ROUTE.strip(outputs, Withheld(scores=note), Query(prompts=("a",), features=((1.0,),)))
    assert seen == [
        number_bytes((1.0, 2.0)),
        text_bytes("a"),
        text_bytes("a") + number_bytes((1.0,)),
    ]


def test_keyed_noise_is_the_same_for_the_same_input_however_it_is_written() -> None:
    """Flat or nested, in one order or another."""
    withheld = Withheld(scores=make_defence("keyed-noise", b"k" * 32))
    outputs = {"outputs": [tensor([[0.7, 0.2, 0.1]], (1, 3))]}
    a = tensor([[1, 2]], (1, 2), name="a")
    b = tensor([-0.0], (1,), name="b")
    flat = tensor([1.0, 2.0], (1, 2), name="a")
    zero = tensor([[0]], (1, 1), "INT8", name="b")
    first = ROUTE.strip(outputs, withheld, read(NAME, infer(a, b)))
    assert ROUTE.strip(outputs, withheld, read(NAME, infer(zero, flat))) == first != outputs


def test_labels_follow_the_class_that_is_now_first() -> None:
    """A label left as it was would say what the scores no longer say; names that are not known are
    blanked.
    """
    outputs = [
        tensor([1, 0], (2,), "INT64", name="label"),
        tensor([[0.25, 0.75], [0.75, 0.25]], (2, 2)),
        tensor(["cat", "dog"], (2,), "BYTES", name="word"),
        tensor([7, 9], (2,), "INT64", name="other"),
    ]
    found = ROUTE.strip({"outputs": outputs}, Withheld(scores=swap), TWO)["outputs"]
    assert [output["data"] for output in found] == [
        [0, 1],
        [[0.75, 0.25], [0.25, 0.75]],
        ["", ""],
        [7, 9],
    ]
    kept = ROUTE.strip({"outputs": outputs}, Withheld(scores=lambda scores, inputs: scores), TWO)[
        "outputs"
    ]
    assert kept == outputs


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        "x",
        [7],
        [tensor([[0.7, 0.3]], (1, 2))],
        [tensor([[0.7, 0.3]] * 3, (3, 2))],
        [tensor([0.7, 0.3, 0.1], (2, 2))],
        [tensor([[0.7, None], [0.5, 0.5]], (2, 2))],
        [tensor([[0.7, "0.3"], [0.5, 0.5]], (2, 2))],
        [
            {
                "name": "y",
                "shape": [2, 2],
                "datatype": "FP32",
                "parameters": {"binary_data_size": 16},
            }
        ],
        [tensor([2.5, 0.1], (2,))],
    ],
)
def test_answer_whose_scores_cannot_be_defended_is_not_passed(outputs: Any) -> None:
    """Binary, of another number of rows, or no scores at all."""
    with pytest.raises(UnreadableRequestError):
        ROUTE.strip({"outputs": outputs}, Withheld(scores=swap), TWO)


def test_scores_that_the_defence_refuses_are_not_passed() -> None:
    """Logits, for one that wants probabilities."""
    withheld = Withheld(scores=make_defence("rounding", b"k" * 32))
    with pytest.raises(UnreadableRequestError, match="cannot be defended"):
        ROUTE.strip({"outputs": [tensor([[-1.0, 2.0]] * 2, (2, 2))]}, withheld, TWO)


@pytest.mark.parametrize(
    "bad",
    [
        lambda scores, inputs: scores[:1],
        lambda scores, inputs: scores * np.inf,
        lambda scores, inputs: scores * np.nan,
    ],
)
def test_defence_that_gives_no_scores_is_noticed(bad: Any) -> None:
    """Rather nothing than what it gives."""
    with pytest.raises(UnreadableRequestError, match="gave no scores"):
        ROUTE.strip({"outputs": [tensor([[0.5, 0.5]] * 2, (2, 2))]}, Withheld(scores=bad), TWO)


def test_scores_as_text_are_not_asked_for() -> None:
    """A server's ranking of classes holds the scores inside strings."""
    ranked = {"name": "y", "parameters": {"classification": 3, "kept": 1}}
    body = infer(outputs=[ranked, {"name": "z"}])
    left = infer(outputs=[{"name": "y", "parameters": {"kept": 1}}, {"name": "z"}])
    assert ROUTE.narrow(body, Withheld(scores=swap)) == left
    assert ROUTE.narrow(body, Withheld(logprobs=True)) is body


def test_nothing_is_done_where_scores_are_not_withheld() -> None:
    """Whatever the answer is."""
    given = {"outputs": "whatever"}
    assert (
        ROUTE.strip(given, Withheld(logprobs=True, choices=1, reasoning=True, decimals=1), TWO)
        is given
    )
    assert ROUTE.stripper(Withheld(), TWO)(given) is given
    with pytest.raises(UnreadableRequestError):
        ROUTE.stripper(Withheld(scores=swap), TWO)(given)
    assert ROUTE.usage(given) == Usage() and ROUTE.refusal(403, "c", "m") == {"error": "m"}
