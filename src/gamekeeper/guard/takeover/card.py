"""What a signal of a stolen key says of itself, and one reading of it."""

from dataclasses import dataclass
from typing import Literal

Maturity = Literal["experimental", "tested", "stable", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a signal says of itself.

    Args:
        name: Unique; `gamekeeper list signals` shows it.
        purpose: What it notices, one sentence.
        unit: Unit of what it compares.
        needs: What must be known, or it stands aside.
        look_alikes: Ordinary use that sets it off.
        evasions: How a thief keeps it quiet, and what that costs.
        source: Where the idea comes from.
        innocent: An innocent explanation, as a decision states it.
        maturity: Only `stable` and `tested` ones count towards a step-up.
        false_positives: Days with a reading per 1,000 key-months of ordinary use, by
            `benchmarks/guard/takeovers.py` where a proxy tells country and network: over all its
            kinds of users, then of the kind with the most. None where that was not measured.
    """

    name: str
    purpose: str
    unit: str
    needs: tuple[str, ...]
    look_alikes: str
    evasions: str
    source: str
    innocent: str
    maturity: Maturity = "tested"
    false_positives: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One signal, seen once.

    Args:
        signal: Name of its card.
        says: What was seen, a sentence with its numbers.
        is_hint: Weak, as it rests on old data, the first bits of an address or the hour: it counts,
            but not without one that is not weak.
        suffices: Enough by itself for a step-up.
    """

    signal: str
    says: str
    is_hint: bool = False
    suffices: bool = False
