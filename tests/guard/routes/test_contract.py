"""What holds for every route, whatever comes in: nothing but `UnreadableRequestError`, and twice is
as once.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.guard.routes import (
    ClassifierRoute,
    Json,
    Route,
    UnreadableRequestError,
    Withheld,
    known_routes,
    serialise,
)
from gamekeeper.guard.routes.query import Query
from guard.routes.builders import BODIES, FIELDS, PATHS, answer, choice, chunk, tensor

CLASSIFIER = ClassifierRoute("/v1/score", label="label")
ALL: list[Route] = [*known_routes(), CLASSIFIER]
SAMPLES: dict[str, Json] = BODIES | {CLASSIFIER.name: {"instances": [[1, 2], [3, 4]]}}
every_route = pytest.mark.parametrize("route", ALL, ids=lambda route: route.name)

leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=4)
    | st.sampled_from(
        ["user", "text", "thinking", "reasoning", "message", "FP32", "BYTES", "tool_result"]
    )
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


anything = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=12
)
withheld = st.builds(
    Withheld,
    logprobs=st.booleans(),
    logit_bias=st.booleans(),
    choices=st.none() | st.integers(0, 3),
    reasoning=st.booleans(),
    scores=st.none() | st.just(lambda scores, inputs: scores),
    decimals=st.none() | st.integers(0, 5),
)
query = st.builds(
    Query,
    prompts=st.sampled_from([(), ("a",), ("a", "b")]),
    logprobs=st.booleans(),
    n=st.integers(1, 3),
)


def readable(route: Route, body: Any) -> Query | None:
    try:
        return route.read(body, PATHS.get(route.name, "/v1/score"))
    except UnreadableRequestError:
        return None


@every_route
@settings(max_examples=80, deadline=None)
@given(changes=objects(anything), withheld=withheld)
def test_body_is_read_or_refused_and_what_is_read_can_be_narrowed(
    route: Route, changes: Json, withheld: Withheld
) -> None:
    """Nothing else is raised; narrowing twice is narrowing once, and leaves what can be read."""
    body = SAMPLES[route.name] | changes
    before = repr(body)
    if readable(route, body) is None:
        return
    once = route.narrow(body, withheld)
    assert repr(body) == before
    assert repr(route.narrow(once, withheld)) == repr(once)
    asked = readable(route, once)
    assert asked is not None
    assert not (withheld.logprobs and asked.logprobs)
    assert withheld.choices is None or asked.n <= max(withheld.choices, 1)


@every_route
@settings(max_examples=40, deadline=None)
@given(body=anything)
def test_any_json_is_read_or_refused(route: Route, body: Any) -> None:
    """Lists, numbers and null as well as objects."""
    readable(route, body)


ANSWERS: list[Json] = [
    answer(
        choice(logprobs={"content": []}, message={"content": "x", "reasoning": "hm"}),
        choice(index=1),
    ),
    chunk({"content": "x", "reasoning_content": "hm"}, logprobs={"content": []}),
    {
        "output": [
            {"type": "reasoning", "summary": [1]},
            {"type": "message", "content": [{"logprobs": [1]}]},
        ]
    },
    {"type": "response.completed", "response": {"output": [{"type": "reasoning", "summary": [1]}]}},
    {"content": [{"type": "thinking"}, {"type": "text"}]},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking"}},
    {"data": [{"embedding": [0.12345]}, {"embedding": "AACAPw=="}]},
    {"outputs": [tensor([[0.25, 0.75]], (1, 2))], "predictions": [[0.25, 0.75]], "label": 1},
]


@every_route
@settings(max_examples=80, deadline=None)
@given(sample=st.sampled_from(ANSWERS), changes=objects(anything), withheld=withheld, query=query)
def test_answer_is_stripped_or_refused_and_twice_is_as_once(
    route: Route, sample: Json, changes: Json, withheld: Withheld, query: Query
) -> None:
    """Whatever the upstream sends; and the answer that came is not changed."""
    given_out = sample | changes
    before = repr(given_out)
    route.usage(given_out)
    try:
        once = route.strip(given_out, withheld, query)
    except UnreadableRequestError:
        return
    assert repr(given_out) == before
    assert repr(route.strip(once, withheld, query)) == repr(once)


@every_route
@settings(max_examples=80, deadline=None)
@given(
    events=st.lists(st.tuples(st.sampled_from(ANSWERS), objects(anything)), max_size=4),
    withheld=withheld,
    query=query,
)
def test_stream_is_stripped_or_refused_and_twice_is_as_once(
    route: Route, events: list[tuple[Json, Json]], withheld: Withheld, query: Query
) -> None:
    """Event by event, in their order, with what the stripper keeps between them."""
    stream = [sample | changes for sample, changes in events]
    before = repr(stream)
    try:
        once = strip_all(route, stream, withheld, query)
    except UnreadableRequestError:
        return
    assert repr(stream) == before
    assert repr(strip_all(route, once, withheld, query)) == repr(once)


def strip_all(route: Route, events: list[Json], withheld: Withheld, query: Query) -> list[Json]:
    strip = route.stripper(withheld, query)
    return [kept for event in events if (kept := strip(event)) is not None]


@every_route
def test_sample_is_readable_and_can_be_written(route: Route) -> None:
    """Otherwise the properties above would hold of nothing."""
    assert readable(route, SAMPLES[route.name]) is not None
    assert serialise(SAMPLES[route.name])


@every_route
def test_nothing_withheld_leaves_the_request_as_it_is(route: Route) -> None:
    """The very object."""
    body = SAMPLES[route.name] | {"n": 5, "logprobs": True, "thinking": {}, "logit_bias": {}}
    assert route.narrow(body, Withheld()) is body


@every_route
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 529])
def test_refusal_says_its_message_and_can_be_written(route: Route, status: int) -> None:
    """In whatever form the API has for it."""
    assert b"Not today." in serialise(route.refusal(status, "code", "Not today."))


def test_unreadable_never_names_the_value() -> None:
    """What is refused is not repeated into logs, of whatever field."""
    for name, sample in SAMPLES.items():
        route = next(route for route in ALL if route.name == name)
        for field in sample:
            body = sample | {field: {"x": "secret"}}
            with pytest.raises(UnreadableRequestError) as raised:
                route.admit(body, frozenset(), drop=False)
                route.read(body, PATHS.get(name, "/v1/score"))
            assert "secret" not in str(raised.value)


def test_answers_that_are_no_text_are_named() -> None:
    """The tokens of vectors, scores, pictures and sound are not those of their digits."""
    text = {route.name for route in ALL if route.answers_text}
    assert text == {"openai.chat", "openai.completions", "openai.responses", "anthropic.messages"}
    assert [route.name for route in ALL if not route.has_json_answer] == ["openai.speech"]
