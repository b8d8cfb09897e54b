"""Responses that the upstream keeps: whose they are, and what is withheld of them."""

from collections.abc import Callable
from typing import Any

import pytest

from gamekeeper.guard.routes import Json, Routes, UnreadableRequestError, Withheld, known_routes
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import EVERYTHING, METHODS, PATHS, ROUTES, response

FOUND = Routes(known_routes())
CREATE = ROUTES["openai.responses"]
RETRIEVE = ROUTES["openai.responses.retrieve"]
STORED = ["openai.responses.retrieve", "openai.responses.cancel", "openai.responses.delete"]
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Four.", "logprobs": [{"token": "Four"}]}],
}
ANSWER = {"id": "resp_1", "object": "response", "output": [REASONING, MESSAGE]}


def own(id: str) -> str:
    if not id.endswith(".own"):
        raise LookupError(id)
    return id.removesuffix(".own")


def tag(id: str) -> str:
    return f"{id}.own"


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("prefix", ["", "/openai"])
@pytest.mark.parametrize("version", ["", "/v1"])
def test_id_in_the_path_is_the_upstreams_only_for_its_account(
    name: str, prefix: str, version: str
) -> None:
    """At Azure's paths as at the others; the rest of the path stays."""
    path = prefix + PATHS[name].replace("/v1", version)
    route = FOUND.find(METHODS.get(name, "POST"), path)
    assert route is not None and route.name == name and route.object_ids
    with pytest.raises(LookupError):
        route.untag({}, path, own)
    body, forwarded = route.untag({}, path.replace("resp_1", "resp_1.own"), own)
    assert (body, forwarded) == ({}, path)


def test_input_items_are_part_of_a_response() -> None:
    """Its second path is read by the same route."""
    path = "/v1/responses/resp_1.own/input_items"
    route = FOUND.find("GET", path)
    assert route is not None and route.name == "openai.responses.retrieve"
    assert route.untag({}, path, own)[1] == "/v1/responses/resp_1/input_items"


@pytest.mark.parametrize("name", STORED)
def test_stored_responses_have_no_body_and_cost_no_tokens_again(name: str) -> None:
    """What the answer states was charged when it was made."""
    route = ROUTES[name]
    assert not route.has_body and not route.is_exchange
    assert route.read({}, PATHS[name]) == Query()
    counts = {"input_tokens": 5, "output_tokens": 7}
    assert route.usage(ANSWER | {"usage": counts}) == Usage(0, 0)
    with pytest.raises(UnreadableRequestError):
        route.admit({"model": "m"}, frozenset(), drop=False)


def test_answer_of_both_forms_is_stripped_in_both() -> None:
    """A list of items with `output` beside it hides nothing."""
    both = {"data": [MESSAGE], "output": [REASONING, MESSAGE]}
    kept = RETRIEVE.strip(both, EVERYTHING, Query())
    assert "hm" not in str(kept) and "token" not in str(kept)


def test_trace_in_an_item_that_is_no_reasoning_is_withheld() -> None:
    """Whether or not log-probabilities are."""
    odd = MESSAGE | {
        "reasoning_content": "hm",
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }
    kept = CREATE.strip({"output": [odd]}, Withheld(reasoning=True), Query())
    assert "hm" not in str(kept)


@pytest.mark.parametrize("name", STORED)
def test_what_is_fetched_is_stripped_as_what_was_made(name: str) -> None:
    """Otherwise asking twice would be the way around the ladder."""
    kept = ROUTES[name].strip(ANSWER, EVERYTHING, Query())
    assert kept == CREATE.strip(ANSWER, EVERYTHING, Query())
    assert "hm" not in str(kept) and "token" not in str(kept)
    assert ROUTES[name].strip(ANSWER, Withheld(), Query()) is ANSWER


