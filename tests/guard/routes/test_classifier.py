"""A classifier that the policy describes: its rows, its scores, its label."""

from typing import Any

import pytest

from gamekeeper.defences import make_defence
from gamekeeper.guard.routes import ClassifierRoute, UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import swap

PLAIN = ClassifierRoute("/v1/score")
SWAP = Withheld(scores=swap)
ONE = Query(features=((1.0, 2.0),))
TWO = Query(features=((1.0, 2.0), (3.0, 4.0)))


def read(route: ClassifierRoute, rows: Any, **fields: Any) -> Query:
    return route.read({"instances": rows} | fields, route.path)


@pytest.mark.parametrize(
    ("rows", "features"),
    [
        ([[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0))),
        ([[1, 2]], ((1.0, 2.0),)),
        ([1, 2], ((1.0, 2.0),)),
        ({"b": 2, "a": 1}, ((1.0, 2.0),)),
        ([{"b": 2, "a": 1}, {"a": 3, "b": 4}], ((1.0, 2.0), (3.0, 4.0))),
    ],
)
def test_rows_are_lists_or_named_numbers_one_or_many(rows: Any, features: tuple[Any, ...]) -> None:
    """Named numbers are read in the order of their names, whatever the order in the JSON."""
    assert read(PLAIN, rows).features == features


def test_texts_are_prompts() -> None:
    """One, or a list."""
    assert read(PLAIN, "a").prompts == ("a",)
    assert read(PLAIN, ["a", "b"]).prompts == ("a", "b")


def test_rows_are_found_by_a_dotted_path_through_lists() -> None:
    """`data.items.x` takes x of each item."""
    route = ClassifierRoute("/score", rows="data.items.x")
    assert route.read({"data": {"items": [{"x": [1, 2]}, {"x": [3, 4]}]}}, "/score") == TWO


def test_model_is_the_one_described_or_else_the_one_asked_for() -> None:
    """Another one than that described is refused: the upstream might heed it."""
    assert read(PLAIN, [1], model="m").model == "m" and read(PLAIN, [1]).model is None
    fraud = ClassifierRoute("/score", model="fraud")
    assert read(fraud, [1]).model == read(fraud, [1], model="fraud").model == "fraud"
    with pytest.raises(UnreadableRequestError, match="model"):
        read(fraud, [1], model="other")


@pytest.mark.parametrize(
    "rows",
    [
        None,
        7,
        True,
        [],
        {},
        [[]],
        [None],
        [[1, 2], [3]],
        [[1], "x"],
        ["x", [1]],
        [[1, True]],
        [[1, None]],
        [[1, "2"]],
        [[[1]]],
        [{"a": [1]}],
        [float("nan")],
        [[float("inf")]],
        [10**400],
        ["\ud800"],
        [[1]] * 65_537,
        ["x"] * 2049,
    ],
    ids=lambda rows: repr(rows)[:30],
)
def test_rows_that_cannot_be_judged_are_refused(rows: Any) -> None:
    """Null and true are no numbers; rows are of one length."""
    with pytest.raises(UnreadableRequestError):
        read(PLAIN, rows)


def test_missing_rows_are_refused_by_their_path() -> None:
    """So that the operator sees which path does not fit."""
    with pytest.raises(UnreadableRequestError, match=r'"data\.rows"'):
        ClassifierRoute("/score", rows="data.rows").read({"data": {"row": [1]}}, "/score")


def test_with_features_named_a_row_has_just_those() -> None:
    """A number that the model ignores would be a new draw of keyed noise for the same question."""
    route = ClassifierRoute("/score", features=("b", "a"))
    assert read(route, {"a": 1, "b": 2}).features == ((2.0, 1.0),)
    for row in ({"a": 1, "b": 2, "ignored": 3}, {"a": 1}, {"a": 1, "c": 2}):
        with pytest.raises(UnreadableRequestError, match="just the features"):
            read(route, row)


@pytest.mark.parametrize(
    ("query", "given", "expected"),
    [
        (TWO, [[0.75, 0.25], [0.5, 0.5]], [[0.25, 0.75], [0.5, 0.5]]),
        (ONE, [[0.75, 0.25]], [[0.25, 0.75]]),
        (ONE, [0.75, 0.25], [0.25, 0.75]),
        (ONE, {"cat": 0.75, "dog": 0.25}, {"cat": 0.25, "dog": 0.75}),
        (
            TWO,
            [{"cat": 0.75, "dog": 0.25}, {"cat": 1, "dog": 0}],
            [{"cat": 0.25, "dog": 0.75}, {"cat": 0.0, "dog": 1.0}],
        ),
        (ONE, 0.75, 0.25),
        (ONE, [0.75], [0.25]),
        (TWO, [0.75, 1], [0.25, 0.0]),
        (ONE, {"spam": 0.75}, {"spam": 0.25}),
    ],
)
def test_scores_are_defended_in_the_form_in_which_they_came(
    query: Query, given: Any, expected: Any
) -> None:
    """The rest of the answer stays, and the answer that came is not changed."""
    body = {"predictions": given, "id": 7}
    before = repr(body)
    assert PLAIN.strip(body, SWAP, query) == {"predictions": expected, "id": 7}
    assert repr(body) == before


