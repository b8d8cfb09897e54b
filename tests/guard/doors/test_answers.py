"""What an answer is charged, whatever its upstream states."""

import asyncio
import gzip
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.ladder import PASS
from gamekeeper.guard.doors import answers as answers_module
from gamekeeper.guard.doors import counting as counting_module
from gamekeeper.guard.doors import metering as metering_module
from gamekeeper.guard.doors.answers import Answer, BrokenAnswerError
from gamekeeper.guard.doors.counting import stated_in
from gamekeeper.guard.doors.metering import MOST_TOKENS
from gamekeeper.guard.gate import UNSTATED_OUTPUT_TOKENS, Gate, Passage, Request
from gamekeeper.guard.policy import GuardPolicy, Limits
from gamekeeper.guard.routes import serialise
from gamekeeper.guard.routes.query import Usage
from gamekeeper.guard.store.memory import MemoryStore
from gamekeeper.verdict import Verdict
from guard.builders import HERE, KEY, Hands, make_decision, make_principal
from guard.routes.builders import PATHS, ROUTES, chat, embedding, response

WORDS = "the quick brown fox jumps over a lazy dog and runs away from here "
LONG = WORDS * 40
LONG_TOKENS = 560  # 14 words, 40 times; one token a word in most tokenizers
JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"


def passage_of(
    body: dict[str, Any] | None = None,
    *,
    route: str = "openai.chat",
    verdict: Verdict | None = None,
    ask_usage: bool = True,
) -> Passage:
    policy = GuardPolicy.model_validate({"enforce": True, "upstream": {"ask_usage": ask_usage}})
    core = Core(policy, MemoryStore(), KEY, clock=Hands())  # type: ignore[arg-type]
    if verdict is not None:
        core.decide(make_decision(verdict))
    request = Request(
        route=ROUTES[route],
        path=PATHS[route],
        raw=serialise(chat() if body is None else body),
        principal=make_principal(),
        caller=HERE,
    )
    return Gate(core).enter(request)


class Client:
    """Takes an answer, and notes what it was told of its cost."""

    def __init__(self, passage: Passage, **limits: Any) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.got = b""
        self.begun: list[int] = []
        self.progress: list[Usage] = []
        self.answer = Answer(
            passage, self._send, Limits(**limits), self.begun.append, self.progress.append
        )

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.got += message.get("body", b"")

    async def take(
        self,
        parts: Sequence[bytes],
        *,
        kind: bytes = JSON,
        status: int = 200,
        encoding: bytes | None = None,
        ends: bool = True,
    ) -> None:
        headers = [(b"content-type", kind)]
        if encoding is not None:
            headers.append((b"content-encoding", encoding))
        await self.answer({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await self.answer({"type": "http.response.body", "body": part, "more_body": True})
        if ends:
            await self.answer({"type": "http.response.body", "body": b"", "more_body": False})


def taken(passage: Passage, *parts: bytes, **how: Any) -> Client:
    """A client that took an answer of these parts."""

    async def run() -> Client:
        client = Client(passage, **how.pop("limits", {}))
        await client.take(parts, **how)
        return client

    return asyncio.run(run())


def whole(text: str = "four", usage: Any = None, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": text} | fields
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice]}
    return orjson.dumps(document if usage is None else document | {"usage": usage})


def event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def chunk(text: str | None = None, **fields: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]
    return event(
        {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices} | fields
    )


def usage_chunk(prompt: int = 300, completion: int = 200) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})


def words(times: int = 40) -> list[bytes]:
    return [chunk(f" {word}") for word in WORDS.split() * times]


def is_near(found: int | None, real: int) -> bool:
    return found is not None and 0.7 * real <= found <= 1.3 * real


STATED = {"prompt_tokens": 9, "completion_tokens": 700}
DONE = b"data: [DONE]\n\n"


def test_stated_tokens_are_charged_as_stated() -> None:
    """Estimates are for what is not stated."""
    client = taken(passage_of(), whole("four", STATED))
    assert client.answer.charged()[0] == Usage(9, 700) and client.answer.charged()[1] is None


