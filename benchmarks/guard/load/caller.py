"""Callers: as many connections as wanted, each asking anew when it has its answer.

Bare protocols on purpose: a client library would be slower than the gateways it times.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import httptools
import numpy as np

_AT = re.compile(rb"at=(\d+)")
_TOPICS = [
    "rivers",
    "bridges",
    "markets",
    "engines",
    "islands",
    "gardens",
    "letters",
    "numbers",
    "winters",
    "harbours",
]


@dataclass(kw_only=True)
class Heard:
    """What callers saw.

    Args:
        seconds: How long they asked.
        took_s: Of each request, from its first byte out to its last byte in.
        first_s: Of each stream: from the writing of its first chunk by the model to its arrival.
        failed: Answers that were not 200.
    """

    seconds: float = 0.0
    took_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.seconds

    def took_ms(self, quantile: float) -> float:
        """A quantile of how long requests took, in ms."""
        return float(np.quantile(self.took_s, quantile)) * 1e3

    def first_ms(self, quantile: float) -> float:
        """A quantile of how long first chunks were on their way, in ms."""
        return float(np.quantile(self.first_s, quantile)) * 1e3


def requests(
    accounts: int, *, stream: bool = False, gap_ms: int = 0, key: str = "", n: int = 512
) -> list[bytes]:
    """Returns whole requests of about 1 KB of JSON, each with words of its own.

    Args:
        accounts: So many ask in turn, each with a key of its own.
        stream: Whether answers are streamed.
        gap_ms: Between the chunks of a stream.
        key: Instead: one key for all.
        n: Requests.
    """
    rng = np.random.default_rng(accounts)
    return [
        _request(key or f"sk-bench-{i % accounts}", _question(rng, i), stream, gap_ms)
        for i in range(n)
    ]


def _question(rng: np.random.Generator, i: int) -> str:
    words = " ".join(rng.choice(_TOPICS, 110))
    return f"Question {i}: what do you know about {words}?"


def _request(key: str, question: str, stream: bool, gap_ms: int) -> bytes:
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": question},
    ]
    body = json.dumps({"model": f"bench-{gap_ms}", "messages": messages, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection that asks until it is told to end.

    Args:
        asked: What to ask, without end.
        heard: Where to note what came.
    """

    def __init__(self, asked: Iterator[bytes], heard: Heard) -> None:
        self._asked = asked
        self._heard = heard
        self._parser: Any = None
        self.is_ending = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Asks first."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Takes bytes."""
        if self._awaits_first and (at := _AT.search(data)):
            self._heard.first_s.append((time.monotonic_ns() - int(at[1])) / 1e9)
            self._awaits_first = False
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Notes an answer, and asks on."""
        self._heard.took_s.append(time.perf_counter() - self._began)
        self._heard.failed += self._parser.get_status_code() != 200
        if self.is_ending:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        asked = next(self._asked, None)
        if asked is None:
            self._transport.close()
            return
        self._parser = httptools.HttpResponseParser(self)
        self._awaits_first = True
        self._began = time.perf_counter()
        self._transport.write(asked)


async def call(port: int, asked: Iterable[bytes], connections: int, seconds: float = inf) -> Heard:
    """Asks over so many connections, for so long or until all is asked."""
    heard = Heard()
    loop = asyncio.get_running_loop()
    turns = iter(asked)
    began = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Caller(turns, heard), "127.0.0.1", port)
        for _ in range(connections)
    ]
    callers = [caller for _, caller in opened]
    await asyncio.wait(
        [caller.ended for caller in callers], timeout=None if seconds == inf else seconds
    )
    heard.seconds = time.perf_counter() - began
    in_time = len(heard.took_s)
    for caller in callers:
        caller.is_ending = True
    await asyncio.wait([caller.ended for caller in callers], timeout=30)
    del heard.took_s[in_time:]
    return heard
