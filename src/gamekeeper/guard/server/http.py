"""HTTP servers around ASGI apps, with what uvicorn leaves open: heads that come slowly, or without
end.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.doors.answers import CutShortError
from gamekeeper.guard.policy import Limits

Result = TypeVar("Result")

_HEAD_S = 10.0
_HEAD_BYTES = 64 << 10


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that waits so long, and no longer, for the head of a request; and so large a one,
    and no larger.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Starts the clock on the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of a head that is not whole after them; a body that came with its head
        is no part of it.
        """
        awaited = self._head_timer
        super().data_received(data)
        if awaited is not None and self._head_timer is awaited:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Starts the clock on a further head, unless it runs."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Stops the clock."""
        self._forget_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._forget_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = asyncio.get_running_loop().call_later(_HEAD_S, self.transport.close)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def server(app: Any, host: str, port: int, limits: Limits) -> uvicorn.Server:
    """Returns a server that is started with `serve()`, and leaves signals to whoever runs it."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        limit_concurrency=limits.connections,
        timeout_keep_alive=30,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return uvicorn.Server(config)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the server's log says more than the guard's has said: it ends a connection
    by an exception.
    """
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, CutShortError)


@asynccontextmanager
async def listening(app: Any, host: str, port: int, limits: Limits) -> AsyncIterator[int]:
    """Serves an app as long as the context lasts; gives the port that it listens on.

    Raises:
        UsageError: The port is taken.
    """
    each = server(app, host, port, limits)
    each.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(_served(each))
    try:
        while not each.started and not serving.done():
            await asyncio.sleep(0.02)
        if serving.done():
            raise UsageError(f"port {port} of {host} is taken; name another")
        yield int(each.servers[0].sockets[0].getsockname()[1])
    finally:
        each.should_exit = True
        await serving


def run(serving: Coroutine[Any, Any, Result]) -> Result:
    """Runs a server until it ends, on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        return runner.run(serving)


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _served(each: uvicorn.Server) -> None:
    with contextlib.suppress(SystemExit):  # a port that is taken; uvicorn has said so
        await each.serve()
