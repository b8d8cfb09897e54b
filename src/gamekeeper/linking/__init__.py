"""Which accounts act as one: links between accounts, and the dense groups that they form."""

from gamekeeper.linking.candidates import AccountLinks, around_accounts, candidates, link_accounts
from gamekeeper.linking.groups import Group, Linker
from gamekeeper.linking.lone import (
    MIN_JOINED,
    JoinedReading,
    LoneReading,
    joined_ordinary,
    joined_reading,
    lone_readings,
    spliced_readings,
)
from gamekeeper.linking.portfolio import PortfolioClaim, portfolio_claims
from gamekeeper.linking.sample import LinkSample
from gamekeeper.linking.strength import Ordinary, claim, strength

__all__ = [
    "MIN_JOINED",
    "AccountLinks",
    "Group",
    "JoinedReading",
    "LinkSample",
    "Linker",
    "LoneReading",
    "Ordinary",
    "PortfolioClaim",
    "around_accounts",
    "candidates",
    "claim",
    "joined_ordinary",
    "joined_reading",
    "link_accounts",
    "lone_readings",
    "portfolio_claims",
    "spliced_readings",
    "strength",
]
