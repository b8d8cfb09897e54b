"""Which verdict needs how much evidence.

A verdict that costs an account something (`slow` and above) needs two independent families of
evidence; one family alone leads to `watch`. Nothing here depends on an assumed share of attackers:
the thresholds are false discovery rates among decoys.
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


def judge(families: Collection[str], policy: Policy) -> Verdict:
    """Returns the verdict that so many families of evidence suffice for."""
    if len(families) >= policy.families_to_limit:
        return Verdict.LIMIT
    if len(families) >= policy.families_to_slow:
        return Verdict.SLOW
    return Verdict.WATCH if families else Verdict.ALLOW
