"""Only fields that are known reach the upstream, on every route, however a question is hidden."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.guard.routes import (
    ClassifierRoute,
    Json,
    Route,
    UnreadableRequestError,
    known_routes,
)
from gamekeeper.guard.routes._shape import ANY, LIST, METADATA, Shape
from guard.routes.builders import BODIES, FIELDS, PATHS, chat, message, response, user

CLASSIFIER = ClassifierRoute("/v1/score", rows="data.rows")
ROUTES: list[Route] = [*known_routes(), CLASSIFIER]
SAMPLES: dict[str, Json] = BODIES | {CLASSIFIER.name: {"data": {"rows": [[1, 2]]}}}
NOTHING: frozenset[str] = frozenset()
every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)

HIDDEN = [user("The hidden question.")]
SMUGGLED: dict[str, Any] = {
    "extra_body": {"messages": HIDDEN, "n": 5},
    "extra_headers": {"authorization": "Bearer x"},
    "extra_query": {"model": "expensive"},
    "fallbacks": [{"model": "expensive", "messages": HIDDEN}],
    "context_window_fallbacks": [{"a": ["b"]}],
    "models": ["expensive"],
    "model_list": [{"model_name": "m"}],
    "api_base": "http://stranger",
    "base_url": "http://stranger",
    "api_key": "sk-x",
    "api_version": "1",
    "organization": "o",
    "custom_llm_provider": "other",
    "provider": {"order": ["x"]},
    "route": "fallback",
    "router": "x",
    "transforms": ["middle-out"],
    "plugins": [{"id": "web"}],
    "documents": [{"text": "The hidden question."}],
    "data_sources": [{"type": "azure_search"}],
    "content_blocks": HIDDEN,
    "chat_template": "{{ x }}",
    "chat_template_kwargs": {"think": True},
    "mm_processor_kwargs": {},
    "prompt_embeds": "AAAA",
    "guardrails": [],
    "mock_response": "x",
    "mock_testing_fallbacks": True,
    "litellm_params": {},
    "litellm_metadata": {},
    "proxy_server_request": {},
    "cache": {"no-cache": True},
    "caching": True,
    "num_retries": 9,
    "timeout": 1,
    "n_probs": 10,
    "logits_processors": ["os.system"],
    "vllm_xargs": {},
    "kv_transfer_params": {},
    "lora_request": {},
    "priority": -1,
    "request_id": "x",
    "deployment_id": "x",
    "contents": HIDDEN,
    "query": "The hidden question.",
    "text_input": "The hidden question.",
    "": 1,
    "model ": "expensive",
    "Messages": HIDDEN,
    "messages[]": HIDDEN,
    "__class__": {},
}


@every_route
@pytest.mark.parametrize("name", SMUGGLED)
def test_what_is_not_known_is_refused_and_can_be_dropped(route: Route, name: str) -> None:
    """Its name is told, its value never."""
    clean = SAMPLES[route.name]
    body = clean | {name: SMUGGLED[name]}
    with pytest.raises(UnreadableRequestError) as raised:
        route.admit(body, NOTHING, drop=False)
    assert "hidden" not in str(raised.value) and "[allow.fields]" in str(raised.value)
    admitted = route.admit(body, NOTHING, drop=True)
    assert admitted.body == clean and len(admitted.dropped) == 1
    assert admitted.dropped[0].isascii() and "\n" not in admitted.dropped[0]


@every_route
@pytest.mark.parametrize("name", ["extra_body", "top_k_of_ours", "content_blocks"])
def test_policy_allows_a_field_besides(route: Route, name: str) -> None:
    """And then it holds what it will."""
    body = SAMPLES[route.name] | {name: {"x": [{}]}}
    assert route.admit(body, frozenset({name}), drop=False).body is body


@every_route
def test_what_is_known_comes_back_as_the_same_object(route: Route) -> None:
    """Nothing is copied where nothing is taken out."""
    body = SAMPLES[route.name]
    assert route.admit(body, NOTHING, drop=False) == (body, ())
    assert route.admit(body, NOTHING, drop=True).body is body


DEEP = [
    (
        "openai.chat",
        chat(messages=[user() | {"content_blocks": HIDDEN}]),
        "messages.content_blocks",
    ),
    (
        "openai.chat",
        chat(messages=[user([{"type": "text", "text": "x", "documents": []}])]),
        "messages.content.documents",
    ),
    (
        "openai.chat",
        chat(messages=[user([{"type": "image_url", "image_url": {"url": "u", "text": "x"}}])]),
        "messages.content.image_url.text",
    ),
    (
        "openai.chat",
        chat(messages=[user(tool_calls=[{"id": "1", "prompt": "x"}])]),
        "messages.tool_calls.prompt",
    ),
    (
        "openai.chat",
        chat(stream_options={"include_usage": True, "extra": {}}),
        "stream_options.extra",
    ),
    ("openai.chat", chat(reasoning={"effort": "low", "model": "x"}), "reasoning.model"),
    (
        "openai.chat",
        chat(tools=[{"type": "function", "function": {"name": "f", "url": "x"}}]),
        "tools.function.url",
    ),
    ("openai.chat", chat(web_search_options={"query": "x"}), "web_search_options.query"),
    (
        "openai.responses",
        response(input=[{"role": "user", "content": "x", "parts": []}]),
        "input.parts",
    ),
    (
        "openai.responses",
        response(
            input=[{"role": "user", "content": [{"type": "input_text", "text": "x", "q": 1}]}]
        ),
        "input.content.q",
    ),
    (
        "openai.responses",
        response(tools=[{"type": "mcp", "server_url": "http://stranger"}]),
        "tools.server_url",
    ),
    ("openai.responses", response(text={"format": {}, "question": "x"}), "text.question"),
    (
        "anthropic.messages",
        message(messages=[user([{"type": "text", "text": "x", "content_blocks": []}])]),
        "messages.content.content_blocks",
    ),
    (
        "anthropic.messages",
        message(system=[{"type": "text", "text": "x", "parts": []}]),
        "system.parts",
    ),
    (
        "anthropic.messages",
        message(
            messages=[
                user([{"type": "tool_result", "content": [{"type": "text", "text": "x", "q": 1}]}])
            ]
        ),
        "messages.content.content.q",
    ),
    ("anthropic.messages", message(metadata={"user_id": "u", "q": 1}), "metadata.q"),
]


@pytest.mark.parametrize(("name", "body", "field"), DEEP, ids=[f"{n}:{f}" for n, _, f in DEEP])
def test_what_is_hidden_deeper_is_refused_too(name: str, body: Json, field: str) -> None:
    """By its dotted name, which is also what the policy would allow it by."""
    route = next(route for route in ROUTES if route.name == name)
    with pytest.raises(UnreadableRequestError, match=field):
        route.admit(body, NOTHING, drop=False)
    before = repr(body)
    admitted = route.admit(body, NOTHING, drop=True)
    assert admitted.dropped == (field,) and repr(body) == before
    assert route.admit(admitted.body, NOTHING, drop=False).body is admitted.body
    assert route.admit(body, frozenset({field}), drop=False).body is body


@pytest.mark.parametrize("field", ["temperature", "user", "seed", "reasoning_effort", "max_tokens"])
@pytest.mark.parametrize("value", [{"messages": []}, [HIDDEN], []])
def test_single_values_hold_neither_objects_nor_lists(field: str, value: Any) -> None:
    """A server that looked inside would find what nobody judged."""
    for drop in (False, True):
        with pytest.raises(UnreadableRequestError, match=field):
            ROUTES[0].admit(chat(**{field: value}), NOTHING, drop=drop)


@pytest.mark.parametrize(
    "metadata",
    [
        {str(at): "x" for at in range(17)},
        {"k" * 65: "x"},
        {"k": "x" * 513},
        {"k": {"messages": HIDDEN}},
        {"k": ["x"]},
        {"k": 1},
        [HIDDEN],
    ],
)
def test_metadata_is_flat_text_within_the_bounds_of_the_api(metadata: Any) -> None:
    """LiteLLM reads settings out of it; text of any length would be a place for a question."""
    with pytest.raises(UnreadableRequestError, match="metadata"):
        ROUTES[0].admit(chat(metadata=metadata), NOTHING, drop=True)
    full = chat(metadata={"k" * 64: "x" * 512})
    assert ROUTES[0].admit(full, NOTHING, drop=False).body is full


def test_fields_beyond_the_vendors_that_only_draw_the_answer_are_known() -> None:
    """What vLLM, llama.cpp, DeepSeek and OpenRouter take, and LiteLLM's mark for the cache."""
    body = chat(
        top_k=20,
        min_p=0.1,
        repetition_penalty=1.1,
        min_tokens=3,
        stop_token_ids=[1, 2],
        ignore_eos=True,
        skip_special_tokens=False,
        guided_json={"type": "object"},
        reasoning={"effort": "low"},
        messages=[user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}])],
    )
    assert ROUTES[0].admit(body, NOTHING, drop=False).body is body


