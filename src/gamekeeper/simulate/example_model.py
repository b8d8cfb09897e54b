"""A small model to guard and attack without a network: a chain of words that answers prompts, and a
classifier that scores rows.

    POST /v1/chat/completions   as OpenAI's, streamed or not, with log-probabilities and reasoning
                                when asked for
    POST /score                 {"instances": [[...], ...]} -> {"predictions": [[...], ...]}, a
                                softmax over classes

Answers depend on the input alone: the same question gets the same answer, which an attacker
depends on.
"""

import asyncio
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from gamekeeper.base.asgi import read_body, send_whole

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MAX_BODY_BYTES = 64 << 20

_TEXT = (
    "the answer depends on what is asked and on how one counts so first look at each part then add"
    " them up and check whether the sum agrees with what was given if it does the result holds else"
    " begin again with fewer parts"
)
_WORDS = _TEXT.split()
_FOLLOWERS = {word: [b for a, b in pairwise(_WORDS) if a == word] or _WORDS for word in _WORDS}
_CLASSES = 3


class ExampleModel:
    """A small model as an ASGI app.

    Args:
        chunk_s: Pause between two words of a streamed answer.
    """

    def __init__(self, chunk_s: float = 0.0) -> None:
        self._chunk_s = chunk_s
        self.answered = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers one HTTP request; other scopes are ignored."""
        if scope["type"] != "http":
            return
        asked = orjson.loads(await read_body(receive, MAX_BODY_BYTES) or b"{}")
        self.answered += 1
        if scope["path"] == "/score":
            await send_whole(
                send,
                200,
                orjson.dumps({"predictions": [_scores(row) for row in asked.get("instances", [])]}),
            )
        elif scope["path"] == "/v1/models":
            await send_whole(
                send,
                200,
                orjson.dumps({"object": "list", "data": [{"id": "target-1", "object": "model"}]}),
            )
        elif asked.get("stream"):
            await self._stream(send, asked)
        else:
            await send_whole(send, 200, orjson.dumps(_completion(asked)))

    async def _stream(self, send: "Send", asked: dict[str, Any]) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for word in _words(asked):
            choice = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}
            event = {
                "object": "chat.completion.chunk",
                "model": asked.get("model"),
                "choices": [choice],
            }
            await _send_more(send, b"data: " + orjson.dumps(event) + b"\n\n")
            if self._chunk_s:
                await asyncio.sleep(self._chunk_s)
        usage = {"object": "chat.completion.chunk", "choices": [], "usage": _usage(asked)}
        await _send_more(send, b"data: " + orjson.dumps(usage) + b"\n\ndata: [DONE]\n\n")
        await send({"type": "http.response.body", "body": b""})


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    words = _words(asked)
    message = {"role": "assistant", "content": " ".join(words)}
    if asked.get("reasoning_effort"):
        message["reasoning_content"] = "first " + " then ".join(words[:5])
    logprobs = (
        {"content": [{"token": w, "logprob": -0.1 * len(w)} for w in words]}
        if asked.get("logprobs")
        else None
    )
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
    return {
        "object": "chat.completion",
        "model": asked.get("model"),
        "choices": [{**choice, "index": i} for i in range(asked.get("n") or 1)],
        "usage": _usage(asked),
    }


def _words(asked: dict[str, Any]) -> list[str]:
    """Returns a chain of words that depends on the last message."""
    told = orjson.dumps(asked.get("messages", [])[-1:])
    draws = hashlib.shake_128(told).digest(24)
    words = [_WORDS[draws[0] % len(_WORDS)]]
    for draw in draws[1 : 8 + draws[0] % 16]:
        follow = _FOLLOWERS[words[-1]]
        words.append(follow[draw % len(follow)])
    return words


def _usage(asked: dict[str, Any]) -> dict[str, int]:
    text = orjson.dumps(asked.get("messages", []))
    return {"prompt_tokens": len(text) // 4, "completion_tokens": len(_words(asked))}


def _scores(row: list[float]) -> list[float]:
    """Softmax over classes of a fixed random network of the row's width."""
    weights = np.random.default_rng(len(row)).standard_normal((len(row), _CLASSES))
    scale = np.maximum(np.abs(np.asarray(row, np.float64)), 1.0)
    logits = np.tanh(np.asarray(row, np.float64) / scale) @ weights
    likely = np.exp(logits - logits.max())
    return [float(value) for value in likely / likely.sum()]


async def _send_more(send: "Send", body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
