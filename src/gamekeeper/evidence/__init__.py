"""How sure: ranks among decoys, false discovery control, intervals. Knows no other room.

A claim counts only against what chance gives. Whoever makes a claim makes decoys the same way with the
meaning taken out, and the claim's rank among them is an exact p-value with no assumption on the traffic.
"""

from gamekeeper.evidence.discovery import discoveries
from gamekeeper.evidence.intervals import exact_interval, wilson_interval
from gamekeeper.evidence.ranks import rank_p_value, rank_p_values

__all__ = [
    "discoveries",
    "exact_interval",
    "rank_p_value",
    "rank_p_values",
    "wilson_interval",
]
