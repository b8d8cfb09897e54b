"""Converts the state in a guard's memory to the forms of the admin API. Nothing here blocks or
changes anything.

Other threads change decisions and campaigns meanwhile, so lists are taken of them first.
"""

import math

import gamekeeper
from gamekeeper.guard.admin.figures import total, value
from gamekeeper.guard.admin.forms import CampaignForm, DecisionForm, Joined, SummaryForm
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.decisions.decision import Decision, Tracked
from gamekeeper.verdict import Verdict

JOINED = 50
"""Most accounts named of those that joined; the last ones are."""

WANTED = 100
"""Exchanges that a pass needs, see `gamekeeper.guard.watch.worker`, which would load frames
here.
"""

_DOES = {
    Verdict.ALLOW: "nothing is done",
    Verdict.WATCH: "nothing is done; it is observed",
    Verdict.SLOW: "its requests are delayed, or refused when there are too many",
    Verdict.LIMIT: (
        "its requests are delayed, and what helps a thief most is withheld from answers"
    ),
    Verdict.CHALLENGE: "it must send a proof before it is answered",
    Verdict.DENY: "its requests are refused",
}


class View:
    """The state of a guard as the forms of the admin API.

    Args:
        guard: That is looked at.
        began: When looking began, epoch seconds.
    """

    def __init__(self, guard: Guard, began: float) -> None:
        self._guard = guard
        self._core = guard.core
        self._began = began

    def summary(self, requests_per_s: float, has_report: bool) -> SummaryForm:
        """Returns the state of the guard."""
        policy = self._guard.policy
        metrics = self._core.metrics
        ended = value(metrics.pass_at)
        took = value(metrics.pass_s)
        return SummaryForm(
            version=gamekeeper.__version__,
            enforce=policy.enforce,
            now=self._core.clock.now(),
            began=self._began,
            requests_per_s=requests_per_s,
            exchanges=total(metrics.exchanges),
            exchanges_wanted=WANTED,
            unwatched=total(metrics.unwatched),
            campaigns=len(self._core.decisions.campaigns),
            campaign_accounts=sum(size(c) for c in self._campaigns()),
            decisions=len(self._core.decisions.all),
            accounts_in_memory=len(self._core.accounts),
            store_up=self._core.store_up,
            watching=bool(value(metrics.watching)),
            last_pass=ended or None,
            last_pass_s=took if ended else None,
            next_pass=(ended - took if ended else self._began) + policy.watch.every_s,
            clock_off_s=value(metrics.clock_off),
            has_report=has_report,
            highest=str(policy.ladder.highest),
            hours=policy.ladder.hours,
            when_gone=policy.state.when_gone,
        )

    def decisions(self) -> list[DecisionForm]:
        """Returns the decisions in force, the strictest first."""
        return [self.decision(decision) for decision in self.held()]

    def decision(self, decision: Decision) -> DecisionForm:
        """Returns one decision."""
        kind, _, name = decision.subject.partition(":")
        tracked = self._core.decisions.campaigns.get(name) if kind == "campaign" else None
        accounts = 1 if kind == "account" else size(tracked) if tracked else 0
        return DecisionForm(
            **decision.document(), accounts=accounts, is_enforced=self._guard.policy.enforce
        )

    def campaigns(self) -> list[CampaignForm]:
        """Returns all campaigns, the newest first."""
        held = self.held()
        return [
            self.campaign(tracked, held)
            for tracked in sorted(self._campaigns(), key=lambda c: (-c.found, c.id))
        ]

    def campaign(self, tracked: Tracked, held: list[Decision]) -> CampaignForm:
        """Returns one campaign, and those of `held` that are about it."""
        return CampaignForm(
            id=tracked.id,
            verdict=str(tracked.verdict),
            p_benign=tracked.p_benign if math.isfinite(tracked.p_benign) else None,
            families=list(tracked.families),
            reasons=list(tracked.reasons),
            innocent=list(tracked.innocent),
            accounts=size(tracked),
            exchanges=tracked.exchanges,
            found=tracked.found,
            last_found=tracked.last_found,
            pivot=tracked.pivot,
            joined=[
                Joined(account=account, at=at) for account, at in reversed(tracked.joined[-JOINED:])
            ],
            joined_accounts=len(tracked.joined),
            decisions=[self.decision(d) for d in held if d.subject == f"campaign:{tracked.id}"],
        )

    def campaign_of(self, account: str) -> Tracked | None:
        """Returns the campaign that an account belongs to, the one found last if there are
        several.
        """
        of = (c for c in self._campaigns() if is_member(c, account))
        return max(of, key=lambda c: (c.found, c.id), default=None)

    def about(self, account: str) -> list[Decision]:
        """Returns the decisions that hold for an account, the strictest first.

        What holds for a campaign that it only joined is at most `watch`.
        """
        return self._core.decisions.held(account, self._core.clock.now())

    def does(self, decision: Decision | None) -> str:
        """Returns what a decision leads to, in words."""
        does = _DOES[decision.verdict if decision else Verdict.ALLOW]
        acts = decision is not None and decision.verdict.step > Verdict.WATCH.step
        return (
            does
            if self._guard.policy.enforce or not acts
            else f"dry run: nothing is done; if enforced, {does}"
        )

    def held(self) -> list[Decision]:
        """Returns the decisions in force, the strictest first."""
        now = self._core.clock.now()
        held = [
            decision for decision in list(self._core.decisions.all.values()) if decision.until > now
        ]
        return sorted(held, key=lambda d: (-d.verdict.step, -d.since, d.id))

    def _campaigns(self) -> list[Tracked]:
        return list(self._core.decisions.campaigns.values())


def size(tracked: Tracked) -> int:
    """Returns how many accounts a campaign has, with those that joined later."""
    return len(tracked.accounts) + len(tracked.joined)


def is_member(tracked: Tracked, account: str) -> bool:
    """Returns whether an account belongs to a campaign, or joined it later."""
    return account in tracked.accounts or any(account == joined for joined, _ in tracked.joined)
