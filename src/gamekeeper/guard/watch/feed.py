"""The guard's connection to the linking process: starts it, sends it rows, receives its findings,
and restarts it when it ends.

Rows wait for 50 ms to be sent together, and longer while the process restarts. When it
cannot keep up, rows are dropped and counted, loudly: the guard's memory does not grow with what it
could not link.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from gamekeeper.base.log import get_logger
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.telemetry.metrics import Metrics

log = get_logger("gamekeeper.guard")

_GATHER_S = 0.05
_WAITING_BYTES = 64 << 20
_RESTART_S = 5.0
_LINE_BYTES = 256 << 20  # a pass may name a million accounts

Finding = dict[str, Any]


class Feed:
    """The guard's connection to its linking process, which it starts and restarts.

    Args:
        folder: Of the guard's state.
        watch: How campaigns are looked for.
        metrics: Of the guard.
        on_finding: Called with each finding, on the event loop.
    """

    def __init__(
        self, folder: Path, watch: Watch, metrics: Metrics, on_finding: Callable[[Finding], None]
    ) -> None:
        self._folder = folder
        self._watch = watch
        self._metrics = metrics
        self._on_finding = on_finding
        self._lines: list[bytes] = []
        self._bytes = 0
        self._dropping = False
        self._process: asyncio.subprocess.Process | None = None
        self._sent = 0
        self._run = os.urandom(4).hex()

    def send(self, row: dict[str, Any]) -> None:
        """Takes an exchange; never blocks."""
        self._sent += 1
        row["request_id"] = f"{self._run}{self._sent}"
        line = orjson.dumps(row)
        if self._bytes + len(line) > _WAITING_BYTES:
            self._drop(1)
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_GATHER_S, self.flush)
        self._lines.append(line)
        self._bytes += len(line)

    def flush(self) -> None:
        """Sends what waits to the linking process, if it runs."""
        pipe = self._process.stdin if self._process is not None else None
        if pipe is None or pipe.is_closing() or not self._lines:
            return
        lines = self._lines
        self._lines = []
        self._bytes = 0
        if pipe.transport.get_write_buffer_size() > _WAITING_BYTES:
            self._drop(len(lines))
        else:
            self._dropping = False
            pipe.write(b"\n".join(lines) + b"\n")

    def _drop(self, rows: int) -> None:
        if not self._dropping:
            log.error(
                "the linking process is too slow: new exchanges are not linked until it has"
                " caught up"
            )
        self._dropping = True
        self._metrics.unwatched.inc(rows)

    async def run(self) -> None:
        """Keeps the process up until cancelled; then lets it write what it has."""
        try:
            while True:
                await self._once()
                log.error("the linking process ended; it is restarted in %g s", _RESTART_S)
                await asyncio.sleep(_RESTART_S)
        finally:
            await self._end()

    async def _once(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gamekeeper.guard.watch",
            str(self._folder),
            self._watch.model_dump_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
        )
        assert self._process.stdout is not None
        self._metrics.watching.set(1)
        self.flush()
        async for line in self._process.stdout:
            self._on_finding(orjson.loads(line))
        self._metrics.watching.set(0)
        ended = self._process
        self._process = None
        await ended.wait()

    async def _end(self) -> None:
        self.flush()
        process = self._process
        self._process = None
        if process is None or process.returncode is not None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
