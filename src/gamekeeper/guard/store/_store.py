"""What outlives the process: records, counters, and tokens that may be used once."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gamekeeper.base.errors import GamekeeperError


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

    def left_of(self, whole: "Spent") -> "Spent":
        """Returns what is left of `whole` after this, nothing below 0."""
        return Spent(*(max(0, all - used) for all, used in zip(whole, self, strict=True)))


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


class RefusedError(GamekeeperError):
    """The store can be reached, and does not take this record: a counter would overflow, say."""


class StoreGoneError(GamekeeperError):
    """The store cannot be reached; the policy says whether the guard then fails open or closed."""
