"""The app behind the proxy's door: forwards a judged request to the upstream and its answer back,
as it comes.

Time limits: `connect_s` for a connection, `answer_s` until the answer begins, `idle_s` between two
parts of one that has begun. A client that goes away ends the request at the upstream too.

A kept connection that the upstream closes while a request is on its way is the upstream's idle
limit, not a failure: the request is sent once more, if the connection was used before, not a byte
of an answer came, and it was found closed within a second. That holds for POST too: RFC 9112, 9.3.1
lets a client repeat one that it knows was not processed. A server that closed the connection before
it read the request has not begun with it; one that did begin and died would have held it for
longer. Browsers repeat any request under the same conditions, and the SDKs repeat theirs after any
502.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from time import perf_counter
from typing import Any

import aiohttp
import orjson
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from gamekeeper.base.asgi import send_whole
from gamekeeper.base.errors import UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.doors.answers import CutShortError
from gamekeeper.guard.doors.asgi import AUTHORIZE
from gamekeeper.guard.policy import Limits
from gamekeeper.guard.server.abandonment import WhileClientWaits
from gamekeeper.guard.server.decoding import Decoder, DecodingError, decoder_of
from gamekeeper.guard.telemetry.health import Health
from gamekeeper.guard.telemetry.metrics import Metrics

log = get_logger("gamekeeper.guard")

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
_NOT_FORWARDED = _HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding", b"http2-settings"}
# Cookies, and whose account it is, belong to the operator: one account serves all callers.
_NOT_ANSWERED = _HOP_BY_HOP | {b"set-cookie", b"openai-organization", b"openai-project"}
_CREDENTIALS = frozenset((b"authorization", b"api-key", b"x-api-key"))
_CODED = (b"content-encoding", b"content-length")
_RETRIED_WITHIN_S = 1.0
_USED = "is_used_by_gamekeeper"
_CHECK_S = 10.0
_QUESTIONS = (("POST", "/v1/chat/completions"), ("POST", "/v1/messages"))
"""What a model answers; some servers list their models to anybody."""
_NOT_SERVED = (404, 405, 501)
_REFUSED = (
    "the upstream refuses the credential in GAMEKEEPER_UPSTREAM_AUTHORIZATION: no caller can be"
    ' answered; it has the form "Bearer KEY", or "x-api-key: KEY"'
)

Headers = list[tuple[bytes, bytes]]


class Upstream:
    """An ASGI app that forwards requests to the upstream and streams its answers back.

    Returns without an answer where the client went away before one began.

    Args:
        url: Of the upstream; a path in it comes before every request's.
        limits: How long things may take.
        metrics: Count answers and failures.
        authorization: Credential that the upstream expects of the guard in place of its callers',
            such as `Bearer KEY`, or with one of the headers authorization, api-key and x-api-key:
            `api-key: KEY`. None leaves the clients' own.
        health: Notes how the last request ended.

    Raises:
        UsageError: `authorization` cannot be a header.
    """

    def __init__(
        self,
        url: str,
        limits: Limits,
        metrics: Metrics,
        authorization: str | None = None,
        health: Health | None = None,
    ) -> None:
        self._url = URL(url.rstrip("/"))
        self._limits = limits
        self._metrics = metrics
        self._figures = metrics.upstream_figures
        self._credential = _credential(authorization) if authorization else None
        self._health = health or Health()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    async def is_checking(self, prefix: str = "") -> bool | None:
        """Asks with an invented credential whether the upstream checks credentials at all.

        Args:
            prefix: Part of the path before every known route.

        Returns:
            True if it refuses the credential on all that it serves of what is asked, False if it
            does not, None if it cannot be reached.
        """
        asked = (self._status(method, prefix + path) for method, path in _QUESTIONS)
        statuses = [status for status in await asyncio.gather(*asked) if status is not None]
        if not statuses:
            return None
        served = [status for status in statuses if status not in _NOT_SERVED] or statuses
        return all(status in (401, 403) for status in served)

    async def is_accepted(self, prefix: str = "") -> bool | None:
        """Asks with the operator's credential whether the upstream accepts it.

        Returns:
            False if it refuses it on all that it serves of what is asked, None if there is none or
            the upstream cannot be reached.
        """
        if self._credential is None:
            return None
        name, value = self._credential
        asked = (self._status(method, prefix + path, {name: value}) for method, path in _QUESTIONS)
        statuses = [status for status in await asyncio.gather(*asked) if status is not None]
        if not statuses:
            return None
        served = [status for status in statuses if status not in _NOT_SERVED] or statuses
        is_refused = all(status in (401, 403) for status in served)
        self._metrics.upstream_refuses.set(is_refused)
        if is_refused:
            log.error(_REFUSED)
        return not is_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one HTTP scope."""
        first = await receive()
        if first["type"] == "http.disconnect":
            return
        self._figures.in_flight += 1
        try:
            with WhileClientWaits(receive) as client:
                await self._exchange(scope, _Upload(first, receive, client), send)
        finally:
            self._figures.in_flight -= 1

    async def _exchange(self, scope: Scope, upload: "_Upload", send: Send) -> None:
        has_begun = False
        begun = perf_counter()
        try:
            async with asyncio.timeout(self._limits.answer_s) as waiting:
                async with await self._answer(scope, upload) as answer:
                    waiting.reschedule(None)
                    has_begun = True
                    self._limit_pauses(answer)
                    self._note(answer.status)
                    if answer.status == 401 and self._adds_credential(scope):
                        await self._refused(send)
                        return
                    await self._back(answer, scope["method"], send, begun)
        except (TimeoutError, aiohttp.ClientError, DecodingError) as error:
            if upload.error is not None:
                raise upload.error from None
            await self._failed(error, has_begun, send)
        except ClientLeftError:
            return

    async def _answer(self, scope: Scope, upload: "_Upload") -> aiohttp.ClientResponse:
        """Sends the request, once more where a kept connection had ended; returns the answer's
        beginning.
        """
        begun = perf_counter()
        try:
            return await self._request(scope, upload)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            is_late = perf_counter() - begun > _RETRIED_WITHIN_S
            if is_late or not (_is_reused.get() and upload.is_whole and _is_unanswered(error)):
                raise
        return await self._request(scope, upload)

    async def _request(self, scope: Scope, upload: "_Upload") -> aiohttp.ClientResponse:
        session = self._session or self._open()
        query = scope.get("query_string", b"").decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        url = URL(f"{self._url}{path}{'?' + query if query else ''}", encoded=True)
        return await session.request(
            scope["method"],
            url,
            data=upload.data,
            headers=self._headers(scope, upload),
            allow_redirects=False,
        )

    def _headers(self, scope: Scope, upload: "_Upload") -> list[tuple[str, str]]:
        headers: Headers = scope["headers"]
        dropped = _with_named_in_connection(_NOT_FORWARDED, headers)
        credential = self._credential if scope.get(AUTHORIZE) else None
        if credential is not None:
            dropped |= _CREDENTIALS
        kept = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in headers
            if name not in dropped
        ]
        kept.append(("accept-encoding", "identity"))  # what comes back has to be read
        if credential is not None:
            kept.append(credential)
        if not upload.is_whole:
            kept += [("content-length", v.decode()) for n, v in headers if n == b"content-length"]
        return kept

    async def _back(
        self, answer: aiohttp.ClientResponse, method: str, send: Send, begun: float
    ) -> None:
        """Passes an answer on as it comes; decoded, where it is compressed in a way that is
        known.
        """
        headers = _answered(answer.raw_headers)
        decoder = None
        if method != "HEAD" and answer.status not in (204, 304):
            decoder = _decoder(headers)
        if decoder is not None:
            headers = [(name, value) for name, value in headers if name not in _CODED]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        parts = answer.content.iter_any()
        async for part in parts if decoder is None else _decoded(parts, decoder):
            if begun:
                self._figures.note_first_byte(perf_counter() - begun)
                begun = 0
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _adds_credential(self, scope: Scope) -> bool:
        return self._credential is not None and bool(scope.get(AUTHORIZE))

    async def _refused(self, send: Send) -> None:
        """Says that the operator's credential was refused: the caller's own is not at fault."""
        self._metrics.upstream.labels("credential").inc()
        self._health.note_upstream("credential", is_reachable=False)
        log.error(_REFUSED)
        message = "the model server refused the credential of this guard; its operator has to act"
        document = {"error": {"code": "upstream_credential", "message": message}}
        await send_whole(send, 502, orjson.dumps(document))

    def _limit_pauses(self, answer: aiohttp.ClientResponse) -> None:
        """Limits pauses from now on: aiohttp's own limit would also run before the answer
        begins.
        """
        connection = answer.connection  # None if the whole answer is there
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._limits.idle_s
            connection.protocol.start_timeout()

    def _note(self, status: int) -> None:
        outcome = self._figures.note_answer(status)
        if status == 429:
            self._metrics.upstream.labels("throttled").inc()
        elif status >= 500:
            self._metrics.upstream.labels("error").inc()
        self._health.note_upstream(outcome, is_reachable=True)

    def _open(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=self._limits.connect_s,
            sock_connect=self._limits.connect_s,
            sock_read=None,  # see `_limit_pauses`
        )
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=30),
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=1 << 18,
        )
        return self._session

    async def _status(
        self, method: str, path: str, credential: dict[str, str] | None = None
    ) -> int | None:
        """The status of a question with a credential; with an invented one if none is given."""
        session = self._session or self._open()
        invented = {"authorization": f"Bearer invented-{secrets.token_hex(16)}"}
        headers = dict(credential or invented)
        body = b"{}" if method == "POST" else None
        if body is not None:
            headers["content-type"] = "application/json"
        url = URL(f"{self._url}{path}", encoded=True)
        try:
            async with asyncio.timeout(_CHECK_S):
                async with session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    return answer.status
        except (TimeoutError, aiohttp.ClientError):
            return None

    async def _failed(self, error: Exception, has_begun: bool, send: Send) -> None:
        """Says that the upstream failed; after an answer has begun, only by ending the
        connection.
        """
        kind = _kind(error, has_begun)
        self._metrics.upstream.labels(kind).inc()
        self._health.note_upstream(kind, is_reachable=has_begun)
        log.warning("upstream %s: %s", kind, error.__class__.__name__)
        if has_begun:
            raise UpstreamEndedError(kind) from error
        status = 504 if kind == "timeout" else 502
        message = f"the model server cannot be reached ({kind})"
        if kind == "timeout":
            message = "the model server did not answer in time"
        document = {"error": {"code": "upstream", "message": message}}
        await send_whole(send, status, orjson.dumps(document))


