"""What is kept in memory for each account: what it spent today, what its requests under way may
still cost, its buckets, the proofs it has left.

A request is reserved before it is passed on, paid while it is answered, and settled at its end:

    refused if  spent + held >= budget
    reserve     held += estimate
    pay         spent += cost so far, held -= the same
    close       held -= what is left of the estimate

All of it happens on the event loop between two awaits, so that requests at the same time cannot
overdraw together.

What was paid is charged to the day on which it was paid; what is estimated too high today is given
back to nobody tomorrow. No count falls below 0 or grows beyond 2^53.

Only accounts that were authenticated have state, and at most `limit` of them: the longest idle
gives way and keeps no more than what it spent today. An account that is only a claim (its
credential is still to be accepted by the upstream) has state while a request of it is under way,
and no longer. So invented names cost no memory. What the upstream worked for one whose client left
is remembered for the last few thousand of them, counts against its next requests of the day, and is
charged once the credential is accepted. The buckets of slowed accounts are kept for two
days whatever becomes of the rest, so that neither a restart nor a million others give a burst
again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gamekeeper.base.clock import day_of
from gamekeeper.guard.store import SlowedState, Spent
from gamekeeper.guard.store._store import NOTHING, SLOWED_KEPT_S

if TYPE_CHECKING:
    from gamekeeper.guard.budgets.shared_budgets import SharedReservation

_CLAIMS_OWING = 4_096
"""Claims whose debts are remembered: some 1 MB."""


class Reservation:
    """What one request may cost, held from its account's budget until it is settled.

    Args:
        account: Whose.
        estimate: What it may cost.
        is_claim: Whether the account was only a claim when it was made.

    Attributes:
        paid: What was charged so far.
        held: What is still held.
        day: On which something was last paid.
        earlier: What was paid on days before that: it is given back no more.
        is_open: Whether it is to be settled yet.
    """

    __slots__ = (
        "account",
        "day",
        "earlier",
        "estimate",
        "held",
        "is_claim",
        "is_open",
        "paid",
        "shared",
    )

    def __init__(self, account: "Account", estimate: Spent, is_claim: bool, day: str) -> None:
        self.account = account
        self.day = day
        self.is_open = True
        self.estimate = estimate
        self.is_claim = is_claim
        self.paid = NOTHING
        self.earlier = NOTHING
        self.held = estimate
        self.shared: SharedReservation | None = None


class Bucket:
    """A token bucket, full at first. It may be overdrawn: who takes from it then has to wait."""

    __slots__ = ("at", "tokens")

    def __init__(self, size: float, now: float) -> None:
        self.tokens = size
        self.at = now

    def wait_s(self, now: float, per_second: float, size: float) -> float:
        """Takes a token and returns how long the request has to wait for it, in seconds."""
        passed = max(0.0, now - self.at)  # a clock that is set back takes nothing
        self.tokens = min(size, self.tokens + passed * per_second) - 1
        self.at = max(self.at, now)
        return max(0.0, -self.tokens / per_second)


class Account:
    """State of one account.

    Args:
        name: Of the account.
        spent: Today, as far as this process knows.
    """

    __slots__ = ("buckets", "held", "name", "open", "proofs", "spent")

    def __init__(self, name: str, spent: Spent) -> None:
        self.name = name
        self.spent = spent
        self.held = NOTHING  # by reservations that are open
        self.open = 0  # reservations
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
        if len(self.buckets) != len(rates):
            self.buckets = tuple(Bucket(size, now) for _, size in rates)
        return max(
            b.wait_s(now, rate, size) for b, (rate, size) in zip(self.buckets, rates, strict=True)
        )

    def give_back(self) -> None:
        """Puts the tokens of a refused request back."""
        for bucket in self.buckets:
            bucket.tokens += 1

    @property
    def slowed(self) -> SlowedState:
        """Its buckets and proofs, as they are stored."""
        at = max((bucket.at for bucket in self.buckets), default=0.0)
        return SlowedState(at, tuple(bucket.tokens for bucket in self.buckets), self.proofs)

    @slowed.setter
    def slowed(self, state: SlowedState) -> None:
        self.buckets = tuple(Bucket(tokens, state.at) for tokens in state.tokens)
        self.proofs = state.proofs


class Accounts:
    """All accounts with state.

    Args:
        spent_today: What accounts had spent when the day's counters were loaded.
        day: Of those.
        limit: Accounts at most.
        slowed: Buckets of slowed accounts, as they were loaded.
    """

    def __init__(
        self,
        spent_today: dict[str, Spent],
        day: str,
        limit: int,
        slowed: dict[str, SlowedState] | None = None,
    ) -> None:
        self._accounts: dict[str, Account] = {}
        self._claims: dict[str, Account] = {}
        self._owed: dict[str, Spent] = {}  # by claims, the oldest first
        self._unsaved: dict[str, Spent] = {}
        self._earlier = spent_today
        self._limit = limit
        self._slowed = slowed or {}
        self._unsaved_slowed: dict[str, SlowedState] = {}
        self.day = day

    def __len__(self) -> int:
        return len(self._accounts)

    def of(self, name: str) -> Account:
        """Returns the state of an account, made if there is none; it is now the last to
        give way.
        """
        account = self._accounts.pop(name, None)
        if account is None:
            account = self._claims.pop(name, None) or self._new(name)
            if len(self._accounts) >= self._limit:
                self._give_way()
            self._accept_debt(name)
        self._accounts[name] = account
        return account

    def claimed(self, name: str) -> Account:
        """Returns the state of an account that is only a claim; it is kept only while a reservation
        of it is open.
        """
        return self._accounts.get(name) or self._claims.get(name) or self._new(name)

    def reserve(self, account: Account, estimate: Spent, *, is_claim: bool = False) -> Reservation:
        """Holds what a request may cost."""
        estimate = estimate.bounded()
        account.held = account.held.plus(estimate)
        account.open += 1
        if is_claim and account.name not in self._accounts:
            self._claims[account.name] = account
        return Reservation(account, estimate, is_claim, self.day)

    def pay(self, reservation: Reservation, total: Spent) -> None:
        """Charges what a request has cost so far, which is then held no more. One that is closed
        costs nothing more.
        """
        if not reservation.is_open:
            return
        if reservation.day != self.day:
            reservation.day = self.day
            reservation.earlier = reservation.paid
        total = total.bounded().no_less_than(reservation.earlier)
        due = total if reservation.paid is NOTHING else total.minus(reservation.paid)
        reservation.paid = total
        self._hold(reservation, total.left_of(reservation.estimate))
        if any(due):
            self.charge(reservation.account.name, due)

    def share(self, reservation: Reservation, taken: "SharedReservation") -> None:
        """Notes that a request was taken off a shared budget: nothing is held here besides."""
        reservation.shared = taken
        self._hold(reservation, NOTHING)

    def close(self, reservation: Reservation) -> None:
        """Holds nothing more for a request; what was paid stays. Once is enough."""
        if not reservation.is_open:
            return
        reservation.is_open = False
        account = reservation.account
        self._hold(reservation, NOTHING)
        account.open -= 1
        if not account.open and self._claims.get(account.name) is account:
            del self._claims[account.name]

    def charge(self, name: str, spent: Spent) -> None:
        """Adds to what an account spent today."""
        account = self._accounts.get(name) or self.of(name)
        account.spent = account.spent.plus(spent).no_less_than(NOTHING)
        unsaved = self._unsaved.get(name)
        self._unsaved[name] = spent if unsaved is None else unsaved.plus(spent)

    def owe(self, reservation: Reservation, spent: Spent) -> None:
        """Remembers what a request cost whose account is only a claim: it counts against the next
        ones of the day, and is charged once the account is more than that.
        """
        name = reservation.account.name
        if name in self._accounts:
            self.charge(name, spent)
            return
        reservation.account.spent = reservation.account.spent.plus(spent)
        self._owed[name] = self._owed.pop(name, NOTHING).plus(spent)
        if len(self._owed) > _CLAIMS_OWING:
            del self._owed[next(iter(self._owed))]

    def charge_shared(self, taken: "SharedReservation", spent: Spent) -> None:
        """Adds what could not be added to a shared budget."""
        due = spent if taken.day == self.day else spent.no_less_than(NOTHING)
        if any(due):
            self.charge(taken.account, due)

    def note_slowed(self, account: Account) -> None:
        """Keeps the buckets of an account that took from them, or proved work."""
        state = account.slowed
        self._slowed[account.name] = state
        self._unsaved_slowed[account.name] = state

    def unsaved_slowed(self) -> dict[str, SlowedState]:
        """Returns buckets that changed since the last call."""
        unsaved = self._unsaved_slowed
        self._unsaved_slowed = {}
        return unsaved

    def unsaved(self) -> dict[str, Spent]:
        """Returns what is not in the store yet, and counts it as saved; `restore` takes it back."""
        unsaved = self._unsaved
        self._unsaved = {}
        return unsaved

    def restore(self, unsaved: dict[str, Spent]) -> None:
        """Takes back what could not be saved."""
        for name, spent in unsaved.items():
            self._unsaved[name] = self._unsaved.get(name, NOTHING).plus(spent)

    def learn(self, spent: dict[str, Spent]) -> None:
        """Takes over what accounts spent today by the store that replicas share; what is unsaved
        comes on top.
        """
        for name, used in spent.items():
            used = used.plus(self._unsaved.get(name, NOTHING)).no_less_than(NOTHING)
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
        # What is given back is yesterday's.
        self._unsaved = {name: due.no_less_than(NOTHING) for name, due in self._unsaved.items()}
        self._owed = {}
        self._earlier = dict(self._unsaved)
        for account in (*self._accounts.values(), *self._claims.values()):
            account.spent = self._unsaved.get(account.name, NOTHING)
        oldest = now - SLOWED_KEPT_S
        self._slowed = {name: state for name, state in self._slowed.items() if state.at >= oldest}
        return True

    def _new(self, name: str) -> Account:
        spent = self._earlier.get(name, NOTHING)
        if (owed := self._owed.get(name)) is not None:
            spent = spent.plus(owed)
        account = Account(name, spent)
        if (state := self._slowed.get(name)) is not None:
            account.slowed = state
        return account

    def _accept_debt(self, name: str) -> None:
        """Charges what an account owes since it was a claim; its state counts that already."""
        if (owed := self._owed.pop(name, None)) is not None:
            self._unsaved[name] = self._unsaved.get(name, NOTHING).plus(owed)

    def _hold(self, reservation: Reservation, held: Spent) -> None:
        if held is reservation.held:
            return
        account = reservation.account
        if held is NOTHING and account.open == 1:  # it is the only one
            account.held = NOTHING
        else:
            account.held = account.held.plus(held.minus(reservation.held))
        reservation.held = held

    def _give_way(self) -> None:
        """Forgets the longest idle account that has no request under way; there may be none."""
        idle = next((a for a in self._accounts.values() if not a.open), None)
        if idle is not None:
            del self._accounts[idle.name]
            self._earlier[idle.name] = idle.spent
