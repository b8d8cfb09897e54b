import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.server import Server, in_turn
from gamekeeper.audit.targets import (
    ChatTarget,
    Endpoint,
    Query,
    QueryError,
    Reply,
    TargetError,
    VectorTarget,
    WritingCallable,
)

Answer = tuple[int, bytes, dict[str, str]]


def said(message: dict[str, Any], **more: Any) -> Answer:
    return 200, json.dumps({"choices": [{"message": message, **more}]}).encode(), {}


def echo(document: dict[str, Any]) -> Answer:
    return said({"content": document["messages"][-1]["content"].upper()})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(echo)
    yield made
    made.close()


def chat(server: Server, slept: list[float] | None = None, **fields: Any) -> ChatTarget:
    endpoint = Endpoint(**{"url": server.url.removesuffix("/score"), "chat": "m"} | fields)
    return ChatTarget(endpoint, sleep=(slept if slept is not None else []).append)


def ask(target: ChatTarget, *queries: Query) -> list[Reply]:
    found = dict(target.replies(queries))
    failed = [reply for reply in found.values() if isinstance(reply, QueryError)]
    if failed:
        raise failed[0]
    return [found[number] for number in range(len(queries))]  # type: ignore[misc]


def test_replies_belong_to_their_queries(server: Server) -> None:
    """However many are under way at a time."""
    replies = ask(chat(server, parallel=8), *(Query(f"word {i}") for i in range(30)))
    assert [reply.text for reply in replies] == [f"WORD {i}" for i in range(30)]


def test_request_says_what_is_asked(server: Server) -> None:
    """System message, log-probabilities, bias, length, and what the description adds."""
    target = chat(
        server, system="be brief", request={"max_completion_tokens": 9, "temperature": 1, "seed": 3}
    )
    ask(target, Query("a", tops=5, bias={7: 100.0}, max_tokens=1))
    (_, document, _) = server.asked[0]
    assert document["messages"][0] == {"role": "system", "content": "be brief"}
    assert (document["top_logprobs"], document["logit_bias"], document["temperature"]) == (
        5,
        {"7": 100.0},
        1,
    )
    assert (
        document["max_completion_tokens"] == 1
        and "max_tokens" not in document
        and document["seed"] == 3
    )


@pytest.mark.parametrize(
    "message",
    [
        {"content": "4", "reasoning_content": "2+2"},
        {"content": "4", "reasoning": "2+2"},
        {"content": "<think>2+2</think>\n4"},
    ],
    ids=["field", "other-field", "tags"],
)
def test_reasoning_is_parted_from_the_answer(message: dict[str, str], server: Server) -> None:
    """Wherever servers put it."""
    server.script = lambda document: said(message)
    assert ask(chat(server), Query("2+2?")) == [Reply("4", "2+2")]


