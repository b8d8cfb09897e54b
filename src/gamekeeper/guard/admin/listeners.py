"""Pages that are open: each is told of changes by server-sent events, and is closed rather than
waited for.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from gamekeeper.base.errors import GamekeeperError

HEARTBEAT_S = 15.0
_WAITING = (
    64  # messages; whoever is further behind is closed, and its page comes back and reads all anew
)


class TooManyError(GamekeeperError):
    """As many listen as may."""


class Listeners:
    """See the module.

    Args:
        limit: Pages at once.
    """

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._open: set[asyncio.Queue[bytes | None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def tell(self, kind: str, document: Any) -> None:
        """Sends an event to all; never waits."""
        message = b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(document) + b"\n\n"
        for queue in list(self._open):
            if queue.full():
                self._end(queue)
            else:
                queue.put_nowait(message)

    def listen(self) -> AsyncIterator[bytes]:
        """Returns the events from now on, as bytes of a stream.

        Raises:
            TooManyError: As many listen as may.
        """
        if self._is_closed or len(self._open) >= self._limit:
            raise TooManyError
        return self._events(asyncio.Queue(_WAITING))

    def close(self) -> None:
        """Ends every stream, so that the server can end; nobody may listen any more."""
        self._is_closed = True
        for queue in list(self._open):
            self._end(queue)

    async def _events(self, queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
        if self._is_closed or len(self._open) >= self._limit:  # others began meanwhile
            return
        self._open.add(queue)  # here, where it is sure to be taken out again
        try:
            yield b"retry: 2000\n\n"
            while (message := await _next(queue)) is not None:
                yield message
        finally:
            self._open.discard(queue)

    def _end(self, queue: "asyncio.Queue[bytes | None]") -> None:
        self._open.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


async def _next(queue: "asyncio.Queue[bytes | None]") -> bytes | None:
    try:
        return await asyncio.wait_for(queue.get(), HEARTBEAT_S)
    except TimeoutError:
        return b": still here\n\n"  # a proxy or a browser would take silence for a dead connection