_is_reused: ContextVar[bool] = ContextVar("is_reused", default=False)
"""Whether the connection of the task's last request had been used before."""


class _Connector(aiohttp.TCPConnector):
    """A pool of connections that notes which were used before. aiohttp's traces say it too, at 16
    microseconds a request.
    """

    async def connect(self, *args: Any, **more: Any) -> Any:
        """See `aiohttp.BaseConnector`."""
        connection = await super().connect(*args, **more)
        protocol = connection.protocol
        _is_reused.set(getattr(protocol, _USED, False))
        setattr(protocol, _USED, True)
        return connection


class UpstreamEndedError(CutShortError):
    """The upstream ended an answer before it was whole."""


class ClientLeftError(CutShortError):
    """The client went away while its request was sent."""


class _Upload:
    """The body of a request: whole where it came in one message, else as it comes.

    Args:
        first: Its first message.
        receive: Gives the others.
        client: Watched once the body is read: until then, reading it shows who went away.
    """

    def __init__(self, first: Message, receive: Receive, client: WhileClientWaits) -> None:
        self._first: bytes = first.get("body", b"")
        self._receive = receive
        self._client = client
        self.is_whole = not first.get("more_body")
        self.error: Exception | None = None
        if self.is_whole:
            client.watch()

    @property
    def data(self) -> bytes | AsyncIterator[bytes] | None:
        """The body as aiohttp takes it."""
        return (self._first or None) if self.is_whole else self._parts()

    async def _parts(self) -> AsyncIterator[bytes]:
        """The body part by part. What `receive` raises is kept: aiohttp makes an error of the
        connection of it.
        """
        yield self._first
        try:
            has_more = True
            while has_more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeftError("the client went away")
                yield message.get("body", b"")
                has_more = bool(message.get("more_body"))
        except Exception as error:
            self.error = error
            raise
        self._client.watch()