def test_input_items_are_stripped_too() -> None:
    """They hold the earlier turns' answers."""
    items = {"object": "list", "data": [REASONING, MESSAGE], "first_id": "rs_1"}
    kept = RETRIEVE.strip(items, EVERYTHING, Query())
    assert "hm" not in str(kept) and "token" not in str(kept) and len(kept["data"]) == 2
    assert RETRIEVE.strip(items, Withheld(), Query()) is items


def test_earlier_response_is_one_of_the_same_account() -> None:
    """By its tag; without one the request is as it was."""
    plain = response()
    assert CREATE.untag(plain, "/v1/responses", own) == (plain, "/v1/responses")
    body = response(previous_response_id="resp_1.own")
    assert CREATE.untag(body, "/v1/responses", own)[0]["previous_response_id"] == "resp_1"
    assert body["previous_response_id"] == "resp_1.own"
    with pytest.raises(LookupError):
        CREATE.untag(response(previous_response_id="resp_1"), "/v1/responses", own)
    with pytest.raises(UnreadableRequestError):
        CREATE.untag(response(previous_response_id=["resp_1"]), "/v1/responses", own)


@pytest.mark.parametrize(
    "body",
    [
        response(conversation="conv_1"),
        response(conversation={"id": "conv_1"}),
        response(input=[{"type": "item_reference", "id": "msg_1"}]),
        response(input=[{"id": "msg_1"}]),
        response(input=[{"type": None, "id": "msg_1"}]),
        response(input=[{"role": "user", "content": "x"}, {"type": "item_reference", "id": "m"}]),
    ],
)
@pytest.mark.parametrize("name", ["openai.responses", "openai.responses.input_tokens"])
def test_what_is_kept_for_all_accounts_together_is_refused_where_ids_are_tagged(
    name: str, body: Json
) -> None:
    """Whose conversation or item it is cannot be known; where the upstream itself keeps accounts
    apart, nothing is untagged and it passes.
    """
    route = ROUTES[name]
    with pytest.raises(UnreadableRequestError, match=r"conversation|input"):
        route.untag(body, PATHS[name], own)
    assert route.admit(body, frozenset(), drop=False).body is body


ITEMS_BY_ID: list[Json] = [
    {"id": "x", "type": "ITEM_REFERENCE"},
    {"id": "x", "type": "item_reference", "arguments": "x"},
    {"id": "x", "type": ["item_reference"]},
    {"id": "x", "status": None},
    {"id": "x", "status": "completed"},
    {"id": "x", "type": "message"},
    {"id": "x", "type": "message", "role": "user", "content": None},
    {"id": "x", "type": "message", "role": "assistant", "content": [], "output": "x"},
    {"id": "x", "type": "reasoning", "summary": []},
    {"id": "x", "type": "reasoning", "summary": [{"text": "x"}], "encrypted_content": None},
    {"id": "x", "type": "image_generation_call", "status": "completed"},
    {"id": "x", "type": "image_generation_call", "result": None, "output": "x"},
    {"id": "x", "type": "compaction"},
    {"id": "x", "type": "web_search_call", "status": "completed"},
    {"id": "x", "type": "brand_new"},
]
TOOLS_BY_ID: list[Json] = [
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": "cntr_1"},
    {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}},
    {"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}},
    {"type": "image_generation", "input_image_mask": {"file_id": "file-1"}},
]


@pytest.mark.parametrize(
    "body",
    [
        *(response(input=[{"role": "user", "content": "x"}, item]) for item in ITEMS_BY_ID),
        *(response(tools=[tool]) for tool in TOOLS_BY_ID),
        *(response(input=[{"type": "additional_tools", "tools": [tool]}]) for tool in TOOLS_BY_ID),
    ],
)
def test_what_is_there_by_its_id_only_is_refused_where_ids_are_tagged(body: Json) -> None:
    """The upstream would put in what it keeps under that id, whoever made it."""
    with pytest.raises(UnreadableRequestError, match="belong"):
        CREATE.untag(body, PATHS["openai.responses"], own)