def test_scores_are_found_by_a_dotted_path_through_lists() -> None:
    """One object for each row is a common form."""
    route = ClassifierRoute(
        "/score", scores="out.items.p", label="out.items.label", classes=("cat", "dog")
    )
    items = [{"p": [0.75, 0.25], "label": "cat", "x": 1}, {"p": [0.5, 0.5], "label": "cat", "x": 2}]
    found = route.strip({"out": {"items": items}}, SWAP, TWO)
    assert found == {
        "out": {
            "items": [
                {"p": [0.25, 0.75], "label": "dog", "x": 1},
                {"p": [0.5, 0.5], "label": "cat", "x": 2},
            ]
        }
    }


@pytest.mark.parametrize(
    ("classes", "scores", "label", "expected"),
    [
        (None, [0.75, 0.25], 0, 1),
        (None, [0.75, 0.25], "cat", None),
        (("cat", "dog"), [0.75, 0.25], "cat", "dog"),
        (None, {"cat": 0.75, "dog": 0.25}, "cat", "dog"),
        (None, 0.75, 1, 0),
        (None, {"spam": 0.75}, "spam", None),
        (None, [0.5, 0.5], "cat", "cat"),
    ],
)
def test_label_follows_the_class_that_is_now_first(
    classes: Any, scores: Any, label: Any, expected: Any
) -> None:
    """By its number or its name; null where its name is not known."""
    route = ClassifierRoute("/score", label="label", classes=classes)
    assert route.strip({"predictions": scores, "label": label}, SWAP, ONE)["label"] == expected


def test_label_stays_where_the_defence_keeps_the_first_place() -> None:
    """The defences that keep it change nothing about labels."""
    route = ClassifierRoute("/score", label="labels")
    withheld = Withheld(scores=make_defence("labels-only", b"k" * 32))
    given = {"predictions": [[0.6, 0.4], [0.1, 0.9]], "labels": ["cat", "dog"]}
    assert route.strip(given, withheld, TWO) == {
        "predictions": [[1.0, 0.0], [0.0, 1.0]],
        "labels": ["cat", "dog"],
    }


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"predictions": None},
        {"predictions": []},
        {"predictions": "0.7,0.3"},
        {"predictions": [[0.7, 0.3]]},
        {"predictions": [[0.7, 0.3]] * 3},
        {"predictions": [[0.7, 0.3], [1.0]]},
        {"predictions": [[0.7, 0.3], {"a": 1, "b": 0}]},
        {"predictions": [{"a": 0.7, "b": 0.3}, {"a": 0.7, "c": 0.3}]},
        {"predictions": [[0.7, "0.3"], [0.5, 0.5]]},
        {"predictions": [[True, False], [True, False]]},
        {"predictions": [[[0.7, 0.3]], [[0.5, 0.5]]]},
        {"predictions": [17.5, 0.2]},
        {"probabilities": [[0.7, 0.3], [0.5, 0.5]]},
        {"predictions": [[], []]},
    ],
)
def test_answer_whose_scores_cannot_be_defended_is_not_passed(answer: dict[str, Any]) -> None:
    """An option of the client that moves or reshapes the scores must not be the way around the
    defence.
    """
    with pytest.raises(UnreadableRequestError):
        PLAIN.strip(answer, SWAP, TWO)
    assert PLAIN.strip(answer, Withheld(logprobs=True), TWO) is answer


def test_labels_that_do_not_fit_the_rows_are_not_passed() -> None:
    """One for each input, or it is not known which is whose."""
    route = ClassifierRoute("/score", label="labels")
    with pytest.raises(UnreadableRequestError, match="labels"):
        route.strip({"predictions": [[0.7, 0.3], [0.4, 0.6]], "labels": ["cat"]}, SWAP, TWO)


def test_form_of_errors_and_what_is_never_there() -> None:
    """No tokens, no stream."""
    assert PLAIN.refusal(403, "c", "m") == {"error": {"code": "c", "message": "m"}}
    assert PLAIN.usage({"usage": {"prompt_tokens": 1}}) == Usage()
    assert PLAIN.narrow({"a": 1}, SWAP) == {"a": 1}
    event = {"a": 1}
    assert PLAIN.stripper(Withheld(), ONE)(event) is event
    with pytest.raises(UnreadableRequestError):
        PLAIN.stripper(SWAP, ONE)(event)
