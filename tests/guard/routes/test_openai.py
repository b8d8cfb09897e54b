"""Chat, completions and embeddings: what is read, what is not asked for, what is not given out."""

from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import pytest

from gamekeeper.guard.routes import UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Query, Usage
from guard.routes.builders import (
    EVERYTHING,
    ROUTES,
    answer,
    chat,
    choice,
    chunk,
    completion,
    embedding,
    read,
    refused,
    stripped,
    user,
)

CHAT, COMPLETIONS, EMBEDDINGS = (
    ROUTES[f"openai.{name}"] for name in ("chat", "completions", "embeddings")
)
TOP = {
    "content": [
        {"token": "Four", "logprob": -0.1, "top_logprobs": [{"token": "5", "logprob": -3.0}]}
    ]
}
TOOL = {"type": "function", "function": {"name": "add"}}
ASKED = Query(prompts=("x",), logprobs=True)


def test_chat_is_read_whole() -> None:
    """Everything that is judged comes from the last user message and the parameters."""
    messages = [
        {"role": "system", "content": "Be brief."},
        user("Hello"),
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
        user(
            [
                {"type": "text", "text": "What is"},
                {"type": "image_url", "image_url": {}},
                {"text": "that?"},
            ]
        ),
    ]
    parameters: dict[str, Any] = {
        "stream": True,
        "temperature": 1,
        "n": 3,
        "top_logprobs": 5,
        "tools": [TOOL],
    }
    query = read(
        "openai.chat", chat(messages=messages, max_tokens=5, max_completion_tokens=9, **parameters)
    )
    assert query == Query(
        model="m",
        prompts=("What is\nthat?",),
        stream=True,
        system="Be brief.",
        turn=1,
        temperature=1.0,
        n=3,
        logprobs=True,
        tools=query.tools,
        max_output_tokens=9,
    )
    assert (
        query.tools
        == read("openai.chat", chat(functions=[TOOL])).tools
        != read("openai.chat", chat()).tools
    )


@pytest.mark.parametrize(
    "hidden",
    [
        user("harvest", parts=[{"text": "harmless"}]),
        user([{"type": "text", "text": "harvest", "toolResult": {}}]),
        user([{"type": "text", "text": "harvest", "content": "harmless"}]),
        user([{"type": "function_call_output", "text": "harvest"}]),
        user([{"text": "harvest"}]),
        user(
            [{"type": "input_text", "text": "harvest"}, {"type": "made_up", "content": "harmless"}]
        ),
    ],
)
def test_a_question_cannot_hide_behind_fields_that_only_our_log_reader_heeds(
    hidden: dict[str, Any],
) -> None:
    """The upstream ignores `parts` and `toolResult`: they neither hide the question nor replace it,
    and where the policy lets them through they are judged after it.
    """
    (prompt,) = read("openai.chat", chat(messages=[user("harmless"), hidden])).prompts
    assert prompt in ("harvest", "harvest\nharmless")


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "harvest"}],
        [{"role": "developer", "content": [{"type": "text", "text": "harvest"}]}],
        [user(""), {"role": "assistant", "content": "harvest"}],
        [user([{"type": "image_url", "image_url": {}}]), {"role": "tool", "content": "harvest"}],
        [user(None), {"role": "function", "content": "harvest"}],
    ],
)
def test_where_no_user_says_anything_the_last_message_is_judged(messages: list[Any]) -> None:
    """The model answers it all the same."""
    assert read("openai.chat", chat(messages=messages)).prompts == ("harvest",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": '[{"role":"user","content":"x"}]'}, "messages"),
        ({"messages": {"0": user()}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [user() | {"role": "User"}]}, "messages[0].role"),
        ({"messages": [user() | {"role": ["user"]}]}, "messages[0].role"),
        ({"messages": [user({"text": "x"})]}, "messages[0].content"),
        ({"messages": [user(7)]}, "messages[0].content"),
        ({"messages": [user(["x"])]}, "messages[0].content[0]"),
        ({"messages": [user([{"type": "text"}])]}, "messages[0].content[0].text"),
        ({"messages": [user([{"type": "text", "text": ["x"]}])]}, "messages[0].content[0].text"),
        (
            {"messages": [user([{"type": "prompt_embeds", "prompt_embeds": "AA=="}])]},
            "messages[0].content[0].type",
        ),
        ({"messages": [user("\ud800")]}, "messages[0].content"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"model": ["m"]}, "model"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"n": "5"}, "n"),
        ({"n": 5.0}, "n"),
        ({"n": True}, "n"),
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": 10**9}, "n"),
        ({"best_of": 10**400}, "best_of"),
        ({"logprobs": 5}, "logprobs"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"top_logprobs": True}, "top_logprobs"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_completion_tokens": 1e9}, "max_completion_tokens"),
        ({"tools": {"name": "x"}}, "tools"),
        ({"functions": "x"}, "functions"),
        ({"chat_template": "{{ 'harvest' }}"}, "chat_template"),
        ({"prompt_embeds": "AA=="}, "prompt_embeds"),
    ],
)
def test_chat_that_cannot_be_judged_is_refused_by_the_field_that_is_wrong(
    change: dict[str, Any], field: str
) -> None:
    """A lax upstream would convert it into something that nobody judged."""
    assert f'"{field}"' in refused("openai.chat", chat(**change))


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """The message lands in logs; the value may be somebody's prompt."""
    assert "secret" not in refused("openai.chat", chat(model={"secret": "secret"}))
    assert "secret" not in refused("openai.chat", chat(messages=[user({"text": "secret"})]))


