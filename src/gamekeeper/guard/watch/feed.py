"""The guard's connection to the linking process: starts it, sends it rows, receives its findings,
and restarts it when it ends.

Rows wait for 50 ms to be sent together, and longer while the process restarts or is busy. When too
many wait, rows of the accounts with the most bytes waiting are dropped first, and counted, loudly:
the guard's memory does not grow with what it could not link, and one account that floods it does
not keep the others from being linked.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from gamekeeper.base.log import get_logger
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.telemetry.metrics import Metrics

log = get_logger("gamekeeper.guard")

_GATHER_S = 0.05
_WAITING_BYTES = 64 << 20
_KEPT = 7 / 8  # of them, when rows are dropped: so that it is not done for each further row
_PIPE_BYTES = 8 << 20
"""What the process has not read yet; rows beyond it wait here, where they can be dropped fairly."""

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
        self._accounts: list[str] = []  # of the lines
        self._by_account = dict[str, int]()  # bytes that wait
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
        if not self._lines:
            asyncio.get_running_loop().call_later(_GATHER_S, self.flush)
        account = row["account"]
        self._lines.append(line)
        self._accounts.append(account)
        self._by_account[account] = self._by_account.get(account, 0) + len(line)
        self._bytes += len(line)
        if self._bytes > _WAITING_BYTES:
            self._make_room()

    def flush(self) -> None:
        """Sends what waits to the linking process, if it runs."""
        pipe = self._process.stdin if self._process is not None else None
        if pipe is None or pipe.is_closing() or not self._lines:
            return
        if pipe.transport.get_write_buffer_size() > _PIPE_BYTES:
            asyncio.get_running_loop().call_later(_GATHER_S, self.flush)
            return
        pipe.write(b"\n".join(self._lines) + b"\n")
        self._dropping = False
        self._keep([])

    def _make_room(self) -> None:
        """Drops the latest rows of the accounts with the most bytes waiting, down to one level for
        all of them.
        """
        level = _level(self._by_account.values(), int(_KEPT * _WAITING_BYTES))
        waiting = dict[str, int]()
        kept: list[tuple[bytes, str]] = []
        for line, account in zip(self._lines, self._accounts, strict=True):
            size = waiting.get(account, 0) + len(line)
            if size <= level:
                waiting[account] = size
                kept.append((line, account))
        dropped = len(self._lines) - len(kept)
        heavy = sum(size > level for size in self._by_account.values())
        self._keep(kept)
        self._note_dropped(dropped, heavy)

    def _keep(self, kept: list[tuple[bytes, str]]) -> None:
        self._lines = [line for line, _ in kept]
        self._accounts = [account for _, account in kept]
        self._by_account = {}
        for line, account in kept:
            self._by_account[account] = self._by_account.get(account, 0) + len(line)
        self._bytes = sum(self._by_account.values())

    def _note_dropped(self, rows: int, accounts: int) -> None:
        if not self._dropping:
            log.error(
                "the linking process is too slow: exchanges of the accounts with the most waiting"
                " (%d of them so far) are not linked until it has caught up",
                accounts,
            )
        self._dropping = True
        self._metrics.unwatched.inc(rows)
        self._metrics.unwatched_accounts.set(accounts)

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
            self._take(line)
        self._metrics.watching.set(0)
        ended = self._process
        self._process = None
        await ended.wait()

    def _take(self, line: bytes) -> None:
        try:
            finding = orjson.loads(line)
        except orjson.JSONDecodeError:  # a library that prints does not end the linking
            self._metrics.set_aside.labels("finding").inc()
            log.error("a line of the linking process was set aside: it is not JSON")
        else:
            self._on_finding(finding)

    async def _end(self) -> None:
        self._metrics.watching.set(0)
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


def _level(sizes: Iterable[int], most: int) -> int:
    """Returns the level to which all larger sizes are cut so that the sum is at most `most`."""
    left = most
    ordered = sorted(sizes)
    for i, size in enumerate(ordered):
        level = left // (len(ordered) - i)
        if size > level:
            return level
        left -= size
    return ordered[-1] if ordered else 0
