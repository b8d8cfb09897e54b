"""One measurement a file; an account's summary can be added to another's.

`content` and `shape` tie accounts together and feed `linking`; the others read groups that were found.
"""

from gamekeeper.signals import coverage, elicitation, infrastructure, pivot, rhythm
from gamekeeper.signals._signal import SIGNALS, SUMMARY, Card, Counts, Family, Signal, add, membership, signal
from gamekeeper.signals.content import CONTENT, neighbours
from gamekeeper.signals.memory import MEMORY, Memory, measure_memory
from gamekeeper.signals.shape import SHAPE, shared_shapes

CARDS: tuple[Card, ...] = (CONTENT, SHAPE, MEMORY, *(s.card for s in SIGNALS.values()))
"""The cards of all signals."""

__all__ = [
    "CARDS",
    "CONTENT",
    "MEMORY",
    "SHAPE",
    "SIGNALS",
    "SUMMARY",
    "Card",
    "Counts",
    "Family",
    "Memory",
    "Signal",
    "add",
    "coverage",
    "elicitation",
    "infrastructure",
    "measure_memory",
    "membership",
    "neighbours",
    "pivot",
    "rhythm",
    "shared_shapes",
    "signal",
]
