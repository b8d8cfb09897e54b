"""The checks before every request to the admin API (host, token, size of the body), and the
security headers on every answer.

The token travels in a header that only our own page sets, never in a cookie, so no other site can
make a browser use it. The host is checked because a name that an attacker owns can be made to point
at a loopback address (DNS rebinding): an address cannot, so addresses are accepted.

All checks run before the app sees a request. FastAPI's dependencies would run only where a path is
known, and after the body was read.
"""

import asyncio
from collections.abc import Callable, Collection
from ipaddress import ip_address

import orjson
from starlette.authentication import AuthenticationBackend, AuthenticationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.base.asgi import BodyError, read_body
from gamekeeper.base.secret import is_same_secret

MAX_BODY_BYTES = 64 << 10
_MOST_READ_BYTES = 1 << 20
OPEN = frozenset({"/", "/metrics", "/healthz", "/readyz", "/grafana.json"})
"""Paths that need no token: the empty page, figures that name no account, and a file of the
package.
"""

TICKETED = "/report"
"""A page that a browser opens itself, without a header of ours: a ticket replaces the token there,
once.
"""

_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"


class AccessControl:
    """An ASGI app that lets only permitted requests through to another app.

    Args:
        app: Receives what is permitted.
        token: Required of every request to a path that is not `OPEN`.
        names: Host names of the server, besides loopback names and addresses.
        receive_s: Most time that a request's body may take.
        is_ticket: Whether a query string opens `TICKETED`.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        names: Collection[str],
        *,
        receive_s: float = 30.0,
        is_ticket: Callable[[bytes], bool] = lambda query: False,
    ) -> None:
        limited = _BodyLimit(app, receive_s)
        authenticated = AuthenticationMiddleware(
            limited, _TokenBackend(token, is_ticket), _unauthorized
        )
        self._app = _KnownHosts(authenticated, names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "http":
            await self._app(scope, receive, _with_security_headers(send))


class _KnownHosts:
    """Refuses requests for a host name that is not ours.

    starlette's TrustedHostMiddleware cannot accept addresses in general, looks only at the first of
    several Host headers, and answers 400 in plain text.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_known(Headers(scope=scope).getlist("host")):
            await self._app(scope, receive, send)
            return
        refused = error_response(421, "wrong-host", "this server is not known by that host name")
        await refused(scope, receive, send)

    def _is_known(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name = _host_name(hosts[0])
        return name in self._names or name.endswith(".localhost") or _is_address(name)


class _TokenBackend(AuthenticationBackend):
    """Says who may pass: open paths, requests with the token, and a ticket for its page."""

    def __init__(self, token: str, is_ticket: Callable[[bytes], bool]) -> None:
        self._token = token.encode()
        self._is_ticket = is_ticket

    async def authenticate(self, conn: HTTPConnection) -> None:
        """Returns if a request may pass.

        Raises:
            AuthenticationError: It may not.
        """
        path = conn.scope["path"]
        if path in OPEN or self._has_token(conn):
            return
        is_ticketed = conn.scope["method"] == "GET" and path == TICKETED
        if not (is_ticketed and self._is_ticket(conn.scope.get("query_string", b""))):
            raise AuthenticationError(
                "send the token in STATE/admin.token as `Authorization: Bearer TOKEN`"
            )

    def _has_token(self, conn: HTTPConnection) -> bool:
        scheme, _, token = conn.headers.get("authorization", "").partition(" ")
        sent = token.strip().encode("latin-1")
        return scheme.lower() == "bearer" and is_same_secret(sent, self._token)


def _unauthorized(conn: HTTPConnection, error: AuthenticationError) -> Response:
    return error_response(401, "unauthorized", str(error), {"www-authenticate": "Bearer"})


class _BodyLimit:
    """Reads the body of a request within its limits before the app sees the request.

    starlette's RequestBodyLimitMiddleware has no time limit, and leaves what is too much unread.
    """

    def __init__(self, app: ASGIApp, receive_s: float) -> None:
        self._app = app
        self._receive_s = receive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._receive_s):
                body = await _read_body(receive)
        except TimeoutError:
            refused = self._too_slow()
        except BodyError as error:
            refused = _refused_body(error)
        else:
            await self._app(scope, _replayed(body, receive), send)
            return
        await refused(scope, receive, send)

    def _too_slow(self) -> Response:
        message = f"the body did not arrive within {self._receive_s:g} s"
        return error_response(408, "too-slow", message, {"connection": "close"})


async def _read_body(receive: Receive) -> bytes:
    """Returns the whole body of a request.

    Some of a body that is too large is read and dropped: a connection that is closed before would
    be reset, and the client would not see the answer.

    Raises:
        BodyError: It is too large, or the client went away.
    """
    size = 0
    has_more = True

    async def counted() -> Message:
        nonlocal size, has_more
        message = await receive()
        size += len(message.get("body", b""))
        has_more = message.get("more_body", False)
        return message

    try:
        return await read_body(counted, MAX_BODY_BYTES)
    except BodyError:
        while has_more and size <= _MOST_READ_BYTES:
            await counted()
        raise


def _refused_body(error: BodyError) -> Response:
    code = error.code.replace("_", "-")
    return error_response(error.status, code, str(error), {"connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body at once, and then what the connection says."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_security_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            headers.update(_SECURITY_HEADERS)
            headers.setdefault("content-security-policy", _CONTENT_POLICY)
        await send(message)

    return sent


def _host_name(header: str) -> str:
    """Returns the name or address in a Host header, without port and brackets."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def error_response(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    """Returns an error in the one form that all errors of the API have."""
    body = orjson.dumps({"error": {"code": code, "message": message}})
    return Response(body, status, headers, "application/json")
