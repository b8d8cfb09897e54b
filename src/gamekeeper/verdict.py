"""What evidence suffices for what.

A verdict that costs an account something (`slow` and above) needs two families of evidence that
speak independently; one family alone earns `watch`. Nothing here depends on an assumed share of
attackers: the thresholds are false discovery rates among decoys.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


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
        """Place on the ladder, from 0 (`allow`)."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Thresholds of one run.

    Args:
        false_discovery_rate: Share of raised campaigns that may be ordinary groups, 0..1.
        min_accounts: Members a linked group must have: people with one interest come in handfuls.
        families_to_slow: Families of evidence wanted for `slow`.
        families_to_limit: Families of evidence wanted for `limit`.
        without: Families of evidence that are not used at all.
    """

    false_discovery_rate: float = 0.01
    min_accounts: int = 8
    families_to_slow: int = 2
    families_to_limit: int = 3
    without: frozenset[str] = frozenset()


def judge(families: Collection[str], policy: Policy) -> Verdict:
    """Returns the verdict that the families which speak against a campaign suffice for."""
    if len(families) >= policy.families_to_limit:
        return Verdict.LIMIT
    if len(families) >= policy.families_to_slow:
        return Verdict.SLOW
    return Verdict.WATCH if families else Verdict.ALLOW
