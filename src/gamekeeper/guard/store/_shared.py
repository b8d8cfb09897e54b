"""What a store that several guards share can tell besides: whose counters changed, whoever changed
them.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from gamekeeper.guard.store._store import Spent, Store


class Changed(NamedTuple):
    """Counters that changed.

    Args:
        at: How far the store was; what changes later has a higher number.
        spent: Accounts that changed, each with all that it spent that day.
    """

    at: int
    spent: dict[str, Spent]


@runtime_checkable
class SharedStore(Store, Protocol):
    """A store that replicas of the guard share."""

    def changed(self, day: str, since: int) -> Changed:
        """Returns the accounts whose counters of a day changed since `at` of an earlier call; 0
        asks for all.

        One's own changes are among them. What it costs follows the number of accounts that changed.

        Raises:
            StoreGoneError: The store cannot be reached.
        """
        ...
