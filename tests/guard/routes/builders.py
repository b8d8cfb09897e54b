"""Builders of requests and answers of each API; what a test does not name has a plain value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gamekeeper.guard.routes import Route, UnreadableRequestError, Withheld, known_routes
from gamekeeper.guard.routes.query import Query

ROUTES: dict[str, Route] = {route.name: route for route in known_routes()}
EVERYTHING = Withheld(
    logprobs=True,
    logit_bias=True,
    choices=1,
    reasoning=True,
    decimals=2,
    scores=lambda scores, inputs: scores,
)
PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.completions": "/v1/completions",
    "openai.responses": "/v1/responses",
    "openai.responses.retrieve": "/v1/responses/resp_1",
    "openai.responses.cancel": "/v1/responses/resp_1/cancel",
    "openai.responses.delete": "/v1/responses/resp_1",
    "openai.responses.input_tokens": "/v1/responses/input_tokens",
    "openai.embeddings": "/v1/embeddings",
    "openai.moderations": "/v1/moderations",
    "openai.images": "/v1/images/generations",
    "openai.speech": "/v1/audio/speech",
    "anthropic.messages": "/v1/messages",
    "anthropic.count_tokens": "/v1/messages/count_tokens",
    "kserve.infer": "/v2/models/iris/infer",
}

METHODS = {"openai.responses.retrieve": "GET", "openai.responses.delete": "DELETE"}
"""Of routes that are not POST."""


def read(name: str, body: Any) -> Query:
    return ROUTES[name].read(body, PATHS[name])


def refused(name: str, body: Any) -> str:
    """The message with which a body is refused."""
    with pytest.raises(UnreadableRequestError) as raised:
        read(name, body)
    return str(raised.value)


def user(content: Any = "Two plus two?", **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": content} | fields


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [user()]} | fields


def completion(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": "Two plus two is"} | fields


def response(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "Two plus two?"} | fields


def embedding(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": ["one", "two"]} | fields


def picture(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": "A red square."} | fields


def speech(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "Hello.", "voice": "alloy"} | fields


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 100, "messages": [user()]} | fields


def tensor(
    data: Any, shape: Sequence[int], datatype: str = "FP32", name: str = "x", **fields: Any
) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": data} | fields


def infer(*inputs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"inputs": list(inputs) or [tensor([[1.0, 2.0], [3.0, 4.0]], (2, 2))]} | fields


BODIES = {
    "openai.chat": chat(),
    "openai.completions": completion(),
    "openai.responses": response(),
    "openai.responses.retrieve": {},
    "openai.responses.cancel": {},
    "openai.responses.delete": {},
    "openai.responses.input_tokens": response(),
    "openai.embeddings": embedding(),
    "openai.moderations": embedding(),
    "openai.images": picture(),
    "openai.speech": speech(),
    "anthropic.messages": message(),
    "anthropic.count_tokens": message(),
    "kserve.infer": infer(),
}


FIELDS = [
    *(
        "model",
        "messages",
        "prompt",
        "input",
        "inputs",
        "instances",
        "stream",
        "n",
        "best_of",
        "logprobs",
        "tools",
    ),
    *(
        "top_logprobs",
        "logit_bias",
        "temperature",
        "max_tokens",
        "system",
        "instructions",
        "include",
        "reasoning",
    ),
    *(
        "thinking",
        "context_management",
        "edits",
        "store",
        "encoding_format",
        "parameters",
        "outputs",
        "role",
        "type",
    ),
    *(
        "content",
        "text",
        "name",
        "shape",
        "datatype",
        "data",
        "choices",
        "index",
        "message",
        "delta",
        "usage",
        "item",
    ),
    *(
        "output",
        "response",
        "part",
        "embedding",
        "content_block",
        "predictions",
        "label",
        "summary",
        "input_tokens",
    ),
]
"""Names of fields that some route reads; objects made of them get further than those of random
names.
"""


def choice(**fields: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Four."}
    return {"index": 0, "message": said, "logprobs": None, "finish_reason": "stop"} | fields


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    one = {
        "index": 0,
        "delta": {"content": "Four"} if delta is None else delta,
        "finish_reason": None,
    } | fields
    return {"id": "c", "object": "chat.completion.chunk", "choices": [one]}


def answer(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion", "choices": list(choices) or [choice()]} | fields


def swap(scores: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
    """A defence that turns each row around, and so changes which class is first."""
    assert len(scores) == len(inputs)
    return scores[:, ::-1].copy()


def stripped(
    name: str, events: Sequence[dict[str, Any]], withheld: Withheld, query: Query
) -> list[dict[str, Any]]:
    strip = ROUTES[name].stripper(withheld, query)
    return [kept for event in events if (kept := strip(event)) is not None]
