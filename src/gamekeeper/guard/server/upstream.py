"""The app behind the proxy's door: forwards a judged request to the upstream and its answer back,
as it comes.
"""

import asyncio
from typing import Any

import aiohttp
import orjson
from starlette.types import Receive, Scope, Send
from yarl import URL

from gamekeeper.base.log import get_logger
from gamekeeper.guard.doors.answers import CutShortError
from gamekeeper.guard.policy import Limits
from gamekeeper.guard.telemetry.metrics import Metrics

log = get_logger("gamekeeper.guard")


_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade".split()
)
_ANSWER_HOP_BY_HOP = frozenset(name.decode() for name in _HOP_BY_HOP)


class Upstream:
    """An ASGI app that forwards requests to the upstream and streams its answers back.

    Args:
        url: Of the upstream; a path in it stands before every request's.
        limits: How long things may take.
        metrics: Told of failures.
        authorization: Value of the header `authorization` that the upstream wants of the guard;
            None leaves the client's.
    """

    def __init__(
        self, url: str, limits: Limits, metrics: Metrics, authorization: str | None = None
    ) -> None:
        self._url = URL(url.rstrip("/"))
        self._limits = limits
        self._metrics = metrics
        self._authorization = authorization.encode() if authorization else None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one HTTP scope."""
        body = await _whole(receive)
        begun = False
        try:
            async with asyncio.timeout(self._limits.answer_s) as waiting:
                async with self._request(scope, body) as answer:
                    waiting.reschedule(None)
                    begun = True
                    await self._back(answer, receive, send)
        except (TimeoutError, aiohttp.ClientError) as error:
            await self._failed(error, begun, send)

    def _request(self, scope: Scope, body: bytes) -> Any:
        session = self._session or self._open()
        query = scope.get("query_string", b"").decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        url = URL(f"{self._url}{path}{'?' + query if query else ''}", encoded=True)
        return session.request(
            scope["method"],
            url,
            data=body or None,
            headers=self._headers(scope),
            allow_redirects=False,
        )

    def _headers(self, scope: Scope) -> list[tuple[str, str]]:
        kept = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in _HOP_BY_HOP
            and name not in (b"host", b"content-length", b"accept-encoding")
        ]
        kept.append(("accept-encoding", "identity"))  # what comes back has to be read
        if self._authorization is not None:
            kept = [(name, value) for name, value in kept if name != "authorization"]
            kept.append(("authorization", self._authorization.decode()))
        return kept

    async def _back(self, answer: aiohttp.ClientResponse, receive: Receive, send: Send) -> None:
        headers = [
            (n.lower(), v)
            for n, v in answer.raw_headers
            if n.decode("latin-1").lower() not in _ANSWER_HOP_BY_HOP
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.content_type == "text/event-stream":
            await _until_gone(self._copy(answer, send), receive)
        else:
            await self._copy(answer, send)

    async def _copy(self, answer: aiohttp.ClientResponse, send: Send) -> None:
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _open(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=self._limits.connect_s,
            sock_connect=self._limits.connect_s,
            sock_read=self._limits.idle_s,
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=1 << 18,
        )
        return self._session

    async def _failed(self, error: Exception, begun: bool, send: Send) -> None:
        """Says that the upstream failed; after an answer has begun, only by ending the
        connection.
        """
        kind = "timeout" if isinstance(error, TimeoutError) else "reset" if begun else "unreachable"
        self._metrics.upstream.labels(kind).inc()
        log.warning("upstream %s: %s", kind, error.__class__.__name__)
        if begun:
            raise UpstreamEndedError(kind) from error
        status = 504 if kind == "timeout" else 502
        body = orjson.dumps(
            {
                "error": {
                    "code": "upstream",
                    "message": f"the model server cannot be reached ({kind})",
                }
            }
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class UpstreamEndedError(CutShortError):
    """The upstream ended an answer before it was whole."""


async def _whole(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _until_gone(copying: Any, receive: Receive) -> None:
    """Copies a stream until its end, or until the client goes away: nobody pays for tokens that
    nobody reads.
    """
    copy = asyncio.ensure_future(copying)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((copy, gone), return_when=asyncio.FIRST_COMPLETED)
        if copy.done():
            await copy
    finally:
        copy.cancel()
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
