"""The proxy in front of an upstream of raw sockets: time limits, clients that leave, kept
connections, credentials, compressed answers.
"""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.doors.asgi import AUTHORIZE
from gamekeeper.guard.policy import Limits
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.server.upstream import Upstream
from gamekeeper.guard.telemetry.health import Health
from gamekeeper.guard.telemetry.metrics import Metrics

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
BODY = b'{"choices":[]}'
GOOD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n" + BODY
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"a\r\ndata: {}\n\n\r\n"


class Model:
    """A model server that does with each request what a test says.

    Args:
        reply: Gets the connection after each whole request on it, and the request.
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()  # a connection, by the guard

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await _request(reader):
                self.requests.append(request)
                await self._reply(reader, writer, request)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended.set()
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"transfer-encoding" in fields:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head + await reader.readexactly(int(fields.get(b"content-length", 0)))


class Proxy:
    """An upstream app behind a server, and a client."""

    def __init__(
        self, app: Upstream, url: str, port: int, client: aiohttp.ClientSession, model: Model
    ) -> None:
        self.app = app
        self.url = url
        self.port = port
        self.client = client
        self.model = model
        self.metrics = app._metrics
        self.health = app._health

    async def ask(self, method: str = "POST", **more: Any) -> tuple[int, bytes, Any]:
        more = {"data": b"{}"} | more if method == "POST" else more
        async with self.client.request(method, self.url + "/v1/x", **more) as answer:
            return answer.status, await answer.read(), answer.headers

    def failures(self, kind: str) -> float:
        return self.metrics.upstream.labels(kind)._value.get()


@asynccontextmanager
async def proxied(
    reply: Reply, limits: Limits | None = None, authorization: str | None = None, **scope: Any
) -> AsyncIterator[Proxy]:
    limits = limits or Limits(drain_s=0.1)
    model = Model(reply)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0, limit=1 << 22)
    behind = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    upstream = Upstream(behind, limits, Metrics(), authorization, Health())

    async def app(own: Any, receive: Any, send: Any) -> None:
        await upstream({**own, **scope}, receive, send)

    try:
        async with (
            listening(app, "127.0.0.1", 0, limits) as port,
            aiohttp.ClientSession(auto_decompress=False) as client,
        ):
            yield Proxy(upstream, f"http://127.0.0.1:{port}", port, client, model)
    finally:
        await upstream.close()
        server.close()


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(GOOD)


def answering(raw: bytes) -> Reply:
    """A reply of these bytes, after which the connection ends."""

    async def reply(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(raw)
        writer.close()

    return reply


def with_headers(*lines: bytes, body: bytes = BODY, status: bytes = b"200 OK") -> Reply:
    length = b"content-length: %d" % len(body)
    return answering(b"\r\n".join([b"HTTP/1.1 " + status, length, *lines, b"", body]))


def test_answer_may_begin_later_than_the_longest_pause() -> None:
    """A model that thinks for longer than `idle_s` before its first byte is within `answer_s`."""
    limits = Limits(answer_s=20, idle_s=0.05, drain_s=0.1)

    async def late(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        await asyncio.sleep(0.5)
        writer.write(GOOD)

    async def run() -> None:
        async with proxied(late, limits) as proxy:
            assert (await proxy.ask())[:2] == (200, BODY)

    asyncio.run(run())


def test_answer_that_does_not_begin_is_a_timeout() -> None:
    """After `answer_s`, whatever `idle_s` is; the upstream's connection ends."""
    limits = Limits(answer_s=0.2, idle_s=60, drain_s=0.1)

    async def run() -> None:
        async with proxied(never, limits) as proxy:
            status, body, _ = await proxy.ask()
            assert status == 504 and b"in time" in body
            assert proxy.failures("timeout") == 1
            assert proxy.health.upstream is not None and not proxy.health.upstream.is_reachable
            await asyncio.wait_for(proxy.model.ended.wait(), 10)

    asyncio.run(run())


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    await reader.read()  # until the guard ends the connection


