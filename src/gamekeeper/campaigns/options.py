"""How to search for campaigns."""

from dataclasses import dataclass, field

from gamekeeper.campaigns.intake import MAX_SAMPLE
from gamekeeper.verdict import Policy


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How to search for campaigns.

    Args:
        encoder: Name of the content encoder.
        policy: Thresholds.
        max_sample: Exchanges compared with each other, at most.
        redact: Leave prompts out of the result.
        seed: Of everything that is drawn.
    """

    encoder: str = "auto"
    policy: Policy = field(default_factory=Policy)
    max_sample: int = MAX_SAMPLE
    redact: bool = False
    seed: int = 0
