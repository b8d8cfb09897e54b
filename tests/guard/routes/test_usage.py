"""Token counts of streams: asked for where they would not come, and recognised."""

from typing import Any

import pytest

from guard.routes.builders import BODIES, ROUTES, chat, chunk, completion

STREAMS = {"openai.chat": chat(stream=True), "openai.completions": completion(stream=True)}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_counts_are_asked_for_where_the_client_does_not(name: str, options: Any) -> None:
    """Other options stay; the request that came is not changed."""
    body = STREAMS[name] | {"stream_options": options}
    before = repr(body)
    asked = ROUTES[name].with_usage(body)
    assert asked is not None and asked["stream_options"]["include_usage"] is True
    assert repr(body) == before
    assert ROUTES[name].with_usage(asked) is None
    other = ROUTES[name].with_usage(body | {"stream_options": {"include_obfuscation": False}})
    assert other is not None
    assert other["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("name", BODIES)
def test_nothing_is_asked_of_whole_answers_and_of_those_that_state_it(name: str) -> None:
    """Only chat and completions leave it out."""
    assert ROUTES[name].with_usage(BODIES[name]) is None
    if name not in STREAMS:
        assert ROUTES[name].with_usage(BODIES[name] | {"stream": True}) is None
        assert not ROUTES[name].is_usage_event({"choices": [], "usage": {"total_tokens": 1}})


@pytest.mark.parametrize("name", STREAMS)
def test_event_that_is_there_for_its_counts_is_recognised(name: str) -> None:
    """The one without choices; counts beside choices (vLLM's continuous ones) are not."""
    route = ROUTES[name]
    counts = {"prompt_tokens": 1, "completion_tokens": 2}
    assert route.is_usage_event({"choices": [], "usage": counts})
    assert not route.is_usage_event(chunk() | {"usage": counts})
    assert not route.is_usage_event(chunk() | {"usage": None})
    assert not route.is_usage_event({"choices": [], "prompt_filter_results": []})
