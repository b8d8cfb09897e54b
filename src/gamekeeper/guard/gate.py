"""One request through the guard, whatever door it came in by.

    who asks -> route -> body -> may they -> judge and reserve -> narrow -> (the upstream)
    -> strip -> pay -> settle

Every step that cannot be taken stops the request: what cannot be judged is not passed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import NamedTuple

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.budgets.accounts import Reservation
from gamekeeper.guard.budgets.token_estimate import (
    UNSEEN_ANSWER_TOKENS,
    estimate_bytes,
    estimate_input,
)
from gamekeeper.guard.core import ONE_REQUEST, Core, Judgement
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.identity import Budget, CredentialError, ObjectIds, Principal
from gamekeeper.guard.identity.access import Access
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import Allow
from gamekeeper.guard.routes import (
    Json,
    Route,
    Strip,
    UnreadableRequestError,
    Withheld,
    parse,
    serialise,
)
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.store import Spent
from gamekeeper.guard.takeover import TakeoverJudge
from gamekeeper.guard.telemetry.spans import Span, Telemetry

log = get_logger("gamekeeper.guard")

Change = Callable[[Json], Json]

OWN = "\x1f"
"""Between an account and an API in the counters of that API; no account's name can hold it."""
UNSTATED_OUTPUT_TOKENS = 1_024
"""Held for an answer whose length the request does not limit, until it is settled."""


class StoppedError(GamekeeperError):
    """A request that goes no further, and the answer to it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(slots=True, kw_only=True)  # not frozen: that takes three times as long to make
class Request:
    """A request as it came in by a door, its sender authenticated.

    Args:
        route: Whose form it has.
        path: Cleaned, without prefix.
        raw: Its body; parsed where something before the guard did so; empty where it has none.
        principal: Who asks.
        caller: Where from.
        proof: A proof of work that came along.
        trace: The header `traceparent` that came along.
        is_isolated: Whether something else keeps the stored objects of accounts apart.
    """

    route: Route
    path: str
    raw: bytes | Json
    principal: Principal
    caller: Caller
    proof: str | None = None
    trace: str | None = None
    is_isolated: bool = False

    @property
    def tags_ids(self) -> bool:
        """Whether ids of stored objects have to be marked as the account's own.

        An upstream that checks the callers' own credentials tells their objects apart by itself.
        """
        by_itself = self.is_isolated or self.principal.kind == "upstream"
        return self.route.object_ids and not by_itself


class Asked(NamedTuple):
    """What is asked by a request.

    Args:
        body: With nothing in it that is not known.
        path: With the upstream's own ids.
        dropped: Fields that were taken out.
        query: As judged.
    """

    body: Json
    path: str
    dropped: tuple[str, ...]
    query: Query


@dataclass(slots=True, kw_only=True)
class Passage:
    """A request that was judged and may go on.

    Args:
        route: Whose form it has.
        path: That goes to the upstream, without prefix.
        query: What is asked.
        principal: Who asks.
        caller: Where from.
        judgement: What was found and is done.
        body: What goes to the upstream, as judged and narrowed.
        body_bytes: Size of the body that came in; 0 if that is not known.
        reservation: What it may cost.
        own: What it takes off a budget of its API alone; None if that has none.
        own_requests: That budget: most requests of the account to this API in a day.
        dropped: Fields that were taken out of it because they are not known.
        hides_usage: Whether the upstream was asked for token counts that the client did not want.
        tag: Marks ids in the answer as the account's own; None leaves them.
        span: Its trace; None if it has none.
    """

    route: Route
    path: str
    query: Query
    principal: Principal
    caller: Caller
    judgement: Judgement
    body: Json
    body_bytes: int = 0
    reservation: Reservation
    own: Reservation | None = None
    own_requests: int | None = None
    dropped: tuple[str, ...] = ()
    hides_usage: bool = False
    tag: Callable[[str], str] | None = None
    span: Span | None = None
    _input_tokens: int = 0

    @property
    def withheld(self) -> Withheld | None:
        """What the answer goes without."""
        return self.judgement.act.withheld

    @property
    def input_tokens(self) -> int:
        """Estimate of the input's tokens, at least 1."""
        if not self._input_tokens:
            self._input_tokens = estimate_input(self.body, self.query)
        return self._input_tokens

    def change(self) -> Change | None:
        """Returns what is done to the whole answer; None passes it as it comes."""
        withheld = self.withheld
        tag = self.tag
        if (withheld is None and tag is None) or not self.route.has_json_answer:
            return None

        def changed(answer: Json) -> Json:
            if withheld is not None:
                answer = self.route.strip(answer, withheld, self.query)
            return answer if tag is None else self.route.tag(answer, tag)

        return changed

    def event_change(self) -> Strip | None:
        """Returns what is done to each event of a stream; None passes them as they come. Make one
        for each stream.

        The event that states token counts is not among it: see `hides_usage`.
        """
        tag = self.tag
        withheld = self.withheld
        strip = None if withheld is None else self.route.stripper(withheld, self.query)
        if tag is None:
            return strip
        route = self.route

        def changed(event: Json) -> Json | None:
            kept = event if strip is None else strip(event)
            return None if kept is None else route.tag(kept, tag)

        return changed


