"""Keeps the long-lived tasks of a guard running: those that store counters, read decisions and
keys, link traffic and sign the casebook.

A task that ends without being asked to is started again, after a pause that doubles from 0.1 s to
30 s and is reset once the task has run well. An event loop does not report a task that died:
without this, one bad record ended the loop that reads decisions, and nobody saw it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import monotonic
from traceback import extract_tb
from typing import Any

from gamekeeper.base.log import get_logger
from gamekeeper.base.text import clean
from gamekeeper.guard.telemetry.metrics import Metrics

log = get_logger("gamekeeper.guard")

Make = Callable[[], Coroutine[Any, Any, None]]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
WELL_S = 10.0
"""A task that ran so long, or that has reported since it was started, runs well."""


@dataclass(slots=True)
class _Watched:
    """What is known of one task.

    Args:
        make: Makes its coroutine, once for every start.
        silent_s: Longest time between two of its beats; None for a task without beats.
        begun: When it was first started, seconds of the supervisor's clock.
        started: When it was last started.
    """

    make: Make
    silent_s: float | None
    begun: float
    started: float
    task: asyncio.Task[None] | None = None
    is_running: bool = True
    failed: float | None = None
    beat: float | None = None
    pause_s: float = field(default_factory=lambda: FIRST_PAUSE_S)
    causes: set[str] = field(default_factory=set)

    def is_well(self, now: float) -> bool:
        """Returns whether it runs, and has recovered from its last failure."""
        if not self.is_running or self.is_silent(now):
            return False
        return self.failed is None or self._has_recovered(now)

    def is_silent(self, now: float) -> bool:
        """Returns whether it has not beaten for longer than it may."""
        last_sign = self.begun if self.beat is None else self.beat
        return self.silent_s is not None and now - last_sign > self.silent_s

    def _has_recovered(self, now: float) -> bool:
        has_beaten = self.beat is not None and self.beat >= self.started
        return has_beaten or now - self.started >= WELL_S


class Supervisor:
    """Starts tasks, restarts those that end, and says which are down.

    Args:
        metrics: `gamekeeper_task_up` and `gamekeeper_task_restarts_total` are its.
        on_notice: Called when a task runs well again, with a sentence.
        ticks: A clock that is never set, seconds.
    """

    def __init__(
        self,
        metrics: Metrics,
        on_notice: Callable[[str], None] = log.info,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self._metrics = metrics
        self._on_notice = on_notice
        self._ticks = ticks
        self._watched: dict[str, _Watched] = {}

    def start(self, name: str, make: Make, *, silent_s: float | None = None) -> None:
        """Starts a task that runs until `stop`, `end` or `cancel`; one of the same name is ended.

        Args:
            name: Of the task, for people.
            make: Returns its coroutine; called for every start.
            silent_s: Longest time between two calls of `beat` by the task, after which it counts as
                down; None for a task that does not beat.
        """
        self.cancel(name)
        now = self._ticks()
        watched = _Watched(make, silent_s, now, now)
        self._watched[name] = watched
        self._metrics.task_up.labels(name).set_function(lambda: self._is_up(name))
        self._metrics.task_restarts.labels(name)
        watched.task = asyncio.create_task(self._keep(name, watched))

    def beat(self, name: str) -> None:
        """Notes that a task has just done what it is there for."""
        watched = self._watched.get(name)
        if watched is None:
            return
        watched.beat = self._ticks()
        if watched.failed is not None:
            self._recovered(name, watched)

    @property
    def down(self) -> tuple[str, ...]:
        """The tasks that ended and have not recovered, or are silent, by their start."""
        now = self._ticks()
        return tuple(name for name, each in self._watched.items() if not each.is_well(now))

    def is_silent(self, name: str) -> bool:
        """Returns whether a task, restarted or not, has not beaten for longer than it may."""
        watched = self._watched.get(name)
        return watched is not None and watched.is_silent(self._ticks())

    def cancel(self, name: str) -> None:
        """Ends one task without waiting for it; nothing if there is no such task."""
        watched = self._watched.pop(name, None)
        if watched is not None and watched.task is not None:
            self._metrics.task_up.labels(name).set_function(lambda: 0.0)
            watched.task.cancel()

    async def stop(self) -> None:
        """Ends all tasks, the last started first, and waits for each."""
        for name in reversed(list(self._watched)):
            await self.end(name)

    async def end(self, name: str) -> None:
        """Ends one task and waits for it; nothing if there is no such task."""
        watched = self._watched.pop(name, None)
        if watched is None or watched.task is None:
            return
        self._metrics.task_up.labels(name).set_function(lambda: 0.0)
        watched.task.cancel()
        await asyncio.wait([watched.task])
        if not watched.task.cancelled() and (error := watched.task.exception()) is not None:
            log.error("the task %s did not end well: %s", name, _cause(error))

    def _is_up(self, name: str) -> float:
        watched = self._watched.get(name)
        return float(watched is not None and watched.is_well(self._ticks()))

    async def _keep(self, name: str, watched: _Watched) -> None:
        while True:
            watched.started = self._ticks()
            watched.is_running = True
            error = await self._outcome(watched.make)
            watched.is_running = False
            self._failed(name, watched, error)
            await asyncio.sleep(watched.pause_s)
            watched.pause_s = min(2 * watched.pause_s, LONGEST_PAUSE_S)
            self._metrics.task_restarts.labels(name).inc()

    async def _outcome(self, make: Make) -> BaseException | None:
        """Runs a task until it ends, and returns why; None if it returned."""
        try:
            await make()
        except (asyncio.CancelledError, Exception) as error:
            if _is_asked_to_end():
                raise
            return error  # if it is a cancellation, then of something that the task waited for
        if _is_asked_to_end():
            raise asyncio.CancelledError
        return None

    def _failed(self, name: str, watched: _Watched, error: BaseException | None) -> None:
        now = self._ticks()
        if now - watched.started >= WELL_S:
            watched.pause_s = FIRST_PAUSE_S
            watched.causes.clear()
        watched.failed = now
        cause = "it returned" if error is None else _cause(error)
        place = cause if error is None else _place(error)
        if place not in watched.causes:
            watched.causes.add(place)
            log.error("the task %s ended and is restarted: %s", name, cause)

    def _recovered(self, name: str, watched: _Watched) -> None:
        watched.failed = None
        watched.pause_s = FIRST_PAUSE_S
        self._on_notice(f"the task {name} runs again")


def _is_asked_to_end() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {clean(str(error))} ({_place(error)})"


def _place(error: BaseException) -> str:
    """Returns class and line of an error: messages may hold a number that differs every time."""
    frames = extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    file = frames[-1].filename.rpartition("/")[2]
    return f"{type(error).__name__} at {file}:{frames[-1].lineno}"
