"""Which verdict needs how much evidence.

A verdict that costs an account something (`slow` and above) needs two independent families of
evidence that the account shows itself; one family alone leads to `watch`, and so does what only
other members of its campaign show. Nothing here depends on an assumed share of attackers:
the thresholds are false discovery rates among decoys.

Families are independent where one innocent cause, or one framer, does not explain two of them.
What prompts are about and what they ask for are not: somebody who copies the prompts of an account
copies both. So `content` and `elicitation` by themselves count as one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What is recommended for an account, from nothing to refusal. A hunt of stored logs ends at
    `limit`.
    """

    ALLOW = "allow"
    WATCH = "watch"
    SLOW = "slow"
    LIMIT = "limit"
    CHALLENGE = "challenge"
    DENY = "deny"

    @property
    def step(self) -> int:
        """Position in the order of verdicts, from 0 (`allow`)."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Thresholds of one run.

    Args:
        false_discovery_rate: Share of the campaigns found that may be ordinary groups, 0..1.
        min_accounts: Members a linked group must have: a few people can share an interest.
        families_to_slow: Families of evidence needed for `slow`.
        families_to_limit: Families of evidence needed for `limit`.
        without: Families of evidence that are not used at all.
    """

    false_discovery_rate: float = 0.01
    min_accounts: int = 8
    families_to_slow: int = 2
    families_to_limit: int = 3
    without: frozenset[str] = frozenset()


_OF_PROMPTS = frozenset({"content", "elicitation"})


def judge(families: Collection[str], policy: Policy) -> Verdict:
    """Returns the verdict that these families of evidence suffice for."""
    independent = 1 if _OF_PROMPTS.issuperset(families) else len(families)
    if families and independent >= policy.families_to_limit:
        return Verdict.LIMIT
    if families and independent >= policy.families_to_slow:
        return Verdict.SLOW
    return Verdict.WATCH if families else Verdict.ALLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What one account of a campaign shows by itself.

    Args:
        account: By name.
        verdict: What that suffices for; at least `watch`, since it is in a campaign.
        families: Families of evidence that count against the campaign and that the account shows
            itself.
    """

    account: str
    verdict: Verdict
    families: tuple[str, ...]

    @classmethod
    def judged(cls, account: str, families: tuple[str, ...], policy: Policy) -> "Member":
        """Returns a member with the verdict that its own families suffice for."""
        verdict = max(judge(families, policy), Verdict.WATCH, key=lambda each: each.step)
        return cls(account=account, verdict=verdict, families=families)

    def document(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {
            "account": self.account,
            "verdict": self.verdict.value,
            "families": list(self.families),
        }

    @classmethod
    def from_document(cls, read: dict[str, Any]) -> "Member":
        """Reads what `document` wrote."""
        return cls(
            account=read["account"],
            verdict=Verdict(read["verdict"]),
            families=tuple(read["families"]),
        )