def test_tokens_and_log_probabilities_are_read(server: Server) -> None:
    """By their bytes where they are given: half a character has no other name."""
    first = {"token": "�", "bytes": [226], "logprob": -0.1}
    told = {
        "content": [
            first | {"top_logprobs": [first, {"token": "b", "bytes": None, "logprob": -2.0}]}
        ]
    }
    answer = {
        "choices": [{"message": {"content": "x"}, "logprobs": told}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    server.script = lambda document: (200, json.dumps(answer).encode(), {})
    (reply,) = ask(chat(server), Query("a", tops=2))
    assert (reply.read, reply.written, reply.first) == (3, 2, ("e2", -0.1))
    assert reply.tops == (("e2", -0.1), ("b", -2.0))


def test_replies_before_a_refusal_are_given_out_first(server: Server) -> None:
    """What was paid for can be kept."""
    server.script = in_turn(lambda document: (401, b"", {}), *[said({"content": "a"})] * 3)
    found = []
    with pytest.raises(TargetError, match="refused the credential"):
        for each in chat(server, parallel=1).replies([Query(str(i)) for i in range(5)]):
            found.append(each)
    assert len(found) == 3


@pytest.mark.parametrize("document", [{}, {"choices": []}, {"choices": [{"message": None}]}, [1]])
def test_what_is_no_completion_is_said(document: Any, server: Server) -> None:
    """With what came."""
    server.script = lambda _: (200, json.dumps(document).encode(), {})
    with pytest.raises(TargetError, match="not answer with a chat completion"):
        ask(chat(server), Query("a"))


def test_busy_server_is_waited_for(server: Server) -> None:
    """As long as it asks."""
    server.script = in_turn(echo, (429, b"", {"retry-after": "3"}))
    slept: list[float] = []
    assert ask(chat(server, slept), Query("a"))[0].text == "A" and slept == [3.0]


def test_embeddings_come_in_the_order_of_texts(server: Server) -> None:
    """Whatever order they were sent in."""

    def script(document: dict[str, Any]) -> Answer:
        rows = [
            {"index": i, "embedding": [len(text), 1.0]} for i, text in enumerate(document["input"])
        ]
        return 200, json.dumps({"data": rows[::-1]}).encode(), {}

    server.script = script
    target = VectorTarget(Endpoint(url=server.url.removesuffix("/score"), embeddings="e", batch=2))
    assert target.vectors(["a", "bb", "ccc"]).tolist() == [[1, 1], [2, 1], [3, 1]]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda prompts: ["a"], "gave 1 answers to 2 prompts"),
        (lambda prompts: [1, 2], "not int"),
        (lambda prompts: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["count", "kind", "raises"],
)
def test_function_that_writes_nonsense_is_named(function: Any, words: str) -> None:
    """As endpoints are."""
    with pytest.raises(TargetError, match=words):
        list(WritingCallable(function, "f").replies([Query("a"), Query("b")]))


def test_function_may_give_its_reasoning() -> None:
    """As a mapping."""
    target = WritingCallable(lambda prompts: [{"text": "4", "trace": "2+2"}, "5"], "f")
    assert dict(target.replies([Query("a"), Query("b")])) == {0: Reply("4", "2+2"), 1: Reply("5")}


def test_content_in_parts_is_read(server: Server) -> None:
    """Text among them; reasoning is not the answer."""
    parts = [{"type": "thinking", "thinking": "2+2"}, {"type": "text", "text": "4"}]
    server.script = lambda document: said({"content": parts})
    assert ask(chat(server), Query("2+2?"))[0].text == "4"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said({"content": None, "refusal": "not allowed"}), "refused: not allowed"),
        (said({"content": ""}, finish_reason="content_filter"), "content filter stopped it"),
        (said({"content": ""}, finish_reason="length"), "allow more"),
        (said({"content": None}, finish_reason="stop"), "the content is empty"),
        ((400, b"ResponsibleAIPolicyViolation", {}), "400: ResponsibleAIPolicyViolation"),
    ],
    ids=["refusal", "filter", "length", "empty", "400"],
)
def test_filtered_prompt_fails_alone(answer: Answer, why: str, server: Server) -> None:
    """The others under way are answered."""
    server.script = lambda document: (
        answer if "bad" in document["messages"][-1]["content"] else echo(document)
    )
    found = dict(chat(server).replies([Query("a"), Query("bad"), Query("b")]))
    failed = found.pop(1)
    assert isinstance(failed, QueryError) and why in str(failed) and failed.is_refused
    assert {reply.text for reply in found.values() if isinstance(reply, Reply)} == {"A", "B"}


def test_tokens_of_a_refused_prompt_are_known(server: Server) -> None:
    """They are charged all the same."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    body = {"choices": [{"message": {"refusal": "no"}}], "usage": usage}
    server.script = lambda document: (200, json.dumps(body).encode(), {})
    (failed,) = dict(chat(server).replies([Query("a")])).values()
    assert isinstance(failed, QueryError) and (failed.read, failed.written) == (5, 2)


def test_request_for_embeddings_says_what_the_description_adds(server: Server) -> None:
    """Such as the number of dimensions."""
    answer = {"data": [{"index": 0, "embedding": [1.0]}]}
    server.script = lambda document: (200, json.dumps(answer).encode(), {})
    url = server.url.removesuffix("/score")
    VectorTarget(Endpoint(url=url, embeddings="e", request={"dimensions": 1})).vectors(["a"])
    assert server.asked[0][1] == {"model": "e", "input": ["a"], "dimensions": 1}
