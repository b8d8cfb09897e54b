"""The admin API as an ASGI app: its operations, its errors, access control, and the task that
watches for changes.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

import gamekeeper
from gamekeeper.base.errors import UsageError
from gamekeeper.guard.admin.access_control import AccessControl, error_response
from gamekeeper.guard.admin.desk import Desk
from gamekeeper.guard.admin.forms import ErrorForm, HealthForm
from gamekeeper.guard.admin.listeners import Listeners
from gamekeeper.guard.admin.pulse import Pulse
from gamekeeper.guard.admin.tickets import Tickets
from gamekeeper.guard.admin.token import admin_token
from gamekeeper.guard.admin.traffic import Traffic
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.store import StoreGoneError

_CODES = {404: "not-found", 405: "method-not-allowed", 422: "invalid", 503: "unavailable"}
_PAGE_TASK = "page"
_PAGE: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_ERRORS = {
    400: "The body cannot be read.",
    401: "The token is missing or wrong.",
    404: "It does not exist.",
    408: "The body arrived too slowly.",
    413: "The body is too large.",
    421: "The server is not known by that host name.",
    422: "The request is not valid; the message names every fault.",
    503: "The store cannot be reached, or too many pages are open.",
}


class Admin:
    """The admin API, an ASGI app. Sampling begins where it is made, or else with the first request.

    Args:
        guard: That is looked at.
        names: Host names that it is reached by.

    Raises:
        InputError: The token in the state folder cannot be used.
    """

    def __init__(self, guard: Guard, names: Collection[str] = ()) -> None:
        clock = guard.core.clock.now
        self.traffic = Traffic(guard.core.metrics, clock())
        self.listeners = Listeners()
        self._tickets = Tickets(clock)
        self.pulse = Pulse(guard.core, self.traffic, self.listeners)
        self.api = _api(Desk(guard, self.traffic, self.listeners, self._tickets, clock()))
        self._access_control = AccessControl(
            self.api,
            admin_token(guard.folder),
            {*names, *guard.policy.admin.names, guard.policy.admin.host},
            receive_s=guard.policy.limits.receive_s,
            is_ticket=self._tickets.is_ticket,
        )
        self._guard = guard
        self._has_begun = False
        self._is_closed = False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._begin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if not self._has_begun and not self._is_closed:
            self._begin()
        await self._access_control(scope, receive, send)

    def close(self) -> None:
        """Ends the streams to open pages and what runs beside; a server waits for streams before it
        ends.
        """
        self._is_closed = True
        self.listeners.close()
        if self._has_begun:
            self._guard.tasks.cancel(_PAGE_TASK)

    def _begin(self) -> None:
        self._has_begun = True
        self._guard.tasks.start(_PAGE_TASK, self.pulse.run)


def _api(desk: Desk) -> FastAPI:
    api = FastAPI(
        title="gamekeeper admin",
        version=gamekeeper.__version__,
        description=(
            "What the guard sees and decides. Every operation but the first five needs the token as"
            " a bearer token."
        ),
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=_handlers(),
    )
    _add_open(api, desk)
    _add_looking(api, desk)
    _add_deciding(api, desk)
    return api


def _add_open(api: FastAPI, desk: Desk) -> None:
    """Adds the operations that need no token; see `access_control.OPEN`."""

    def add(path: str, does: Callable[..., Any], content: dict[str, Any], **more: Any) -> None:
        answers = {200: {"description": "Done.", "content": content}} | _errors(408, 413, 421)
        api.add_api_route(
            path, does, responses=answers | more.pop("responses", {}), response_model=None, **more
        )

    add("/", desk.live_page, _PAGE, response_class=Response)
    add(
        "/metrics",
        desk.metrics,
        {"text/plain": {"schema": {"type": "string"}}},
        response_class=Response,
    )
    add("/grafana.json", desk.grafana, {"application/json": {"schema": {"type": "object"}}})
    ill: dict[int | str, dict[str, Any]] = {
        503: {"model": HealthForm, "description": "Send no requests here."}
    }
    for path, does in (("/healthz", desk.healthz), ("/readyz", desk.readyz)):
        errors = {**_errors(408, 413, 421), **ill}
        api.add_api_route(path, does, response_model=HealthForm, responses=errors)
    head: dict[str, Any] = {"methods": ["HEAD"], "include_in_schema": False}
    api.add_api_route("/healthz", desk.healthz, response_model=None, **head)
    api.add_api_route("/readyz", desk.readyz, response_model=None, **head)
    api.add_api_route("/metrics", desk.metrics, response_model=None, **head)


def _add_looking(api: FastAPI, desk: Desk) -> None:
    page = {200: {"description": "A page.", "content": _PAGE}}
    stream = {
        200: {
            "description": "Events.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }
    for path, does, errors, more in (
        ("/api/summary", desk.summary, (), {}),
        ("/api/traffic", desk.traffic, (), {}),
        ("/api/campaigns", desk.campaigns, (), {}),
        ("/api/campaigns/{id:path}", desk.campaign, (404, 422), {}),
        ("/api/accounts/{account:path}", desk.account, (404, 422, 503), {}),
        ("/api/casebook", desk.casebook, (), {}),
        (
            "/report",
            desk.report,
            (404,),
            {"response_class": Response, "responses": page, "response_model": None},
        ),
        (
            "/api/events",
            desk.events,
            (503,),
            {"response_class": Response, "responses": stream, "response_model": None},
        ),
    ):
        _add(api, path, does, errors, **more)


def _add_deciding(api: FastAPI, desk: Desk) -> None:
    same = {
        200: {"description": "It was in force before; at most its end was moved."},
        201: {"description": "It is new."},
    }
    made = {
        code: said | {"model": desk.decide.__annotations__["return"]} for code, said in same.items()
    }
    _add(api, "/api/decisions", desk.decisions, ())
    _add(
        api,
        "/api/decisions",
        desk.decide,
        (400, 404, 422, 503),
        methods=["POST"],
        status_code=201,
        responses=made,
    )
    _add(api, "/api/decisions/{id:path}", desk.lift, (404, 422, 503), methods=["DELETE"])
    _add(api, "/api/tickets", desk.ticket, (), methods=["POST"], status_code=201)


def _add(
    api: FastAPI, path: str, does: Callable[..., Any], errors: Collection[int], **more: Any
) -> None:
    """Adds an operation that needs the token. Access control checks it; it is named here for the
    schema.
    """
    answers = _errors(401, 408, 413, 421, *errors) | more.pop("responses", {})
    bearer = HTTPBearer(
        auto_error=False, scheme_name="token", description="The text in STATE/admin.token."
    )
    from fastapi import Depends

    api.add_api_route(path, does, responses=answers, dependencies=[Depends(bearer)], **more)


def _errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": ErrorForm, "description": _ERRORS[code]} for code in codes}


def _handlers() -> dict[int | type[Exception], Any]:
    return {
        HTTPException: _on_http,
        RequestValidationError: _on_invalid,
        StoreGoneError: _on_gone,
        UsageError: _on_usage,
        Exception: _on_fault,
    }


async def _on_http(request: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, "refused")
    return error_response(error.status_code, code, str(error.detail), dict(error.headers or {}))


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return error_response(422, "invalid", "; ".join(faults)[:2_000])


async def _on_usage(request: Request, error: UsageError) -> Response:
    return error_response(422, "invalid", str(error))


async def _on_gone(request: Request, error: StoreGoneError) -> Response:
    return error_response(503, "unavailable", "the store cannot be reached; nothing was changed")


async def _on_fault(request: Request, error: Exception) -> Response:
    return error_response(500, "fault", "an internal error of gamekeeper; see its log")
