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
