"""What is kept in memory for each account: its bucket, what it spent today, the proofs it has left.

Only accounts that were authenticated have state, and at most `limit` of them: the longest idle gives way and
keeps no more than what it spent today. So invented names cost no memory.
"""

from gamekeeper.guard.clock import day_of
from gamekeeper.guard.store import Spent

_NOTHING = Spent()


class Account:
    """State of one account.

    Args:
        name: Of the account.
        tokens: In its bucket.
        at: When the bucket was last filled.
        spent: Today, as far as this process knows.
        proofs: Requests that its last proof of work still opens.
    """

    __slots__ = ("at", "name", "proofs", "spent", "tokens")

    def __init__(self, name: str, spent: Spent) -> None:
        self.name = name
        self.tokens = -1.0  # no bucket yet
        self.at = 0.0
        self.spent = spent
        self.proofs = 0

    def wait_s(self, now: float, per_second: float, burst: int) -> float:
        """Takes a token out of the bucket and returns how long the request has to wait for it, in seconds.

        The bucket may be overdrawn: each further request waits longer, until its caller gives it back.
        """
        self.tokens = burst if self.tokens == -1.0 else min(burst, self.tokens + (now - self.at) * per_second)
        self.at = now
        self.tokens -= 1
        return max(0.0, -self.tokens / per_second)

    def give_back(self) -> None:
        """Puts the token of a refused request back."""
        self.tokens += 1


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
        self._earlier, self._limit = spent_today, limit
        self.day = day

    def __len__(self) -> int:
        return len(self._accounts)

    def of(self, name: str) -> Account:
        """Returns the state of an account, made if there is none; it is now the last to give way."""
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
        unsaved, self._unsaved = self._unsaved, {}
        return unsaved

    def restore(self, unsaved: dict[str, Spent]) -> None:
        """Takes back what could not be saved."""
        for name, spent in unsaved.items():
            self._unsaved[name] = self._unsaved.get(name, _NOTHING).plus(spent)

    def turn(self, now: float) -> bool:
        """Begins a new day if it is one; what is unsaved counts for it. A day that is past never comes back."""
        if (day := day_of(now)) <= self.day:
            return False
        self.day, self._earlier = day, {}
        for account in self._accounts.values():
            account.spent = self._unsaved.get(account.name, _NOTHING)
        return True

    def _give_way(self) -> None:
        oldest = self._accounts.pop(next(iter(self._accounts)))
        self._earlier[oldest.name] = oldest.spent
