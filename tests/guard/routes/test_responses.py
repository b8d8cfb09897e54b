"""The responses API: items in, items out; reasoning items are emptied, and stay."""

from typing import Any

import pytest

from gamekeeper.guard.routes import UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import EVERYTHING, ROUTES, read, refused, response, stripped, user

ROUTE = ROUTES["openai.responses"]
NAME = "openai.responses"
TRACE = {
    "id": "rs_1",
    "type": "reasoning",
    "status": "completed",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "content": [{"type": "reasoning_text", "text": "hm"}],
    "encrypted_content": "hm",
}
EMPTIED = {"id": "rs_1", "type": "reasoning", "status": "completed", "summary": []}
PART = {"type": "output_text", "text": "Four.", "logprobs": [{"token": "Four", "logprob": -0.1}]}
SAID = {"id": "msg_1", "type": "message", "role": "assistant", "content": [PART]}
PLAIN = SAID | {"content": [PART | {"logprobs": []}]}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}


def test_items_are_read_as_a_conversation() -> None:
    """Items that are no messages do not count as turns."""
    items = [
        {"role": "developer", "content": "Be brief."},
        user("Hello"),
        SAID,
        CALL,
        {"type": "function_call_output", "call_id": "c", "output": "4"},
        user([{"type": "input_text", "text": "And now?"}, {"type": "input_image"}], type="message"),
    ]
    asked = {
        "stream": True,
        "temperature": 0.5,
        "max_output_tokens": 9,
        "include": ["message.output_text.logprobs"],
    }
    query = read(NAME, response(input=items, instructions="Be kind.", **asked))
    assert query == Query(
        model="m",
        prompts=("And now?",),
        stream=True,
        system="Be kind.\nBe brief.",
        turn=1,
        temperature=0.5,
        logprobs=True,
        max_output_tokens=9,
    )
    assert read(NAME, response()).prompts == ("Two plus two?",)
    assert (
        read(NAME, response(top_logprobs=2)).logprobs
        and not read(NAME, response(top_logprobs=0)).logprobs
    )


def test_turns_that_only_the_upstream_knows_are_not_counted() -> None:
    """The conversation goes on from one that is stored there."""
    assert read(NAME, response()).turn == 0
    assert read(NAME, response(previous_response_id="resp_1")).turn is None
    assert read(NAME, response(conversation={"id": "conv_1"})).turn is None


@pytest.mark.parametrize("output", ["harvest", [{"type": "input_text", "text": "harvest"}]])
def test_result_of_a_tool_is_judged_where_no_user_says_anything(output: Any) -> None:
    """A continued conversation may send nothing else; the model answers it all the same."""
    items = [{"type": "function_call_output", "call_id": "c", "output": output}]
    assert read(NAME, response(input=items, previous_response_id="resp_1")).prompts == ("harvest",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [user() | {"role": "USER"}]}, "input[0].role"),
        ({"input": [{"content": "x"}]}, "input[0].role"),
        ({"input": [user(7)]}, "input[0].content"),
        ({"input": "\ud800"}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"include": "message.output_text.logprobs"}, "include"),
        ({"include": [1]}, "include"),
        ({"top_logprobs": "5"}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": True}, "top_logprobs"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"messages": [user()]}, "messages"),
        ({"model": None}, "model"),
        ({"stream": "true"}, "stream"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"tools": "x"}, "tools"),
    ],
)
def test_request_that_cannot_be_judged_is_refused(change: dict[str, Any], field: str) -> None:
    """A prompt that is stored with the upstream is one of those."""
    assert f'"{field}"' in refused(NAME, response(**change))


def test_request_is_narrowed() -> None:
    """Other inclusions and the effort stay."""
    body = response(
        include=[
            "message.output_text.logprobs",
            "reasoning.encrypted_content",
            "file_search_call.results",
        ],
        top_logprobs=5,
        reasoning={"effort": "high", "summary": "detailed"},
        n="not read here",
    )
    left = response(
        include=["file_search_call.results"], reasoning={"effort": "high"}, n="not read here"
    )
    assert ROUTE.narrow(body, EVERYTHING) == left
    assert ROUTE.narrow(body, Withheld()) is body