def _credential(text: str) -> tuple[str, str]:
    """Reads `Bearer KEY`, or `HEADER: VALUE` for the headers that hold credentials."""
    name, colon, value = text.partition(":")
    header = name.strip().lower()
    if not colon or header.encode() not in _CREDENTIALS:
        header, value = "authorization", text
    value = value.strip()
    if not value.isascii() or not value.isprintable() or not value:
        raise UsageError("the upstream's credential cannot be the value of an HTTP header")
    return header, value


def _with_named_in_connection(dropped: frozenset[bytes], headers: Headers) -> frozenset[bytes]:
    """Returns names of headers that end here, with those that the header connection names
    (RFC 9110, 7.6.1).
    """
    for name, value in headers:
        if name == b"connection":
            dropped |= {part.strip().lower() for part in value.split(b",")}
    return dropped


def _answered(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers of an answer that go on to the client, names in lower case."""
    headers = [(name.lower(), value) for name, value in raw]
    dropped = _with_named_in_connection(_NOT_ANSWERED, headers)
    return [(name, value) for name, value in headers if name not in dropped]


def _decoder(headers: Headers) -> Decoder | None:
    encodings = [value for name, value in headers if name == b"content-encoding"]
    return decoder_of(encodings[0]) if len(encodings) == 1 else None


async def _decoded(parts: AsyncIterator[bytes], decoder: Decoder) -> AsyncIterator[bytes]:
    async for part in parts:
        for decoded in decoder.feed(part):
            yield decoded
    decoder.finish()


def _is_unanswered(error: aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) -> bool:
    """Whether a connection ended without a byte of an answer."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return not isinstance(error.message, aiohttp.http.RawResponseMessage)
    return not isinstance(error, aiohttp.ClientConnectorError)


def _kind(error: Exception, has_begun: bool) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "reset" if has_begun else "unreachable"
