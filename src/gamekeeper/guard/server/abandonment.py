"""Ends the work for a request when its client goes away: nobody pays for tokens that nobody reads.

Most requests are answered before anything has to be watched: a task that waits for the client is
made only for those that take longer than `LOOK_S`.
"""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive

LOOK_S = 0.25


class WhileClientWaits:
    """A context that is cancelled, and left without an exception, when the client goes away.

    Args:
        receive: Of the request, whose body is read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._has_left = False
        self._is_over = False

    def __enter__(self) -> Self:
        """Begins."""
        self._task = asyncio.current_task()
        return self

    def watch(self) -> None:
        """Watches from now on: nothing else may read `receive` any more."""
        if not self._is_over and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Ends; returns whether the block was cancelled because the client went away."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if not self._has_left or self._task is None:
            return False
        is_only_cause = self._task.uncancel() == 0
        return is_only_cause and kind is not None and issubclass(kind, asyncio.CancelledError)

    def _begin(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_over and self._task is not None:
            self._has_left = True
            self._task.cancel()
