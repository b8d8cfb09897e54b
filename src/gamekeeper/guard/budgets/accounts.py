"""What is kept in memory for each account: its bucket, what it spent today, the proofs it has left.

Only accounts that were authenticated have state, and at most `limit` of them: the longest idle
gives way and keeps no more than what it spent today. So invented names cost no memory.
"""

from collections.abc import Sequence

from gamekeeper.base.clock import day_of
from gamekeeper.guard.store import Spent

_NOTHING = Spent()


class Bucket:
    """A token bucket, full at first. It may be overdrawn: who takes from it then has to wait."""

    __slots__ = ("at", "tokens")

    def __init__(self, size: float, now: float) -> None:
        self.tokens = size
        self.at = now

    def wait_s(self, now: float, per_second: float, size: float) -> float:
        """Takes a token and returns how long the request has to wait for it, in seconds."""
        self.tokens = min(size, self.tokens + (now - self.at) * per_second) - 1
        self.at = now
        return max(0.0, -self.tokens / per_second)


class Account:
    """State of one account.

    Args:
        name: Of the account.
        spent: Today, as far as this process knows.
    """

    __slots__ = ("buckets", "name", "proofs", "spent")

    def __init__(self, name: str, spent: Spent) -> None:
        self.name = name
        self.spent = spent
        self.proofs = 0  # requests that its last proof of work still opens
        self.buckets: tuple[
            Bucket, ...
        ] = ()  # of its pace and of its day; none before it is slowed

    def wait_s(self, now: float, rates: Sequence[tuple[float, float]]) -> float:
        """Takes a token out of each bucket and returns how long the request has to wait, in
        seconds.

        Args:
            now: Epoch seconds.
            rates: Tokens a second and size of each bucket.
        """
        if not self.buckets:
            self.buckets = tuple(Bucket(size, now) for _, size in rates)
        return max(
            b.wait_s(now, rate, size) for b, (rate, size) in zip(self.buckets, rates, strict=True)
        )

    def give_back(self) -> None:
        """Puts the tokens of a refused request back."""
        for bucket in self.buckets:
            bucket.tokens += 1


class Accounts:
    """All accounts with state.

    Args:
        spent_today: What accounts had spent when the day's counters were loaded.
        day: Of those.
        limit: Accounts at most.
    """

    def __init__(self, spent_today: dict[str, Spent], day: str, limit: int) -> None:
        self._accounts: dict[str, Account] = {}
        self._unsaved: dict[str, Spent] = {}
        self._earlier = spent_today
        self._limit = limit
        self.day = day

    def __len__(self) -> int:
        return len(self._accounts)

    def of(self, name: str) -> Account:
        """Returns the state of an account, made if there is none; it is now the last to
        give way.
        """
        account = self._accounts.pop(name, None)
        if account is None:
            account = Account(name, self._earlier.get(name, _NOTHING))
            if len(self._accounts) >= self._limit:
                self._give_way()
        self._accounts[name] = account
        return account

    def charge(self, name: str, spent: Spent) -> None:
        """Adds to what an account spent today."""
        account = self.of(name)
        account.spent = account.spent.plus(spent)
        self._unsaved[name] = self._unsaved.get(name, _NOTHING).plus(spent)

    def unsaved(self) -> dict[str, Spent]:
        """Returns what is not in the store yet, and counts it as saved; `restore` takes it back."""
        unsaved = self._unsaved
        self._unsaved = {}
        return unsaved

    def restore(self, unsaved: dict[str, Spent]) -> None:
        """Takes back what could not be saved."""
        for name, spent in unsaved.items():
            self._unsaved[name] = self._unsaved.get(name, _NOTHING).plus(spent)

    def learn(self, spent: dict[str, Spent]) -> None:
        """Takes over what accounts spent today by the store that replicas share; what is unsaved
        comes on top.
        """
        for name, used in spent.items():
            used = used.plus(self._unsaved.get(name, _NOTHING))
            if (account := self._accounts.get(name)) is not None:
                account.spent = used
            else:
                self._earlier[name] = used

    def turn(self, now: float) -> bool:
        """Begins a new day if it is one; what is unsaved counts for it. A day that is past never
        comes back.
        """
        if (day := day_of(now)) <= self.day:
            return False
        self.day = day
        self._earlier = {}
        for account in self._accounts.values():
            account.spent = self._unsaved.get(account.name, _NOTHING)
        return True

    def _give_way(self) -> None:
        oldest = self._accounts.pop(next(iter(self._accounts)))
        self._earlier[oldest.name] = oldest.spent
