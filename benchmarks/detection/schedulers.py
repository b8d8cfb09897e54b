"""Five ways in which public relay software deals its customers' conversations to accounts.

    least-recently-used   the account whose last use is oldest
    fill-first            the first account with quota left, in a fixed order
    lowest-quota          the account that has used least of its quota
    round-robin           one account after the other
    hybrid                a weighted mix of health, quota left and idle time

Under every one of them a session stays where it is for an hour, and an account that the provider
refused is left alone for 1 to 30 minutes. A scheduler is a function

    (starts, ends, sessions, accounts, rng) -> account of each conversation

 - starts: begin of each conversation, seconds, ascending, shape (n,)
 - ends: its last request, seconds, shape (n,)
 - sessions: what the relay keys affinity by, integers, shape (n,): a number of its own for each
   conversation of a customer whose program sends session ids; one number for a whole customer
   whose requests share a system text and have no session id
 - accounts: how many the pool has
 - rng: of pauses, and of ties

and returns account numbers, 0 to accounts - 1, int, shape (n,). A conversation that outlasts the
hour is to be split by the caller.

Source: behaviour as the pages and issues of such software describe it (relay services, CLI proxies,
    session managers), 2026; written from the description.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

HOUR_S = 3_600.0
WINDOWS_S = (5 * HOUR_S, 7 * 24 * HOUR_S)
"""Quota of subscriptions is counted over five hours and over a week, from the first use on."""
WINDOWS_A_WEEK = 8
"""Windows of five hours that use up the quota of a week."""
REFUSED = 0.01
"""Share of conversations after which the account is paused."""
PAUSE_S = (60.0, 1_800.0)
RESERVE = 1.3
"""What the pool could carry in its busiest week, over what is asked of it then."""

Scheduler = Callable[[np.ndarray, np.ndarray, np.ndarray, int, np.random.Generator], np.ndarray]


@dataclass(kw_only=True)
class _Pool:
    """The relay's own book of its accounts.

    Args:
        accounts: How many.
        quota: Seconds of conversation that an account may serve in each window, shape (2, 1).
        rng: Of pauses and ties.
    """

    accounts: int
    quota: np.ndarray
    rng: np.random.Generator
    last: np.ndarray = field(init=False)
    used: np.ndarray = field(init=False)
    opened: np.ndarray = field(init=False)
    paused: np.ndarray = field(init=False)
    failures: np.ndarray = field(init=False)
    order: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.last = np.full(self.accounts, -np.inf)
        self.used = np.zeros((len(WINDOWS_S), self.accounts))
        self.opened = np.full((len(WINDOWS_S), self.accounts), -np.inf)
        self.paused = np.full(self.accounts, -np.inf)
        self.failures = np.zeros(self.accounts)
        self.order = self.rng.permutation(self.accounts)

    def at(self, now: float) -> np.ndarray:
        """Closes windows that are over; returns which accounts may be asked, bool (accounts,)."""
        over = now - self.opened >= np.array(WINDOWS_S)[:, None]
        self.used[over] = 0.0
        free = (self.paused <= now) & (self.share_used < 1)
        return free if free.any() else np.ones(self.accounts, bool)

    @property
    def share_used(self) -> np.ndarray:
        """Of the quota that is nearer to its end, shape (accounts,)."""
        return (self.used / self.quota).max(axis=0)

    def serve(self, account: int, start: float, end: float) -> None:
        """Books a conversation."""
        opens = self.used[:, account] == 0.0
        self.opened[opens, account] = start
        self.used[:, account] += end - start + 60.0
        self.last[account] = max(self.last[account], end)
        refused = self.rng.random() < REFUSED
        self.failures[account] = 0.9 * self.failures[account] + refused
        if refused:
            self.paused[account] = end + self.rng.uniform(*PAUSE_S)

    def first(self, cost: np.ndarray, free: np.ndarray) -> int:
        """The free account of least cost; of equal ones the first in the pool's order."""
        asked = self.order[free[self.order]]
        return int(asked[cost[asked].argmin()])


