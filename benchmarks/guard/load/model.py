"""A model server that costs almost nothing: canned answers from a bare protocol, so that gateways
are what is timed.

    python model.py PORT

The model's name says how it answers: `bench-0` at once, `bench-5` with 5 ms between the chunks of a
stream. The first chunk of a stream carries the time at which it was written (CLOCK_MONOTONIC, one
clock for all processes).
"""

import asyncio
import json
import re
import sys
import time
from typing import Any

import httptools
import uvloop

CHUNKS = 50
_GAP = re.compile(rb'"model": ?"(?:[a-z]+/)?bench-(\d+)"')
_STREAMS = re.compile(rb'"stream": ?true')
_USAGE = {"prompt_tokens": 220, "completion_tokens": 150, "total_tokens": 370}
_MESSAGE = {"role": "assistant", "content": "word " * 130}
_ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench-0",
        "choices": [{"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
).encode()
_WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    % len(_ANSWER)
    + _ANSWER
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(content: str, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    event = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "bench-0",
    }
    return _chunk(b"data: " + json.dumps({**event, "choices": [choice], **more}).encode() + b"\n\n")


_WORD = _event("word ")
_LAST = _event("", "stop", usage=_USAGE) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Model(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        """Begins to listen."""
        self._transport = transport
        self._body = b""
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Takes bytes."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Takes a part of a body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answers."""
        body = self._body
        self._body = b""
        if not _STREAMS.search(body):
            self._transport.write(_WHOLE)
            return
        gap = _GAP.search(body)
        gap_s = int(gap[1]) / 1000 if gap else 0.0
        if gap_s:
            self._stream = asyncio.ensure_future(self._paced(gap_s))
        else:
            self._transport.write(_HEAD + _event(f"at={time.monotonic_ns()}"))
            for _ in range(CHUNKS - 2):
                self._transport.write(_WORD)
            self._transport.write(_LAST)

    async def _paced(self, gap_s: float) -> None:
        self._transport.write(_HEAD + _event(f"at={time.monotonic_ns()}"))
        for _ in range(CHUNKS - 2):
            await asyncio.sleep(gap_s)
            self._transport.write(_WORD)
        self._transport.write(_LAST)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
