import asyncio
from typing import Any

import pytest

from gamekeeper.guard.policy import Limits
from gamekeeper.guard.server.http import listening


async def count(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers how long the body was."""
    size = 0
    more = True
    while more:
        message = await receive()
        size = size + len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def head(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size


async def ask(*writes: bytes) -> bytes:
    """What a server says to these writes; nothing where it closes the connection."""
    async with listening(count, "127.0.0.1", 0, Limits()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for each in writes:
                writer.write(each)
                await writer.drain()
            async with asyncio.timeout(5):
                return await reader.readuntil(b"\r\n\r\n") + await reader.read(20)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize("size", [10, 65_400, 300_000, 2_000_000])
def test_long_body_in_one_write_is_taken(size: int) -> None:
    """What comes with a head is not counted as head."""
    answer = asyncio.run(ask(head(size) + b"a" * size))
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(str(size).encode())


def test_second_request_in_one_write_is_taken() -> None:
    """Clients may ask before they were answered."""
    answer = asyncio.run(ask(head(100_000) + b"a" * 100_000 + head(3) + b"abc"))
    assert b"100000" in answer


def test_head_without_end_is_cut() -> None:
    """In as many writes as it takes."""
    assert (
        asyncio.run(ask(b"POST / HTTP/1.1\r\n", *[b"x-a: " + b"a" * 1_000 + b"\r\n"] * 300)) == b""
    )


H2C = (
    b"POST / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    b"http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)


def pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


@pytest.mark.parametrize("size", [1, 7, 60, 10**6])
@pytest.mark.parametrize(
    "framed",
    [
        b"content-length: 5\r\n\r\nabcde",
        b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ],
)
def test_offer_of_http2_loses_no_body(size: int, framed: bytes) -> None:
    """JDK's HttpClient and `curl --http2` make one with each request; head and body come in
    whatever packets.
    """
    answer = asyncio.run(ask(*pieces(H2C + framed, size)))
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"5")


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_requests_after_an_offer_are_taken(size: int) -> None:
    """The connection goes on in HTTP/1.1; a further offer is ignored like the first."""
    first = H2C + b"content-length: 5\r\n\r\nabcde"
    raw = first + first + head(3) + b"abc"

    async def run() -> list[bytes]:
        async with listening(count, "127.0.0.1", 0, Limits()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for piece in pieces(raw, size):
                writer.write(piece)
                await writer.drain()
            answers = []
            async with asyncio.timeout(10):
                for _ in range(3):
                    answers.append((await reader.readuntil(b"\r\n\r\n"), await reader.read(1))[1])
            writer.close()
            return answers

    assert asyncio.run(run()) == [b"5", b"5", b"3"]


def test_what_the_offer_s_request_said_besides_is_kept() -> None:
    """`Connection: close` ends the connection; headers that it names are still named."""
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await count(scope, receive, send)

    raw = (
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, close, x-a\r\nupgrade: h2c\r\n"
        b"x-a: 1\r\ncontent-length: 0\r\n\r\n"
    )

    async def run() -> bytes:
        async with listening(app, "127.0.0.1", 0, Limits()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            async with asyncio.timeout(10):
                answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200")
    assert (b"connection", b"close, x-a") in seen and (b"x-a", b"1") in seen
    assert not [name for name, _ in seen if name == b"upgrade"]


@pytest.mark.parametrize(
    "raw",
    [
        b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
        H2C + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H2C + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
        H2C + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        H2C + b"transfer-encoding: chunked\r\n\r\nz\r\n",
    ],
)
def test_smuggling_behind_an_offer_is_refused(raw: bytes) -> None:
    """It is read by the same parser as all requests, or not at all."""
    assert not asyncio.run(ask(raw)).startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("size", [1, 3, 40])
def test_head_in_several_packets_is_taken(size: int) -> None:
    """However a network cuts it."""
    answer = asyncio.run(ask(*pieces(head(5) + b"abcde", size)))
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"5")


class Endless:
    """An app that streams without end, and notes how it ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.counted = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                self.began.set()
                await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0.05)  # as one that stores what it has cost
            self.counted = True


@pytest.mark.parametrize("hurries", [False, True])
def test_stream_without_end_is_gone_after_the_drain(
    hurries: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After `drain_s`, or at once where somebody asks a second time; what it cost is counted."""

    async def run() -> Endless:
        app = Endless()
        hurry = asyncio.Event()
        limits = Limits(drain_s=600 if hurries else 0.2)
        async with asyncio.timeout(20):
            async with listening(app, "127.0.0.1", 0, limits, hurry) as port:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                await app.began.wait()
                if hurries:
                    asyncio.get_running_loop().call_later(0.1, hurry.set)
            writer.close()
        return app

    assert asyncio.run(run()).counted
    assert "Exception in ASGI application" not in caplog.text


def test_answer_that_ends_within_the_drain_is_whole() -> None:
    """Requests that are under way are not cut at the signal."""
    began = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await asyncio.sleep(0.3)
        await count(scope, receive, send)

    async def run() -> bytes:
        async with listening(slow, "127.0.0.1", 0, Limits(drain_s=600)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head(3) + b"abc")
            await began.wait()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer

    answer = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"3")
