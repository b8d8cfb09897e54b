"""How to hunt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gamekeeper.hunt.intake import MAX_SAMPLE
from gamekeeper.verdict import Policy


@dataclass(frozen=True, kw_only=True)
class HuntOptions:
    """How to hunt.

    Args:
        format: Name of a log format, or `auto`.
        fields: Our column name to the log's field.
        timezone: Zone of times that say none.
        max_bad_rows: Share of bad rows that may pass, 0..1.
        encoder: Name of the content encoder.
        policy: Thresholds.
        max_sample: Exchanges compared with each other, at most.
        redact: Leave prompts out of the result.
        seed: Of everything that is drawn.
    """

    format: str = "auto"
    fields: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    max_bad_rows: float = 0.0
    encoder: str = "auto"
    policy: Policy = field(default_factory=Policy)
    max_sample: int = MAX_SAMPLE
    redact: bool = False
    seed: int = 0