def test_answer_that_states_nothing_is_charged_by_its_text_and_its_request() -> None:
    """Never 0."""
    client = taken(passage_of(chat(messages=[{"role": "user", "content": LONG}])), whole(LONG))
    charged = client.answer.charged()[0]
    assert is_near(charged.input_tokens, LONG_TOKENS)
    assert is_near(charged.output_tokens, LONG_TOKENS)
    assert client.answer.charged()[1] == "unstated"


@pytest.mark.parametrize("name", list(STATED))
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        *((each, "unstated") for each in (-5, "7", True, None, 7.5, [], {"a": 1})),
        *((each, "implausible") for each in (2**63 - 1, MOST_TOKENS + 1, 1e300, 0, 1)),
    ],
)
def test_count_that_is_not_plausible_is_estimated(name: str, wrong: Any, why: str) -> None:
    """Of the two, the one that is plausible stays."""
    passage = passage_of(chat(messages=[{"role": "user", "content": LONG}]))
    stated = {"prompt_tokens": 600, "completion_tokens": 500} | {name: wrong}
    answer = taken(passage, whole(LONG, stated)).answer
    charged = answer.charged()[0]
    assert is_near(charged.input_tokens, LONG_TOKENS)
    assert is_near(charged.output_tokens, LONG_TOKENS)
    assert (charged.input_tokens == 600) is (name != "prompt_tokens")
    assert (charged.output_tokens == 500) is (name != "completion_tokens")
    assert answer.charged()[1] == why


def test_count_that_is_a_whole_number_with_a_point_is_read() -> None:
    """Some servers write 120.0."""
    stated = {"prompt_tokens": 9.0, "completion_tokens": 120.0}
    assert taken(passage_of(), whole("four", stated)).answer.charged()[0] == Usage(9, 120)


def test_few_tokens_for_an_image_are_plausible() -> None:
    """An image counts as a thousand tokens in the estimate, and may be 85."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}
    content = [{"type": "text", "text": "what is this?"}, image]
    passage = passage_of(chat(messages=[{"role": "user", "content": content}]))
    assert 900 < passage.input_tokens < 1_100
    stated = {"prompt_tokens": 95, "completion_tokens": 5}
    assert taken(passage, whole("a cat", stated)).answer.charged()[0] == Usage(95, 5)


def test_few_tokens_for_an_image_that_was_made_are_plausible() -> None:
    """Base64 is not text, in whatever field it comes."""
    picture = "iVBORw0KGgo" + "Ab1/" * 90_000
    item = {"type": "image_generation_call", "id": "ig_1", "result": picture}
    answer = {"output": [item], "usage": {"input_tokens": 9, "output_tokens": 272}}
    passage = passage_of(response(), route="openai.responses")
    assert taken(passage, orjson.dumps(answer)).answer.charged()[0] == Usage(9, 272)


def test_answer_in_the_background_is_charged_when_it_is_asked_for() -> None:
    """What it states when it is fetched is not charged."""
    answer = {"status": "queued", "output": [], "usage": None}
    for asked, charged in ((None, UNSTATED_OUTPUT_TOKENS), (5_000, 5_000)):
        passage = passage_of(response(max_output_tokens=asked), route="openai.responses")
        assert taken(passage, orjson.dumps(answer)).answer.charged()[0].output_tokens == charged


def test_all_that_is_written_counts() -> None:
    """Reasoning and calls of tools are tokens like others."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": LONG}}
    answer = taken(passage_of(), whole("", reasoning_content=LONG, tool_calls=[call])).answer
    assert is_near(answer.charged()[0].output_tokens, 2 * LONG_TOKENS)


def test_log_probabilities_are_not_text() -> None:
    """They have hundreds of bytes a token."""
    likely = {"token": "the", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -2.5}]}
    document = orjson.loads(whole(LONG))
    document["choices"][0]["logprobs"] = {"content": [likely] * LONG_TOKENS}
    assert is_near(
        taken(passage_of(), orjson.dumps(document)).answer.charged()[0].output_tokens, LONG_TOKENS
    )


