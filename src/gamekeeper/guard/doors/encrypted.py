"""The door in front of encrypted inference: who asks, what they may use, and how many rows they
have left.

The input cannot be read here. No signal of content sees it, no defence strips it; what is left
is a hard budget of rows over the key's life, and a key without one is refused. A request is charged
the rows that it can hold, as the app counts them, before it is answered; what gets no answer is put
back. Decisions of people and of the guard hold, and the key's budgets of a day.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from starlette.types import Message, Receive, Scope, Send

from gamekeeper.base.errors import InputError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.budgets.accounts import Reservation
from gamekeeper.guard.budgets.encrypted_rows import ENCRYPTED_ROUTE, RowLedger
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.doors.asgi import once, read_within, refusal_of, refuse, url_of
from gamekeeper.guard.gate import Gate, StoppedError
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.access import Access
from gamekeeper.guard.identity.authenticator import Authenticator
from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes import clean_path
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.store import StoreGoneError

log = get_logger("gamekeeper.guard")

OWNER = "gamekeeper.owner"
"""Key of the scope that tells the app whose keys are sent."""

ROWS_LEFT = b"gamekeeper-rows-left"
"""Header of each answer to a known key: rows that are left in its budget, decimal."""

_GONE = Refusal(
    status=503, code="unavailable", message="the guard cannot reach its store; try again soon"
)
_USED_UP = "this key's budget of rows is used up: {spent} of {most} are spent, {rows} are needed"


class Operation(Protocol):
    """What a request to the app is."""

    @property
    def kind(self) -> str:
        """`description`, `keys` or `infer`."""
        ...

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def body_bytes(self) -> int:
        """Most bytes that its body may have."""
        ...


class EncryptedApi(Protocol):
    """An app that answers encrypted input, and says what a request to it is."""

    def find(self, method: str, path: str) -> Operation | None:
        """Returns what a request is, None if it is nothing that the app answers."""
        ...

    def rows(self, model: str, body: bytes) -> int:
        """Returns the rows that a request is charged.

        Raises:
            InputError: It is no request.
        """
        ...

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answers."""
        ...


