"""The guard as a reverse proxy: two servers on one event loop, one for callers and one for those who look."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

from gamekeeper.errors import UsageError
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.doors.upstream import Upstream
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.server import server


async def serve(
    policy: GuardPolicy,
    upstream_url: str,
    host: str,
    port: int,
    *,
    authorization: str | None = None,
    told: Callable[[str], None] = print,
    ready: Callable[[int, str], None] = lambda port, admin_url: None,
) -> None:
    """Guards an upstream until a signal ends it.

    Args:
        policy: What to do.
        upstream_url: Of the upstream.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        authorization: What the upstream wants of the guard in place of its callers' credentials.
        told: Takes each thing worth telling a person.
        ready: Called once both servers listen, with the port and the URL of the page that people look at.

    Raises:
        UsageError: A port is taken.
    """
    from gamekeeper.guard.admin import admin_app, admin_url

    guard = Guard(policy, told=told)
    upstream = Upstream(upstream_url, policy.limits, guard.core.metrics, authorization)
    admin = server(admin_app(guard), policy.admin.host, policy.admin.port, policy.limits)
    front = server(guard.door(upstream), host, port, policy.limits)
    await guard.start()
    try:
        await _until_signal([front, admin], lambda: ready(_port(front), admin_url(guard, _port(admin))))
    finally:
        await upstream.close()
        await guard.stop()


async def _until_signal(servers: list[Any], ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        for each in servers:
            each.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    running = [asyncio.create_task(_serve(each)) for each in servers]
    while not all(each.started or task.done() for each, task in zip(servers, running, strict=True)):
        await asyncio.sleep(0.02)
    if not (failed := any(task.done() for task in running)):
        ready()
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    end()
    await asyncio.gather(*running)
    if failed:
        raise UsageError("a port is taken; name another with --port, or [admin] port in the policy")


async def _serve(each: Any) -> None:
    with contextlib.suppress(SystemExit):  # a port that is taken; uvicorn has said so
        each.capture_signals = contextlib.nullcontext
        await each.serve()


def _port(each: Any) -> int:
    return int(each.servers[0].sockets[0].getsockname()[1])
