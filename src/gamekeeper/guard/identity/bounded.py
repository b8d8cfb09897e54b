"""A map that forgets what was used least recently: what strangers send may fill it, never
grow it.
"""

import threading
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A least-recently-used cache for several threads; cachetools leaves the lock to its callers.

    Args:
        capacity: Entries, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        self._entries: LRUCache[K, V] = LRUCache(capacity)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Returns an entry, which is thereby the most recently used; None if there is none."""
        with self._lock:
            return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Adds or replaces an entry; where there are too many, the least recently used goes."""
        with self._lock:
            self._entries[key] = value

    def put_new(self, key: K, value: V) -> bool:
        """Adds an entry unless there is one; returns whether it was added."""
        with self._lock:
            if key in self._entries:
                return False
            self._entries[key] = value
            return True

    def drop(self, key: K) -> None:
        """Removes an entry if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Removes all entries."""
        with self._lock:
            self._entries.clear()