@pytest.mark.parametrize("states", [True, False])
def test_answer_of_five_megabytes_is_counted(states: bool) -> None:
    """No bound is silent: where it is too large to be read, its tokens are looked for at its end,
    and else it counts by its bytes.
    """
    raw = whole(WORDS * 80_000, {"prompt_tokens": 9, "completion_tokens": 1_200_000}, refusal=None)
    parts = [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)]
    if not states:
        parts[-1] = parts[-1].replace(b'"usage"', b'"costs"')
    client = taken(passage_of(), *parts)
    assert client.got == b"".join(parts)
    assert is_near(client.answer.charged()[0].output_tokens, 1_120_000 if not states else 1_200_000)
    assert (client.answer.charged()[0].output_tokens == 1_200_000) is states


def test_tokens_that_a_model_writes_about_are_not_stated() -> None:
    """A quote inside its text is escaped."""
    lie = '{"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    answer = taken(passage_of(), whole(WORDS * 80_000 + lie)).answer
    assert is_near(answer.charged()[0].output_tokens, 1_120_000)


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        (b'{"usage":{"a":1},"x":{"usage": {"a":2}}}', [{"a": 1}, {"a": 2}]),
        (b'{"usage":{"a":{"usage":{"b":1}}}}', [{"a": {"usage": {"b": 1}}}]),
        (b'..."usage":{"a":1}}', [{"a": 1}]),
        (b'{"a\\"usage":{"a":1}}', []),
        (b'{"text":"\\"usage\\":{}"}', []),
        (b'{"usage":null}', []),
        (b'{"usage":{"a":', []),
        (b'{"usage":{"a":' + b"1" * 5_000 + b"}}", []),
        (b'{"usage":' + b'{"a":' * 20_000, []),
        (b'{"usage":{"a":1}' * 65, []),
    ],
)
def test_tokens_are_found_at_the_end_of_an_answer(tail: bytes, found: Any) -> None:
    """All fields of that name that are objects; of very many none can be the answer's own."""
    assert stated_in(tail) == found


def test_vectors_are_no_output() -> None:
    """Ten megabytes of embeddings cost what was embedded."""
    vectors = [
        {"object": "embedding", "index": at, "embedding": [0.123456] * 1_500} for at in range(900)
    ]
    raw = orjson.dumps({"object": "list", "data": vectors, "model": "m"})
    assert len(raw) > 10_000_000
    passage = passage_of(embedding(input=[LONG] * 9), route="openai.embeddings")
    charged = taken(passage, raw).answer.charged()[0]
    assert is_near(charged.input_tokens, 9 * LONG_TOKENS) and charged.output_tokens == 0
    small = taken(passage, orjson.dumps({"data": vectors[:2]})).answer
    assert small.charged()[0].output_tokens == 0


def test_compressed_answer_counts_by_its_bytes() -> None:
    """Within a factor of a few: it cannot be read."""
    text = " ".join(f"{word}{at % 97}" for at, word in enumerate(LONG.split()))
    raw = gzip.compress(whole(text))
    client = taken(passage_of(), raw, encoding=b"gzip")
    assert client.got == raw
    assert (client.answer.charged()[0].output_tokens or 0) >= len(raw) / 4


def test_answer_that_is_not_json_counts_by_its_bytes() -> None:
    """A model server may answer anything."""
    assert taken(passage_of(), LONG.encode()).answer.charged()[0].output_tokens == -(
        -len(LONG) // 4
    )


def test_stream_that_states_nothing_is_charged_by_its_text() -> None:
    """A client that does not ask for token counts does not thereby dodge its budget."""
    messages = [{"role": "user", "content": LONG}]
    passage = passage_of(chat(messages=messages, stream=True), ask_usage=False)
    assert not passage.hides_usage
    sent = [*words(), DONE]
    client = taken(passage, *sent, kind=EVENTS)
    assert client.got == b"".join(sent)
    assert is_near(client.answer.charged()[0].input_tokens, LONG_TOKENS)
    assert is_near(client.answer.charged()[0].output_tokens, LONG_TOKENS)


