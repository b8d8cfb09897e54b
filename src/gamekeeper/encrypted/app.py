"""The server over HTTP, as a plain ASGI app.

    GET  /v2/encrypted/MODEL          the description, JSON
    PUT  /v2/encrypted/MODEL/keys     a message with keys -> {"keys": its digest}
    POST /v2/encrypted/MODEL/infer    a request -> the answer; 409 if the server does not have its
                                      keys: send them again

Bodies are `application/octet-stream` of exactly the length that follows from the model; longer ones
are not read to their end. Errors are JSON: {"error": {"code", "message"}}. The app does not
authenticate callers; it runs behind the guard, which does.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from gamekeeper.base.asgi import BodyError, read_body, send_whole
from gamekeeper.base.errors import GamekeeperError, InputError
from gamekeeper.encrypted.inference_server import InferenceServer, UnknownKeysError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Kind = Literal["description", "keys", "infer"]

_PATH = re.compile(r"/v2/encrypted/([A-Za-z0-9._-]{1,128})(?:/(keys|infer))?")
_METHODS: dict[str | None, tuple[str, Kind]] = {
    None: ("GET", "description"),
    "keys": ("PUT", "keys"),
    "infer": ("POST", "infer"),
}
OWNER = "gamekeeper.owner"
"""Key of an ASGI scope under which the guard in front states the account that sends keys."""
_MAX_WAITING = 64
_BINARY = b"application/octet-stream"
_JSON = b"application/json"


class Operation(NamedTuple):
    """A request, by its method and path.

    Args:
        kind: One of the three kinds of requests.
        model: Name of the model.
        body_bytes: Exact length of its body.
    """

    kind: Kind
    model: str
    body_bytes: int


class _RefusedError(GamekeeperError):
    """A request is refused; carries the HTTP status and an error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class EncryptedApp:
    """An ASGI app that serves encrypted inference for several models.

    Args:
        servers: The servers, by the name of their model.
    """

    def __init__(self, servers: Mapping[str, InferenceServer]) -> None:
        self._servers = dict(servers)
        # One thread for each model, apart from the shared pool: requests that wait here must not
        # block authentication.
        self._threads = {name: ThreadPoolExecutor(1, f"encrypted-{name}") for name in servers}
        self._waiting = 0

    def find(self, method: str, path: str) -> Operation | None:
        """Returns the operation of a request, or None if the app does not serve this path."""
        found = _PATH.fullmatch(path)
        server = self._servers.get(found.group(1)) if found else None
        if found is None or server is None or _METHODS[found.group(2)][0] != method:
            return None
        kind = _METHODS[found.group(2)][1]
        sizes = {"description": 0, "keys": server.keys_bytes, "infer": server.request_bytes}
        return Operation(kind, found.group(1), sizes[kind])

    async def _in_turn(self, model: str, work: Callable[..., bytes], *arguments: Any) -> bytes:
        if self._waiting >= _MAX_WAITING:
            raise _RefusedError(503, "busy", "too many requests wait; try again soon")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads[model], work, *arguments
            )
        finally:
            self._waiting -= 1

    def rows(self, model: str, body: bytes) -> int:
        """Returns the number of rows that a request is charged.

        Raises:
            InputError: It is not a request for this model.
        """
        return self._servers[model].rows(body)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            return
        try:
            body, kind = await self._answered(scope, receive)
        except (_RefusedError, BodyError) as refused:
            document = {"error": {"code": refused.code, "message": str(refused)}}
            await send_whole(send, refused.status, orjson.dumps(document))
        else:
            await send_whole(send, 200, body, kind)

    async def _answered(self, scope: "Scope", receive: "Receive") -> tuple[bytes, bytes]:
        operation = self.find(scope["method"], scope["path"])
        if operation is None:
            raise _RefusedError(404, "unknown_route", "no such model or route")
        server = self._servers[operation.model]
        if operation.kind == "description":
            return orjson.dumps(server.description.to_dict()), _JSON
        body = await read_body(receive, operation.body_bytes)
        try:
            if operation.kind == "keys":
                digest = await self._in_turn(
                    operation.model, server.add_keys, body, str(scope.get(OWNER, ""))
                )
                return orjson.dumps({"keys": digest.hex()}), _JSON
            return await self._in_turn(operation.model, server.answer, body), _BINARY
        except UnknownKeysError as error:
            raise _RefusedError(409, "unknown_keys", str(error)) from None
        except InputError as error:
            raise _RefusedError(400, "unreadable", _in_a_line(error)) from None
        except (GamekeeperError, ValueError, RuntimeError):
            raise _RefusedError(400, "unanswerable", "this request cannot be answered") from None


def _in_a_line(error: InputError) -> str:
    fault = error.faults[0]
    return f"{fault.where}: {fault.problem}: found {fault.found}, expected {fault.expected}"
