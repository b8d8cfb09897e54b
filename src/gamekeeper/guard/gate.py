"""One request through the guard, whatever door it came in by.

    route -> who asks -> body -> may they -> judge -> narrow -> (the upstream) -> strip -> count

Every step that cannot be taken stops the request: what cannot be judged is not passed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.budgets.shared_budgets import Reservation
from gamekeeper.guard.core import Core, Judgement
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.access import Access
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.routes import Json, Route, UnreadableRequestError, Withheld, parse, serialise
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.takeover import TakeoverJudge
from gamekeeper.guard.telemetry.spans import Span, Telemetry

log = get_logger("gamekeeper.guard")


class StoppedError(GamekeeperError):
    """A request that goes no further, and the answer to it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A request that was judged and may go on.

    Args:
        route: Whose form it has.
        path: Clean, without prefix.
        query: What is asked.
        principal: Who asks.
        caller: Where from.
        judgement: What was found and is done.
        body: What is forwarded, as judged and narrowed.
        reservation: That it stands on a strict budget; None if there is none.
        span: Its trace; None if it has none.
    """

    route: Route
    path: str
    query: Query
    principal: Principal
    caller: Caller
    judgement: Judgement
    body: Json
    reservation: Reservation | None = None
    span: Span | None = None

    @property
    def withheld(self) -> Withheld | None:
        """What the answer goes without."""
        return self.judgement.act.withheld


class Gate:
    """The steps that every request passes, whatever door it came by.

    Args:
        core: Judges.
        access: Says who may use what; None lets every authenticated account use everything.
        is_known: Whether an account is more than a claim yet; those that are not get no state in
            memory.
        telemetry: Makes a span of each judged request; None for none.
        takeover: Looks for stolen keys; None does not.
    """

    def __init__(
        self,
        core: Core,
        access: Access | None = None,
        is_known: Callable[[Principal], bool] = lambda principal: True,
        telemetry: Telemetry | None = None,
        takeover: TakeoverJudge | None = None,
    ) -> None:
        self.core = core
        self._access = access
        self._is_known = is_known
        self._telemetry = telemetry
        self._takeover = takeover

    def enter(
        self,
        route: Route,
        path: str,
        raw: bytes | Json,
        principal: Principal,
        caller: Caller,
        proof: str | None = None,
        trace: str | None = None,
    ) -> Passage:
        """Judges a whole request.

        Args:
            route: Of the request.
            path: Of the request, cleaned, without prefix.
            raw: Its body; parsed where something before the guard did so.
            principal: Who asks, as authenticated.
            caller: Where from.
            proof: A proof of work that came along.
            trace: The header `traceparent` that came along.

        Raises:
            StoppedError: It goes no further.
        """
        began = perf_counter()
        now = self.core.clock.now()
        body, query = self._read(route, path, raw)
        self._require_access(principal, route, query, caller, now)
        is_known = self._is_known(principal)
        if self._takeover is not None and is_known:
            self._takeover.observe(principal, caller, now)
        judgement = self.core.judge(
            principal, route.name, query, now, proof=proof, is_known=is_known
        )
        span = (
            self._telemetry.begin(route.name, query, principal.account, judgement, trace)
            if self._telemetry
            else None
        )
        if judgement.act.refusal is not None:
            raise _stopped(judgement.act.refusal, span)
        if judgement.act.withheld is not None:
            body = route.narrow(body, judgement.act.withheld)
        self.core.metrics.judged.observe(perf_counter() - began)
        return Passage(
            route=route,
            path=path,
            query=query,
            principal=principal,
            caller=caller,
            judgement=judgement,
            body=body,
            span=span,
        )

    async def reserve(self, passage: Passage) -> Passage:
        """Takes a judged request off its account's budget, where budgets are strict.

        Raises:
            StoppedError: The budget is used up.
        """
        if self.core.strict is None or not self._is_known(passage.principal):
            return passage
        reserved = await self.core.reserve(passage.principal, self.core.clock.now())
        if isinstance(reserved, Refusal):
            self.core.metrics.refused.labels(reserved.code).inc()
            raise _stopped(reserved, passage.span)
        return replace(passage, reservation=reserved)

    def leave(self, passage: Passage, usage: Usage) -> None:
        """Counts an answer that was given, whole or in part."""
        now = self.core.clock.now()
        reservation = passage.reservation
        self.core.answered(
            passage.principal,
            passage.route.name,
            passage.query,
            usage,
            passage.caller,
            now,
            reservation,
        )
        if passage.span is not None:
            passage.span.answered(usage)

    def drop(self, passage: Passage) -> None:
        """Notes that a request which may go on got no answer."""
        if passage.reservation is not None:
            self.core.unanswered(passage.reservation)
        if passage.span is not None:
            passage.span.failed()

    def refused(self, refused: CredentialError, caller: Caller) -> None:
        """Notes a credential that was refused."""
        self.core.metrics.refused.labels(refused.code).inc()
        if self._takeover is not None:
            self._takeover.refused(refused, caller, self.core.clock.now())

    def _read(self, route: Route, path: str, raw: bytes | Json) -> tuple[Json, Query]:
        try:
            body = parse(raw) if isinstance(raw, bytes) else raw
            return body, route.read(body, path)
        except UnreadableRequestError as error:
            self.core.metrics.refused.labels("unreadable").inc()
            raise StoppedError(Refusal(status=400, code="unreadable", message=str(error))) from None

    def _require_access(
        self, principal: Principal, route: Route, query: Query, caller: Caller, now: float
    ) -> None:
        if self._access is None:
            return
        decision = self.core.decisions.of(principal.account, now)
        context = {
            "ip": caller.ip or "",
            "level": str(decision.verdict) if decision else "allow",
            "hour": int(now // 3600 % 24),
            "stream": query.stream,
        }
        allowed = self._access.is_allowed(principal, route.name, query.model, context)
        if not allowed.allowed:
            self.core.metrics.refused.labels("forbidden").inc()
            message = f"this credential may not use {query.model or 'this model'} by {route.name}"
            raise StoppedError(Refusal(status=403, code="forbidden", message=message))


def _stopped(refusal: Refusal, span: Span | None) -> StoppedError:
    if span is not None:
        span.refused(refusal)
    return StoppedError(refusal)


def forwarded(passage: Passage) -> bytes:
    """Returns the body that goes to the upstream: what was judged, written anew."""
    return serialise(passage.body)
