"""Which accounts act as one: links between accounts, and the dense groups that they form."""

from gamekeeper.linking.candidates import PART, Search
from gamekeeper.linking.groups import MIN_ACCOUNTS, Group
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
from gamekeeper.linking.sample import LinkSample, Sharers
from gamekeeper.linking.sharers import find_sharers
from gamekeeper.linking.strength import Ordinary, claim, precedence, strength, usual_strength

__all__ = [
    "MIN_ACCOUNTS",
    "MIN_JOINED",
    "PART",
    "Group",
    "JoinedReading",
    "LinkSample",
    "LoneReading",
    "Ordinary",
    "PortfolioClaim",
    "Search",
    "Sharers",
    "claim",
    "find_sharers",
    "joined_ordinary",
    "joined_reading",
    "lone_readings",
    "portfolio_claims",
    "precedence",
    "spliced_readings",
    "strength",
    "usual_strength",
]
