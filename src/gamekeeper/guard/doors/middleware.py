"""The guard inside a model server: an ASGI middleware, for FastAPI, Starlette and all other apps
that take one.

    app.add_middleware(GuardMiddleware, policy="guard.toml")
    vllm serve MODEL --middleware gamekeeper.guard.doors.middleware.GuardMiddleware

The second names the policy in the environment: `GAMEKEEPER_POLICY=guard.toml`. What the policy does
not know is refused (`unknown_routes`), the server's own pages included.

The guard starts and ends with the server's lifespan; with the first request where the server has
none. One process has one folder of state: where a server runs several workers, give each its own
and let them share a Redis.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.base.errors import GamekeeperError, UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.base.text import clean
from gamekeeper.guard.doors.asgi import AsgiDoor
from gamekeeper.guard.policy import GuardPolicy, read_policy

log = get_logger("gamekeeper.guard")

_BY_THE_APP = (
    "this app itself decides who comes in: if it checks no credentials, anybody is answered,"
    ' under as many accounts as they invent. Set [identity] modes = ["keys"], or say who asks by'
    " account="
)
POLICY = "GAMEKEEPER_POLICY"
"""Environment variable that names the policy file."""


class GuardMiddleware:
    """An ASGI middleware that guards the app of a model server.

    Args:
        app: Gets judged requests only.
        policy: What to do, or the file that says so; None for the file that the environment names.
        account: Says who asks by the scope, where something before this middleware authenticated
            them; None or an empty text from it refuses the request. Without it the policy's
            `identity` says.

    A server whose guard cannot start ends: there is no policy, it has faults, or needs `account`.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: str | Path | GuardPolicy | None = None,
        account: Callable[[Scope], str | None] | None = None,
    ) -> None:
        # Here, not above: the guard is put together from its doors, and this one makes a guard.
        from gamekeeper.guard.assembly import Guard

        self._make_guard = Guard
        self._app = app
        self._account = account
        self._source = policy
        self._policy = GuardPolicy()
        self._door: AsgiDoor | None = None
        self._guard: Guard | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await (self._door or await self._started())(scope, receive, send)

    async def _started(self) -> AsgiDoor:
        async with self._starting:
            if self._door is None:
                self._policy = self._read()
                guard = self._make_guard(self._policy)
                await guard.start()
                self._guard, self._door = guard, guard.door(self._app, self._account)
                self._say_what_it_does()
            return self._door

    def _read(self) -> GuardPolicy:
        """Reads the policy; not when it is made: a server would take an error there for an app
        without a lifespan, and go on to answer 500.
        """
        source = self._source
        policy = source if isinstance(source, GuardPolicy) else read_policy(_file(source))
        if self._account is None and "host" in policy.identity.modes:
            raise UsageError(
                'identity "host" needs account=, a function from the ASGI scope to who is charged'
            )
        return policy

    def _say_what_it_does(self) -> None:
        identity = self._policy.identity
        does = "enforcing" if self._policy.enforce else "a dry run: nothing is slowed or withheld"
        log.info(
            "the guard is in front of this app, %s; state in %s", does, self._policy.state.folder
        )
        if self._account is None and "upstream" in identity.modes:
            log.warning(_BY_THE_APP)

    async def _is_started(self, send: Send) -> bool:
        """Starts the guard; where that fails, says so to the server, which then ends."""
        try:
            await self._started()
        except Exception as error:
            reason = f"the guard cannot start: {clean(str(error)) or type(error).__name__}"
            await send({"type": "lifespan.startup.failed", "message": reason})
            return False
        return True

    async def _stopped(self) -> None:
        guard = self._guard
        self._guard = None
        self._door = None
        if guard is not None:
            await guard.stop()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starts before the app does, and ends after it. A guard that cannot start ends the server:
        it would answer every request with 500 (a second worker on the same folder of state).
        """
        asked = False
        failed = False

        async def receive_started() -> Message:
            nonlocal asked, failed
            asked = True
            message = await receive()
            if message["type"] == "lifespan.startup":
                failed = not await self._is_started(send)
                if failed:
                    raise _CannotStartError
            return message

        async def send_stopped(message: Message) -> None:
            if failed:
                return  # the server has been told
            if message["type"] in (
                "lifespan.shutdown.complete",
                "lifespan.shutdown.failed",
                "lifespan.startup.failed",
            ):
                await self._stopped()
            await send(message)

        try:
            await self._app(scope, receive_started, send_stopped)
        except Exception:
            if failed:
                return
            if asked:
                await self._stopped()
                raise
            await self._alone(receive, send)

    async def _alone(self, receive: Receive, send: Send) -> None:
        """A lifespan for an app that has none."""
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                if not await self._is_started(send):
                    return
                await send({"type": "lifespan.startup.complete"})
            elif kind == "lifespan.shutdown":
                await self._stopped()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _CannotStartError(GamekeeperError):
    """Ends an app whose guard cannot start."""


def _file(named: str | Path | None) -> Path:
    named = named or os.environ.get(POLICY)
    if not named:
        raise UsageError(
            f"no policy: name its file in policy=, or in the environment variable {POLICY}"
        )
    return Path(named)