class EncryptedDoor:
    """The ASGI door in front of an app that answers encrypted input.

    Args:
        app: Gets judged requests only.
        core: Judges, and counts.
        gate: Counts credentials that are refused.
        ledger: Counts rows.
        policy: How long a body may take.
        authenticator: Says who asks.
        access: Says who may use what.
    """

    def __init__(
        self,
        app: EncryptedApi,
        core: Core,
        gate: Gate,
        ledger: RowLedger,
        policy: GuardPolicy,
        authenticator: Authenticator,
        access: Access | None,
    ) -> None:
        self._app = app
        self._core = core
        self._gate = gate
        self._ledger = ledger
        self._policy = policy
        self._authenticator = authenticator
        self._access = access
        self._callers = Callers(policy.identity)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one ASGI scope."""
        if scope["type"] != "http":
            return
        path = clean_path(scope["path"], self._policy.prefix)
        operation = self._app.find(scope["method"], path) if path else None
        try:
            if operation is None or path is None:
                raise StoppedError(
                    Refusal(status=404, code="unknown_route", message="no such model or route")
                )
            await self._known(operation, {**scope, "path": path}, receive, send)
        except StoppedError as stopped:
            self._core.metrics.refused.labels(stopped.refusal.code).inc()
            await refuse(send, None, stopped.refusal)

    async def _known(
        self, operation: Operation, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if operation.kind == "description":
            await self._app(scope, receive, send)
            return
        caller = self._callers.of((scope.get("client") or (None,))[0], scope["headers"])
        principal = await self._principal(scope, caller)
        query = Query(model=operation.model)
        most = self._allowed(principal, query, caller)
        reservation = self._reserved(principal, query)
        is_answered = False
        try:
            is_answered = await self._paid(operation, scope, receive, send, principal, most)
        finally:
            if is_answered:
                self._core.settle(reservation, query, Usage())
            else:
                self._core.release(reservation)
        if is_answered and operation.kind != "keys":
            now = self._core.clock.now()
            self._core.answered(principal, ENCRYPTED_ROUTE, query, Usage(), caller, now)

    async def _paid(
        self,
        operation: Operation,
        scope: Scope,
        receive: Receive,
        send: Send,
        principal: Principal,
        most: int,
    ) -> bool:
        """Takes rows off the key's budget and passes the request on; returns whether it was
        answered.
        """
        # A used-up key gets no room for encryption keys either: others would have to leave it.
        if self._ledger.spent(principal.credential) >= most:
            self._used_up(principal, 1, most)
        limit_s = self._policy.limits.receive_s
        body = await read_within(receive, operation.body_bytes, limit_s)
        if operation.kind == "keys":
            left = self._stating_rows_left(send, principal, most)
            await self._app({**scope, OWNER: principal.credential}, once(body, receive), left)
            return True
        rows = self._rows(operation, body)
        await self._take(principal, rows, most)
        left = self._stating_rows_left(send, principal, most)
        status = await self._answered(scope, once(body, receive), left, principal, rows)
        return 200 <= status < 300

    def _stating_rows_left(self, send: Send, principal: Principal, most: int) -> Send:
        """Adds to an answer what its key has left, so that clients ask for no more."""

        async def stating(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = max(0, most - self._ledger.spent(principal.credential))
                headers = [*message.get("headers", ()), (ROWS_LEFT, str(left).encode())]
                message = {**message, "headers": headers}
            await send(message)

        return stating

    async def _answered(
        self, scope: Scope, receive: Receive, send: Send, principal: Principal, rows: int
    ) -> int:
        """Passes the answer on; puts rows back where nothing of one went out."""
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not 200 <= status < 300:  # before the client, who may ask again at once, knows
                    await self._give_back(principal, rows)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if not status:
                await self._give_back(principal, rows)
        return status

    async def _give_back(self, principal: Principal, rows: int) -> None:
        await self._stored(lambda: self._ledger.give_back(principal.credential, rows))

    async def _principal(self, scope: Scope, caller: Caller) -> Principal:
        arguments = scope["headers"], scope["method"], url_of(scope), self._core.clock.now()
        try:
            return await asyncio.to_thread(self._authenticator.authenticate, *arguments)
        except CredentialError as refused:
            self._gate.refused(refused, caller)
            raise StoppedError(refusal_of(refused)) from None
        except StoreGoneError:
            raise StoppedError(_GONE) from None

    def _allowed(self, principal: Principal, query: Query, caller: Caller) -> int:
        """The key's budget of rows, if it may ask at all."""
        most = principal.budget.rows
        now = self._core.clock.now()
        if principal.kind != "key" or most is None:
            message = "this credential has no budget of rows, which encrypted inference needs"
            raise StoppedError(Refusal(status=403, code="no_budget", message=message))
        decision = self._core.decisions.of(principal.account, now)
        context = {"ip": caller.ip or "", "level": str(decision.verdict) if decision else "allow"}
        context["hour"], context["stream"] = int(now // 3600 % 24), False  # type: ignore[assignment]
        if self._access is not None and not self._access.is_allowed(
            principal, ENCRYPTED_ROUTE, query.model, context
        ):
            message = f"this credential may not use {query.model} by {ENCRYPTED_ROUTE}"
            raise StoppedError(Refusal(status=403, code="forbidden", message=message))
        return most

    def _reserved(self, principal: Principal, query: Query) -> Reservation:
        """What the request may cost, held from its account's budget of a day."""
        now = self._core.clock.now()
        judgement = self._core.judge(principal, ENCRYPTED_ROUTE, query, now)
        if judgement.reservation is None:
            assert judgement.act.refusal is not None
            raise StoppedError(judgement.act.refusal)
        return judgement.reservation

    def _rows(self, operation: Operation, body: bytes) -> int:
        try:
            return self._app.rows(operation.model, body)
        except InputError as error:
            fault = error.faults[0]
            message = (
                f"{fault.where}: {fault.problem}: found {fault.found}, expected {fault.expected}"
            )
            raise StoppedError(Refusal(status=400, code="unreadable", message=message)) from None

    async def _take(self, principal: Principal, rows: int, most: int) -> None:
        key = principal.credential
        if not await self._stored(lambda: self._ledger.take(key, rows, most)):
            self._used_up(principal, rows, most)

    def _used_up(self, principal: Principal, rows: int, most: int) -> NoReturn:
        told = _USED_UP.format(spent=self._ledger.spent(principal.credential), most=most, rows=rows)
        raise StoppedError(Refusal(status=429, code="budget", message=told))

    async def _stored(self, call: Callable[[], bool | None]) -> bool | None:
        """Refuses where the store cannot be reached, whatever the policy says of other routes: the
        budget is the only protection here.
        """
        try:
            return await asyncio.to_thread(call)
        except StoreGoneError as error:
            log.error("the store cannot be reached (%s): nothing is answered", error)
            raise StoppedError(_GONE) from None
