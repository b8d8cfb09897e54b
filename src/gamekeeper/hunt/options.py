"""How to hunt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gamekeeper.campaigns import SearchOptions


@dataclass(frozen=True, kw_only=True)
class HuntOptions(SearchOptions):
    """How to hunt: how to read the logs, and how to search them.

    Args:
        format: Name of a log format, or `auto`.
        fields: Our column name to the log's field.
        timezone: Zone of times that say none.
        max_bad_rows: Share of bad rows that may pass, 0..1.
    """

    format: str = "auto"
    fields: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    max_bad_rows: float = 0.0