def test_too_many_unknown_fields_are_refused_even_where_they_are_dropped() -> None:
    """They would be named in a header of the answer."""
    many = {f"x{at}": 1 for at in range(33)}
    with pytest.raises(UnreadableRequestError):
        ROUTES[0].admit(chat(**many), NOTHING, drop=True)


def test_unknown_fields_are_named_once_and_in_their_order() -> None:
    """However many messages have them; odd names are not repeated into headers."""
    body = chat(messages=[user(b=1, a=1), user(b=2)]) | {"x\r\nset-cookie: y": 1, "é": 2}
    dropped = ROUTES[0].admit(body, NOTHING, drop=True).dropped
    assert dropped == ("messages.b", "messages.a", "(unprintable)")


def test_lists_within_lists_are_refused_not_looked_through() -> None:
    """No field of a judged API has them but those that a route reads itself."""
    with pytest.raises(UnreadableRequestError, match="messages"):
        ROUTES[0].admit(chat(messages=[[user()]]), NOTHING, drop=True)


@pytest.mark.parametrize("name", ["openai.chat", "openai.embeddings", "anthropic.messages"])
@pytest.mark.parametrize(
    "model", ["", "a\nb", "a\x00", "m" * 257, "a,b", "\u202egpt", 5, None, ["m"]]
)
def test_model_is_one_printable_name(name: str, model: Any) -> None:
    """LiteLLM answers with two models for a comma, and a scope by prefix would see the first."""
    route = next(route for route in ROUTES if route.name == name)
    with pytest.raises(UnreadableRequestError, match="model"):
        route.read(SAMPLES[name] | {"model": model}, PATHS[name])
    assert route.read(SAMPLES[name] | {"model": "m" * 256}, PATHS[name]).model == "m" * 256


leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
anything = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, *SMUGGLED]), inner, max_size=4)
    ),
    max_leaves=10,
)


@every_route
@settings(max_examples=80, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*FIELDS, *SMUGGLED]), anything, max_size=5))
def test_what_is_left_after_dropping_is_admitted_and_holds_known_names_only(
    route: Route, changes: Json
) -> None:
    """Whatever comes in; and the request that came is not changed."""
    body = SAMPLES[route.name] | changes
    before = repr(body)
    try:
        left = route.admit(body, NOTHING, drop=True)
    except UnreadableRequestError:
        return
    assert repr(body) == before
    assert route.admit(left.body, NOTHING, drop=False) == (left.body, ())
    assert not set(left.body) - set(route.shape.fields)  # type: ignore[attr-defined]
    assert bool(left.dropped) == (left.body is not body)


class TestShape:
    """The table itself."""

    shape = Shape("a", "async", list=LIST, free=ANY, flat=METADATA, deep=Shape("b"))

    def test_deeper_names_widen_and_nothing_else(self) -> None:
        wide = self.shape.allowing(["deep.c", "new.d", "free.x"])
        body = {"deep": [{"b": 1, "c": {}}], "new": {"d": [[]]}, "free": [[{}]]}
        assert wide.admit(body, "r", drop=False).body is body
        assert wide.admit({"new": {"e": 1}}, "r", drop=True) == ({"new": {}}, ("new.e",))
        assert self.shape.admit(body, "r", drop=True).dropped == ("deep.c", "new")

    def test_names_of_python_are_names(self) -> None:
        body = {"async": True, "self": 1}
        assert self.shape.allowing(["self"]).admit(body, "r", drop=False).body is body
