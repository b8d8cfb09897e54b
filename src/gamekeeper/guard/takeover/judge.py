"""From readings to a step-up: signals of one credential within a day, as many distinct ones as the
policy asks for.

A step-up asks the credential's owner to sign in again (or to have the key rotated); an owner who
did so since it was decided goes on. So it is made even where the policy's `highest` lies below
`challenge`: that setting bounds what the guard takes from an account, and here it takes nothing
from its owner, who alone can pass. Only a `highest` below `slow` (the guard is to do nothing) turns
it into a `watch`, and `allow` into a record in the casebook. A credential that does not show when
its owner signed in (a token without `auth_time`) is watched as well: nobody could answer.

It holds until its end even after the owner is back: the stolen secret or token may still count for
a while (an overlap of a rotation, a token's lifetime), and whoever shows it is not back. What the
owner does then is learnt; new signals against the new credential make a new step-up, since when it
counts anew.

While a step-up holds nothing is learnt, and what was learnt since its first signal is taken back.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from gamekeeper.base.log import get_logger
from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.decisions.register import Decisions, Record
from gamekeeper.guard.identity import CredentialError, Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import Store, StoreGoneError
from gamekeeper.guard.takeover import change_in_asking, dpop_mismatch, dpop_replay
from gamekeeper.guard.takeover.card import Reading
from gamekeeper.guard.takeover.cards import CARDS
from gamekeeper.guard.takeover.habits import TABLE, Habits
from gamekeeper.guard.takeover.window import WINDOW_S, Window
from gamekeeper.verdict import Verdict

log = get_logger("gamekeeper.guard")

PREFIX = "signals:"
CAUSE = "stolen-key"

_SAVE_S = 3.0
_SAVED_AT_ONCE = 500
_FORGET_S = 86_400
_COUNTS = ("tested", "stable")


@dataclass(slots=True)
class _Batch:
    """What is written off the event loop."""

    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    records: dict[str, bytes] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


class TakeoverJudge:
    """Decides, from signals of stolen keys, whose owners have to sign in again.

    Args:
        ladder: When a step-up is asked for, and for how long.
        decisions: Those that hold.
        habits: Of each credential.
        store: Where habits and open signals are kept; they are read from it at once.
        decide: Makes a decision; blocks.
        record: Writes to the casebook; blocks.
        count: Counts a signal by its name.
        now: The time, epoch seconds.
        on_notice: Called with each step-up, as a sentence.

    Raises:
        StoreGoneError: The store cannot be reached.
    """

    def __init__(
        self,
        ladder: Ladder,
        decisions: Decisions,
        habits: Habits,
        store: Store,
        *,
        decide: Callable[[Decision], bool],
        now: Callable[[], float],
        record: Record = lambda kind, subject, body: None,
        count: Callable[[str], None] = lambda signal: None,
        on_notice: Callable[[str], None] = log.info,
    ) -> None:
        self.ladder = ladder
        self._decisions = decisions
        self._store = store
        self._decide = decide
        self._record = record
        self._count = count
        self._now = now
        self._on_notice = on_notice
        self.habits = habits
        self._windows: dict[str, Window] = {}
        self._shifts: dict[str, tuple[float, Reading]] = {}
        self._entries: list[tuple[str, dict[str, Any]]] = []
        self._deciding: dict[str, Decision] = {}
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._saved_at = monotonic()
        self._forgot_at = float("-inf")
        habits.load(store)
        self._load()

    def observe(self, principal: Principal, caller: Caller, now: float) -> tuple[Reading, ...]:
        """Takes in a use of a credential; returns what it is unlike. On the event loop; does not
        block.

        Args:
            principal: Who asks, as authenticated.
            caller: Where from.
            now: Epoch seconds.
        """
        held = self._held(principal.account, principal.subject, now)
        if held is not None and not self._is_back(principal, caller, held, now):
            return ()
        readings = self.habits.observe(principal, caller, now)
        for reading in readings:
            self._take(
                principal.subject, principal.account, reading, now, _is_answerable(principal)
            )
        return readings

    def refused(self, refused: CredentialError, caller: Caller, now: float) -> None:
        """Takes in a credential that was refused, if that says something. On the event loop; does
        not block.

        Args:
            refused: As the authenticator raised it.
            caller: Where from.
            now: Epoch seconds.
        """
        if refused.signal is None or refused.account is None:
            return
        subject = refused.subject or f"account:{refused.account}"
        if refused.signal == dpop_replay.CARD.name:
            reading = dpop_replay.read(self.habits.is_latest(subject, caller))
        else:
            reading = dpop_mismatch.read()
        if self._held(refused.account, subject, now) is None:
            self._take(subject, refused.account, reading, now, refused.authenticated_at is not None)
        else:
            self._count(reading.signal)

    def shifted(self, accounts: Mapping[str, Mapping[str, Any]], now: float) -> None:
        """Takes in whose queries changed, as the linking process found it. On the event loop; does
        not block.

        Args:
            accounts: `p` and `says` by account.
            now: Epoch seconds.
        """
        for account, shift in accounts.items():
            known = self._shifts.get(account)
            reading = change_in_asking.read(float(shift["p"]), str(shift["says"]))
            self._shifts[account] = now, reading
            if known is None or now - known[0] >= WINDOW_S:
                self._note(f"account:{account}", account, reading, now)
                self._judge(f"account:{account}", Window(account), now)
        for subject, window in self._windows.items():
            if window.account in accounts and window.live(now):
                self._judge(subject, window, now)

    async def run(self) -> None:
        """Decides as soon as there is something, and writes every few seconds, until cancelled;
        then once more.
        """
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_SAVE_S):
                        await self._wake.wait()
                self._wake.clear()
                batch = self._collected()
                self._settled(batch, await asyncio.to_thread(self._settle, batch))
        finally:
            self._saved_at = float("-inf")
            self.keep()

    def keep(self) -> None:
        """Does once what `run` does again and again; blocks."""
        self._saved_at = float("-inf")
        batch = self._collected()
        self._settled(batch, self._settle(batch))

    def _held(self, account: str, subject: str, now: float) -> Decision | None:
        deciding = self._deciding.get(subject)
        if deciding is not None and deciding.challenge == "reauthenticate":
            return deciding
        return self._decisions.step_up(account, subject, now)

    def _is_back(self, principal: Principal, caller: Caller, held: Decision, now: float) -> bool:
        """Whether the owner is back; the system of the first use after that is known from
        then on.
        """
        at = principal.authenticated_at
        if at is None or at <= held.since:
            return False
        window = self._windows.setdefault(principal.subject, Window(principal.account))
        if window.cleared != held.since:
            window.cleared = held.since
            window.readings = {}
            self.habits.trust(principal, caller, now)
            self._changed[principal.subject] = None
        return True

    def _take(
        self, subject: str, account: str, reading: Reading, now: float, is_answerable: bool
    ) -> None:
        window = self._windows.setdefault(subject, Window(account))
        window.is_answerable = is_answerable
        if window.take(reading, now):
            self._note(subject, account, reading, now)
        self._changed[subject] = None
        self._judge(subject, window, now)

    def _note(self, subject: str, account: str, reading: Reading, now: float) -> None:
        """Once a day for each signal of a credential: whoever repeats it fills neither casebook nor
        graph.
        """
        self._count(reading.signal)
        body = {"signal": reading.signal, "says": reading.says, "account": account, "at": now}
        self._entries.append((subject, body))

    def _against(self, window: Window, now: float) -> list[Reading]:
        """Its live readings, and its account's change in asking, unless that is what an answered
        thief asked.
        """
        at, reading = self._shifts.get(window.account, (float("-inf"), None))
        is_of_today = (
            reading is not None and now - at < WINDOW_S and at - window.cleared >= WINDOW_S
        )
        return [*window.live(now), *([reading] if reading is not None and is_of_today else [])]

    def _judge(self, subject: str, window: Window, now: float) -> None:
        counting = [r for r in self._against(window, now) if CARDS[r.signal].maturity in _COUNTS]
        enough = 0 < self.ladder.step_up <= len(counting) and not all(r.is_hint for r in counting)
        verdict = self._verdict(window)
        if (
            verdict is None
            or subject in self._deciding
            or not (enough or any(r.suffices for r in counting))
        ):
            return
        self._deciding[subject] = Decision.make(
            subject,
            verdict,
            CAUSE,
            reasons=tuple(r.says for r in counting),
            innocent=tuple(dict.fromkeys(CARDS[r.signal].innocent for r in counting)),
            since=now,
            until=now + self.ladder.hours * 3600,
            challenge="reauthenticate" if verdict is Verdict.CHALLENGE else None,
        )
        self._wake.set()

    def _verdict(self, window: Window) -> Verdict | None:
        highest = self.ladder.highest
        if highest.step >= Verdict.SLOW.step and window.is_answerable:
            return Verdict.CHALLENGE
        return Verdict.WATCH if highest.step >= Verdict.WATCH.step else None

    def _collected(self) -> _Batch:
        """Takes what is to be written; on the event loop, where requests change it."""
        batch = _Batch(entries=self._entries, decisions=list(self._deciding.values()))
        self._entries = []
        if monotonic() - self._saved_at < _SAVE_S:
            return batch
        self._saved_at, now = monotonic(), self._now()
        self._lapse(now)
        batch.records = self.habits.unsaved(_SAVED_AT_ONCE)
        for subject in self._changed:
            window = self._windows.get(subject)
            if window is None:
                batch.gone.append(PREFIX + subject)
            else:
                batch.records[PREFIX + subject] = window.document(self.habits.before(subject))
        self._changed = {}
        if self._saved_at - self._forgot_at >= _FORGET_S:
            self._forgot_at = self._saved_at
            batch.gone += self.habits.forget(now)
        return batch

    def _lapse(self, now: float) -> None:
        """Ends windows in which nothing is open any more; what was learnt meanwhile stands."""
        for subject, window in list(self._windows.items()):
            if not window.live(now) and self._held(window.account, subject, now) is None:
                del self._windows[subject]
                self._changed[subject] = None
                self.habits.keep(subject)
        self._shifts = {a: (at, r) for a, (at, r) in self._shifts.items() if now - at < WINDOW_S}

    def _settle(self, batch: _Batch) -> bool:
        """Writes a batch; blocks. False: the store is gone, and it is to be brought again."""
        for subject, body in batch.entries:
            self._record("stolen-key-signal", subject, body)
        batch.entries = []
        try:
            for decision in batch.decisions:
                if self._decide(decision):
                    self._on_notice(
                        f"{decision.verdict} for {decision.subject}: {'; '.join(decision.reasons)}"
                    )
            for id, record in batch.records.items():
                self._store.put(TABLE, id, record)
            for id in batch.gone:
                self._store.delete(TABLE, id)
        except StoreGoneError:
            return False  # said by the core, which meets the same store
        return True

    def _settled(self, batch: _Batch, is_written: bool) -> None:
        if not is_written:
            self._bring_again(batch)
            return
        for decision in batch.decisions:
            self._decided(decision)

    def _bring_again(self, batch: _Batch) -> None:
        ids = [*batch.records, *batch.gone]
        self.habits.not_saved(
            [id for id in ids if not id.startswith(PREFIX) and id in batch.records]
        )
        self._changed |= dict.fromkeys(
            id.removeprefix(PREFIX) for id in ids if id.startswith(PREFIX)
        )
        self._forgot_at = float("-inf") if batch.gone else self._forgot_at

    def _decided(self, decision: Decision) -> None:
        """Takes back what a thief may have taught; where a person has lifted it, what was learnt
        stands.
        """
        subject = decision.subject
        self._deciding.pop(subject, None)
        for each, window in list(self._windows.items()):
            if each == subject or f"account:{window.account}" == subject:
                held = self._decisions.step_up(window.account, each, self._now())
                if held is not None:
                    self.habits.unlearn(each)
                else:
                    self.habits.keep(each)
                window.readings = {}
                self._changed[each] = None

    def _load(self) -> None:
        """Takes up the signals of the last day; those that cannot be read are left out."""
        for id, record in self._store.load(TABLE).items():
            if not id.startswith(PREFIX):
                continue
            subject = id.removeprefix(PREFIX)
            try:
                self._windows[subject], before = Window.read(record)
            except (ValueError, KeyError, TypeError):
                log.warning("the signals of %s cannot be read and are ignored", subject)
                continue
            if before is not None:
                self.habits.resume(subject, before)


def _is_answerable(principal: Principal) -> bool:
    """Whether signing in again can be seen: by its time, or because a new key is another account
    upstream.
    """
    return principal.authenticated_at is not None or principal.kind == "upstream"
