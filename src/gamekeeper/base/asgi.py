"""ASGI: its types, whole bodies within a limit, and headers.

The types are starlette's. They are only seen by type checkers: an app that answers encrypted input,
or the demo's model, does not need starlette to run.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gamekeeper.base.errors import GamekeeperError

if TYPE_CHECKING:
    from starlette.types import Receive, Send

Headers = Iterable[tuple[bytes, bytes]]


class BodyError(GamekeeperError):
    """A request's body cannot be had. The status and the code are for the answer.

    Args:
        status: HTTP status.
        code: Short and stable.
        message: One sentence for the client.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


async def read_body(receive: "Receive", limit_bytes: int, limit_s: float | None = None) -> bytes:
    """Returns the whole body of a request.

    Args:
        receive: Of the request.
        limit_bytes: Most that the body may have. What is above it is not read.
        limit_s: Most time that all of it may take; None: no limit.

    Raises:
        BodyError: It is too large (413), too slow (408), or the client went away (400).
    """
    try:
        async with asyncio.timeout(limit_s):
            return await _read_parts(receive, limit_bytes)
    except TimeoutError:
        raise BodyError(408, "too_slow", "the body took too long") from None


async def _read_parts(receive: "Receive", limit_bytes: int) -> bytes:
    body = bytearray()
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyError(400, "gone", "the client went away")
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise BodyError(413, "too_large", f"the body may have at most {limit_bytes:,} bytes")
        has_more = message.get("more_body", False)
    return bytes(body)


async def send_whole(
    send: "Send", status: int, body: bytes, kind: bytes = b"application/json", headers: Headers = ()
) -> None:
    """Sends an answer that is there as a whole.

    Args:
        send: Of the request.
        status: HTTP status.
        body: All of it.
        kind: Its media type.
        headers: Further ones, names in lower case.
    """
    length = str(len(body)).encode()
    fixed = [(b"content-type", kind), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


def header_of(headers: Headers, name: bytes) -> str | None:
    """Returns the first header of a name (in lower case), None if the request has none."""
    return next((value.decode("latin-1") for key, value in headers if key == name), None)
