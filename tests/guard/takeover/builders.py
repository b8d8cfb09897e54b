"""Credentials with a past, and thieves; all by the day."""

from typing import Any

from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import Store
from gamekeeper.guard.takeover import Habits, Reading, TakeoverJudge

DAY = 86_400.0
START = 20_000 * DAY
"""A midnight."""
AT_NINE = 9 * 3600.0

OFFICE = Caller("203.0.113.7", "sdk/1.2", "DE", 64_500)
HOME = Caller("198.51.100.9", "sdk/1.2", "DE", 64_501)
PHONE = Caller("192.0.2.44", "app/9", "DE", 64_502)
THIEF = Caller("233.252.0.5", "curl/8", "BR", 64_503)


def make_principal(credential: str = "k1", account: str = "acme", **fields: Any) -> Principal:
    return Principal(**({"account": account, "credential": credential, "kind": "key"} | fields))


def use(
    habits: Habits | TakeoverJudge, caller: Caller, day: float, at: float = AT_NINE, **who: Any
) -> tuple[Reading, ...]:
    return habits.observe(make_principal(**who), caller, START + day * DAY + at)


def names(readings: tuple[Reading, ...]) -> list[str]:
    return [reading.signal for reading in readings]


def work(
    habits: Habits | TakeoverJudge, days: range, *callers: Caller, per_day: int = 5, **who: Any
) -> set[str]:
    """Uses a credential on working days, between nine and five, from each place in turn; returns
    its signals.
    """
    found: set[str] = set()
    for day in days:
        if day % 7 < 5:
            for n in range(per_day):
                caller = callers[n * len(callers) // per_day]
                found.update(
                    names(use(habits, caller, day, AT_NINE + n * 8 * 3600 / per_day, **who))
                )
    return found


def settled(*callers: Caller, days: int = 42, **who: Any) -> Habits:
    """Habits of a credential that was used on the working days of six weeks, from the office unless
    said otherwise.
    """
    habits = Habits()
    work(habits, range(days), *(callers or (OFFICE,)), **who)
    return habits


class Hands:
    """A clock that tests move, by days from the start."""

    def __init__(self, day: float = 0.0) -> None:
        self.day = day

    def __call__(self) -> float:
        return START + self.day * DAY


class Bench:
    """A judge with everything around it."""

    def __init__(self, store: Store, **ladder: Any) -> None:
        self.store = store
        self.clock = Hands()
        self.entries: list[tuple[str, str, dict[str, Any]]] = []
        self.counted: list[str] = []
        self.decisions = Decisions(
            store, Ladder(**ladder), lambda *entry: self.entries.append(entry)
        )
        self.takeover = TakeoverJudge(
            Ladder(**ladder),
            self.decisions,
            Habits(),
            store,
            decide=self.decisions.add,
            now=self.clock,
            record=lambda *entry: self.entries.append(entry),
            count=self.counted.append,
            on_notice=lambda sentence: None,
        )

    def work(self, days: range, *callers: Caller, **who: Any) -> None:
        work(self.takeover, days, *(callers or (OFFICE,)), **who)
        self.keep(float(days.stop))

    def use(self, caller: Caller, day: float, **who: Any) -> list[str]:
        """Uses the credential at this very time, and writes what follows."""
        found = names(use(self.takeover, caller, day, 0.0, **who))
        self.keep(day)
        return found

    def keep(self, day: float) -> None:
        self.clock.day = day
        self.takeover.keep()

    def step_up(self, day: float, **who: Any) -> Decision | None:
        principal = make_principal(**who)
        now = START + day * DAY
        return self.decisions.of(
            principal.account, now, principal.subject, principal.authenticated_at
        )

    def refuse(self, signal: str, caller: Caller, day: float, **who: Any) -> None:
        principal = make_principal(**who)
        refused = CredentialError(
            "invalid_token",
            "no",
            signal=signal,
            account=principal.account,
            subject=principal.subject,
            authenticated_at=principal.authenticated_at,
        )
        self.takeover.refused(refused, caller, START + day * DAY)
        self.keep(day)