def test_few_large_events_count_by_their_text() -> None:
    """Not a token an event."""
    passage = passage_of(chat(stream=True), ask_usage=False)
    answer = taken(passage, chunk(LONG), chunk(LONG), DONE, kind=EVENTS).answer
    assert is_near(answer.charged()[0].output_tokens, 2 * LONG_TOKENS)


def test_stated_tokens_of_a_stream_settle_its_estimate() -> None:
    """They are more exact, reasoning that is not shown included."""
    passage = passage_of(chat(stream=True, stream_options={"include_usage": True}))
    answer = taken(passage, *words(), usage_chunk(9, 900), DONE, kind=EVENTS).answer
    assert answer.charged()[0] == Usage(9, 900) and answer.charged()[1] is None


def test_counts_that_were_not_asked_for_are_read_and_not_passed_on() -> None:
    """The client gets what it would have got without the guard, byte for byte."""
    passage = passage_of(chat(stream=True))
    assert passage.hides_usage
    client = taken(
        passage, chunk("Hi", usage=None), chunk(' "usage":null', usage=None), usage_chunk(), DONE,
        kind=EVENTS,
    )  # fmt: skip
    assert client.got == chunk("Hi") + chunk(' "usage":null') + DONE
    assert client.answer.charged()[0] == Usage(300, 200)


def test_spaced_field_without_counts_is_taken_out_too() -> None:
    """However a server writes JSON."""
    raw = b'data: {"choices": [{"delta": {"content": "Hi"}}], "usage": null, "x": 1}\n\n'
    client = taken(passage_of(chat(stream=True)), raw, DONE, kind=EVENTS)
    assert client.got == raw.replace(b', "usage": null', b"") + DONE


def test_counts_that_were_asked_for_pass() -> None:
    """Nothing changes: bytes pass exactly as they come, however they are cut."""
    body = chat(stream=True, stream_options={"include_usage": True})
    sent = chunk("Hi", usage=None) + usage_chunk() + DONE
    parts = [sent[at : at + 7] for at in range(0, len(sent), 7)]
    client = taken(passage_of(body), *parts, kind=EVENTS)
    assert client.got == sent and client.answer.charged()[0] == Usage(300, 200)


def test_event_that_cannot_be_read_passes_where_only_counts_are_hidden() -> None:
    """Nobody is limited there; it counts by its bytes."""
    odd = b"data: " + b"x" * 4_000 + b"\n\n"
    client = taken(passage_of(chat(stream=True)), chunk("Hi"), odd, DONE, kind=EVENTS)
    assert client.got == chunk("Hi") + odd + DONE
    assert (client.answer.charged()[0].output_tokens or 0) > 900


def test_event_that_is_too_large_to_be_read_counts_by_its_bytes() -> None:
    """And passes."""
    passage = passage_of(chat(stream=True), ask_usage=False)
    large = chunk(WORDS * 100)
    parts = [large[at : at + 1_000] for at in range(0, len(large), 1_000)]
    client = taken(passage, *parts, DONE, kind=EVENTS, limits={"event_bytes": 2_000})
    assert client.got == large + DONE
    assert is_near(client.answer.charged()[0].output_tokens, 1_650)


