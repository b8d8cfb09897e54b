"""Budgets that replicas cannot overdraw together: one script a request, before it is passed on.

A request is taken off the budget with an estimate of its tokens first, then passed, charged what it
costs beyond that while it is answered, then settled by what it cost; if the upstream refused it all
is put back. What is put back is never more than what was taken. Only accounts that have a budget
pay for this, with one round trip to the server. At most the last request goes beyond a budget, by
what it costs.

A request of an account that is only a claim is held under a key of its own, which ends with it.

What a process had taken off when it was killed stays charged for the day.

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
    CLAIM_KEPT_S,
    KEPT_S,
    RESERVE,
    SETTLE,
    claims_key,
    client_of,
    day_keys,
    require_redis,
    told_as_gone,
)
from gamekeeper.guard.store._store import NOTHING, Spent, StoreGoneError

log = get_logger("gamekeeper.guard")

_ANSWER_S = 0.5
_USED_UP = Refusal(status=429, code="budget", message="this key's budget for the day is used up")


@dataclass(slots=True)
class SharedReservation:
    """A request that was taken off a budget.

    Args:
        account: Whose.
        day: Whose counters it was taken off.
        taken: What those counters have of it.
        held: What is held for it beside them, where its account is only a claim.
        total: What the counters shall have of it.
        is_open: Whether the server is being told so.
    """

    account: str
    day: str
    taken: Spent
    held: Spent
    total: Spent
    is_open: bool = False


class StrictBudgets:
    """Budgets that all replicas share, reserved in Redis before a request is passed on.

    Args:
        url: Of the server that the replicas share, as `RedisStore` takes it.

    Raises:
        MissingExtraError: The client is not installed.
        InputError: The URL is not one of Redis.
    """

    def __init__(self, url: str) -> None:
        require_redis()
        import redis.asyncio

        self._redis: Any = client_of(redis.asyncio.Redis, url, _ANSWER_S)
        self._reserve = self._redis.register_script(RESERVE)
        self._settle = self._redis.register_script(SETTLE)
        self._open: set[asyncio.Task[None]] = set()

    async def reserve(
        self, account: str, budget: Budget, estimate: Spent, now: float, *, is_claim: bool = False
    ) -> SharedReservation | Refusal:
        """Takes a request off a budget; returns a refusal if any part of the budget is used up.

        Args:
            account: Whose.
            budget: What it may use up in a day.
            estimate: What the request may cost.
            now: Epoch seconds.
            is_claim: Whether the account is only a claim.

        Raises:
            StoreGoneError: The server cannot be reached.
        """
        day = day_of(now)
        estimate = estimate.bounded()
        most = (
            "" if most is None else most
            for most in (budget.requests, budget.tokens, budget.usd, budget.cells)
        )
        kept = CLAIM_KEPT_S if is_claim else ""
        with told_as_gone():
            is_taken, *counts = await self._reserve(
                keys=_keys(day, account), args=[KEPT_S, account, *estimate, *most, kept]
            )
        found = Spent(*counts)
        if not is_taken:
            return overdrawn(budget, found, now) or _USED_UP
        if is_claim:
            return SharedReservation(account, day, taken=NOTHING, held=found, total=found)
        return SharedReservation(account, day, taken=found, held=NOTHING, total=found)

    def pay(
        self, reservation: SharedReservation, total: Spent, failed: Callable[[Spent], None]
    ) -> None:
        """Adds what an answer that is under way has cost beyond what was reserved; see `settle`."""
        total = total.bounded().no_less_than(reservation.total)
        if total != reservation.total:
            self._bring(reservation, total, failed)

    def settle(
        self, reservation: SharedReservation, total: Spent, failed: Callable[[Spent], None]
    ) -> None:
        """Adds what an answer cost beyond what was reserved, beside other work.

        Args:
            reservation: Of the request that was answered.
            total: What it cost; nothing puts all back.
            failed: Called with what was not added if the server cannot be reached.
        """
        self._bring(reservation, total.bounded(), failed)

    async def close(self) -> None:
        """Waits for what is being added, then ends."""
        await asyncio.gather(*self._open)
        await self._redis.aclose()

    def _bring(
        self, reservation: SharedReservation, total: Spent, failed: Callable[[Spent], None]
    ) -> None:
        """Brings the counters to a total; one call a reservation at a time, in their order."""
        reservation.total = total
        if reservation.is_open or not (any(reservation.held) or total != reservation.taken):
            return
        reservation.is_open = True
        task = asyncio.get_running_loop().create_task(self._brought(reservation, failed))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _brought(
        self, reservation: SharedReservation, failed: Callable[[Spent], None]
    ) -> None:
        total = None
        while total is not reservation.total:  # it may change meanwhile
            total = reservation.total
            await self._added(reservation, total.minus(reservation.taken), failed)
        reservation.is_open = False

    async def _added(
        self, reservation: SharedReservation, due: Spent, failed: Callable[[Spent], None]
    ) -> None:
        """Adds to the counters, and ends what was held beside them."""
        account = reservation.account
        released = NOTHING.minus(reservation.held)
        try:
            with told_as_gone():
                added = await self._settle(
                    keys=_keys(reservation.day, account),
                    args=[KEPT_S, account, *due, *released],
                )
        except StoreGoneError as error:
            log.warning("a strict budget is settled later: the store cannot be reached (%s)", error)
            failed(due)
            added = due
        reservation.taken = reservation.taken.plus(Spent(*added))
        reservation.held = NOTHING


def _keys(day: str, account: str) -> list[str]:
    return [*day_keys(day), claims_key(day, account)]
