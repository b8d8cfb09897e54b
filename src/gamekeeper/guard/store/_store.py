"""What outlives the process: records, counters, and tokens that may be used once."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from gamekeeper.base.errors import GamekeeperError

MOST = 2**53
"""Largest count that is kept of anything: what JSON and Lua, so Redis, hold exactly. Counts do not
grow beyond it, nor fall below 0.
"""


class Spent(NamedTuple):
    """What an account used up in a day.

    Args:
        requests: Requests answered.
        tokens: Input and output tokens.
        micro_usd: Money, in millionths of a dollar.
        cells: New ground: cells of the space of prompts that the account had not touched before.
    """

    requests: int = 0
    tokens: int = 0
    micro_usd: int = 0
    cells: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Returns the sum."""
        return Spent(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.micro_usd + other.micro_usd,
            self.cells + other.cells,
        )

    def minus(self, other: "Spent") -> "Spent":
        """Returns the difference."""
        return Spent(
            self.requests - other.requests,
            self.tokens - other.tokens,
            self.micro_usd - other.micro_usd,
            self.cells - other.cells,
        )

    def bounded(self) -> "Spent":
        """Returns it with each count between -`MOST` and `MOST`."""
        if min(self) >= -MOST and max(self) <= MOST:  # as nearly always
            return self
        return Spent(*(max(-MOST, min(MOST, count)) for count in self))

    def no_less_than(self, least: "Spent") -> "Spent":
        """Returns it with each count at least that of another."""
        r, t, m, c = least
        if self.requests >= r and self.tokens >= t and self.micro_usd >= m and self.cells >= c:
            return self  # as nearly always
        return Spent(*map(max, self, least))

    def left_of(self, whole: "Spent") -> "Spent":
        """Returns what is left of `whole` after this, nothing below 0."""
        r, t, m, c = whole
        if self.requests >= r and self.tokens >= t and self.micro_usd >= m and self.cells >= c:
            return NOTHING  # as nearly always
        return Spent(*(max(0, all - used) for all, used in zip(whole, self, strict=True)))


NOTHING = Spent()


class Store(Protocol):
    """Where keys, decisions and counters are kept. A write is durable when the call returns.

    Records are bytes (JSON) under an id in a named table: `keys`, `decisions`, `campaigns`,
    `lifted`, `seen`. Every method blocks; the guard calls them off its event loop, or for
    microseconds.

    Raises:
        StoreGoneError: From every method, when the store cannot be reached.
    """

    def load(self, table: str) -> dict[str, bytes]:
        """Returns all records of a table by id."""
        ...

    def put(self, table: str, id: str, record: bytes) -> None:
        """Writes or replaces one record."""
        ...

    def put_new(self, table: str, id: str, record: bytes) -> bool:
        """Writes a record unless there is one of that id; returns whether it was written.
        Atomic.
        """
        ...

    def delete(self, table: str, id: str) -> bool:
        """Removes a record; returns whether there was one."""
        ...

    def version(self) -> int:
        """Returns a number that changes whenever any process wrote a record; cheap enough
        to poll.
        """
        ...

    def add(self, day: str, spent: Mapping[str, Spent]) -> None:
        """Adds to the counters of accounts for a day (`2026-11-23`, UTC), all or none."""
        ...

    def spent(self, day: str) -> dict[str, Spent]:
        """Returns the counters of a day by account."""
        ...

    def first_use(self, token: str, *, now: float, expires: float) -> bool:
        """Returns whether a token is used for the first time; remembers it until `expires` (epoch
        s). Atomic.
        """
        ...

    def close(self) -> None:
        """Closes it."""
        ...


class SlowedState(NamedTuple):
    """The token buckets of an account that is slowed, and the proofs of work that it has left.

    Args:
        at: When a token was last taken, epoch seconds.
        tokens: In each bucket then; below 0 where it is overdrawn.
        proofs: Requests that its last proof of work still opens.
    """

    at: float
    tokens: tuple[float, ...]
    proofs: int = 0


SLOWED_KEPT_S = 2 * 86_400
"""A bucket of a day that nobody took from for so long is full again: its state says nothing."""


@runtime_checkable
class SlowedStore(Protocol):
    """A store that keeps the buckets of slowed accounts for one process, over its restarts. Where
    replicas share, they take from buckets in the server instead: see `SharedBuckets`.
    """

    def keep_slowed(self, states: Mapping[str, SlowedState], oldest: float) -> None:
        """Writes or replaces the states of accounts, all or none, and drops those before `oldest`
        (epoch s).

        Raises:
            StoreGoneError: The store cannot be reached.
        """
        ...

    def slowed(self) -> dict[str, SlowedState]:
        """Returns the states by account.

        Raises:
            StoreGoneError: The store cannot be reached.
        """
        ...


class RefusedError(GamekeeperError):
    """The store can be reached, and does not take this record: a counter would overflow, say."""


class StoreGoneError(GamekeeperError):
    """The store cannot be reached; the policy says whether the guard then fails open or closed."""