def test_client_that_leaves_early_pays_its_request_and_what_came() -> None:
    """Also where a count was stated before it was final."""
    messages = [{"role": "user", "content": LONG}]
    passage = passage_of(chat(messages=messages, stream=True), ask_usage=False)
    answer = taken(passage, *words(20), kind=EVENTS, ends=False).answer
    assert is_near(answer.charged()[0].input_tokens, LONG_TOKENS)
    assert is_near(answer.charged()[0].output_tokens, LONG_TOKENS // 2)
    assert answer.charged()[1] == "cut_short"


def test_anthropic_stream_that_is_left_pays_more_than_its_first_count() -> None:
    """Its first event states one token of output; the real count comes with the last."""
    body = {
        "model": "m",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    usage = {"input_tokens": 8, "output_tokens": 1}
    start = event({"type": "message_start", "message": {"role": "assistant", "usage": usage}})
    delta = {"type": "text_delta", "text": WORDS}
    text = event({"type": "content_block_delta", "index": 0, "delta": delta})
    last = event({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 33}})
    passage = passage_of(body, route="anthropic.messages")
    left = taken(passage, start, *[text] * 10, kind=EVENTS, ends=False).answer.charged()[0]
    assert left.input_tokens == 8 and is_near(left.output_tokens, 140)
    finished = taken(passage, start, text, last, kind=EVENTS).answer
    assert finished.charged()[0] == Usage(8, 33)


def test_stream_that_repeats_its_text_counts_it_once() -> None:
    """OpenAI's responses say all again at the end of each part, item and answer."""
    message = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": LONG}],
    }
    answer = {"id": "resp_1", "instructions": LONG, "output": [message], "tools": [], "usage": None}
    told = [
        event({"type": "response.created", "response": answer | {"output": []}}),
        event({"type": "response.output_text.delta", "item_id": "m", "delta": LONG}),
        event({"type": "response.output_text.done", "item_id": "m", "text": LONG}),
        event({"type": "response.content_part.done", "part": message["content"][0]}),
        event({"type": "response.output_item.done", "item": message}),
        event({"type": "response.completed", "response": answer}),
    ]
    passage = passage_of(response(stream=True), route="openai.responses")
    for sent in (told, told[:2], [told[0], told[4]], [told[0], told[5]]):
        charged = taken(passage, *sent, kind=EVENTS).answer.charged()[0]
        assert is_near(charged.output_tokens, LONG_TOKENS)


