"""What a measurement says of itself: the card that every signal carries, and that tying accounts
together has too.
"""

from dataclasses import dataclass
from typing import Literal

Family = Literal[
    "content",
    "shape",
    "elicitation",
    "rhythm",
    "infrastructure",
    "coverage",
    "pivot",
    "schedule",
]
Maturity = Literal["experimental", "tested", "stable", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a signal says of itself.

    Args:
        name: Unique; `gamekeeper list signals` shows it.
        family: The kind of evidence; two families are required before an account pays for it.
        purpose: What it measures, one sentence.
        unit: Unit of its readings.
        needs: Columns without which it is skipped.
        look_alikes: Ordinary users who read high.
        evasions: How a campaign reads low, and what that costs it.
        source: Where the idea comes from.
        maturity: Only `stable` and `tested` ones count as a family.
    """

    name: str
    family: Family
    purpose: str
    unit: str
    needs: tuple[str, ...]
    look_alikes: str
    evasions: str
    source: str
    maturity: Maturity = "tested"
