"""Readings of a group that was found: one measurement a file; an account's summary can be added to
another's.

What ties accounts together in the first place (content, templates, memory) is in `linking`.
"""

from gamekeeper.linking.card import Card
from gamekeeper.linking.lone import LONE
from gamekeeper.linking.memory import MEMORY
from gamekeeper.linking.neighbours import CONTENT
from gamekeeper.linking.portfolio import MADE_UP, NO_REGULARS, NOBODY_NEAR
from gamekeeper.linking.schedules import SCHEDULE
from gamekeeper.linking.templates import SHAPE
from gamekeeper.signals import coverage, elicitation, infrastructure, pivot, rhythm
from gamekeeper.signals._signal import SIGNALS, SUMMARY, Counts, Signal, add, membership, signal

CARDS: tuple[Card, ...] = (
    CONTENT,
    SHAPE,
    MEMORY,
    LONE,
    MADE_UP,
    NO_REGULARS,
    NOBODY_NEAR,
    SCHEDULE,
    *(s.card for s in SIGNALS.values()),
)
"""The cards of all measurements: those that tie accounts together, then the signals."""

__all__ = [
    "CARDS",
    "SIGNALS",
    "SUMMARY",
    "Counts",
    "Signal",
    "add",
    "coverage",
    "elicitation",
    "infrastructure",
    "membership",
    "pivot",
    "rhythm",
    "signal",
]