def test_progress_is_told_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a guard that is killed has lost a second of a stream."""
    monkeypatch.setattr(answers_module, "_PROGRESS_S", 0.0)
    passage = passage_of(chat(stream=True), ask_usage=False)
    client = taken(passage, *words(1), DONE, kind=EVENTS)
    assert client.begun == [200]
    assert client.progress[0].input_tokens == passage.input_tokens
    counts = [told.output_tokens or 0 for told in client.progress]
    assert counts == sorted(counts) and counts[-1] >= 10
    monkeypatch.setattr(answers_module, "_PROGRESS_S", 60.0)
    assert taken(passage, *words(9), kind=EVENTS).progress == []


def test_answer_that_is_an_error_costs_nothing_and_passes() -> None:
    """The door decides what a request costs that was refused."""
    client = taken(passage_of(), b'{"error":{}}', status=429)
    assert (client.status, client.got, client.begun) == (429, b'{"error":{}}', [429])
    assert client.progress == [] and not client.answer.was_given


def test_limited_answer_is_charged_as_it_was_made() -> None:
    """What is withheld has been made all the same."""
    passage = passage_of(verdict=Verdict.LIMIT)
    assert passage.judgement.act is not PASS
    client = taken(passage, whole("four", reasoning_content=LONG))
    assert LONG.encode() not in client.got
    assert client.headers[b"content-length"] == str(len(client.got)).encode()
    assert is_near(client.answer.charged()[0].output_tokens, LONG_TOKENS)


def texts(*each: str, times: int) -> list[bytes]:
    """Events of choices in turn."""
    choices = [
        event({"id": "c", "choices": [{"index": at, "text": text}]}) for at, text in enumerate(each)
    ]
    return choices * times


def cut_short(sent: list[bytes]) -> int:
    """Tokens charged for a stream that ended early."""
    passage = passage_of(chat(stream=True), ask_usage=False)
    return taken(passage, *sent, kind=EVENTS, ends=False).answer.charged()[0].output_tokens or 0


SAID = " quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize("silent", range(8))
def test_choices_in_turn_are_counted_whichever_of_them_is_silent(silent: int) -> None:
    """What is skipped is estimated from events at random places, by its bytes."""
    each = [SAID] * 8
    each[silent] = "."
    alike = cut_short(texts(*[SAID] * 8, times=200))
    assert is_near(cut_short(texts(*each, times=200)), alike * 7 // 8)


def test_events_without_text_make_no_difference() -> None:
    """Comments, names and pings are neither counted nor does the estimate come from them."""
    said = texts(SAID, times=400)
    alone = cut_short(said)
    for other in (b": ping\n\n", b"event: ping\n\n", b'data: {"type":"ping"}\n\n'):
        for every in (1, 7):
            mixed = [
                part for at, one in enumerate(said) for part in [one, *[other] * (at % every == 0)]
            ]
            assert is_near(cut_short(mixed), alone)
        assert cut_short([other] * 100) == 0


def test_long_events_between_short_ones_count_by_their_bytes() -> None:
    """The average event says nothing of them."""
    assert is_near(cut_short(texts(SAID * 8, *["a"] * 15, times=100)), 100 * (8 * 8 + 15))


def test_each_event_with_text_costs_a_token_at_least() -> None:
    """Until its upstream says what they cost, which may be less."""
    sent = texts("a", times=400)
    assert cut_short(sent) > 340
    passage = passage_of(chat(stream=True), ask_usage=False)
    told = taken(passage, *sent, usage_chunk(9, 100), kind=EVENTS).answer
    assert told.charged() == (Usage(9, 100), None)


def test_nothing_is_never_believed_of_a_short_text() -> None:
    """Too short to call another count wrong."""
    stated = {"prompt_tokens": 0, "completion_tokens": 0}
    charged = taken(passage_of(), whole("four words are here", stated)).answer.charged()[0]
    assert is_near(charged.output_tokens, 4) and (charged.input_tokens or 0) >= 1
    silent = taken(passage_of(), whole("", stated)).answer.charged()[0]
    assert silent.output_tokens == 0
    sent = [usage_chunk(0, 0), *words(2), usage_chunk(0, 0)]
    passage = passage_of(chat(stream=True), ask_usage=False)
    assert taken(passage, *sent, kind=EVENTS).answer.charged()[0].output_tokens


def test_few_tokens_for_five_megabytes_are_not_believed() -> None:
    """Unless they are an image, or each token comes with those that it might have been."""
    raw = whole(WORDS * 80_000, {"prompt_tokens": 9, "completion_tokens": 1}, refusal=None)
    parts = [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)]
    assert is_near(taken(passage_of(), *parts).answer.charged()[0].output_tokens, 1_200_000)
    item = {"type": "image_generation_call", "result": "iVBORw0KGgo" + "Ab1/" * 1_400_000}
    image = orjson.dumps({"output": [item], "usage": {"input_tokens": 9, "output_tokens": 272}})
    passage = passage_of(response(), route="openai.responses")
    assert taken(passage, image[:99], image[99:]).answer.charged()[0] == Usage(9, 272)


def test_tokens_that_a_client_has_repeated_to_it_are_not_stated() -> None:
    """In the tools of an answer that is too large to be read."""
    planted = {"parameters": {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}}
    huge = {"usage": {"prompt_tokens": MOST_TOKENS + 1, "completion_tokens": MOST_TOKENS + 1}}
    document = orjson.loads(whole(WORDS * 80_000, {"prompt_tokens": 9, "completion_tokens": 10**6}))
    raw = orjson.dumps(document | {"tools": [planted, huge]})
    assert taken(passage_of(), raw).answer.charged()[0] == Usage(9, 10**6)


@pytest.mark.parametrize("size", [1, 80_000])
@pytest.mark.parametrize("stated", [b"1" * 5_000, b"NaN", b"[" * 50_000])
def test_what_cannot_be_counted_passes_and_costs_its_bytes(size: int, stated: bytes) -> None:
    """Counting stops no answer."""
    raw = whole(WORDS * size)[:-1] + b',"usage":{"prompt_tokens":' + stated + b"}}"
    client = taken(passage_of(), raw)
    assert client.got == raw
    assert (client.answer.charged()[0].output_tokens or 0) >= len(WORDS) * size / 6


def test_counting_that_fails_is_logged_once_and_stops_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole, streamed, changed."""

    def fail(*_: object) -> None:
        raise ValueError("Exceeds the limit (4300 digits)")

    monkeypatch.setattr(metering_module, "collect_written", fail)
    monkeypatch.setattr(metering_module, "estimate_written", fail)
    sent = [*words(1), DONE]
    for verdict in (None, Verdict.LIMIT):
        caplog.clear()
        passage = passage_of(chat(stream=True), verdict=verdict)
        client = taken(passage, *sent, kind=EVENTS)
        assert client.got == b"".join(sent)
        assert (client.answer.charged()[0].output_tokens or 0) > 14
        assert len(caplog.records) == 1
    monkeypatch.setattr(counting_module, "parse", fail)
    client = taken(passage_of(), whole(LONG))
    assert client.got == whole(LONG)


