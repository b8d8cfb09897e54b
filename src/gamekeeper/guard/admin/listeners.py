"""The streams of server-sent events to open pages: how many there may be, how far behind one may
fall, and that all of them end with the server.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.doors.answers import CutShortError

HEARTBEAT_S = 15.0
_RETRY_MS = 2_000
_WAITING = 64  # events; a page that is further behind is closed, comes back and reads everything

Event = dict[str, Any]


class TooManyError(GamekeeperError):
    """The most pages that may be open are open."""


class Listeners:
    """The open pages, each with a queue of events that it has not been sent yet.

    Args:
        limit: Most pages at once.
        send_s: Most time that a page may take to accept an event.
    """

    def __init__(self, limit: int = 32, send_s: float = HEARTBEAT_S) -> None:
        self._limit = limit
        self._send_s = send_s
        self._open: set[asyncio.Queue[Event | None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def publish(self, kind: str, document: Any) -> None:
        """Sends an event to all; never waits."""
        event = {"event": kind, "data": orjson.dumps(document).decode()}
        for queue in list(self._open):
            if queue.full():
                self._end(queue)
            else:
                queue.put_nowait(event)

    def respond(self) -> EventSourceResponse:
        """Returns a response that streams the events from now on.

        Raises:
            TooManyError: The most pages that may be open are open.
        """
        if self._is_full():
            raise TooManyError
        return _Stream(
            self._events(asyncio.Queue(_WAITING)),
            sep="\n",
            ping=HEARTBEAT_S,  # a proxy or a browser would take silence for a dead connection
            ping_message_factory=_heartbeat,
            send_timeout=self._send_s,
        )

    def close(self) -> None:
        """Ends every stream, so that the server can end; no further page may listen."""
        self._is_closed = True
        for queue in list(self._open):
            self._end(queue)

    async def _events(self, queue: "asyncio.Queue[Event | None]") -> AsyncIterator[Event]:
        if self._is_full():  # others began since `respond`
            return
        self._open.add(queue)  # here, where it is sure to be taken out again
        try:
            yield {"retry": _RETRY_MS}
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._open.discard(queue)

    def _is_full(self) -> bool:
        return self._is_closed or len(self._open) >= self._limit

    def _end(self, queue: "asyncio.Queue[Event | None]") -> None:
        self._open.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


class _Stream(EventSourceResponse):
    """A stream of events; a page that does not read loses its connection, and nothing is logged."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            raise CutShortError("an open page did not read its events") from None


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="still here", sep="\n")
