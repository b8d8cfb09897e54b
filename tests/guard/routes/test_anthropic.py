"""The messages API: blocks; thinking blocks are taken out, and the blocks after them move up."""

from typing import Any

import pytest

from gamekeeper.guard.routes import UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import EVERYTHING, ROUTES, message, read, refused, stripped, user

ROUTE = ROUTES["anthropic.messages"]
NAME = "anthropic.messages"
THINKING = {"type": "thinking", "thinking": "hm", "signature": "hm"}
REDACTED = {"type": "redacted_thinking", "data": "hm"}
TEXT = {"type": "text", "text": "Four."}
TOOL = {"type": "tool_use", "id": "t", "name": "add", "input": {}}


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind} | fields}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def test_messages_are_read_as_a_conversation() -> None:
    """Results of tools are no turns of the user."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "4"}]}
    messages = [user("Hello"), {"role": "assistant", "content": [THINKING, TOOL]}, user([result])]
    system = [{"type": "text", "text": "Be brief.", "cache_control": {}}]
    query = read(
        NAME, message(messages=[*messages, user([TEXT])], system=system, stream=True, temperature=1)
    )
    assert query == Query(
        model="m",
        prompts=("Four.",),
        stream=True,
        system="Be brief.",
        turn=1,
        temperature=1.0,
        max_output_tokens=100,
    )
    assert read(NAME, message(messages=messages, system="Be brief.")).prompts == ("Hello",)


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "tool_result", "content": "harvest"}],
        [{"type": "tool_result", "content": [{"type": "text", "text": "harvest"}]}],
        [{"type": "document", "source": {"type": "text", "data": "harvest"}}],
    ],
)
def test_text_in_a_result_or_a_document_is_judged_where_no_user_says_anything(
    content: list[Any],
) -> None:
    """Otherwise the question would only have to be wrapped."""
    assert read(NAME, message(messages=[user(content)])).prompts == ("harvest",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [user() | {"role": "human"}]}, "messages[0].role"),
        ({"messages": [user([{"type": "text", "text": 1}])]}, "messages[0].content[0].text"),
        ({"messages": [user([None])]}, "messages[0].content[0]"),
        ({"system": 7}, "system"),
        ({"system": {"text": "x"}}, "system"),
        ({"system": [{"type": "text", "text": None}]}, "system[0].text"),
        ({"model": 1}, "model"),
        ({"max_tokens": "100"}, "max_tokens"),
        ({"stream": 0}, "stream"),
        ({"temperature": []}, "temperature"),
        ({"thinking": True}, "thinking"),
        ({"tools": {}}, "tools"),
    ],
)
def test_request_that_cannot_be_judged_is_refused(change: dict[str, Any], field: str) -> None:
    """By the field that is wrong."""
    assert f'"{field}"' in refused(NAME, message(**change))


def test_thinking_is_not_asked_for() -> None:
    """Nor what the upstream accepts only where thinking is on; other edits of the context stay."""
    clear = {"type": "clear_thinking_20251015"}
    other = {"type": "clear_tool_uses_20250919"}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    withheld = Withheld(reasoning=True)
    assert ROUTE.narrow(message(thinking=thinking), withheld) == message()
    both = message(thinking=thinking, context_management={"edits": [clear, other], "x": 1})
    assert ROUTE.narrow(both, withheld) == message(context_management={"edits": [other], "x": 1})
    assert ROUTE.narrow(message(context_management={"edits": [clear]}), withheld) == message()
    assert ROUTE.narrow(both, Withheld(logprobs=True, choices=1)) is both


def test_answer_goes_without_thinking() -> None:
    """Text and tools stay in their order."""
    given = {
        "type": "message",
        "content": [THINKING, TEXT, REDACTED, TOOL],
        "usage": {"output_tokens": 4},
    }
    assert ROUTE.strip(given, EVERYTHING, Query()) == given | {"content": [TEXT, TOOL]}
    assert ROUTE.strip(given, Withheld(), Query()) is given


STREAM = [
    {
        "type": "message_start",
        "message": {"content": [], "usage": {"input_tokens": 3, "output_tokens": 1}},
    },
    {"type": "ping"},
    start(0, THINKING | {"thinking": "", "signature": ""}),
    delta(0, "thinking_delta", thinking="hm"),
    delta(0, "signature_delta", signature="hm"),
    stop(0),
    start(1, TEXT | {"text": ""}),
    delta(1, "text_delta", text="Four."),
    stop(1),
    start(2, REDACTED),
    stop(2),
    start(3, TOOL),
    delta(3, "input_json_delta", partial_json="{}"),
    stop(3),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]


def test_stream_goes_without_thinking_and_stays_well_formed() -> None:
    """The SDKs append each block that starts and find it again by its index."""
    blocks: list[dict[str, Any]] = []
    for event in stripped(NAME, STREAM, EVERYTHING, Query()):
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(event["content_block"])
        elif "index" in event:
            assert event["index"] == len(blocks) - 1
    assert [block["type"] for block in blocks] == ["text", "tool_use"]


def test_stream_holds_nothing_of_the_trace() -> None:
    """Neither text nor signature, and both are there where nothing is withheld."""
    assert "hm" not in repr(stripped(NAME, STREAM, EVERYTHING, Query()))
    assert stripped(NAME, STREAM, Withheld(logprobs=True), Query()) == STREAM


def test_interleaved_blocks_keep_their_places() -> None:
    """A block that is written to after a later one was dropped does not move."""
    events = [
        start(0, TEXT),
        start(1, THINKING),
        delta(0, "text_delta", text="a"),
        start(2, TEXT),
        stop(0),
        stop(2),
    ]
    found = stripped(NAME, events, EVERYTHING, Query())
    assert [event["index"] for event in found] == [0, 0, 1, 0, 1]


def test_two_streams_do_not_share_what_was_dropped() -> None:
    """One stripper, one stream."""
    first, second = (ROUTE.stripper(EVERYTHING, Query()) for _ in range(2))
    assert first(start(0, THINKING)) is None
    text = start(0, TEXT)
    assert second(text) is text


def test_untouched_event_is_the_same_object() -> None:
    """Before the first thinking block nothing is renumbered."""
    strip = ROUTE.stripper(EVERYTHING, Query())
    for event in (
        STREAM[0],
        STREAM[1],
        start(0, TEXT),
        delta(0, "text_delta", text="x"),
        STREAM[-1],
    ):
        assert strip(event) is event


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "content_block_start", "index": "0", "content_block": THINKING},
        {"type": "content_block_start", "index": True, "content_block": THINKING},
        {"type": "content_block_start", "index": 0, "content_block": "hm"},
        {"type": "content_block_delta", "index": 0, "delta": ["hm"]},
        {"type": "message_start", "message": "hm"},
        {"type": "message_start", "message": {"content": "hm"}},
    ],
)
def test_event_of_another_form_is_not_passed(broken: dict[str, Any]) -> None:
    """A trace might be in it."""
    with pytest.raises(UnreadableRequestError):
        ROUTE.stripper(EVERYTHING, Query())(broken)


def test_usage_is_put_together_from_the_stream() -> None:
    """The input is stated first, the output last; what the cache saved was input all the same."""
    usage = Usage()
    for event in STREAM:
        usage = usage.merged(ROUTE.usage(event))
    assert usage == Usage(3, 9)
    cached = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": 5,
    }
    assert ROUTE.usage({"usage": cached}) == Usage(113, 5)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_refusal_is_of_the_type_that_belongs_to_its_status(status: int, kind: str) -> None:
    """SDKs and proxies look at both."""
    assert ROUTE.refusal(status, "c", "m") == {
        "type": "error",
        "error": {"type": kind, "message": "m"},
    }
