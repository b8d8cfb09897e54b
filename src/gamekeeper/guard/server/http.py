"""HTTP servers around ASGI apps, with what uvicorn leaves open: heads that come slowly, or without
end.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.doors.answers import CutShortError
from gamekeeper.guard.policy import Limits

Result = TypeVar("Result")

_KEEP_S = 75
"""A kept connection is closed after so long without a request. Load balancers keep theirs for 60 s
(AWS ALB, nginx): the side that sends the requests has to close first, or it loses those that it
sends while the connection ends.
"""

_HEAD_S = 10.0
_HEAD_BYTES = 64 << 10
_LAST_S = 5.0  # that cancelled requests have to count what they cost
_UPGRADE = frozenset((b"upgrade", b"http2-settings"))


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that waits so long, and no longer, for the head of a request; and so large a one,
    and no larger.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_upgrade = False

    def connection_made(self, transport: Any) -> None:
        """Starts the clock on the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of a head that is not whole after them; a body that came with its head
        is not a part of it.
        """
        awaited = self._head_timer
        self._unset_keepalive_if_required()
        self._feed(data)
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
        self._is_upgrade = self._is_unsupported_upgrade()
        if not self._is_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Passes on that a request is whole; one that asked for an upgrade is only now read."""
        if not self._is_upgrade:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._forget_head()
        super().connection_lost(exc)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_upgrade:
                self._feed_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _is_unsupported_upgrade(self) -> bool:
        """Whether a request offers another protocol. A server that does not speak it answers by
        HTTP/1.1 (RFC 9110, 7.8). `CONNECT` is not an offer.
        """
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Reads a request again without its offer of another protocol.

        The parser takes all that follows such a head for the other protocol, so that the body of a
        request with `Upgrade: h2c` would be lost (JDK's HttpClient, `curl --http2`).
        """
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        head += [name + b": " + value for name, value in _without_upgrade(self.headers)]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._feed(b"\r\n".join([*head, b"", b""]) + rest)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = asyncio.get_running_loop().call_later(_HEAD_S, self.transport.close)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _without_upgrade(
    headers: list[tuple[bytes, bytes]],
) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            parts = [part.strip() for part in value.split(b",")]
            value = b", ".join(part for part in parts if part.lower() not in _UPGRADE)
        if name not in _UPGRADE and (value or name != b"connection"):
            yield name, value


def server(app: Any, host: str, port: int, limits: Limits) -> uvicorn.Server:
    """Returns a server that is started with `serve()`, and leaves signals to its caller."""
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
        timeout_keep_alive=_KEEP_S,
        timeout_graceful_shutdown=limits.drain_s,  # type: ignore[arg-type]  # seconds, not whole
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
    return kind is None or not issubclass(kind, CutShortError | asyncio.CancelledError)


@asynccontextmanager
async def listening(
    app: Any, host: str, port: int, limits: Limits, hurry: asyncio.Event | None = None
) -> AsyncIterator[int]:
    """Serves an app as long as the context lasts; gives the port that it listens on.

    At the end of the context, requests that are under way have `limits.drain_s`; then they are
    cancelled, and waited for: what they cost is counted.

    Args:
        app: That is served.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        limits: Of connections and times.
        hurry: Once it is set, requests that are under way are cancelled at once.

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
        await _drained(each, serving, hurry or asyncio.Event())


async def _drained(each: uvicorn.Server, serving: asyncio.Task[None], hurry: asyncio.Event) -> None:
    """Returns once a server has ended, with all its requests."""
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait((serving, hurried), return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    requests = list(each.server_state.tasks)
    if not serving.done():
        each.force_exit = True
        for request in requests:
            request.cancel()
    await serving
    if requests := [*requests, *each.server_state.tasks]:
        await asyncio.wait(requests, timeout=_LAST_S)


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
