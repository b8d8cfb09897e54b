"""A decision: what holds for an account or a campaign, why, until when, and how it ends."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

from gamekeeper.verdict import Member, Verdict

FORMAT = "gamekeeper/decision@1"
JOINED = "joined by its opening: watched until a pass finds it by its own evidence"
"""First reason of what holds for an account that only joined a campaign."""
Challenge = Literal["proof", "reauthenticate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What holds, for whom, and until when.

    Args:
        id: Same subject, verdict and cause: same id, so that one decision is not made twice.
        subject: `account:NAME`, `campaign:ID` or `credential:ID`; a campaign's decision holds for
            members, a credential's for no other of its account. One of the guard's holds for a
            member at most as far as its own evidence goes, see `for_member`. An account that only
            joined is at most watched, see `for_joined`.
        verdict: What holds.
        reasons: Why, in words.
        innocent: What an innocent explanation would look like.
        since: When it began, epoch seconds.
        until: When it ends unless renewed, epoch seconds.
        by: `guard`, or who decided.
        challenge: What `challenge` asks for.
    """

    id: str
    subject: str
    verdict: Verdict
    reasons: tuple[str, ...]
    innocent: tuple[str, ...] = ()
    since: float
    until: float
    by: str = "guard"
    challenge: Challenge | None = None

    @classmethod
    def make(cls, subject: str, verdict: Verdict, cause: str, **fields: Any) -> "Decision":
        """Returns a decision whose id follows from subject, verdict and cause."""
        content = f"{subject}\n{verdict}\n{cause}".encode()
        return cls(
            id=hashlib.blake2b(content, digest_size=6).hexdigest(),
            subject=subject,
            verdict=verdict,
            **fields,
        )

    def is_answered(self, authenticated_at: float | None) -> bool:
        """Returns whether somebody who authenticated at that time did what a step-up asks for."""
        asks = self.challenge == "reauthenticate"
        return asks and authenticated_at is not None and authenticated_at > self.since

    def renewed(self, until: float) -> "Decision":
        """Returns the same decision with a later end."""
        return replace(self, until=max(self.until, until))

    def for_joined(self) -> "Decision":
        """Returns what a campaign's decision is for an account that only joined it.

        Anyone who uses a template after a campaign did may be a tenant of the product whose
        template the thieves took. So the account is at most watched, and nothing is asked of it.
        """
        verdict = min(self.verdict, Verdict.WATCH, key=lambda each: each.step)
        return replace(self, verdict=verdict, challenge=None, reasons=(JOINED, *self.reasons))

    def for_member(self, member: Member, highest: Verdict) -> "Decision":
        """Returns what a campaign's decision is for a member.

        A person who decides about a campaign has seen who its members are, so that holds for all.
        The guard takes from an account only what the account's own evidence suffices for: others
        can bring an innocent account into their campaign, and share nothing else with it.

        Args:
            member: Of the campaign.
            highest: What the guard decides on the member's own evidence.
        """
        if self.by != "guard" or highest.step >= self.verdict.step:
            return self
        shows = ", ".join(member.families) or "nothing"
        why = f"at most {highest}: of what counts against its campaign, it shows {shows} itself"
        return replace(self, verdict=highest, challenge=None, reasons=(why, *self.reasons))

    @property
    def way_back(self) -> str:
        """How it ends, in words."""
        if self.challenge == "reauthenticate":
            return "sign in again or have the key rotated; otherwise it ends by itself"
        if self.challenge == "proof":
            return "answer the challenge with a proof of work; otherwise it ends by itself"
        return "it ends by itself unless the reasons go on; the operator can lift it"

    def document(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {
            "format": FORMAT,
            "id": self.id,
            "subject": self.subject,
            "verdict": str(self.verdict),
            "reasons": list(self.reasons),
            "innocent": list(self.innocent),
            "since": self.since,
            "until": self.until,
            "by": self.by,
            "challenge": self.challenge,
            "way_back": self.way_back,
        }

    @classmethod
    def from_document(cls, read: dict[str, Any]) -> "Decision":
        """Reads what `document` wrote."""
        return cls(
            id=read["id"],
            subject=read["subject"],
            verdict=Verdict(read["verdict"]),
            reasons=tuple(read["reasons"]),
            innocent=tuple(read["innocent"]),
            since=read["since"],
            until=read["until"],
            by=read["by"],
            challenge=read["challenge"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A campaign as the guard follows it from pass to pass.

    Args:
        id: Stays the same while at least half of the members do.
        accounts: Members, by name.
        joined: Accounts outside it that used its template after it was found, and when, epoch
            seconds; watched, see `Decision.for_joined`.
        p_benign: Rank among decoy groups.
        verdict: What the evidence suffices for, for the member that shows most.
        families: Families of evidence that speak against it.
        reasons: Why, in words.
        innocent: Innocent explanations.
        exchanges: Of its members in the window.
        found: When a pass first found it, epoch seconds.
        last_found: When a pass last found it.
        pivot: When half of its members had moved to a newly released model within a day, and to
            which.
        members: What each of its accounts shows by itself; see `known_members`.
    """

    id: str
    accounts: frozenset[str]
    joined: tuple[tuple[str, float], ...] = ()
    p_benign: float
    verdict: Verdict
    families: tuple[str, ...]
    reasons: tuple[str, ...]
    innocent: tuple[str, ...]
    exchanges: int
    found: float
    last_found: float
    pivot: str | None = None
    members: tuple[Member, ...] = ()

    @property
    def known_members(self) -> tuple[Member, ...]:
        """Its members; all with what the campaign shows where it was stored without them, as by
        earlier versions: that holds until the next pass.
        """
        if self.members:
            return self.members
        return tuple(
            Member(account=account, verdict=self.verdict, families=self.families)
            for account in sorted(self.accounts)
        )

    def document(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {
            "format": "gamekeeper/campaign@1",
            "id": self.id,
            "accounts": sorted(self.accounts),
            "joined": [list(j) for j in self.joined],
            "p_benign": self.p_benign,
            "verdict": str(self.verdict),
            "families": list(self.families),
            "reasons": list(self.reasons),
            "innocent": list(self.innocent),
            "exchanges": self.exchanges,
            "found": self.found,
            "last_found": self.last_found,
            "pivot": self.pivot,
            "members": [member.document() for member in self.members],
        }

    @classmethod
    def from_document(cls, read: dict[str, Any]) -> "Tracked":
        """Reads what `document` wrote."""
        return cls(
            id=read["id"],
            accounts=frozenset(read["accounts"]),
            joined=tuple((account, at) for account, at in read["joined"]),
            p_benign=read["p_benign"],
            verdict=Verdict(read["verdict"]),
            families=tuple(read["families"]),
            reasons=tuple(read["reasons"]),
            innocent=tuple(read["innocent"]),
            exchanges=read["exchanges"],
            found=read["found"],
            # campaigns stored before it was kept have none until the next pass
            last_found=read.get("last_found", read["found"]),
            pivot=read["pivot"],
            members=tuple(Member.from_document(each) for each in read.get("members", ())),
        )