def test_fields_that_are_not_judged_pass_whatever_they_hold() -> None:
    """New parameters appear every month."""
    body = chat(
        seed="x",
        metadata=[1],
        stop={"a": 1},
        brand_new=True,
        n=None,
        stream=None,
        tools=None,
        temperature=None,
    )
    assert read("openai.chat", body) == read("openai.chat", chat())


def test_tools_nested_too_deeply_are_refused() -> None:
    """They could be neither hashed nor forwarded."""
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    assert '"tools"' in refused("openai.chat", chat(tools=deep))


@pytest.mark.parametrize(
    ("withheld", "change", "left"),
    [
        (Withheld(logprobs=True), {"logprobs": True, "top_logprobs": 5, "prompt_logprobs": 1}, {}),
        (
            Withheld(logit_bias=True),
            {"logit_bias": {"5": 1}, "allowed_token_ids": [1], "bad_words": ["x"]},
            {},
        ),
        (
            Withheld(logit_bias=True),
            {
                "guided_choice": ["a"],
                "guided_regex": "a|b",
                "guided_grammar": "root ::= x",
                "guided_json": {"enum": ["a"]},
                "structured_outputs": {"choice": ["a"]},
                "return_token_ids": True,
                "return_tokens_as_token_ids": True,
                "response_format": {"type": "structural_tag"},
            },
            {},
        ),
        (
            Withheld(logit_bias=True),
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            {"response_format": {"type": "json_schema", "json_schema": {}}},
        ),
        (Withheld(choices=1), {"n": 5}, {"n": 1}),
        (Withheld(choices=2), {"n": 5, "best_of": 5}, {"n": 2, "best_of": 2}),
        (Withheld(choices=0), {"n": 5}, {"n": 1}),
        (Withheld(choices=8), {"n": 5}, {"n": 5}),
        (
            Withheld(reasoning=True),
            {"include_reasoning": True, "reasoning_effort": "high"},
            {"reasoning_effort": "high"},
        ),
        (
            Withheld(reasoning=True),
            {"reasoning": {"summary": "auto", "effort": "low"}},
            {"reasoning": {"effort": "low"}},
        ),
        (Withheld(), {"n": 5, "logprobs": True}, {"n": 5, "logprobs": True}),
    ],
)
def test_chat_is_narrowed_to_what_is_given(
    withheld: Withheld, change: dict[str, Any], left: dict[str, Any]
) -> None:
    """What stays is a request that the upstream accepts, and the one that came is not changed."""
    body = chat(**change)
    before = repr(body)
    assert CHAT.narrow(body, withheld) == chat(**left)
    assert repr(body) == before


def test_whole_chat_answer_goes_without_what_is_withheld() -> None:
    """Log-probabilities that were asked for are null, as the API has it; traces are gone wherever
    servers put them.
    """
    said = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Four."}],
        "reasoning": "hm",
        "reasoning_content": "hm",
        "reasoning_details": [{"text": "hm"}],
        "thinking_blocks": [{"thinking": "hm"}],
        "provider_specific_fields": {"reasoning_content": "hm", "other": 1},
    }
    given = answer(
        choice(message=said, logprobs=TOP, prompt_logprobs=[1]),
        choice(index=1),
        prompt_logprobs=[1],
        usage={"a": 1},
    )
    found = CHAT.strip(given, EVERYTHING, ASKED)
    plain = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Four."}],
    }
    assert found == answer(choice(message=plain), usage={"a": 1})
    assert "hm" not in repr(found) and given["choices"][0]["logprobs"] == TOP