def test_pause_inside_an_answer_is_limited() -> None:
    """The client sees that the answer is not whole."""
    limits = Limits(answer_s=60, idle_s=0.2, drain_s=0.1)

    async def stalls(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(EVENTS + EVENT)
        await reader.read()

    async def run() -> None:
        async with proxied(stalls, limits) as proxy:
            with pytest.raises(aiohttp.ClientPayloadError):
                await proxy.ask()
            assert proxy.failures("timeout") == 1
            await asyncio.wait_for(proxy.model.ended.wait(), 10)

    asyncio.run(run())


def test_long_answer_without_long_pauses_is_not_limited() -> None:
    """Neither `answer_s` nor `idle_s` bounds how long a stream may be."""
    limits = Limits(answer_s=1.0, idle_s=0.9, drain_s=0.1)

    async def streams(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(EVENTS)
        for _ in range(12):
            writer.write(EVENT)
            await asyncio.sleep(0.15)
        writer.write(b"0\r\n\r\n")

    async def run() -> None:
        async with proxied(streams, limits) as proxy:
            status, body, _ = await proxy.ask()
            assert status == 200 and body.count(b"data") == 12

    asyncio.run(run())


@pytest.mark.parametrize("begins", [b"", GOOD[:-5], EVENTS, EVENTS + EVENT])
def test_client_that_leaves_ends_the_request_at_the_upstream(begins: bytes) -> None:
    """Within a second: before the first byte, in a whole answer, and in a stream."""

    async def hangs(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(begins)
        await reader.read()

    async def run() -> None:
        async with proxied(hangs) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
            while not proxy.model.requests:
                await asyncio.sleep(0.01)
            if begins:
                await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await asyncio.wait_for(proxy.model.ended.wait(), 10)
            async with asyncio.timeout(10):
                while proxy.metrics.upstream_figures.in_flight:
                    await asyncio.sleep(0.01)
            assert proxy.failures("reset") == proxy.failures("timeout") == 0

    asyncio.run(run())


def test_client_that_leaves_while_it_sends_ends_the_request() -> None:
    """A body that comes in parts is passed on as it comes."""

    async def run() -> None:
        async with proxied(good) as proxy:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200\r\n\r\nabc")
            await writer.drain()
            async with asyncio.timeout(10):
                while not proxy.model.connections:
                    await asyncio.sleep(0.01)
                writer.close()
                await proxy.model.ended.wait()
            assert proxy.model.requests == []

    asyncio.run(run())


@pytest.mark.parametrize("is_chunked", [True, False])
def test_upload_in_parts_arrives_whole(is_chunked: bool) -> None:
    """With its length where the client said it."""
    parts = [b"x" * 300_000, b"y" * 300_000, b"z"]

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            await asyncio.sleep(0.01)

    headers = {} if is_chunked else {"content-length": "600001"}

    async def run() -> None:
        async with proxied(good) as proxy:
            assert (await proxy.ask(data=body(), headers=headers))[0] == 200
            head, _, received = proxy.model.requests[0].partition(b"\r\n\r\n")
            assert (b"content-length: 600001" in head.lower()) != is_chunked
            assert received.count(b"x") == received.count(b"y") == 300_000

    asyncio.run(run())


class Stale:
    """A server that ends kept connections when the next request is on its way.

    Args:
        answered: Requests that it answers on each connection before.
        last_words: What it sends before it ends one.
    """

    def __init__(self, answered: int, last_words: bytes = b"") -> None:
        self._answered = answered
        self._last_words = last_words
        self._by_connection: dict[int, int] = {}

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        n = self._by_connection[id(writer)] = self._by_connection.get(id(writer), 0) + 1
        if n <= self._answered:
            writer.write(GOOD)
        else:
            writer.write(self._last_words)
            writer.close()


def test_kept_connection_that_ends_is_replaced_once() -> None:
    """The client sees nothing of the upstream's idle limit."""

    async def run() -> None:
        async with proxied(Stale(1)) as proxy:
            for _ in range(4):
                assert (await proxy.ask())[:2] == (200, BODY)
            assert proxy.model.connections == 4

    asyncio.run(run())


def test_new_connection_that_ends_is_not_tried_again() -> None:
    """A server that takes a request and dies has begun with it."""

    async def run() -> None:
        async with proxied(Stale(0)) as proxy:
            assert (await proxy.ask())[0] == 502
            assert len(proxy.model.requests) == 1
            assert proxy.failures("unreachable") == 1

    asyncio.run(run())


def test_connection_that_ends_after_a_byte_of_an_answer_is_not_tried_again() -> None:
    """The request was begun."""

    async def run() -> None:
        async with proxied(Stale(1, b"HTTP/1.1 200 O")) as proxy:
            assert (await proxy.ask())[0] == 200
            assert (await proxy.ask())[0] == 502
            assert len(proxy.model.requests) == 2

    asyncio.run(run())


def test_request_that_was_held_for_long_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was closed while idle shows at once."""
    from gamekeeper.guard.server import upstream

    monkeypatch.setattr(upstream, "_RETRIED_WITHIN_S", 0.0)

    async def run() -> None:
        async with proxied(Stale(1)) as proxy:
            assert (await proxy.ask())[0] == 200
            assert (await proxy.ask())[0] == 502
            assert len(proxy.model.requests) == 2

    asyncio.run(run())


SENT = {"authorization": "Bearer of-the-client", "api-key": "client", "x-api-key": "client"}


@pytest.mark.parametrize(
    ("credential", "line"),
    [
        ("Bearer of-the-operator", b"authorization: bearer of-the-operator"),
        ("api-key: of-the-operator", b"api-key: of-the-operator"),
        ("X-API-Key:of-the-operator", b"x-api-key: of-the-operator"),
        ("Basic of:the-operator", b"authorization: basic of:the-operator"),
    ],
)
def test_credential_of_the_operator_replaces_all_of_the_client(
    credential: str, line: bytes
) -> None:
    """In the header that the operator names."""

    async def run() -> None:
        async with proxied(good, authorization=credential, **{AUTHORIZE: True}) as proxy:
            await proxy.ask(headers=SENT)
            request = proxy.model.requests[0].lower()
            assert line in request.split(b"\r\n") and request.count(b"of-the-operator") <= 1
            assert b"client" not in request

    asyncio.run(run())


@pytest.mark.parametrize("scope", [{}, {AUTHORIZE: False}, {AUTHORIZE: None}])
def test_credential_of_the_operator_is_only_added_where_the_door_says_so(
    scope: dict[str, Any],
) -> None:
    """A scope that says nothing gets nothing."""

    async def run() -> None:
        async with proxied(good, authorization="Bearer of-the-operator", **scope) as proxy:
            await proxy.ask(headers=SENT)
            assert b"of-the-operator" not in proxy.model.requests[0]
            assert b"Bearer of-the-client" in proxy.model.requests[0]

    asyncio.run(run())


@pytest.mark.parametrize("credential", ["Bearer a\r\nx: y", "Bearer é", "api-key:  ", "a\0b"])
def test_credential_that_is_not_a_header_is_refused_at_start(credential: str) -> None:
    """And the message does not hold it."""
    with pytest.raises(UsageError) as refused:
        Upstream("http://127.0.0.1:1", Limits(), Metrics(), credential)
    assert credential not in str(refused.value)


def test_headers_of_the_connection_do_not_pass() -> None:
    """Neither way: also those that `Connection` names."""
    lines = (
        b"connection: close, x-hop",
        b"x-hop: 1",
        b"keep-alive: timeout=5",
        b"set-cookie: a=b",
        b"openai-organization: org-of-the-operator",
        b"openai-project: p",
        b"x-request-id: r1",
        b"retry-after: 3",
    )

    async def run() -> None:
        async with proxied(with_headers(*lines)) as proxy:
            sent = {
                "connection": "keep-alive, x-mine",
                "x-mine": "1",
                "te": "trailers",
                "x-ok": "1",
            }
            _, _, headers = await proxy.ask(headers=sent)
            request = proxy.model.requests[0].lower()
            assert b"x-mine" not in request and b"\r\nte:" not in request
            assert b"x-ok: 1" in request and b"accept-encoding: identity" in request
            dropped = ["x-hop", "keep-alive", "set-cookie", "openai-organization", "openai-project"]
            assert not [name for name in dropped if name in headers]
            assert headers["x-request-id"] == "r1" and headers["retry-after"] == "3"

    asyncio.run(run())


RAW = zlib.compressobj(wbits=-15)
LONG = b'{"choices":[' + b"0," * 1_000_000 + b"1]}"


@pytest.mark.parametrize("body", [BODY, LONG])
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        (b"gzip", gzip.compress),
        (b"X-GZip", gzip.compress),
        (b"gzip", lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:])),
        (b"deflate", zlib.compress),
        (b"deflate", lambda body: zlib.compress(body)[2:-4]),
    ],
)
def test_compressed_answer_is_decoded(
    encoding: bytes, encode: Callable[[bytes], bytes], body: bytes
) -> None:
    """It was asked for as it is; what is behind has to read it."""
    reply = with_headers(b"content-encoding: " + encoding, body=encode(body))

    async def run() -> None:
        async with proxied(reply) as proxy:
            status, read, headers = await proxy.ask()
            assert status == 200 and read == body
            assert "content-encoding" not in headers

    asyncio.run(run())


def test_answer_in_zstd_is_decoded() -> None:
    """Where Python or aiohttp brought a library for it."""
    zstd = pytest.importorskip("backports.zstd")
    reply = with_headers(b"content-encoding: zstd", body=zstd.compress(LONG))

    async def run() -> None:
        async with proxied(reply) as proxy:
            _, read, headers = await proxy.ask()
            assert read == LONG and "content-encoding" not in headers

    asyncio.run(run())


def test_answer_in_an_unknown_encoding_stays_as_it_is() -> None:
    """With its header, so that the client can decode it."""

    async def run() -> None:
        async with proxied(with_headers(b"content-encoding: snappy", body=b"\x00\x01")) as proxy:
            _, read, headers = await proxy.ask()
            assert read == b"\x00\x01" and headers["content-encoding"] == "snappy"

    asyncio.run(run())


@pytest.mark.parametrize(
    "body", [b"not gzip at all", gzip.compress(BODY * 100)[:-12]], ids=["not-gzip", "cut"]
)
def test_answer_that_is_not_what_its_encoding_says_does_not_look_whole(body: bytes) -> None:
    """The client sees that it is cut."""

    async def run() -> None:
        async with proxied(with_headers(b"content-encoding: gzip", body=body)) as proxy:
            with pytest.raises(aiohttp.ClientPayloadError):
                await proxy.ask()
            assert proxy.failures("reset") == 1

    asyncio.run(run())


def test_head_keeps_length_and_encoding() -> None:
    """There is nothing to decode."""
    reply = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-encoding: gzip\r\n\r\n")

    async def run() -> None:
        async with proxied(reply) as proxy:
            status, _, headers = await proxy.ask("HEAD")
            assert status == 200
            assert (headers["content-length"], headers["content-encoding"]) == ("9", "gzip")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (b"429 Too Many Requests", "throttled", "4xx"),
        (b"503 Service Unavailable", "error", "5xx"),
        (b"400 Bad Request", None, "4xx"),
    ],
)
def test_failing_answers_of_the_upstream_are_counted(
    status: bytes, kind: str | None, name: str
) -> None:
    """They reach the client as they are; outages are seen in the metrics."""

    async def run() -> None:
        async with proxied(with_headers(status=status)) as proxy:
            assert (await proxy.ask())[0] == int(status[:3])
            text = proxy.metrics.text().decode()
            assert f'gamekeeper_upstream_answers_total{{status="{name}"}} 1.0' in text
            kinds = ("throttled", "error", "unreachable", "timeout", "reset")
            assert [k for k in kinds if proxy.failures(k)] == ([kind] if kind else [])
            assert proxy.health.upstream is not None
            assert (proxy.health.upstream.is_reachable, proxy.health.upstream.outcome) == (
                True,
                name,
            )
            assert "gamekeeper_upstream_first_byte_seconds_count 1.0" in text
            assert 'gamekeeper_upstream_first_byte_seconds_bucket{le="600.0"} 1.0' in text

    asyncio.run(run())


def statuses(by_path: dict[bytes, bytes]) -> Reply:
    async def reply(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        status = by_path.get(request.split(b" ")[1], b"404 Not Found")
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")

    return reply


@pytest.mark.parametrize(
    ("by_path", "expected"),
    [
        ({b"/v1/chat/completions": b"401 Unauthorized"}, True),
        ({b"/v1/messages": b"403 Forbidden"}, True),
        ({b"/v1/chat/completions": b"400 Bad Request"}, False),
        ({b"/v1/chat/completions": b"400 Bad Request", b"/v1/messages": b"403 Forbidden"}, False),
        ({}, False),
    ],
)
def test_upstream_that_checks_no_credential_is_found(
    by_path: dict[bytes, bytes], expected: bool
) -> None:
    """It is asked with an invented one, never with the operator's."""

    async def run() -> None:
        async with proxied(statuses(by_path), authorization="Bearer of-the-operator") as proxy:
            assert await proxy.app.is_checking() is expected
            assert len(proxy.model.requests) == 2
            assert b"of-the-operator" not in b"".join(proxy.model.requests)

    asyncio.run(run())


def test_upstream_that_is_not_there_says_nothing_about_credentials() -> None:
    """Unknown is not `no`."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def run() -> bool | None:
        upstream = Upstream(f"http://127.0.0.1:{port}", Limits(connect_s=1), Metrics())
        try:
            return await upstream.is_checking()
        finally:
            await upstream.close()

    assert asyncio.run(run()) is None
