"""Budgets that replicas cannot overdraw together: one script a request, before it is passed on.

A request is taken off the budget with an estimate of its tokens first, then passed, then settled by
what it cost; if the upstream refused it all is put back. Only accounts that have a budget pay for
this, with one round trip to the server. At most the last request goes beyond a budget, by what it
costs.

A server that hangs may take a request off later that was passed without it: it is then counted
twice. The guard stops asking within a second of the server's silence, so that these are few.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.clock import day_of
from gamekeeper.base.log import get_logger
from gamekeeper.guard.budgets.day_budget import overdrawn
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.identity import Budget
from gamekeeper.guard.store._redis import (
    CHARGE,
    KEPT_S,
    RESERVE,
    client_of,
    day_keys,
    require_redis,
    told_as_gone,
)
from gamekeeper.guard.store._store import Spent, StoreGoneError

log = get_logger("gamekeeper.guard")

_ANSWER_S = 0.5
_USED_UP = Refusal(status=429, code="budget", message="this key's budget for the day is used up")


@dataclass(frozen=True, slots=True)
class SharedReservation:
    """A request that was taken off a budget.

    Args:
        account: Whose.
        day: Whose counters it was taken off.
        taken: What was taken.
    """

    account: str
    day: str
    taken: Spent


class StrictBudgets:
    """Budgets that all replicas share, reserved in Redis before a request is passed on.

    Args:
        url: Of the server that the replicas share, as `RedisStore` takes it.

    Raises:
        MissingExtraError: The client is not installed.
        InputError: The URL is none of Redis.
    """

    def __init__(self, url: str) -> None:
        require_redis()
        import redis.asyncio

        self._redis: Any = client_of(redis.asyncio.Redis, url, _ANSWER_S)
        self._reserve, self._charge = (
            self._redis.register_script(RESERVE),
            self._redis.register_script(CHARGE),
        )
        self._open: set[asyncio.Task[None]] = set()

    async def reserve(
        self, account: str, budget: Budget, estimate: Spent, now: float
    ) -> SharedReservation | Refusal:
        """Takes a request off a budget; returns a refusal if any part of the budget is used up.

        Args:
            account: Whose.
            budget: What it may use up in a day.
            estimate: What the request may cost.
            now: Epoch seconds.

        Raises:
            StoreGoneError: The server cannot be reached.
        """
        day = day_of(now)
        estimate = estimate.bounded()
        most = (
            "" if most is None else most
            for most in (budget.requests, budget.tokens, budget.usd, budget.cells)
        )
        with told_as_gone():
            taken, *spent = await self._reserve(
                keys=day_keys(day), args=[KEPT_S, account, *estimate, *most]
            )
        if taken:
            return SharedReservation(account, day, estimate)
        return overdrawn(budget, Spent(*spent), now) or _USED_UP

    def settle(
        self, reservation: SharedReservation, total: Spent, failed: Callable[[Spent], None]
    ) -> None:
        """Adds what an answer cost beyond what was reserved, beside other work.

        Args:
            reservation: Of the request that was answered.
            total: What it cost; nothing puts all back.
            failed: Called with what was not added if the server cannot be reached.
        """
        due = total.bounded().minus(reservation.taken)
        if not any(due):
            return
        task = asyncio.get_running_loop().create_task(self._added(reservation, due, failed))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """Waits for what is being added, then ends."""
        await asyncio.gather(*self._open)
        await self._redis.aclose()

    async def _added(
        self, reservation: SharedReservation, spent: Spent, failed: Callable[[Spent], None]
    ) -> None:
        try:
            with told_as_gone():
                await self._charge(
                    keys=day_keys(reservation.day), args=[KEPT_S, reservation.account, *spent]
                )
        except StoreGoneError as error:
            log.warning("a strict budget is settled later: the store cannot be reached (%s)", error)
            failed(spent)