Choice = Callable[[_Pool, float, np.ndarray, int], int]
"""The account for the next conversation: (pool, now, which are free, how many were dealt)."""


def least_recently_used(
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deals to the account whose last use is oldest; a session stays an hour, not renewed."""
    return _deal(_idle_longest, starts, ends, sessions, accounts, rng)


def fill_first(
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deals to the first account, in a fixed order, with quota left in both windows."""
    return _deal(_first_with_quota, starts, ends, sessions, accounts, rng)


def lowest_quota(
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deals to the account that has used the least share of its quota."""
    return _deal(_least_used, starts, ends, sessions, accounts, rng)


def round_robin(
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deals to one account after the other, past those that are paused."""
    return _deal(_next_in_turn, starts, ends, sessions, accounts, rng)


def hybrid(
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deals to the best by health, quota left and idle time; a session's hour is renewed by use."""
    return _deal(_best_of_three, starts, ends, sessions, accounts, rng, renewed=True)


SCHEDULERS: dict[str, Scheduler] = {
    "least-recently-used": least_recently_used,
    "fill-first": fill_first,
    "lowest-quota": lowest_quota,
    "round-robin": round_robin,
    "hybrid": hybrid,
}


def _deal(
    choose: Choice,
    starts: np.ndarray,
    ends: np.ndarray,
    sessions: np.ndarray,
    accounts: int,
    rng: np.random.Generator,
    *,
    renewed: bool = False,
) -> np.ndarray:
    pool = _Pool(accounts=accounts, quota=_quota(starts, ends, accounts), rng=rng)
    held: dict[int, tuple[int, float]] = {}  # session -> its account, and until when
    chosen = np.zeros(len(starts), np.int64)
    dealt = 0
    rows = zip(starts.tolist(), ends.tolist(), sessions.tolist(), strict=True)
    for number, (start, end, session) in enumerate(rows):
        free = pool.at(start)
        account, until = held.get(session, (-1, -np.inf))
        stays = start < until and bool(free[account])
        if not stays:
            account = choose(pool, start, free, dealt)
            dealt += 1
        if renewed or not stays:
            held[session] = (account, start + HOUR_S)
        pool.serve(account, start, end)
        chosen[number] = account
    return chosen


def _quota(starts: np.ndarray, ends: np.ndarray, accounts: int) -> np.ndarray:
    """An operator has as many accounts as the busiest week needs, and some in reserve."""
    served = np.concatenate([[0.0], np.cumsum(ends - starts + 60.0)])
    until = np.searchsorted(starts, starts + WINDOWS_S[1])
    busiest = (served[until] - served[:-1]).max(initial=1.0)
    week = RESERVE * busiest / accounts
    return np.array([[week / WINDOWS_A_WEEK], [week]])


def _idle_longest(pool: _Pool, now: float, free: np.ndarray, dealt: int) -> int:
    return pool.first(np.minimum(pool.last, now), free)


def _first_with_quota(pool: _Pool, now: float, free: np.ndarray, dealt: int) -> int:
    return pool.first(np.zeros(pool.accounts), free)


def _least_used(pool: _Pool, now: float, free: np.ndarray, dealt: int) -> int:
    return pool.first(pool.share_used, free)


def _next_in_turn(pool: _Pool, now: float, free: np.ndarray, dealt: int) -> int:
    turns = (np.arange(pool.accounts) - dealt) % pool.accounts
    cost = np.empty(pool.accounts)
    cost[pool.order] = turns
    return pool.first(cost, free)


def _best_of_three(pool: _Pool, now: float, free: np.ndarray, dealt: int) -> int:
    quota_left = 1 - pool.share_used
    idle = np.minimum((now - pool.last) / HOUR_S, 1.0)
    return pool.first(0.3 * pool.failures - 0.4 * quota_left - 0.3 * idle, free)