HIDING = ("thoughts", "thought", "reasoning_text", "reasoning_summary", "brand_new")


@pytest.mark.parametrize("withheld", [EVERYTHING, Withheld(reasoning=True)])
@pytest.mark.parametrize("name", ["message", "delta"])
def test_traces_under_any_name_are_withheld(name: str, withheld: Withheld) -> None:
    """What is kept is named, not what goes; text, calls and their signature stay."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {"extra_content": {"google": {"thought_signature": "s"}}}
    said: dict[str, Any] = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Four."}],
        "tool_calls": [call | signed],
    }
    given = said | dict.fromkeys(HIDING, "hm")
    given["extra_content"] = {"google": {"thought": "hm"}}
    given["content"] = [
        {"type": "text", "text": "Four.", "thought": "hm"},
        {"type": "brand_new", "text": "hm"},
    ]
    given["tool_calls"] = [
        call | {"thought": "hm", "extra_content": {"google": signed["extra_content"]["google"]}}
    ]
    one = {"index": 0, name: given, "reasoning": "hm"}
    whole = {"choices": [one], "reasoning": "hm"}
    left = {"choices": [{"index": 0, name: said}]}
    assert CHAT.strip(whole, withheld, Query(prompts=("x",))) == left
    assert CHAT.stripper(withheld, Query(prompts=("x",)))(whole) == left


@pytest.mark.parametrize("withheld", [EVERYTHING, Withheld(logprobs=True)])
def test_log_probabilities_under_any_name_are_withheld(withheld: Withheld) -> None:
    """In the answer, the choice and what it says."""
    one = choice(
        message={"role": "assistant", "content": "x", "logprobs": TOP},
        top_logprobs=TOP,
        prompt_token_ids=[1],
        token_ids=[1],
    )
    given = answer(one, completion_probabilities=TOP, prompt_logprobs=TOP)
    plain = answer(choice(message={"role": "assistant", "content": "x"}))
    assert CHAT.strip(given, withheld, ASKED) == plain
    assert CHAT.stripper(withheld, ASKED)(given) == plain


def test_choices_that_share_an_index_or_have_none_that_exists_are_not_further_answers() -> None:
    """One answer to an input is one, however the upstream counts."""
    given = answer(
        choice(),
        choice(message={"content": "second"}),
        choice(index=-1),
        choice(index=1),
    )
    assert CHAT.strip(given, Withheld(choices=1), Query(prompts=("x",))) == answer(choice())
    event = chunk(index=-1)
    assert CHAT.stripper(Withheld(choices=1), Query(prompts=("x",)))(event) != event


def test_log_probabilities_that_were_asked_for_are_null_even_if_the_upstream_leaves_the_field_out() -> (
    None
):
    """The client asked for the field."""
    bare = {"index": 0, "message": {"content": "x"}}
    assert (
        CHAT.strip(answer(bare), Withheld(logprobs=True), ASKED)["choices"][0]["logprobs"] is None
    )
    assert (
        "logprobs" not in CHAT.strip(answer(bare), Withheld(logprobs=True), Query())["choices"][0]
    )


@pytest.mark.parametrize("withheld", [Withheld(), Withheld(logit_bias=True), Withheld(decimals=1)])
def test_answer_and_events_stay_as_they_are_where_nothing_in_them_is_withheld(
    withheld: Withheld,
) -> None:
    """The very object comes back, so that its bytes can be forwarded."""
    given = answer(choice(logprobs=TOP, message={"reasoning": "hm"}), choice(index=1))
    assert CHAT.strip(given, withheld, ASKED) == given
    event = chunk({"reasoning_content": "hm"}, logprobs=TOP)
    assert CHAT.stripper(withheld, ASKED)(event) is event


def test_streamed_chat_goes_without_what_is_withheld() -> None:
    """What is left empty is dropped; what was not touched is the same object."""
    first = chunk({"role": "assistant", "content": ""})
    text = chunk()
    end = chunk({}, finish_reason="stop")
    counts = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    events = [
        first,
        chunk({"reasoning_content": "hm"}),
        chunk({"content": None, "reasoning": "hm"}),
        chunk({"content": "F", "reasoning": "hm"}, logprobs=TOP),
        text,
        chunk({"content": "Other"}, index=1),
        end,
        counts,
    ]
    found = stripped("openai.chat", events, EVERYTHING, ASKED)
    assert found == [first, chunk({"content": "F"}, logprobs=None), text, end, counts]
    assert found[2] is text and found[4] is counts


def test_event_that_states_usage_is_kept_though_nothing_else_is_left() -> None:
    """Budgets are counted by it."""
    event = chunk({"reasoning": "hm"}) | {"usage": {"completion_tokens": 4}}
    assert stripped("openai.chat", [event], EVERYTHING, ASKED) == [
        chunk({}) | {"usage": {"completion_tokens": 4}}
    ]


@pytest.mark.parametrize(
    "broken", [{"choices": {"0": 1}}, {"choices": ["x"]}, {"choices": [choice(message="hm")]}]
)
def test_answer_of_another_form_is_not_passed_while_something_is_withheld(
    broken: dict[str, Any],
) -> None:
    """What is withheld might be in it."""
    with pytest.raises(UnreadableRequestError):
        CHAT.strip(broken, EVERYTHING, ASKED)
    with pytest.raises(UnreadableRequestError):
        CHAT.stripper(EVERYTHING, ASKED)(broken)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": 3}, Usage(3, None)),
        ({"prompt_tokens": "3", "completion_tokens": -1}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": 2.5}, Usage()),
        (None, Usage()),
        ([3, 4], Usage()),
    ],
)
def test_usage_is_what_the_upstream_says_in_whole_numbers(counts: Any, usage: Usage) -> None:
    """Anything else is not counted."""
    assert CHAT.usage(answer(usage=counts)) == usage


def test_refusal_has_the_form_that_the_sdks_expect() -> None:
    """They choose the exception by the status and show the message."""
    found = CHAT.refusal(429, "slow_down", "Later, please.")
    assert found == {
        "error": {
            "message": "Later, please.",
            "type": "rate_limit_error",
            "param": None,
            "code": "slow_down",
        }
    }
    kinds = {
        status: CHAT.refusal(status, "c", "m")["error"]["type"]
        for status in (400, 401, 403, 413, 500, 503)
    }
    assert kinds == {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        413: "invalid_request_error",
        500: "server_error",
        503: "server_error",
    }


def test_completions_read_a_prompt_or_many() -> None:
    """Each prompt is one exchange; asking for 0 alternatives still gives the chosen tokens'
    log-probabilities.
    """
    query = read(
        "openai.completions",
        completion(prompt=["a", "b"], n=2, best_of=3, logprobs=0, max_tokens=7),
    )
    assert (query.prompts, query.n, query.logprobs, query.max_output_tokens) == (
        ("a", "b"),
        2,
        True,
        7,
    )
    assert read("openai.completions", completion()).prompts == ("Two plus two is",)
    assert not read("openai.completions", completion()).logprobs


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1, 2], [3]]}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": ["a", [1]]}, "prompt[1]"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"prompt": ["a"] * 2049}, "prompt"),
        ({"prompt": ["\udfff"]}, "prompt[0]"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": "5"}, "logprobs"),
        ({"echo": "yes"}, "echo"),
        ({"suffix": 1}, "suffix"),
        ({"best_of": 10**9}, "best_of"),
        ({"messages": [user()]}, "messages"),
        ({"prompt_embeds": "AA=="}, "prompt_embeds"),
    ],
)
def test_completions_that_cannot_be_judged_are_refused(change: dict[str, Any], field: str) -> None:
    """Token ids above all: they would be the way around everything that reads text."""
    assert f'"{field}"' in refused("openai.completions", completion(**change))


def test_completions_are_narrowed_and_stripped_prompt_by_prompt() -> None:
    """At most one answer to each of two prompts: two answers in all."""
    body = completion(prompt=["a", "b"], n=3, best_of=5, logprobs=5, echo=True)
    withheld = Withheld(logprobs=True, choices=1)
    assert COMPLETIONS.narrow(body, withheld) == completion(
        prompt=["a", "b"], n=1, best_of=1, echo=True
    )
    query = Query(prompts=("a", "b"), n=3, logprobs=True)
    given = {
        "choices": [
            {"index": at, "text": str(at), "logprobs": {"tokens": ["x"]}} for at in range(6)
        ]
    }
    found = COMPLETIONS.strip(given, withheld, query)
    assert found == {
        "choices": [{"index": at, "text": str(at), "logprobs": None} for at in range(2)]
    }
    events = [{"choices": [one]} for one in given["choices"]]
    assert stripped("openai.completions", events, withheld, query) == [
        {"choices": [one]} for one in found["choices"]
    ]


def test_embeddings_read_texts_and_count_token_ids() -> None:
    """A list of texts, or of lists of ids, is as many exchanges."""
    assert read("openai.embeddings", embedding()).prompts == ("one", "two")
    assert read("openai.embeddings", embedding(input="one")).inputs == 1
    one = read("openai.embeddings", embedding(input=[1, 2]))
    assert (one.inputs, one.unseen, one.input_tokens, one.prompts) == (1, 1, 2, ())
    two = read("openai.embeddings", embedding(input=[[1, 2], [3]]))
    assert (two.inputs, two.unseen, two.input_tokens) == (2, 2, 3)
    for odd in ([1, "a"], [[1], "a"], [[1], 2], [[]], [True], [[1.0]], [1, [2]], [[1]] * 2049):
        assert '"input"' in refused("openai.embeddings", embedding(input=odd))
    assert '"messages"' in refused("openai.embeddings", embedding(messages=[user()]))
    assert '"encoding_format"' in refused("openai.embeddings", embedding(encoding_format=1))


@pytest.mark.parametrize("given", ["float", "base64", None, "bytes"])
def test_embeddings_are_asked_for_in_a_form_that_can_be_rounded(given: str | None) -> None:
    """Other types and byte orders would be rounded into nonsense."""
    body = embedding(encoding_format=given, embed_dtype="float16", endianness="big")
    left = EMBEDDINGS.narrow(body, Withheld(decimals=2))
    assert left == (embedding() if given == "bytes" else embedding(encoding_format=given))
    assert EMBEDDINGS.narrow(body, Withheld()) is body


def test_embeddings_are_rounded_in_both_forms() -> None:
    """Numbers and base64 of float32 lose the same decimals."""
    vector = [0.123456, -0.987654, 1e-9]
    packed = b64encode(np.array(vector, "<f4").tobytes()).decode()
    given = {
        "data": [{"index": 0, "embedding": vector}, {"index": 1, "embedding": packed}],
        "usage": {},
    }
    found = EMBEDDINGS.strip(given, Withheld(decimals=2), Query())
    assert found["data"][0]["embedding"] == [0.12, -0.99, 0.0]
    unpacked = np.frombuffer(b64decode(found["data"][1]["embedding"]), "<f4")
    np.testing.assert_array_equal(unpacked, np.array([0.12, -0.99, 0.0], np.float32))
    assert EMBEDDINGS.strip(given, Withheld(), Query()) is given
    assert EMBEDDINGS.strip(found, Withheld(decimals=2), Query()) == found


@pytest.mark.parametrize(
    "vector",
    [
        None,
        0.5,
        ["0.5"],
        [True],
        [[0.5]],
        "no base64!",
        "AAA=",
        b64encode(np.float32("nan").tobytes()).decode(),
    ],
)
def test_vector_that_cannot_be_rounded_is_not_given_out(vector: Any) -> None:
    """It would be given out in full."""
    with pytest.raises(UnreadableRequestError):
        EMBEDDINGS.strip({"data": [{"embedding": vector}]}, Withheld(decimals=2), Query())


def test_vectors_under_other_names_are_not_given_out() -> None:
    """They would be given out in full."""
    vector = [0.123456]
    given = {"data": [{"embedding": vector, "embeddings": vector}], "embeddings": vector}
    withheld = Withheld(decimals=2)
    assert EMBEDDINGS.strip(given, withheld, Query()) == {"data": [{"embedding": [0.12]}]}
    assert EMBEDDINGS.strip({"embeddings": vector}, withheld, Query()) == {}


def test_streamed_embeddings_are_refused_while_rounded() -> None:
    """They are never streamed; whatever this is, it is not understood."""
    with pytest.raises(UnreadableRequestError):
        EMBEDDINGS.stripper(Withheld(decimals=2), Query())({"embedding": [0.123]})
    event = {"a": 1}
    assert EMBEDDINGS.stripper(Withheld(logprobs=True), Query())(event) is event
