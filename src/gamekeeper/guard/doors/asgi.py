"""The ASGI door: judges requests on their way to an app, and answers on their way back.

    clean path -> who asks -> which route -> query and headers -> `Gate` -> the app -> `Answer`

Nothing reaches the app before its sender is authenticated, whatever its path. The proxy is this
door in front of an app that forwards (`server.upstream`); a middleware is this door in front of a
model server's own app. An answer in which nothing is changed passes byte by byte as it comes; token
counts are read off beside it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.base.asgi import BodyError, header_of, read_body, send_whole
from gamekeeper.base.log import get_logger
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.decisions.proof_of_work import HEADER as PROOF_HEADER
from gamekeeper.guard.doors.answers import Answer, BrokenAnswerError, CutShortError
from gamekeeper.guard.doors.model_list import ModelList, named_model
from gamekeeper.guard.doors.request_filter import (
    Filtered,
    HeaderFilter,
    filtered_query,
    require_no_credential,
)
from gamekeeper.guard.gate import Gate, Passage, Request, StoppedError, forwarded
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.authenticator import (
    CREDENTIAL_HEADERS,
    Authenticator,
    without_our_keys,
)
from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.identity.principal import is_in_scope
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes import (
    UNKNOWN,
    Route,
    Routes,
    Unjudged,
    UnjudgedRoute,
    clean_path,
    serialise,
)
from gamekeeper.guard.routes.query import Usage

log = get_logger("gamekeeper.guard")

Headers = list[tuple[bytes, bytes]]
Treatment = Literal["judged", "harmless", "passed", "refused"]

AUTHORIZE = "gamekeeper.authorize"
"""Key of a scope: whether the operator's credential may be added, because the guard itself
authenticated the caller.
"""

# Not TRACE, whose answer is the request with the operator's credential in it, nor OPTIONS.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
_PATHS = 10_000  # remembered; most APIs have five
_PATH_BYTES = 128  # longer ones name an object, and are looked up each time
_NOTED_S = 1.0
_IDEMPOTENCY = b"idempotency-key"
_JSON = (b"content-type", b"application/json")
_NO_ROUTE = Refusal(status=404, code="unknown_route", message="no such route")
_READ_HERE_BYTES = 128 << 10
_DROPPED = b"x-gamekeeper-dropped"
_NO_QUERY = Filtered(b"", ())


@dataclass(frozen=True, slots=True)
class Found:
    """What a method and path are.

    Args:
        route: Whose form it has.
        path: Clean, without prefix.
        treatment: Judged; harmless: passed to any authenticated caller; passed without judgement;
            refused.
        message: Why it is refused.
    """

    route: Route
    path: str
    treatment: Treatment
    message: str = _NO_ROUTE.message


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
        self._account_of = account_of
        self._noted_at = -_NOTED_S
        self._unnoted = 0  # unknown routes since one was last noted
        self._metrics = gate.core.metrics
        self.renew(gate, routes, policy, authenticator, upstream_accounts)

    @property
    def is_told_accounts(self) -> bool:
        """Whether the app around the door says who asks."""
        return self._account_of is not None

    def renew(
        self,
        gate: Gate,
        routes: Routes,
        policy: GuardPolicy,
        authenticator: Authenticator | None,
        upstream_accounts: UpstreamAccounts | None,
    ) -> None:
        """Goes on with another policy; requests that are under way end under the old one."""
        self._gate = gate
        self._routes = routes
        self._policy = policy
        self._authenticator = authenticator
        self._upstream_accounts = upstream_accounts
        self._found: dict[tuple[str, bytes], Found] = {}
        self._callers = Callers(policy.identity)
        self._headers = HeaderFilter(policy.allow.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # a websocket's messages cannot be judged
            self._note_unknown(scope, passes=False)
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        # Before the sender is known no path is looked up: strangers may send long odd ones.
        known = self._found.get((scope["method"], _raw_path(scope)))
        route: Route = known.route if known is not None else UnjudgedRoute(UNKNOWN)
        try:
            principal = await self._principal(scope)
            found = known or self._find(scope)
            route = found.route
            gate.require_not_denied(principal, route)
            forward = await self._admitted(gate, found, principal, scope, receive)
        except StoppedError as stopped:
            await refuse(send, route, stopped.refusal)
            return
        await self._through(gate, forward, scope, receive, send)

    async def _admitted(
        self, gate: Gate, found: Found, principal: Principal, scope: Scope, receive: Receive
    ) -> "Forwarded":
        """What goes on to the app for a request; raises where it goes no further."""
        query = scope.get("query_string", b"")
        require_no_credential(query)
        if found.treatment == "refused":
            self._note_unknown(scope, passes=False)
            raise StoppedError(replace(_NO_ROUTE, message=found.message))
        if found.treatment == "harmless":
            _require_in_scope(found.path, principal)
            filtered = self._known_query(found.route, query)
            return Forwarded(
                path=found.path,
                principal=principal,
                body=b"",
                query=filtered.query,
                dropped=_as_parameters(filtered.dropped),
            )
        if found.treatment == "passed":
            return await self._passed(gate, found, principal, scope, receive)
        return await self._judged(gate, found, principal, scope, receive)

    async def _judged(
        self, gate: Gate, found: Found, principal: Principal, scope: Scope, receive: Receive
    ) -> "Forwarded":
        route = found.route
        filtered = self._known_query(route, scope.get("query_string", b""))
        most = self._policy.limits.body_bytes
        raw = await self._body(scope, receive, most) if route.has_body else b""
        request = self._request(found, principal, scope, raw)
        if len(raw) <= _READ_HERE_BYTES:
            asked = gate.read(request)
        else:  # takes up to a second, in which others must be answered
            asked = await asyncio.to_thread(gate.read, request)
        passage = gate.enter(request, asked)
        try:
            passage = await gate.reserve(passage)
            body = forwarded(passage)
        except BaseException:
            gate.drop(passage)  # nothing may be held for what goes no further
            raise
        return Forwarded(
            path=passage.path,
            principal=principal,
            body=body,
            query=filtered.query,
            content_type=_JSON if route.has_body else None,
            passage=passage,
            dropped=(*_as_parameters(filtered.dropped), *passage.dropped),
        )

    def _known_query(self, route: Route, query: bytes) -> Filtered:
        if not query:
            return _NO_QUERY
        allow = self._policy.allow
        known = route.parameters.union(allow.parameters.get(route.name, ()))
        return filtered_query(query, known, drop=allow.unknown == "drop")

    async def _passed(
        self, gate: Gate, found: Found, principal: Principal, scope: Scope, receive: Receive
    ) -> "Forwarded":
        """What is passed without judgement: decisions, scopes and budgets hold all the same."""
        passed = self._policy.passed.get(found.route.name)
        most = self._policy.limits.upload_bytes
        body = await self._body(scope, receive, most)
        request = self._request(found, principal, scope, body)
        passage = gate.enter_unjudged(request, passed.requests if passed else None)
        passage = await gate.reserve(passage)
        if passed is None:  # what the policy names is not unknown
            self._note_unknown(scope, passes=True)
        kind = header_of(scope["headers"], b"content-type")
        return Forwarded(
            path=passage.path,
            principal=principal,
            body=body,
            query=scope.get("query_string", b""),
            content_type=None if kind is None else (b"content-type", kind.encode("latin-1")),
            passage=passage,
        )

    def _request(self, found: Found, principal: Principal, scope: Scope, raw: bytes) -> Request:
        return Request(
            route=found.route,
            path=found.path,
            raw=raw,
            principal=principal,
            caller=self._caller(scope),
            proof=header_of(scope["headers"], PROOF_HEADER.encode()),
            trace=header_of(scope["headers"], b"traceparent"),
        )

    def _find(self, scope: Scope) -> Found:
        asked = scope["method"], _raw_path(scope)
        if (known := self._found.get(asked)) is not None:
            return known
        found = self._look_up(asked[0], asked[1].decode("latin-1"))
        if (
            found.treatment == "judged"
            and len(self._found) < _PATHS
            and len(asked[1]) <= _PATH_BYTES
        ):
            self._found[asked] = found
        return found

    def _look_up(self, method: str, raw: str) -> Found:
        path = clean_path(raw, self._policy.prefix)
        if path is None or method not in _METHODS:
            return Found(UnjudgedRoute(UNKNOWN), "/", "refused")
        if (route := self._routes.find(method, path)) is not None:
            return Found(route, path, "judged")
        if (harmless := self._routes.find_harmless(method, path)) is not None:
            return Found(UnjudgedRoute(harmless.name, harmless.parameters), path, "harmless")
        if (unjudged := self._routes.find_unjudged(method, path)) is not None:
            return self._unjudged(unjudged, path)
        if self._routes.is_alias(path):
            message = f"{_NO_ROUTE.message}: send this to the path of the API's own documentation"
            return Found(UnjudgedRoute(UNKNOWN), path, "refused", message)
        passes = self._policy.unknown_routes == "pass" or UNKNOWN in self._policy.passed
        return Found(UnjudgedRoute(UNKNOWN), path, "passed" if passes else "refused")

    def _unjudged(self, unjudged: Unjudged, path: str) -> Found:
        name = unjudged.name
        passes = self._policy.unknown_routes == "pass" and not unjudged.by_name_only
        if passes or name in self._policy.passed:
            return Found(UnjudgedRoute(name), path, "passed")
        message = (
            f"{name} is not passed by this guard: {unjudged.why}; the operator may name it in the"
            f' policy, under [passed."{name}"]'
        )
        return Found(UnjudgedRoute(name), path, "refused", message)

    def _note_unknown(self, scope: Scope, *, passes: bool) -> None:
        self._metrics.unknown.labels("passed" if passes else "refused").inc()
        now = monotonic()
        if now - self._noted_at < _NOTED_S:  # callers must not fill the log
            self._unnoted += 1
            return
        others, self._unnoted = self._unnoted, 0
        self._noted_at = now
        request = f"{scope.get('method', scope['type'])} {scope.get('path', '')!r:.200}"
        outcome = "passed without judgement" if passes else "refused"
        log.warning("unknown route %s: %s (and %d others before)", outcome, request, others)

    async def _principal(self, scope: Scope) -> Principal:
        if self._account_of is not None:
            account = self._account_of(scope)
            if not account:
                raise StoppedError(_NO_ACCOUNT)
            return Principal(account=account, credential="host", kind="host")
        assert self._authenticator is not None
        headers = scope["headers"]
        now = self._gate.core.clock.now()
        method = scope["method"]
        try:
            if not self._authenticator.is_blocking(headers):
                # without a proof of possession no URL is compared
                return self._authenticator.authenticate(headers, method, "", now)
            return await asyncio.to_thread(
                self._authenticator.authenticate, headers, method, url_of(scope), now
            )
        except CredentialError as refused:
            self._gate.refused(refused, self._caller(scope))
            # strangers must not hold connections
            refusal = refusal_of(refused)
            closing = (*refusal.headers, ("connection", "close"))
            raise StoppedError(replace(refusal, headers=closing)) from None

    def _caller(self, scope: Scope) -> Caller:
        return self._callers.of((scope.get("client") or (None,))[0], scope["headers"])

    async def _body(self, scope: Scope, receive: Receive, most: int) -> bytes:
        _require_plain(scope["headers"], most)
        return await read_within(receive, most, self._policy.limits.receive_s)

    async def _through(
        self, gate: Gate, forward: "Forwarded", scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Passes the request on, and the answer back."""
        inner = self._scope_for_app(scope, forward)
        receive_body = once(forward.body, receive)
        if forward.dropped:
            send = _with_header(send, (_DROPPED, ", ".join(forward.dropped).encode()))
        if forward.passage is not None:
            await self._answered(gate, forward.passage, inner, receive_body, send)
            return
        noted = self._noting(forward.principal, self._in_scope(forward, send))
        try:
            await self._app(inner, receive_body, noted)
        except BrokenAnswerError as broken:
            log.error("a list of models was not given: %s", broken)
            await refuse(send, None, _UNREADABLE_ANSWER)

    def _in_scope(self, forward: "Forwarded", send: Send) -> Send:
        """A `send` that leaves models out of a list which the credential may not use."""
        models = forward.principal.models
        if models is None or not forward.path.endswith("/models"):
            return send
        return ModelList(send, models)

    async def _answered(
        self, gate: Gate, passage: Passage, scope: Scope, receive: Receive, send: Send
    ) -> None:
        answer = Answer(
            passage,
            send,
            self._policy.limits,
            on_begin=lambda status: self._authenticated(
                passage.principal, status, is_judged=passage.route.is_exchange
            ),
            on_progress=lambda usage: _progress(gate, passage, usage),
        )
        is_passed = False
        try:
            if wait := passage.judgement.act.wait_s:
                await asyncio.sleep(wait)
            is_passed = True
            await self._app(scope, receive, answer)
        except BrokenAnswerError as broken:
            await self._broken(passage, broken, answer, send)
        except Exception:
            is_passed = answer.has_begun
            raise
        finally:
            _settle(gate, passage, answer, is_passed=is_passed)

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
        await refuse(send, passage.route, _UNREADABLE_ANSWER)

    def _authenticated(self, principal: Principal, status: int, *, is_judged: bool) -> None:
        """Notes what an answer tells of a credential that the upstream checks."""
        if self._upstream_accounts is None or principal.kind != "upstream":
            return
        # what a server answers to anybody, its pages for one, accepts no credential
        if (principal.is_claim and is_judged) or status == 401:
            self._upstream_accounts.answered(principal.account, status)

    def _noting(self, principal: Principal, send: Send) -> Send:
        """A `send` that notes what an answer tells of the caller's credential."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._authenticated(principal, 401, is_judged=False)
            await send(message)

        return noted

    def _scope_for_app(self, scope: Scope, forward: "Forwarded") -> Scope:
        principal = forward.principal
        headers: Headers = scope["headers"]
        passed_on: frozenset[bytes] = frozenset()
        if principal.kind in ("upstream", "host"):
            passed_on = CREDENTIAL_HEADERS
        headers = without_our_keys(headers)
        own_account = principal.kind == "upstream"
        kept = self._headers.kept(headers, passed_on, own_account=own_account)
        if not own_account:
            kept = [(n, _own(principal, v) if n == _IDEMPOTENCY else v) for n, v in kept]
        if forward.body or forward.content_type is not None:
            kept.append((b"content-length", str(len(forward.body)).encode()))
        if forward.content_type is not None:
            kept.append(forward.content_type)
        path = self._policy.prefix + forward.path
        return {
            **scope,
            "headers": kept,
            "path": path,
            "raw_path": path.encode(),
            "query_string": forward.query,
            AUTHORIZE: not own_account,
        }


@dataclass(slots=True, kw_only=True)  # not frozen: that takes three times as long to make
class Forwarded:
    """What goes on to the app for one request.

    Args:
        path: Without prefix.
        principal: Who asks.
        body: The whole body.
        query: Query string, filtered.
        content_type: Header of the body; None where there is none.
        passage: The judgement; None for what is harmless.
        dropped: Fields and parameters that were taken out.
    """

    path: str
    principal: Principal
    body: bytes
    query: bytes
    content_type: tuple[bytes, bytes] | None = None
    passage: Passage | None = None
    dropped: tuple[str, ...] = ()


_NO_ACCOUNT = Refusal(
    status=401, code="missing_account", message="the account that asks is not known"
)
_UNREADABLE_ANSWER = Refusal(status=502, code="upstream", message="the answer could not be read")


def _progress(gate: Gate, passage: Passage, usage: Usage) -> None:
    """Charges what a stream has cost so far, and ends it where its account is denied meanwhile."""
    gate.progress(passage, usage)
    try:
        gate.require_not_denied(passage.principal, passage.route)
    except StoppedError:
        raise DeniedError("the account was denied while it was answered") from None


class DeniedError(CutShortError):
    """An answer that is ended because its account was denied meanwhile."""


def _settle(gate: Gate, passage: Passage, answer: Answer, *, is_passed: bool) -> None:
    """Charges what was answered; or what the upstream has worked, where its answer came too late,
    could not be given, or nobody waited for it.
    """
    has_worked = not answer.status or 200 <= answer.status < 300
    if answer.was_given:
        gate.leave(passage, *answer.charged())
    elif is_passed and has_worked:
        gate.abandon(passage)
    else:
        gate.drop(passage)


def _own(principal: Principal, key: bytes) -> bytes:
    """An idempotency key of the account's own: behind one credential all accounts share them."""
    account = principal.account.encode("utf-8", "surrogateescape")
    return hashlib.sha256(b"%d:%s%s" % (len(account), account, key)).hexdigest().encode()


def _as_parameters(names: Iterable[str]) -> tuple[str, ...]:
    """Names of query parameters, told from body fields of the same name."""
    return tuple(f"?{name}" for name in names)


def _require_in_scope(path: str, principal: Principal) -> None:
    """Raises for the description of a model that the credential may not use."""
    named = named_model(path)
    if named is None or principal.models is None:
        return
    if not any(is_in_scope(named, pattern) for pattern in principal.models):
        raise StoppedError(Refusal(status=404, code="no_model", message="no such model"))


def _with_header(send: Send, header: tuple[bytes, bytes]) -> Send:
    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return with_header


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
