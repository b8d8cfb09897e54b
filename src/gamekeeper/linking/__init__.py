"""Which accounts act as one: links between accounts, and the dense groups that they form."""

from gamekeeper.linking.candidates import AccountLinks, around_accounts, candidates, link_accounts
from gamekeeper.linking.groups import Group, Linker
from gamekeeper.linking.lone import LoneReading, lone_readings, spliced_readings
from gamekeeper.linking.sample import LinkSample
from gamekeeper.linking.strength import Ordinary, claim, strength

__all__ = [
    "AccountLinks",
    "Group",
    "LinkSample",
    "Linker",
    "LoneReading",
    "Ordinary",
    "around_accounts",
    "candidates",
    "claim",
    "link_accounts",
    "lone_readings",
    "spliced_readings",
    "strength",
]
