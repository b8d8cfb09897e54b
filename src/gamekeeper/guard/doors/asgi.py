"""The ASGI door: judges requests on their way to an app, and answers on their way back.

The proxy is this door in front of an app that forwards (`upstream`); a middleware is this door in
front of a model server's own app. An answer of somebody who is not limited passes byte by byte as
it comes; token counts are read off beside it. An answer of somebody who is limited is stripped:
whole, or event by event.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.base.asgi import BodyError, header_of, read_body, send_whole
from gamekeeper.base.log import get_logger
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.decisions.proof_of_work import HEADER as PROOF_HEADER
from gamekeeper.guard.doors.answers import Answer, BrokenAnswerError
from gamekeeper.guard.gate import Gate, Passage, StoppedError, forwarded
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.authenticator import Authenticator
from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes import Route, Routes, clean_path, serialise

log = get_logger("gamekeeper.guard")

Headers = list[tuple[bytes, bytes]]

_PATHS = 10_000  # remembered; most APIs have five

_NOT_FORWARDED = frozenset(
    {
        b"content-length",
        b"content-type",
        b"accept-encoding",
        b"transfer-encoding",
        b"expect",
        PROOF_HEADER.encode(),
    }
)
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Found:
    """What a method and path are: a route and the clean path; no route where there is nothing to
    judge.
    """

    route: Route | None
    path: str


class AsgiDoor:
    """An ASGI app that judges requests before another app answers them.

    Args:
        app: Gets judged requests only.
        gate: Judges.
        routes: Those that are known.
        policy: What happens to others, and what one request may take.
        authenticator: Says who asks.
        upstream_accounts: Notes which credentials the upstream accepts.
        account_of: Instead of that: says who asks by the scope, where the app around the door
            authenticated them.
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        routes: Routes,
        policy: GuardPolicy,
        authenticator: Authenticator | None,
        upstream_accounts: UpstreamAccounts | None = None,
        account_of: Callable[[Scope], str | None] | None = None,
    ) -> None:
        self._app = app
        self._gate = gate
        self._routes = routes
        self._policy = policy
        self._authenticator = authenticator
        self._account_of = account_of
        self._upstream_accounts = upstream_accounts
        self._found: dict[tuple[str, bytes], Found] = {}
        self._callers = Callers(policy.identity)
        self._metrics = gate.core.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._unknown(scope, receive, send)
        elif found.route is None:
            await self._app(scope, receive, send)
        else:
            await self._known(found.route, found.path, scope, receive, send)

    def _find(self, scope: Scope) -> "Found | None":
        asked = scope["method"], _raw_path(scope)
        if (known := self._found.get(asked)) is not None:
            return known
        found = self._look_up(asked[0], asked[1].decode("latin-1"))
        if found is not None and len(self._found) < _PATHS:
            self._found[asked] = found
        return found

    def _look_up(self, method: str, raw: str) -> "Found | None":
        path = clean_path(raw, self._policy.prefix)
        if path is None:
            return None
        if (route := self._routes.find(method, path)) is not None:
            return Found(route, path)
        return Found(None, path) if self._routes.find_harmless(method, path) else None

    async def _unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a route that cannot be judged, or passes it in the open."""
        passes = self._policy.unknown_routes == "pass" and self._is_far_from_known(scope)
        self._metrics.unknown.labels("passed" if passes else "refused").inc()
        request = f"{scope.get('method', scope['type'])} {scope.get('path', '')!r:.200}"
        outcome = "passed without judgement" if passes else "refused"
        log.warning("unknown route %s: %s", outcome, request)
        if passes:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refuse(
                send, None, Refusal(status=404, code="unknown_route", message="no such route")
            )

    def _is_far_from_known(self, scope: Scope) -> bool:
        """Whether no server could take a path for a known route: odd spellings never pass, whatever
        the policy says.
        """
        if scope["type"] != "http":
            return True
        path = clean_path(_raw_path(scope).decode("latin-1"))
        return (
            path is not None
            and self._routes.find("POST", path.lower(), self._policy.prefix.lower()) is None
        )

    async def _known(
        self, route: Route, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            principal = await self._principal(scope)
            raw = await self._body(scope, receive)
            caller = self._caller(scope)
            proof = header_of(scope["headers"], PROOF_HEADER.encode())
            trace = header_of(scope["headers"], b"traceparent")
            passage = self._gate.enter(route, path, raw, principal, caller, proof, trace)
            passage = await self._gate.reserve(passage)
        except StoppedError as stopped:
            await refuse(send, route, stopped.refusal)
            return
        await self._through(passage, scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        if self._account_of is not None:
            account = self._account_of(scope)
            if not account:
                raise StoppedError(
                    Refusal(
                        status=401,
                        code="missing_account",
                        message="the account that asks is not known",
                    )
                )
            return Principal(account=account, credential="host", kind="host")
        assert self._authenticator is not None
        headers = scope["headers"]
        now = self._gate.core.clock.now()
        arguments = headers, scope["method"], url_of(scope), now
        try:
            if self._authenticator.is_blocking(headers):
                return await asyncio.to_thread(self._authenticator.authenticate, *arguments)
            return self._authenticator.authenticate(*arguments)
        except CredentialError as refused:
            self._gate.refused(refused, self._caller(scope))
            raise StoppedError(refusal_of(refused)) from None

    def _caller(self, scope: Scope) -> Caller:
        return self._callers.of((scope.get("client") or (None,))[0], scope["headers"])

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limits = self._policy.limits
        _require_plain(scope["headers"], limits.body_bytes)
        return await read_within(receive, limits.body_bytes, limits.receive_s)

    async def _through(self, passage: Passage, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and the answer back."""
        answer = Answer(passage, send, self._policy.limits)
        body = forwarded(passage)
        inner = self._scope_for_app(scope, passage, len(body))
        try:
            if wait := passage.judgement.act.wait_s:
                await asyncio.sleep(wait)
            await self._app(inner, once(body, receive), answer)
        except BrokenAnswerError as broken:
            await self._broken(passage, broken, answer, send)
        finally:
            self._authenticated(passage.principal, answer.status)
            if answer.was_given:
                self._gate.leave(passage, answer.charged)
            else:
                self._gate.drop(passage)

    async def _broken(
        self, passage: Passage, broken: BrokenAnswerError, answer: Answer, send: Send
    ) -> None:
        """An answer that cannot be stripped is not given."""
        self._metrics.upstream.labels("unreadable").inc()
        log.error(
            "an answer of %s was not given, because it could not be stripped: %s",
            passage.route.name,
            broken,
        )
        if answer.has_begun:
            # the server ends the connection: the client sees that the answer is not whole
            raise broken
        await refuse(
            send,
            passage.route,
            Refusal(status=502, code="upstream", message="the answer could not be read"),
        )

    def _authenticated(self, principal: Principal, status: int) -> None:
        if self._upstream_accounts is not None and principal.kind == "upstream" and status:
            self._upstream_accounts.answered(principal.account, status)

    def _scope_for_app(self, scope: Scope, passage: Passage, length: int) -> Scope:
        headers: Headers = scope["headers"]
        if self._authenticator is not None:
            headers = self._authenticator.forwardable(headers, passage.principal)
        kept = [(name, value) for name, value in headers if name not in _NOT_FORWARDED]
        kept += [(b"content-length", str(length).encode()), _JSON]  # whatever the client called it
        path = self._policy.prefix + passage.path
        return {**scope, "headers": kept, "path": path, "raw_path": path.encode()}


