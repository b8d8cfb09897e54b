"""Signals of stolen keys: what a credential does unlike itself, and when that asks for signing in again.

    use -> habits of its credential -> readings -> distinct signals within a day -> step-up

One file a signal, each with its card. Nothing here bans anybody: whoever can sign in again goes on.
"""

from gamekeeper.guard.stolen.card import Card, Reading
from gamekeeper.guard.stolen.cards import stolen_cards
from gamekeeper.guard.stolen.habits import Habits
from gamekeeper.guard.stolen.judge import Stolen

__all__ = ["Card", "Habits", "Reading", "Stolen", "stolen_cards"]