TRACE = b'{"choices":[{"index":0,"delta":{"content":"a","reasoning":"TRACE"},"logprobs":"TRACE"}]}'


@pytest.mark.parametrize(
    "raw",
    [
        b"DATA: " + TRACE + b"\n\n",
        b" data: " + TRACE + b"\n\n",
        b"data: {}\n\n\xef\xbb\xbfdata: " + TRACE + b"\n\n",
        b"event: " + TRACE + b"\n\n",
        b"x: " + TRACE + b"\n\n",
        TRACE + b"\n" + TRACE + b"\n",
        TRACE,
    ],
)
def test_limited_stream_does_not_pass_what_is_not_understood(raw: bytes) -> None:
    """A client may read it; an account that is not limited gets every byte."""
    with pytest.raises(BrokenAnswerError):
        taken(passage_of(chat(stream=True), verdict=Verdict.LIMIT), raw, kind=EVENTS)
    free = passage_of(chat(stream=True), ask_usage=False)
    assert taken(free, raw, kind=EVENTS).got == raw


@pytest.mark.parametrize("field", [b": ", b"id: ", b"retry: "])
def test_limited_stream_keeps_the_plain_of_what_is_not_data(field: bytes) -> None:
    """What keeps a connection open, and nothing in which a trace has room."""
    limited = passage_of(chat(stream=True), verdict=Verdict.LIMIT)
    good = field + b"17\n\n" + field + b"17\n" + chunk("Hi")
    assert taken(limited, good, kind=EVENTS).got == good
    bad = [field + TRACE + b"\n\n", field + TRACE + b"\n" + chunk("Hi")]
    assert taken(limited, *bad, kind=EVENTS).got == chunk("Hi")


@pytest.mark.parametrize("status", [400, 404, 500])
def test_limited_answer_with_the_status_of_an_error_is_changed(status: int) -> None:
    """An error passes as it comes."""
    limited = passage_of(verdict=Verdict.LIMIT)
    got = taken(limited, whole("four", reasoning_content="TRACE"), status=status)
    assert got.status == status and b"four" in got.got and b"TRACE" not in got.got
    for error in (b'{"error": {"message": "no"}}', b"<html>no</html>", b""):
        assert taken(limited, error, status=status).got == error


@pytest.mark.parametrize(
    ("part", "how"),
    [
        (whole(), {"status": 302}),
        (whole(), {"status": 304}),
        (whole() + b"\n" + whole(), {"status": 400}),
        (b"data: " + TRACE + b"\n\n", {"status": 400, "kind": EVENTS}),
        (gzip.compress(whole()), {"status": 400, "encoding": b"gzip"}),
    ],
)
def test_limited_answer_that_is_neither_good_nor_an_error_is_not_given(
    part: bytes, how: dict[str, Any]
) -> None:
    """Other accounts get it as it comes."""
    with pytest.raises(BrokenAnswerError):
        taken(passage_of(verdict=Verdict.LIMIT), part, **how)
    assert taken(passage_of(), part, **how).got == part


@pytest.mark.parametrize(
    ("part", "how"),
    [
        (gzip.compress(whole()), {"encoding": b"gzip"}),
        (b"no json", {}),
        (whole(LONG), {"limits": {"answer_bytes": 1_000}}),
        (b"data: no json\n\n", {"kind": EVENTS}),
        (b"data: [1]\n\n", {"kind": EVENTS}),
        (chunk(LONG), {"kind": EVENTS, "limits": {"event_bytes": 1_000}}),
    ],
)
def test_answer_that_has_to_be_changed_and_cannot_be_is_not_given(
    part: bytes, how: dict[str, Any]
) -> None:
    """What is withheld might be in it."""
    passage = passage_of(chat(stream="kind" in how), verdict=Verdict.LIMIT)
    with pytest.raises(BrokenAnswerError):
        taken(passage, part, **how)