@pytest.mark.parametrize(
    "body",
    [
        response(
            input=[
                {"id": "msg_1", "role": "user", "content": "x"},
                MESSAGE,
                REASONING | {"encrypted_content": "gAAA"},
                {"type": "reasoning", "summary": []},
                {"id": "fc_1", "type": "function_call", "call_id": "c", "arguments": ""},
                {"id": "fo_1", "type": "function_call_output", "call_id": "c", "output": ""},
                {"id": "ws_1", "type": "web_search_call", "action": {"type": "search"}},
                {"id": "ig_1", "type": "image_generation_call", "result": "AA=="},
                {"id": "cm_1", "type": "compaction", "encrypted_content": "gAAA"},
            ]
        ),
        response(
            tools=[
                {"type": "code_interpreter", "container": {"type": "auto"}},
                {
                    "type": "function",
                    "name": "f",
                    "parameters": {"properties": {"file_id": {"type": "string"}}},
                },
            ]
        ),
    ],
)
def test_items_and_tools_that_are_there_whole_pass_where_ids_are_tagged(body: Json) -> None:
    """Their ids name nothing but themselves."""
    assert CREATE.untag(body, PATHS["openai.responses"], own)[0] is body


def test_reasoning_by_its_id_is_taken_out_where_the_upstream_keeps_nothing() -> None:
    """It would not know it; SDKs send it back as it was emptied."""
    kept = {"role": "user", "content": "x"}
    body = response(input=[kept, REASONING], store=False)
    assert CREATE.untag(body, PATHS["openai.responses"], own)[0]["input"] == [kept]
    assert body["input"] == [kept, REASONING]


@pytest.mark.parametrize(
    ("document", "tagged"),
    [
        (ANSWER, ANSWER | {"id": "resp_1.own"}),
        (
            {"id": "resp_2", "previous_response_id": "resp_1"},
            {"id": "resp_2.own", "previous_response_id": "resp_1.own"},
        ),
        (
            {"type": "response.created", "response": {"id": "resp_1", "output": []}},
            {"type": "response.created", "response": {"id": "resp_1.own", "output": []}},
        ),
    ],
)
def test_ids_of_answers_and_events_are_tagged(document: Json, tagged: Json) -> None:
    """What is sent back as `previous_response_id` is then the account's own."""
    before = repr(document)
    assert CREATE.tag(document, tag) == tagged and repr(document) == before


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Four"},
        {"type": "response.output_item.added", "item": MESSAGE},
        {"error": {"code": "x"}},
        {"type": "response.created", "response": None},
        {"object": "list", "data": [MESSAGE]},
    ],
)
def test_events_without_a_response_stay_the_same_object(event: Json) -> None:
    """So their bytes pass as they came."""
    assert CREATE.tag(event, tag) is event


@pytest.mark.parametrize("background", [True, "yes", 1])
def test_background_answers_are_refused_in_the_open(background: Any) -> None:
    """Nobody would be charged for them."""
    with pytest.raises(UnreadableRequestError, match="background"):
        CREATE.read(response(background=background), "/v1/responses")
    for plain in (False, None):
        assert CREATE.read(response(background=plain), "/v1/responses").prompts


def test_counting_reads_the_question_and_costs_nothing() -> None:
    """It is judged as the request whose tokens it counts."""
    read: Callable[..., Query]
    for name in ("openai.responses.input_tokens", "anthropic.count_tokens"):
        route = ROUTES[name]
        same = ROUTES["openai.responses" if "openai" in name else "anthropic.messages"]
        body = (
            response(messages=None)
            if "openai" in name
            else {
                "model": "m",
                "messages": [{"role": "user", "content": "Two plus two?"}],
            }
        )
        read = route.read
        assert read(body, PATHS[name]) == same.read(body, PATHS[name])
        assert not route.is_exchange
        assert route.usage({"input_tokens": 12}) == Usage(0, 0)