def test_emptied_items_are_taken_out_where_the_upstream_kept_nothing() -> None:
    """There it would not know their ids; where it stores them, it wants them back."""
    items = [user(), EMPTIED, TRACE, CALL]
    withheld = Withheld(reasoning=True)
    assert ROUTE.narrow(response(input=items, store=False), withheld)["input"] == [
        user(),
        TRACE,
        CALL,
    ]
    assert ROUTE.narrow(response(input=items), withheld)["input"] == items


@pytest.mark.parametrize(
    ("withheld", "output"),
    [
        (Withheld(), [TRACE, SAID, CALL]),
        (Withheld(reasoning=True), [EMPTIED, SAID, CALL]),
        (Withheld(logprobs=True), [TRACE, PLAIN, CALL]),
        (Withheld(logprobs=True, reasoning=True), [EMPTIED, PLAIN, CALL]),
    ],
)
def test_answer_goes_without_what_is_withheld(withheld: Withheld, output: list[Any]) -> None:
    """Places and ids of items stay, so that a later turn can send them back."""
    given = {
        "id": "resp_1",
        "output": [TRACE, SAID, CALL],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    assert ROUTE.strip(given, withheld, Query()) == given | {"output": output}
    assert ROUTE.usage(given) == Usage(3, 4)


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [event | {"sequence_number": at} for at, event in enumerate(events)]


def test_stream_goes_without_what_is_withheld() -> None:
    """Every item that is written to has been announced at its place before."""
    start = {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": EMPTIED | {"status": "in_progress"},
    }
    text = {
        "type": "response.output_text.delta",
        "output_index": 1,
        "content_index": 0,
        "delta": "Four.",
    }
    events = numbered(
        {"type": "response.created", "response": {"output": []}},
        start,
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "part": {"text": ""}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "hm"},
        {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "hm"},
        {"type": "response.output_item.done", "output_index": 0, "item": TRACE},
        {"type": "response.output_item.added", "output_index": 1, "item": SAID | {"content": []}},
        {"type": "response.content_part.added", "output_index": 1, "part": PART},
        text | {"logprobs": [{"token": "Four", "logprob": -0.1}]},
        {
            "type": "response.output_text.done",
            "output_index": 1,
            "text": "Four.",
            "logprobs": [{"logprob": -0.1}],
        },
        {"type": "response.output_item.done", "output_index": 1, "item": SAID},
        {
            "type": "response.completed",
            "response": {"output": [TRACE, SAID], "usage": {"output_tokens": 4}},
        },
    )
    found = stripped(NAME, events, EVERYTHING, Query(logprobs=True))
    assert [event["sequence_number"] for event in found] == [0, 1, 5, 6, 7, 8, 9, 10, 11]
    assert found[2]["item"] == EMPTIED and found[-1]["response"]["output"] == [EMPTIED, PLAIN]
    assert found[5]["logprobs"] == [] and found[6]["logprobs"] == [] and found[7]["item"] == PLAIN
    assert "hm" not in repr(found) and "-0.1" not in repr(found)
    assert ROUTE.usage(found[-1]) == Usage(None, 4)


def test_event_that_nothing_was_taken_from_is_the_same_object() -> None:
    """Its bytes are forwarded as they came."""
    event = {"type": "response.output_text.delta", "output_index": 0, "delta": "x", "logprobs": []}
    assert ROUTE.stripper(EVERYTHING, Query())(event) is event
    traced = {"type": "response.reasoning_text.delta", "delta": "hm"}
    assert ROUTE.stripper(Withheld(choices=1), Query())(traced) is traced


@pytest.mark.parametrize(
    "broken",
    [{"output": {"0": TRACE}}, {"output": ["hm"]}, {"output": [SAID | {"content": ["hm"]}]}],
)
def test_answer_of_another_form_is_not_passed_while_something_is_withheld(
    broken: dict[str, Any],
) -> None:
    """Whole, or in an event."""
    with pytest.raises(UnreadableRequestError):
        ROUTE.strip(broken, EVERYTHING, Query())
    with pytest.raises(UnreadableRequestError):
        ROUTE.stripper(EVERYTHING, Query())({"type": "response.completed", "response": broken})
