"""The guard as a reverse proxy: two servers on one event loop, one for callers and one for the
people who operate it.

SIGTERM and SIGINT end it: requests that are under way have `limits.drain_s`, meanwhile the admin
server says so. A second one cancels them at once. SIGHUP reads the policy again.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.identity.entrance import require_known
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.server.upstream import Upstream

log = get_logger("gamekeeper.guard")

_ASK_AGAIN_S = 5.0
_OPEN = (
    "the upstream answers a credential that was invented: it checks none, so anybody who reaches"
    " this guard is answered, and each invented credential is an account with budgets of its own."
    ' Let the upstream check credentials, or set [identity] modes = ["keys"] and give out keys by'
    " `gamekeeper keys issue`"
)


async def serve(
    policy: GuardPolicy,
    upstream_url: str,
    host: str,
    port: int,
    *,
    authorization: str | None = None,
    read_policy: Callable[[], GuardPolicy] | None = None,
    on_notice: Callable[[str], None] = print,
    on_ready: Callable[[int, str], None] = lambda port, admin_page: None,
) -> None:
    """Guards an upstream until a signal ends it.

    Args:
        policy: What to do.
        upstream_url: Of the upstream.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        authorization: What the upstream expects of the guard in place of its callers' credentials.
        read_policy: Reads the policy again at SIGHUP; blocks. None where there is no file.
        on_notice: Called with each thing that a person should know, as a sentence.
        on_ready: Called once both servers listen, with the port, and with where the page for
            people is.

    Raises:
        UsageError: A port is taken.
        InputError: The policy lets anybody in, or cannot be used.
    """
    from gamekeeper.guard.admin import admin_app, admin_page

    require_known(policy, authorization)
    guard = Guard(policy, on_notice=on_notice)
    health = guard.health
    upstream = Upstream(upstream_url, policy.limits, guard.core.metrics, authorization, health)
    hurry = asyncio.Event()
    async with AsyncExitStack() as up:
        up.push_async_callback(upstream.close)
        await guard.start()
        up.push_async_callback(guard.stop)
        admin = admin_app(guard)
        admin_port = await up.enter_async_context(
            listening(admin, policy.admin.host, policy.admin.port, policy.limits, hurry)
        )
        up.callback(admin.close)  # its server waits for open pages
        # The last to be entered is the first to end: what drains can be seen meanwhile.
        public_port = await up.enter_async_context(
            listening(guard.door(upstream), host, port, policy.limits, hurry)
        )
        reload_at_hangup(guard, read_policy)
        asking = asyncio.create_task(_ask_upstream(guard, upstream))
        up.callback(asking.cancel)
        on_ready(public_port, admin_page(guard, admin_port, with_token=sys.stderr.isatty()))
        await until_signalled(hurry)
        health.draining = True


async def _ask_upstream(guard: Guard, upstream: Upstream) -> None:
    """Says loudly if the upstream answers invented credentials where it is to check them, or does
    not accept the operator's.
    """
    _warn_if_no_key(guard)
    if "upstream" not in guard.policy.identity.modes:
        await upstream.is_accepted(guard.policy.prefix)
        return
    while (is_checking := await upstream.is_checking(guard.policy.prefix)) is None:
        await asyncio.sleep(_ASK_AGAIN_S)
    guard.core.metrics.upstream_open.set(not is_checking)
    if not is_checking:
        log.error(_OPEN)


def _warn_if_no_key(guard: Guard) -> None:
    only_keys = guard.policy.identity.modes == ("keys",)
    if only_keys and guard.keys is not None and not guard.keys.list():
        log.warning(
            "no key was issued in the state %s: nobody can come in until one is",
            guard.policy.state.folder,
        )


async def until_signalled(hurry: asyncio.Event | None = None) -> None:
    """Waits until somebody asks the process to end.

    Args:
        hurry: Set if somebody asks a second time.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if asked.is_set() and hurry is not None:
            hurry.set()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    await asked.wait()


def reload_at_hangup(guard: Guard, read_policy: Callable[[], GuardPolicy] | None) -> None:
    """Reads the policy again at each SIGHUP; the old one holds where the new one has faults.

    Args:
        guard: That goes on with the new policy.
        read_policy: Reads it; blocks. None where there is no file: SIGHUP then does nothing.
    """
    turn = asyncio.Lock()
    reloads = set[asyncio.Task[None]]()

    async def reload() -> None:
        async with turn:
            await _reload(guard, read_policy)

    def on_hangup() -> None:
        task = asyncio.ensure_future(reload())
        reloads.add(task)  # the event loop keeps no reference
        task.add_done_callback(reloads.discard)

    if hasattr(signal, "SIGHUP"):  # Windows has none
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)


async def _reload(guard: Guard, read_policy: Callable[[], GuardPolicy] | None) -> None:
    if read_policy is None:
        log.warning("SIGHUP: there is no policy file to read again")
        return
    refused = guard.core.metrics.policy_refused
    try:
        guard.reload(await asyncio.to_thread(read_policy))
        refused.set(0)
    except GamekeeperError as error:
        refused.set(1)
        log.error("SIGHUP: the policy was not changed: %s", error)
    except Exception as error:
        refused.set(1)
        log.error("SIGHUP: the policy was not changed: %s: %s", type(error).__name__, error)
