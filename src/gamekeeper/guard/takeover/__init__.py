"""Signals of stolen keys: what a credential does unlike itself, and when that asks for signing in
again.

    use -> habits of its credential -> readings -> distinct signals within a day -> step-up

One file a signal, each with its card. Nothing here bans anybody: whoever can sign in again goes on.
"""

from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.cards import stolen_cards
from gamekeeper.guard.takeover.habits import Habits
from gamekeeper.guard.takeover.judge import TakeoverJudge
from gamekeeper.guard.takeover.places import shipped_countries

__all__ = ["Card", "Habits", "Reading", "TakeoverJudge", "habits_for", "stolen_cards"]


def habits_for(policy: GuardPolicy) -> Habits:
    """Returns empty habits; countries are looked up only where no proxy tells country or
    network.
    """
    told = policy.identity.country_header or policy.identity.asn_header
    return Habits(policy.limits.accounts, None if told else shipped_countries())
