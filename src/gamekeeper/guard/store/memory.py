"""A store that ends with the process: for replays, which change nothing."""

from collections import defaultdict
from collections.abc import Mapping

from gamekeeper.guard.store._store import MOST, SlowedState, Spent


class MemoryStore:
    """See `Store`; for one process and one thread at a time."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._days: dict[str, dict[str, Spent]] = defaultdict(dict)
        self._tokens: dict[str, float] = {}
        self._slowed: dict[str, SlowedState] = {}
        self._version = 0

    def load(self, table: str) -> dict[str, bytes]:
        """See `Store`."""
        return dict(self._tables[table])

    def put(self, table: str, id: str, record: bytes) -> None:
        """See `Store`."""
        self._tables[table][id] = record
        self._version += 1

    def put_new(self, table: str, id: str, record: bytes) -> bool:
        """See `Store`."""
        if id in self._tables[table]:
            return False
        self.put(table, id, record)
        return True

    def delete(self, table: str, id: str) -> bool:
        """See `Store`."""
        self._version += 1
        return self._tables[table].pop(id, None) is not None

    def version(self) -> int:
        """See `Store`."""
        return self._version

    def add(self, day: str, spent: Mapping[str, Spent]) -> None:
        """See `Store`."""
        for account, used in spent.items():
            after = self._days[day].get(account, Spent()).plus(used)
            self._days[day][account] = Spent(*(max(0, min(MOST, count)) for count in after))

    def spent(self, day: str) -> dict[str, Spent]:
        """See `Store`."""
        return dict(self._days[day])

    def first_use(self, token: str, *, now: float, expires: float) -> bool:
        """See `Store`."""
        if self._tokens.get(token, now) > now:
            return False
        self._tokens[token] = expires
        return True

    def keep_slowed(self, states: Mapping[str, SlowedState], oldest: float) -> None:
        """See `SlowedStore`."""
        kept = self._slowed | dict(states)
        self._slowed = {name: state for name, state in kept.items() if state.at >= oldest}

    def slowed(self) -> dict[str, SlowedState]:
        """See `SlowedStore`."""
        return dict(self._slowed)

    def close(self) -> None:
        """See `Store`."""
