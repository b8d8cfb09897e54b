"""One sample of each API: a request, its answer whole and streamed, and what a limited account must
not get of it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """One operation.

    Args:
        name: Of its route.
        path: Of the operation.
        body: A request.
        answer: Whole.
        events: Streamed, in their order; none where the API does not stream.
        withheld: Texts of the answer that a limited account does not get.
        kept: A text of the answer that everybody gets.
        first: A text of the first event that holds content.
        rows: Exchanges that it makes; 0 where its answer is not a model's.
        method: Of HTTP.
        usage_event: Place of the event that is there only because token counts were asked for.
    """

    name: str
    path: str
    body: Json
    answer: Json
    withheld: tuple[str, ...]
    kept: str
    rows: int = 1
    events: tuple[Json, ...] = ()
    first: str = "Fo"
    named: bool = field(default=False)
    method: str = "POST"
    usage_event: int | None = None

    @property
    def sse(self) -> list[bytes]:
        """The events as bytes."""
        written = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in self.events]
        if self.named:
            kinds = [str(event["type"]).encode() for event in self.events]
            return [
                b"event: " + kind + b"\n" + one for kind, one in zip(kinds, written, strict=True)
            ]
        return [*written, b"data: [DONE]\n\n"]

    @property
    def sse_without_usage(self) -> list[bytes]:
        """The events as they come to a client that did not ask for token counts."""
        return [event for at, event in enumerate(self.sse) if at != self.usage_event]

    def asked(self, stream: bool) -> Json:
        """The request, for a whole or a streamed answer."""
        return self.body | ({"stream": True} if self.events else {}) if stream else self.body

    def forwarded(self, stream: bool) -> Json:
        """The request as the upstream gets it: token counts of a stream are asked for."""
        asks = {"stream_options": {"include_usage": True}} if self.usage_event is not None else {}
        return self.asked(stream) | (asks if stream else {})


USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
LP = {"content": [{"token": "SECRET-LP", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}


def _message(content: str, **fields: Any) -> Json:
    return {"role": "assistant", "content": content} | fields


def _choice(index: int, content: str, **fields: Any) -> Json:
    return {
        "index": index,
        "message": _message(content, **fields),
        "logprobs": LP,
        "finish_reason": "stop",
    }


def _chunk(index: int, delta: Json, **fields: Any) -> Json:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None} | fields
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


CHAT = Api(
    name="openai.chat",
    path="/v1/chat/completions",
    body={
        "model": "m",
        "messages": [{"role": "user", "content": "Two?"}],
        "n": 2,
        "logprobs": True,
    },
    answer={
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            _choice(0, "Four", reasoning_content="SECRET-TRACE"),
            _choice(1, "SECRET-SECOND"),
        ],
        "usage": USAGE,
    },
    events=(
        _chunk(0, {"role": "assistant", "reasoning_content": "SECRET-TRACE"}),
        _chunk(0, {"content": "Fo"}, logprobs=LP),
        _chunk(1, {"content": "SECRET-SECOND"}),
        _chunk(0, {"content": "ur"}, finish_reason="stop"),
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": USAGE,
        },
    ),
    withheld=("SECRET-TRACE", "SECRET-LP", "SECRET-SECOND"),
    kept="Fo",
    usage_event=4,
)
_TEXT_LP = {
    "tokens": ["SECRET-LP"],
    "token_logprobs": [-0.1],
    "top_logprobs": None,
    "text_offset": [0],
}


def _text(index: int, text: str, **fields: Any) -> Json:
    return {"index": index, "text": text, "logprobs": _TEXT_LP, "finish_reason": None} | fields


def _text_chunk(*choices: Json, **fields: Any) -> Json:
    return {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": list(choices),
    } | fields


COMPLETIONS = Api(
    name="openai.completions",
    path="/v1/completions",
    body={"model": "m", "prompt": "Two plus two is", "n": 2, "logprobs": 1},
    answer=_text_chunk(
        _text(0, "Four", finish_reason="stop"),
        _text(1, "SECRET-SECOND", finish_reason="stop"),
        usage=USAGE,
    ),
    events=(
        _text_chunk(_text(0, "Fo")),
        _text_chunk(_text(1, "SECRET-SECOND")),
        _text_chunk(_text(0, "ur", finish_reason="stop")),
        _text_chunk(usage=USAGE),
    ),
    withheld=("SECRET-LP", "SECRET-SECOND"),
    kept="Fo",
    usage_event=3,
)
_PART = {
    "type": "output_text",
    "text": "Four",
    "annotations": [],
    "logprobs": [{"token": "SECRET-LP", "logprob": -1}],
}
_SAYS = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [_PART],
}
_THOUGHT = {
    "id": "r1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "SECRET-TRACE"}],
}
_RESPONSE = {
    "id": "resp",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [_THOUGHT, _SAYS],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 7,
        "output_tokens": 5,
        "total_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}
_BEGUN = _RESPONSE | {"status": "in_progress", "output": [], "usage": None}
_AT = {"item_id": "m1", "output_index": 1, "content_index": 0}
RESPONSES = Api(
    name="openai.responses",
    path="/v1/responses",
    body={"model": "m", "input": "Two plus two?", "include": ["message.output_text.logprobs"]},
    answer=_RESPONSE,
    events=(
        {"type": "response.created", "sequence_number": 0, "response": _BEGUN},
        {
            "type": "response.reasoning_summary_text.delta",
            "sequence_number": 1,
            "item_id": "r1",
            "output_index": 0,
            "summary_index": 0,
            "delta": "SECRET-TRACE",
        },
        {
            "type": "response.output_item.done",
            "sequence_number": 2,
            "output_index": 0,
            "item": _THOUGHT,
        },
        {
            "type": "response.output_text.delta",
            "sequence_number": 3,
            "delta": "Fo",
            "logprobs": _PART["logprobs"],
        }
        | _AT,
        {"type": "response.output_text.delta", "sequence_number": 4, "delta": "ur", "logprobs": []}
        | _AT,
        {"type": "response.completed", "sequence_number": 5, "response": _RESPONSE},
    ),
    withheld=("SECRET-TRACE", "SECRET-LP"),
    kept="Fo",
    named=True,
)
EMBEDDINGS = Api(
    name="openai.embeddings",
    path="/v1/embeddings",
    body={"model": "m", "input": ["one", "two"], "encoding_format": "float"},
    answer={
        "object": "list",
        "model": "m",
        "data": [
            {"object": "embedding", "index": n, "embedding": [0.123456, 0.5]} for n in range(2)
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    },
    withheld=("0.123456",),
    kept="0.5",
    rows=2,
)
_TEXT_BLOCK = {"type": "text", "text": ""}
_ANTHROPIC = {
    "id": "msg",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "SECRET-TRACE", "signature": "SECRET-SIGNED"},
        {"type": "text", "text": "Four"},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 5},
}


def _block(kind: str, index: int, **fields: Any) -> Json:
    return {"type": f"content_block_{kind}", "index": index} | fields


MESSAGES = Api(
    name="anthropic.messages",
    path="/v1/messages",
    body={"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Two?"}]},
    answer=_ANTHROPIC,
    events=(
        {"type": "message_start", "message": _ANTHROPIC | {"content": [], "stop_reason": None}},
        _block("start", 0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        _block("delta", 0, delta={"type": "thinking_delta", "thinking": "SECRET-TRACE"}),
        _block("delta", 0, delta={"type": "signature_delta", "signature": "SECRET-SIGNED"}),
        _block("stop", 0),
        _block("start", 1, content_block=_TEXT_BLOCK),
        _block("delta", 1, delta={"type": "text_delta", "text": "Fo"}),
        _block("delta", 1, delta={"type": "text_delta", "text": "ur"}),
        _block("stop", 1),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ),
    withheld=("SECRET-TRACE", "SECRET-SIGNED"),
    kept="Fo",
    named=True,
)
KSERVE = Api(
    name="kserve.infer",
    path="/v2/models/iris/infer",
    body={
        "inputs": [
            {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1.0, 2.0], [3.0, 4.0]]}
        ]
    },
    answer={
        "model_name": "iris",
        "outputs": [
            {"name": "p", "shape": [2, 2], "datatype": "FP32", "data": [0.8765, 0.1235, 0.25, 0.75]}
        ],
    },
    withheld=("0.8765", "0.1235"),
    kept='"outputs"',
    rows=2,
)
CLASSIFIER = Api(
    name="classifier.score",
    path="/score",
    body={"instances": [[1.0, 2.0], [3.0, 4.0]]},
    answer={"predictions": [[0.8765, 0.1235], [0.25, 0.75]]},
    withheld=("0.8765", "0.1235"),
    kept='"predictions"',
    rows=2,
)

MODERATIONS = Api(
    name="openai.moderations",
    path="/v1/moderations",
    body={"model": "m", "input": ["one", "two"]},
    answer={
        "id": "modr",
        "model": "m",
        "results": [
            {
                "flagged": n > 0,
                "categories": {"violence": n > 0},
                "category_scores": {"violence": 0.987654},
            }
            for n in range(2)
        ],
    },
    withheld=("0.987654",),
    kept="flagged",
    rows=2,
)
IMAGES = Api(
    name="openai.images",
    path="/v1/images/generations",
    body={"model": "m", "prompt": "A cat", "n": 2},
    answer={"created": 1, "data": [{"b64_json": "Rm91cg=="}, {"b64_json": "SECRET-SECOND"}]},
    withheld=("SECRET-SECOND",),
    kept="Rm91cg==",
)
SPEECH = Api(
    name="openai.speech",
    path="/v1/audio/speech",
    body={"model": "m", "input": "Four", "voice": "alloy"},
    answer={"sound": "bytes, for all that the guard knows"},
    withheld=(),
    kept="bytes",
)
RETRIEVE = Api(
    name="openai.responses.retrieve",
    path="/v1/responses/resp",
    body={},
    answer=_RESPONSE,
    withheld=("SECRET-TRACE", "SECRET-LP"),
    kept="Four",
    rows=0,
    method="GET",
)
CANCEL = Api(
    name="openai.responses.cancel",
    path="/v1/responses/resp/cancel",
    body={},
    answer=_RESPONSE,
    withheld=("SECRET-TRACE", "SECRET-LP"),
    kept="Four",
    rows=0,
)
DELETE = Api(
    name="openai.responses.delete",
    path="/v1/responses/resp",
    body={},
    answer={"id": "resp", "object": "response", "deleted": True},
    withheld=(),
    kept="deleted",
    rows=0,
    method="DELETE",
)
INPUT_TOKENS = Api(
    name="openai.responses.input_tokens",
    path="/v1/responses/input_tokens",
    body={"model": "m", "input": "Two plus two?"},
    answer={"object": "response.input_tokens", "input_tokens": 7},
    withheld=(),
    kept="input_tokens",
    rows=0,
)
COUNT_TOKENS = Api(
    name="anthropic.count_tokens",
    path="/v1/messages/count_tokens",
    body={"model": "m", "messages": [{"role": "user", "content": "Two?"}]},
    answer={"input_tokens": 7},
    withheld=(),
    kept="input_tokens",
    rows=0,
)

APIS = (
    CHAT,
    COMPLETIONS,
    RESPONSES,
    RETRIEVE,
    CANCEL,
    DELETE,
    INPUT_TOKENS,
    EMBEDDINGS,
    MODERATIONS,
    IMAGES,
    SPEECH,
    MESSAGES,
    COUNT_TOKENS,
    KSERVE,
    CLASSIFIER,
)
BY_PATH = {(api.method, api.path): api for api in APIS}
BOTH_WAYS = [
    (api, stream) for api in APIS for stream in ((False, True) if api.events else (False,))
]
IDS = [f"{api.name}-{'stream' if stream else 'whole'}" for api, stream in BOTH_WAYS]
