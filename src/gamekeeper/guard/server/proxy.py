"""The guard as a reverse proxy: two servers on one event loop, one for callers and one for those
who look.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.server.upstream import Upstream


async def serve(
    policy: GuardPolicy,
    upstream_url: str,
    host: str,
    port: int,
    *,
    authorization: str | None = None,
    on_notice: Callable[[str], None] = print,
    on_ready: Callable[[int, str], None] = lambda port, admin_url: None,
) -> None:
    """Guards an upstream until a signal ends it.

    Args:
        policy: What to do.
        upstream_url: Of the upstream.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        authorization: What the upstream wants of the guard in place of its callers' credentials.
        on_notice: Called with each thing that a person should know, as a sentence.
        on_ready: Called once both servers listen, with the port and the URL of the page that people
            look at.

    Raises:
        UsageError: A port is taken.
    """
    from gamekeeper.guard.admin import admin_app, admin_url

    guard = Guard(policy, on_notice=on_notice)
    upstream = Upstream(upstream_url, policy.limits, guard.core.metrics, authorization)
    async with AsyncExitStack() as up:
        up.push_async_callback(upstream.close)
        await guard.start()
        up.push_async_callback(guard.stop)
        at = await up.enter_async_context(
            listening(guard.door(upstream), host, port, policy.limits)
        )
        look = await up.enter_async_context(
            listening(admin_app(guard), policy.admin.host, policy.admin.port, policy.limits)
        )
        on_ready(at, admin_url(guard, look))
        await until_signalled()


async def until_signalled() -> None:
    """Waits until somebody asks the process to end."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