class Gate:
    """The steps that every request passes, whatever door it came by.

    Args:
        core: Judges.
        access: Says who may use what; None lets every authenticated account use everything.
        is_known: Whether an account is more than a claim yet; those that are not get no state in
            memory.
        telemetry: Makes a span of each judged request; None for none.
        takeover: Looks for stolen keys; None does not.
        object_ids: Marks ids of stored objects as an account's own; None leaves them.
    """

    def __init__(
        self,
        core: Core,
        access: Access | None = None,
        is_known: Callable[[Principal], bool] = lambda principal: True,
        telemetry: Telemetry | None = None,
        takeover: TakeoverJudge | None = None,
        object_ids: ObjectIds | None = None,
    ) -> None:
        self.core = core
        self._access = access
        self._is_known = is_known
        self._telemetry = telemetry
        self._takeover = takeover
        self._object_ids = object_ids
        self._extra: dict[str, frozenset[str]] = {}

    @property
    def _allow(self) -> Allow:
        return self.core.policy.allow

    def read(self, request: Request) -> Asked:
        """Reads what is asked; changes nothing, so that any thread may do it.

        Raises:
            StoppedError: It cannot be judged.
        """
        body, path, dropped = self._admitted(request)
        return Asked(body, path, dropped, self._read(request.route, body, path))

    def enter(self, request: Request, asked: Asked | None = None) -> Passage:
        """Judges a whole request.

        Args:
            request: As it came in.
            asked: What `read` made of it; it is read here if that is not given.

        Raises:
            StoppedError: It goes no further.
        """
        began = perf_counter()
        now = self.core.clock.now()
        route = request.route
        principal = request.principal
        body, path, dropped, query = asked or self.read(request)
        self._require_access(principal, route, query, request.caller, now)
        judgement = self._judged(request, query, body, now)
        span = self._span(route.name, query, principal.account, judgement, request.trace)
        if judgement.act.refusal is not None:
            raise _stopped(judgement.act.refusal, span)
        assert judgement.reservation is not None
        try:
            body, hides_usage = self._narrowed(route, body, query, judgement)
        except UnreadableRequestError as error:
            self._close(judgement.reservation)
            raise self._unreadable(error) from None
        self.core.metrics.judged.observe(perf_counter() - began)
        return Passage(
            route=route,
            path=path,
            query=query,
            principal=principal,
            caller=request.caller,
            judgement=judgement,
            body=body,
            body_bytes=len(request.raw) if isinstance(request.raw, bytes) else 0,
            reservation=judgement.reservation,
            dropped=dropped,
            hides_usage=hides_usage,
            tag=self._tag(request),
            span=span,
        )

    def enter_unjudged(self, request: Request, requests: int | None) -> Passage:
        """Lets a request pass whose content is not read. Decisions, scopes and budgets hold.

        Args:
            request: Its body is only measured.
            requests: Most that the account may send to this API in a day; None for no limit of its
                own.

        Raises:
            StoppedError: It goes no further.
        """
        now = self.core.clock.now()
        query = Query()
        principal = request.principal
        route = request.route.name
        if principal.models is not None and route not in (principal.routes or ()):
            message = (
                f"this credential is limited to some models, and {route} is not judged by model:"
                " its routes have to name it"
            )
            raise self._forbidden(message)
        by_route = replace(principal, models=None)
        self._require_access(by_route, request.route, query, request.caller, now)
        own = self._own_budget(principal, route, requests, now)
        judgement = self._judged(request, query, {}, now)
        refusal = judgement.act.refusal
        if refusal is None and judgement.act.withheld is not None:
            message = f"this account is limited, and answers of {route} cannot be limited"
            refusal = Refusal(status=403, code="limited", message=message)
        if refusal is not None:
            self._close(judgement.reservation, own)
            raise StoppedError(refusal)
        assert judgement.reservation is not None
        return Passage(
            route=request.route,
            path=request.path,
            query=query,
            principal=principal,
            caller=request.caller,
            judgement=judgement,
            body={},
            body_bytes=len(request.raw),
            reservation=judgement.reservation,
            own=own,
            own_requests=requests,
            _input_tokens=estimate_bytes(len(request.raw)),
        )

    def require_not_denied(self, principal: Principal, route: Route) -> None:
        """Stops any request of an account that is denied, before it is looked at.

        Raises:
            StoppedError: It is.
        """
        refusal = self.core.denied(principal, route.name, self.core.clock.now())
        if refusal is not None:
            raise StoppedError(refusal)

    async def reserve(self, passage: Passage) -> Passage:
        """Takes a judged request off the buckets and the budget that replicas share.

        Raises:
            StoppedError: Its account is too fast, or the budget is used up.
        """
        try:
            return await self._off_budget(await self._off_buckets(passage))
        except BaseException:  # a client that leaves meanwhile included
            self._close(passage.reservation, passage.own)
            raise

    async def _off_buckets(self, passage: Passage) -> Passage:
        if passage.judgement.take is None:
            return passage
        judgement = await self.core.take_shared(
            passage.principal, passage.route.name, passage.judgement, self.core.clock.now()
        )
        if judgement.act.refusal is not None:
            raise _stopped(judgement.act.refusal, passage.span)
        return replace(passage, judgement=judgement)

    async def _off_budget(self, passage: Passage) -> Passage:
        if self.core.strict is None:
            return passage
        await self._off_shared(passage, passage.reservation, passage.principal.budget)
        if passage.own is not None:
            await self._off_shared(passage, passage.own, Budget(requests=passage.own_requests))
        return passage

    async def _off_shared(self, passage: Passage, reservation: Reservation, budget: Budget) -> None:
        account = reservation.account.name
        now = self.core.clock.now()
        refusal = await self.core.reserve_shared(account, budget, reservation, now)
        if refusal is not None:
            self.core.metrics.refused.labels(refusal.code).inc()
            raise _stopped(refusal, passage.span)

    def progress(self, passage: Passage, usage: Usage) -> None:
        """Charges what an answer that is under way has cost so far; nothing to an account that is
        only a claim still.
        """
        if self._is_known(passage.principal):
            self.core.pay(passage.reservation, passage.query, usage)

    def leave(self, passage: Passage, usage: Usage, estimated: str | None = None) -> None:
        """Counts an answer that was given, whole or in part.

        Args:
            passage: That was answered.
            usage: What the answer cost.
            estimated: Why that is an estimate, see `metering.Why`; None if it was stated.
        """
        if estimated is not None:
            self.core.metrics.usage_estimated.labels(estimated).inc()
        self._settle(passage, usage)
        self.core.answered(
            passage.principal,
            passage.route.name,
            passage.query,
            usage,
            passage.caller,
            self.core.clock.now(),
            is_exchange=passage.route.is_exchange,
        )
        if passage.span is not None:
            passage.span.answered(usage)

    def abandon(self, passage: Passage) -> None:
        """Charges a request that was passed on and whose client left before it was answered: the
        upstream has worked for it.

        See `_settle` for accounts that are only claims.
        """
        self._settle(passage, Usage(passage.input_tokens, 0))
        if passage.span is not None:
            passage.span.failed()

    def drop(self, passage: Passage) -> None:
        """Ends a request that may go on and costs nothing: the upstream refused it, or could not
        be reached.
        """
        self._close(passage.reservation, passage.own)
        if passage.span is not None:
            passage.span.failed()

    def refused(self, refused: CredentialError, caller: Caller) -> None:
        """Notes a credential that was refused."""
        self.core.metrics.refused.labels(refused.code).inc()
        if self._takeover is not None:
            self._takeover.refused(refused, caller, self.core.clock.now())

    def _settle(self, passage: Passage, usage: Usage) -> None:
        """Charges what a request has cost; an account that is only a claim still owes it, until the
        upstream accepts its credential.
        """
        end = self.core.settle if self._is_known(passage.principal) else self.core.owe
        end(passage.reservation, passage.query, usage)
        if passage.own is not None:
            end(passage.own, passage.query, Usage())

    def _close(self, *reservations: Reservation | None) -> None:
        for reservation in reservations:
            if reservation is not None:
                self.core.release(reservation)

    def _own_budget(
        self, principal: Principal, route: str, requests: int | None, now: float
    ) -> Reservation | None:
        """Takes a request off what the account may send to one API in a day."""
        if requests is None:
            return None
        own = replace(
            principal,
            account=f"{principal.account}{OWN}{route}",
            budget=Budget(requests=requests),
        )
        reserved = self.core.reserve_own(own, now, is_known=self._is_known(principal))
        if isinstance(reserved, Refusal):
            self.core.metrics.refused.labels(reserved.code).inc()
            message = f"this account's requests to {route} for the day are used up: {requests}"
            raise StoppedError(replace(reserved, message=message))
        return reserved

    def _admitted(self, request: Request) -> tuple[Json, str, tuple[str, ...]]:
        """Body and path with nothing in them that is not known, and what was taken out."""
        route = request.route
        try:
            body = parse(request.raw) if isinstance(request.raw, bytes) and route.has_body else {}
            if not isinstance(request.raw, bytes):
                body = request.raw
            drop = self._allow.unknown == "drop"
            admitted = route.admit(body, self._extra_fields(route.name), drop=drop)
            return *self._untagged(request, admitted.body), admitted.dropped
        except UnreadableRequestError as error:
            raise self._unreadable(error) from None

    def _extra_fields(self, route: str) -> frozenset[str]:
        if route not in self._extra:
            self._extra[route] = frozenset(self._allow.fields.get(route, ()))
        return self._extra[route]

    def _untagged(self, request: Request, body: Json) -> tuple[Json, str]:
        """Body and path with the upstream's own ids; another account's id does not exist."""
        ids = self._object_ids
        principal = request.principal
        if ids is None or not request.tags_ids:
            return body, request.path

        def untag(id: str) -> str:
            own = ids.own(principal.account, id)
            if own is None:
                raise StoppedError(_NO_OBJECT)
            return own

        return request.route.untag(body, request.path, untag)

    def _tag(self, request: Request) -> Callable[[str], str] | None:
        ids = self._object_ids
        if ids is None or not request.tags_ids:
            return None
        return lambda id: ids.tagged(request.principal.account, id)

    def _read(self, route: Route, body: Json, path: str) -> Query:
        try:
            return route.read(body, path)
        except UnreadableRequestError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: UnreadableRequestError) -> StoppedError:
        self.core.metrics.refused.labels("unreadable").inc()
        return StoppedError(Refusal(status=400, code="unreadable", message=str(error)))

    def _judged(self, request: Request, query: Query, body: Json, now: float) -> Judgement:
        principal = request.principal
        is_known = self._is_known(principal)
        if self._takeover is not None and is_known:
            self._takeover.observe(principal, request.caller, now)
        return self.core.judge(
            principal,
            request.route.name,
            query,
            now,
            estimate=self._estimate(principal, request.route, query, body),
            proof=request.proof,
            is_known=is_known,
        )

    def _estimate(self, principal: Principal, route: Route, query: Query, body: Json) -> Spent:
        """What a request may cost; looked into only where a budget counts tokens or money."""
        budget = principal.budget
        if budget.tokens is None and budget.usd is None:
            return ONE_REQUEST
        stated = query.max_output_tokens
        each = UNSTATED_OUTPUT_TOKENS if stated is None else stated
        if not route.answers_text:
            each = UNSEEN_ANSWER_TOKENS.get(route.name, 0)
        answers = query.n * query.inputs
        return self.core.estimate(query, estimate_input(body, query), each * answers)

    def _narrowed(
        self, route: Route, body: Json, query: Query, judgement: Judgement
    ) -> tuple[Json, bool]:
        """The body without what is withheld, and whether it asks for token counts by itself."""
        if judgement.act.withheld is not None:
            body = route.narrow(body, judgement.act.withheld)
        if not query.stream or not self.core.policy.upstream.ask_usage:
            return body, False
        asking = route.with_usage(body)
        return (body, False) if asking is None else (asking, True)

    def _span(
        self, route: str, query: Query, account: str, judgement: Judgement, trace: str | None
    ) -> Span | None:
        if self._telemetry is None:
            return None
        return self._telemetry.begin(route, query, account, judgement, trace)

    def _require_access(
        self, principal: Principal, route: Route, query: Query, caller: Caller, now: float
    ) -> None:
        if self._access is None or (self._access.only_scopes and not principal.is_scoped):
            return
        if route.object_ids and query.model is None:
            # a stored object of the account's own: which model made it was judged then
            principal = replace(principal, models=None)
        decision = self.core.decisions.of(principal.account, now)
        context = {
            "ip": caller.ip or "",
            "level": str(decision.verdict) if decision else "allow",
            "hour": int(now // 3600 % 24),
            "stream": query.stream,
        }
        allowed = self._access.is_allowed(principal, route.name, query.model, context)
        if not allowed.allowed:
            named = query.model or "this model"
            raise self._forbidden(f"this credential may not use {named} by {route.name}")

    def _forbidden(self, message: str) -> StoppedError:
        self.core.metrics.refused.labels("forbidden").inc()
        return StoppedError(Refusal(status=403, code="forbidden", message=message))


_NO_OBJECT = Refusal(status=404, code="not_found", message="there is no such response")


def _stopped(refusal: Refusal, span: Span | None) -> StoppedError:
    if span is not None:
        span.refused(refusal)
    return StoppedError(refusal)


def forwarded(passage: Passage) -> bytes:
    """Returns the body that goes to the upstream: what was judged, written again."""
    return serialise(passage.body) if passage.route.has_body else b""
