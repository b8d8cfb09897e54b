"""The guard's server and upstream client with no guard between them.

python bare.py UPSTREAM_PORT PORT
"""

import asyncio
import sys

import uvloop

from gamekeeper.guard.policy import Limits
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.server.upstream import Upstream
from gamekeeper.guard.telemetry.metrics import Metrics


async def _serve(upstream: str, port: int) -> None:
    limits = Limits()
    async with listening(Upstream(upstream, limits, Metrics()), "127.0.0.1", port, limits):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(f"http://127.0.0.1:{sys.argv[1]}", int(sys.argv[2])))
