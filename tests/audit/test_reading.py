"""Answers in all the forms in which functions and endpoints give them."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from gamekeeper.audit.targets import QueryError
from gamekeeper.audit.targets.reading import AnswerReader

RANKED = [
    [{"label": "dog", "score": 0.7}, {"label": "cat", "score": 0.3}],
    [{"label": "cat", "score": 0.8}, {"label": "dog", "score": 0.2}],
]
"""As pipelines of Hugging Face answer: the likeliest label first."""


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        (np.array([[1, 2], [3, 4]], np.float32), [[1, 2], [3, 4]]),
        ([True, False], [1, 0]),
        (np.array([True, False]), [1, 0]),
        ([np.array([1.0, 2.0]), np.array([3.0, 4.0])], [[1, 2], [3, 4]]),
        (np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), [[1, 2], [3, 4]]),
        (pl.Series([1.5, 2.5]), [1.5, 2.5]),
        ([{"score": 0.1}, {"score": 0.2}], [0.1, 0.2]),
        (["0.25", "0.75"], [0.25, 0.75]),
        (["12.5%", "50%"], [0.125, 0.5]),
    ],
    ids=["array", "truth", "truths", "arrays", "deep", "series", "one-field", "text", "percent"],
)
def test_numbers_are_read(answer: Any, numbers: list[Any]) -> None:
    """Whatever holds them."""
    assert AnswerReader("f").read(answer, 2).tolist() == numbers


def test_percentages_are_said() -> None:
    """A number that was text may not be what was meant."""
    reader = AnswerReader("f")
    reader.read(["12.5%", "50%"], 2)
    assert reader.remarks == ('answers are texts, such as "12.5%", which is read as 0.125',)


def test_ranked_labels_come_in_the_order_of_their_names() -> None:
    """The likeliest first would be another class in each row."""
    reader = AnswerReader("f")
    assert reader.read(RANKED, 2).tolist() == [[0.3, 0.7], [0.8, 0.2]]
    assert reader.classes == ("cat", "dog")
    assert reader.read(RANKED[:1], 1).tolist() == [[0.3, 0.7]]
    assert reader.read(RANKED[0], 1).tolist() == [[0.3, 0.7]]  # for a single input, without a list


@pytest.mark.parametrize(
    "answer",
    [
        [{"10": 0.1, "2": 0.9}, {"10": 0.3, "2": 0.7}],
        [{10: 0.1, 2: 0.9}, {2: 0.7, 10: 0.3}],
        {"10": [0.1, 0.3], "2": [0.9, 0.7]},
    ],
    ids=["objects", "numbers-as-names", "columns"],
)
def test_scores_by_class_are_ordered_by_class(answer: Any) -> None:
    """Classes that are numbers by their size."""
    reader = AnswerReader("f")
    assert reader.read(answer, 2).tolist() == [[0.9, 0.1], [0.7, 0.3]]
    assert reader.classes == ("2", "10")


def test_table_keeps_the_order_of_its_columns() -> None:
    """It has one, unlike an object."""
    reader = AnswerReader("f")
    assert reader.read(pl.DataFrame({"yes": [0.1], "no": [0.9]}), 1).tolist() == [[0.1, 0.9]]
    assert reader.classes == ("yes", "no")


@pytest.mark.parametrize(
    "answer",
    [["cat", "dog"], np.array(["cat", "dog"], object), [{"label": "cat", "score": 0.9}] * 2],
    ids=["list", "objects", "top"],
)
def test_labels_stay_text(answer: Any) -> None:
    """They are numbered where they are kept."""
    read = AnswerReader("f").read(answer, 2)
    assert read.dtype.kind == "U" and read[0] == "cat"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (3.0, "gave one value, 3.0, to 2 inputs"),
        ([1.0], r"of shape \(1,\) to 2 inputs"),
        ([[1, 2], [1]], "lists of different lengths"),
        ([None, 0.5], "answered null"),
        ([[None, 0.5], [0.5, 0.5]], "answered null"),
        (["cat", 0.5], "text beside numbers"),
        (np.zeros((2, 2, 2)), r"of shape \(2, 2, 2\)"),
        (np.array([1j, 2]), "complex"),
        ([{"a": 0.1}, {"b": 0.1}], "for b, and for a before"),
        ([{"label": "a", "p": {"a": 0.1}}] * 2, "text beside numbers"),
        ({"labels": ["a", "b"], "p": [0.1, 0.2]}, "with fields labels, p"),
        ([["a", "b"], ["c", "d"]], "with 2 texts for each input"),
        ((np.zeros(2), np.zeros((2, 2))), "lists of different lengths"),
    ],
    ids=[
        "one", "count", "ragged", "null", "null-within", "mixed", "deep", "complex", "fields",
        "nested", "columns", "texts", "pair",
    ],
)  # fmt: skip
def test_what_is_not_an_answer_is_said(answer: Any, said: str) -> None:
    """With what there was; nothing is filled in."""
    with pytest.raises(QueryError, match=said):
        AnswerReader("f").read(answer, 2)


def test_text_after_numbers_as_text_is_refused() -> None:
    """The same column cannot be both."""
    reader = AnswerReader("f")
    reader.read(["0.5"], 1)
    with pytest.raises(QueryError, match="and numbers before"):
        reader.read(["unknown"], 1)


@pytest.mark.extra
def test_tensors_are_read() -> None:
    """With a gradient, and of a type that numpy lacks."""
    import torch

    weights = torch.ones(2, requires_grad=True)
    assert AnswerReader("f").read(weights * 2, 2).tolist() == [2, 2]
    assert AnswerReader("f").read([weights[0], weights[1]], 2).tolist() == [1, 1]
    assert AnswerReader("f").read(torch.ones(2, dtype=torch.bfloat16), 2).tolist() == [1, 1]
