"""Hard budgets of rows, over a key's whole life: what bounds the copying of a model that cannot see
what it is asked.

A charge is a record of its own, `<key>.<number>`, with the total after it, written before the
answer is made. Records are only added, and only if there is none of that number: two processes, or
a process and its successor after a crash, cannot both spend the same rows. Rows are put back only
while a key has no more records than two for each row that it used up, and a thousand: a budget of n
rows leaves at most 3 n + 1,000.
"""

from threading import Lock

import orjson

from gamekeeper.guard.store import Store

ENCRYPTED_ROUTE = "encrypted.infer"
"""Name of encrypted inference in scopes and access policies; sending keys belongs to it."""

TABLE = "encrypted-rows"
# Failed requests whose rows are put back, in addition to one for each that succeeded. Each leaves a
# record: without a bound they would fill the store.
_FAILURES = 1_000


class RowLedger:
    """The rows that each key has used up. Every method blocks on the store.

    Args:
        store: Where the guard's state is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._known: dict[str, tuple[int, int]] = {}
        self._read()

    def take(self, key: str, rows: int, most: int) -> bool:
        """Takes rows off a key's budget; returns whether there were so many left.

        Args:
            key: Its id.
            rows: At least 1.
            most: The budget.

        Raises:
            StoreGoneError: The store cannot be reached.
        """
        with self._lock:
            return self._add(key, rows, most)

    def give_back(self, key: str, rows: int) -> None:
        """Puts rows back that got no answer, unless that happened too often."""
        with self._lock:
            number, total = self._known.get(key, (0, 0))
            if number <= 2 * total + _FAILURES:
                self._add(key, -rows, None)

    def spent(self, key: str) -> int:
        """Returns how many rows a key has used up."""
        return self._known.get(key, (0, 0))[1]

    def _add(self, key: str, rows: int, most: int | None) -> bool:
        while True:
            number, total = self._known.get(key, (0, 0))
            if most is not None and total + rows > most:
                return False
            after = (number + 1, total + rows)
            if self._store.put_new(
                TABLE, f"{key}.{after[0]:012d}", orjson.dumps({"total": after[1]})
            ):
                self._known[key] = after
                return True
            self._read()  # somebody else wrote that number

    def _read(self) -> None:
        for id, record in self._store.load(TABLE).items():
            key, _, number = id.rpartition(".")
            if int(number) > self._known.get(key, (0, 0))[0]:
                self._known[key] = int(number), int(orjson.loads(record)["total"])