def _raw_path(scope: Scope) -> bytes:
    """The path as the client wrote it, undecoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    return raw.partition(b"?")[0]


def url_of(scope: Scope) -> str:
    """Returns the URL of a request, as the client wrote it."""
    host = header_of(scope["headers"], b"host") or ""
    return f"{scope.get('scheme', 'http')}://{host}{_raw_path(scope).decode('latin-1')}"


def _require_plain(headers: Headers, limit: int) -> None:
    """Raises for bodies that are not plain JSON, or say that they are too large."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise StoppedError(_too_large(limit))
        if name == b"content-encoding" and value.lower() != b"identity":
            raise StoppedError(
                Refusal(
                    status=415, code="encoded", message="send the body without content-encoding"
                )
            )


async def read_within(receive: Receive, limit_bytes: int, limit_s: float) -> bytes:
    """Returns the whole body of a request.

    Raises:
        StoppedError: It is too large or too slow, or the client went away.
    """
    try:
        return await read_body(receive, limit_bytes, limit_s)
    except BodyError as error:
        refusal = Refusal(status=error.status, code=error.code, message=str(error))
        raise StoppedError(refusal) from None


def refusal_of(refused: CredentialError) -> Refusal:
    """Returns the refusal of a request whose credential is refused."""
    headers = tuple((name.decode(), value.decode()) for name, value in refused.headers)
    return Refusal(
        status=refused.status, code=refused.code, message=refused.message, headers=headers
    )


def _too_large(limit: int) -> Refusal:
    return Refusal(
        status=413, code="too_large", message=f"the body may have at most {limit:,} bytes"
    )


def once(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the judged body, then waits for the client to go away."""
    given = False

    async def receive_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body


async def refuse(send: Send, route: Route | None, refusal: Refusal) -> None:
    """Sends a refusal, in the route's own form."""
    if route is None:
        document: dict[str, Any] = {"error": {"code": refusal.code, "message": refusal.message}}
    else:
        document = route.refusal(refusal.status, refusal.code, refusal.message)
    headers = [(name.encode(), value.encode()) for name, value in refusal.headers]
    await send_whole(send, refusal.status, serialise(document), headers=headers)
