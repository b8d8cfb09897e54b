"""What stands before every request to the admin API: host, token, size; and the headers behind
every answer.

The token travels in a header that only our own page sets, never in a cookie, so no other site can
make a browser use it. The host is checked because a name that an attacker owns can be made to point
at a loopback address (DNS rebinding): an address cannot, so addresses are accepted.
"""

import asyncio
from collections.abc import Callable, Collection
from ipaddress import ip_address

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.base.secret import is_same_secret

MAX_BODY_BYTES = 64 << 10
_MOST_READ_BYTES = 1 << 20
OPEN = frozenset({"/", "/metrics", "/healthz", "/grafana.json"})
"""What needs no token: the empty page, figures that name no account, and what ships with the
package.
"""

TICKETED = "/report"
"""Opened by a browser itself, which sends no header of ours: a ticket stands in for the token
there, once.
"""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Fence:
    """See the module.

    Args:
        app: Gets only what may pass.
        token: That it asks for.
        names: Host names that it is reached by, besides loopback names and addresses.
        receive_s: A request's body must have come by then.
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
        self._app = app
        self._token = token.encode()
        self._receive_s = receive_s
        self._is_ticket = is_ticket
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request pass, or answers it."""
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        if not self._is_our_host(_header(scope, b"host")):
            await _refuse(send, 421, "wrong-host", "this server is not known by that host name")
        elif not self._may_pass(scope):
            message = "send the token in STATE/admin.token as `Authorization: Bearer TOKEN`"
            await _refuse(send, 401, "unauthorized", message, (b"www-authenticate", b"Bearer"))
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._receive_s):
                body = await _body(receive)
        except TimeoutError:
            await _refuse(
                send, 408, "too-slow", f"the body did not come within {self._receive_s:g} s"
            )
            return
        if body is None:
            await _refuse(send, 413, "too-large", f"a body may have {MAX_BODY_BYTES} bytes")
            return
        await self._app(scope, _replayed(body, receive), send)

    def _is_our_host(self, found: list[bytes]) -> bool:
        if len(found) != 1:
            return False
        name = _host_of(found[0].decode("latin-1"))
        return name in self._names or name.endswith(".localhost") or _is_address(name)

    def _may_pass(self, scope: Scope) -> bool:
        if scope["path"] in OPEN:
            return True
        scheme, _, token = b"".join(_header(scope, b"authorization")[:1]).partition(b" ")
        if scheme.lower() == b"bearer" and is_same_secret(token.strip(), self._token):
            return True
        is_opened = scope["method"] == "GET" and scope["path"] == TICKETED
        return is_opened and self._is_ticket(scope.get("query_string", b""))


def _header(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _host_of(text: str) -> str:
    """Returns the host of a Host header, without port and brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _body(receive: Receive) -> bytes | None:
    """Returns the whole body, None if it is too large.

    Some of what is too much is read and dropped: a connection closed before that would be reset,
    and the answer lost.
    """
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            body += part
        if size > _MOST_READ_BYTES or not message.get("more_body", False):
            return bytes(body) if size <= MAX_BODY_BYTES else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body at once, and then what the connection says."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            has_policy = any(name.lower() == _POLICY[0] for name, _ in headers)
            message["headers"] = [*headers, *_HEADERS, *(() if has_policy else (_POLICY,))]
        await send(message)

    return sent


async def _refuse(
    send: Send, status: int, code: str, message: str, *headers: tuple[bytes, bytes]
) -> None:
    body = error_body(code, message)
    told = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    if status in (408, 413):
        told.append((b"connection", b"close"))  # what still comes is not read
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


def error_body(code: str, message: str) -> bytes:
    """Returns the one form of every error."""
    return orjson.dumps({"error": {"code": code, "message": message}})
