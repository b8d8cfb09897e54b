"""All decisions in force, by account.

Each is made once, renewed while its reasons last, and lifted by people.

The store is the truth: the command line and other replicas write to it, and `refresh` reads what
they wrote. Every change that this process sees goes to the casebook, also those made elsewhere.

A campaign's decision holds for its members. For an account that only joined, because it used the
campaign's template, it is `watch` at most (docs/decisions/0014). A decision about the account
itself holds in full.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.decisions.decision import Decision, Tracked
from gamekeeper.guard.identity import account_mask
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import Store
from gamekeeper.verdict import Member, Verdict

Record = Callable[[str, str, dict[str, Any]], None]
"""Writes to the casebook: kind, subject, body."""


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _alone(
    method: Callable[Concatenate["Decisions", _P], _R],
) -> Callable[Concatenate["Decisions", _P], _R]:
    @wraps(method)
    def locked(self: "Decisions", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class Decisions:
    """All decisions in force and all campaigns, in step with the store.

    Args:
        store: Where they are kept.
        ladder: How long decisions hold and how far the guard goes by itself; may be exchanged.
        record: Called with every change.
    """

    def __init__(
        self, store: Store, ladder: Ladder, record: Record = lambda kind, subject, body: None
    ) -> None:
        self._store = store
        self.ladder = ladder
        self._record = record
        self._version = -1
        self._lock = RLock()  # decisions are changed by threads, which block on the store
        self.all: dict[str, Decision] = {}
        self.campaigns: dict[str, Tracked] = {}
        self._lifted: dict[str, float] = {}
        self._lifted_records: dict[str, dict[str, Any]] = {}
        self.unreadable: dict[tuple[str, str], Exception] = {}
        self._by_account: dict[str, tuple[Decision, ...]] = {}
        self._by_credential: dict[str, tuple[Decision, ...]] = {}

    def of(
        self,
        account: str,
        now: float,
        subject: str | None = None,
        authenticated_at: float | None = None,
    ) -> Decision | None:
        """Returns the strongest decision that holds for an account, or one of its credentials; a
        dictionary lookup.

        Args:
            account: By name.
            now: Epoch seconds.
            subject: Of the credential, see `Principal.subject`.
            authenticated_at: When its owner last authenticated: an answered step-up holds no more,
                what else there is does.
        """
        held = self._by_account.get(account, ())
        if subject is not None and (own := self._by_credential.get(subject)):
            held = tuple(sorted((*own, *held), key=_weakness))
        for decision in held:
            if decision.until > now and not decision.is_answered(authenticated_at):
                return decision
        return None

    def held(self, account: str, now: float) -> list[Decision]:
        """Returns what holds for an account, the strictest first; for one that joined a campaign,
        as it holds for it.
        """
        return [each for each in self._by_account.get(account, ()) if each.until > now]

    def step_up(self, account: str, subject: str, now: float) -> Decision | None:
        """Returns the latest step-up that holds for a credential or its account, answered
        or not.
        """
        own = self._by_credential.get(subject, ())
        whole = self._by_account.get(account, ())
        if not own and not whole:
            return None
        asked = [d for d in (*own, *whole) if d.challenge == "reauthenticate" and d.until > now]
        return max(asked, key=lambda d: d.since, default=None)

    def subject_as_charged(self, subject: str) -> str:
        """Returns a subject with the account's name as the guard knows it: secrets masked."""
        return account_mask(self._store).mask(subject)

    @_alone
    def refresh(self, now: float) -> bool:
        """Loads what others changed and drops what has ended; returns whether anything changed."""
        version = self._store.version()
        changed = version != self._version
        if changed:
            self._load()
            self._version = version  # only now: what failed is tried again
        if ended := [d for d in self.all.values() if d.until <= now]:
            for decision in ended:
                self._store.delete("decisions", decision.id)
                del self.all[decision.id]
                self._record("decision-ended", decision.subject, {"id": decision.id})
        if changed or ended:
            self._index()
        return changed or bool(ended)

    @_alone
    def add(self, decision: Decision) -> bool:
        """Makes a decision; returns whether it is new. One of the guard's that a person lifted
        stays lifted.

        A further step-up of the same cause begins again: an owner who answered the last one is
        asked once more.
        """
        if decision.by == "guard" and self._lifted.get(_lift_key(decision), 0) > decision.since:
            return False
        known = self.all.get(decision.id)
        is_renewed = known is not None and decision.challenge != "reauthenticate"
        decision = known.renewed(decision.until) if known and is_renewed else decision
        if known == decision:
            return False
        self._store.put("decisions", decision.id, orjson.dumps(decision.document()))
        self.all[decision.id] = decision
        self._index()
        if not is_renewed:
            self._record("decision", decision.subject, decision.document())
        return not is_renewed

    @_alone
    def lift(self, id: str, *, by: str, why: str, now: float) -> Decision | None:
        """Lifts a decision; the guard leaves its subject alone for `lifted_days`. None if there is
        no such.
        """
        decision = self.all.get(id)
        if decision is None:
            return None
        for other in [d for d in self.all.values() if d.subject == decision.subject]:
            self._remember_lifted(other, by, why, now)
        self._index()
        return decision

    @_alone
    def track(self, campaigns: Iterable[Tracked], now: float) -> list[Decision]:
        """Takes in what a pass over recent traffic found; returns the decisions that are new."""
        made = []
        for tracked in campaigns:
            known = self.campaigns.get(tracked.id)
            if known is not None:
                later = tuple(j for j in known.joined if j[0] not in tracked.accounts)
                tracked = replace(tracked, joined=later, found=min(known.found, tracked.found))
            self._store.put("campaigns", tracked.id, orjson.dumps(tracked.document()))
            self.campaigns[tracked.id] = tracked
            if known is None or known.verdict != tracked.verdict:
                body = tracked.document() | {"accounts": len(tracked.accounts)}
                self._record("campaign", f"campaign:{tracked.id}", body)
            decision = self._about(tracked, now)
            if decision is not None and self.add(decision):
                made.append(decision)
        self._index()
        return made

    @_alone
    def join(self, joined: Mapping[str, str], now: float) -> list[str]:
        """Adds accounts that used a campaign's template; they are watched from now on.

        Args:
            joined: The campaign of each account.
            now: Epoch seconds.

        Returns:
            The accounts that are new. A pass that finds one by its own evidence makes it a member.
        """
        by_campaign: dict[str, list[str]] = defaultdict(list)
        for account, campaign in joined.items():
            by_campaign[campaign].append(account)
        new = [each for names in by_campaign.items() for each in self._join(*names, now)]
        if new:
            self._index()
        return new

    def _join(self, campaign: str, accounts: list[str], now: float) -> list[str]:
        tracked = self.campaigns.get(campaign)
        if tracked is None:
            return []
        known = tracked.accounts | dict(tracked.joined).keys()
        new = [account for account in accounts if account not in known]
        if not new:
            return []
        tracked = replace(tracked, joined=(*tracked.joined, *((account, now) for account in new)))
        self._store.put("campaigns", campaign, orjson.dumps(tracked.document()))
        self.campaigns[campaign] = tracked
        for account in new:
            body = {"account": account, "verdict": str(Verdict.WATCH)}
            self._record("campaign-joined", f"campaign:{campaign}", body)
        return new

    def _about(self, tracked: Tracked, now: float) -> Decision | None:
        by_member = [self._highest(member) for member in tracked.known_members]
        verdict = max(by_member, default=Verdict.ALLOW, key=lambda v: v.step)
        if verdict is Verdict.ALLOW:
            return None
        return Decision.make(
            f"campaign:{tracked.id}",
            verdict,
            "campaign",
            reasons=tracked.reasons,
            innocent=tracked.innocent,
            since=now,
            until=now + self.ladder.hours * 3600,
            challenge="proof" if verdict is Verdict.CHALLENGE else None,
        )

    def _highest(self, member: Member) -> Verdict:
        """What the guard decides by itself on a member's own evidence.

        More than `watch` needs a family that tenants of one product do not share by nature, see
        `Ladder`.
        """
        wanted = self.ladder.corroborated_by
        is_corroborated = not wanted or any(family in wanted for family in member.families)
        highest = self.ladder.highest if is_corroborated else Verdict.WATCH
        return min(member.verdict, highest, key=lambda v: v.step)

    def _remember_lifted(self, decision: Decision, by: str, why: str, now: float) -> None:
        until = now + self.ladder.lifted_days * 86_400
        lifted = {
            "format": "gamekeeper/lifted@1",
            "until": until,
            "by": by,
            "why": why,
            "at": now,
            "id": decision.id,
        }
        self._store.put("lifted", _lift_key(decision), orjson.dumps(lifted))
        self._store.delete("decisions", decision.id)
        self._lifted[_lift_key(decision)] = until
        del self.all[decision.id]
        self._record("decision-lifted", decision.subject, lifted)

    def _load(self) -> None:
        decisions = self._read("decisions", _decision, self.all)
        for id in decisions.keys() - self.all.keys():
            self._record("decision", decisions[id].subject, decisions[id].document())
        lifted = self._read("lifted", _lifted, self._lifted_records)
        for id in self.all.keys() - decisions.keys():
            gone = self.all[id]
            self._record("decision-lifted", gone.subject, lifted.get(_lift_key(gone), {"id": id}))
        self.all = decisions
        self._lifted_records = lifted
        self._lifted = {id: read["until"] for id, read in lifted.items()}
        self.campaigns = self._read("campaigns", Tracked.from_document, self.campaigns)

    def _read(
        self, table: str, parse: Callable[[dict[str, Any]], _R], known: dict[str, _R]
    ) -> dict[str, _R]:
        """Returns the records of a table by id.

        One that cannot be read is set aside, and what it said before still holds: a damaged record
        does not lift a decision.
        """
        read: dict[str, _R] = {}
        records = self._store.load(table)
        for gone in [key for key in self.unreadable if key[0] == table and key[1] not in records]:
            del self.unreadable[gone]
        for id, record in records.items():
            try:
                read[id] = parse(orjson.loads(record))
                self.unreadable.pop((table, id), None)
            except (ValueError, TypeError, KeyError, AttributeError, GamekeeperError) as error:
                self.unreadable[table, id] = error
                if id in known:
                    read[id] = known[id]
        return read

    def _index(self) -> None:
        by_account: dict[str, list[Decision]] = defaultdict(list)
        by_credential: dict[str, list[Decision]] = defaultdict(list)
        for decision in self.all.values():
            if decision.subject.startswith("credential:"):
                by_credential[decision.subject].append(decision)
            for account, held in self._holds_for(decision):
                by_account[account].append(held)
        self._by_account = _strictest_first(by_account)
        self._by_credential = _strictest_first(by_credential)

    def _holds_for(self, decision: Decision) -> Iterator[tuple[str, Decision]]:
        """Accounts that a decision holds for, each with the decision as it holds for it."""
        kind, _, name = decision.subject.partition(":")
        if kind == "account":
            yield name, decision
        tracked = self.campaigns.get(name) if kind == "campaign" else None
        if tracked is None:
            return
        for member in tracked.known_members:
            held = decision.for_member(member, self._highest(member))
            if held.verdict is not Verdict.ALLOW:
                yield member.account, held
        watched = decision.for_joined()
        for account, _ in tracked.joined:
            yield account, watched


def _strictest_first(held: dict[str, list[Decision]]) -> dict[str, tuple[Decision, ...]]:
    return {name: tuple(sorted(decisions, key=_weakness)) for name, decisions in held.items()}


def _weakness(decision: Decision) -> tuple[int, str]:
    return -decision.verdict.step, decision.id


def _decision(document: dict[str, Any]) -> Decision:
    decision = Decision.from_document(document)
    if not (isinstance(decision.subject, str) and isinstance(decision.until, int | float)):
        raise TypeError("a decision needs a subject and an end")
    return decision


def _lifted(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"until": float(document["until"])}


def _lift_key(decision: Decision) -> str:
    """What a lift is remembered by: the subject, since a person clears an account or a campaign,
    not one step of the ladder.
    """
    return decision.subject
