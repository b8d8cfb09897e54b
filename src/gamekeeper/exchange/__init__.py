"""One query and its answer: the columns that travel, and the readers that bring logs into them.

Example:
    >>> from gamekeeper.exchange import LogReader
    >>> reader = LogReader(["logs/"], timezone="UTC")
    >>> frames = reader.batches()
"""

from gamekeeper.exchange.columns import OPTIONAL, REQUIRED, SCHEMA, conform
from gamekeeper.exchange.formats import FORMATS
from gamekeeper.exchange.reader import MAX_PROMPT_CHARS, LogReader, ReadSummary

__all__ = [
    "FORMATS",
    "MAX_PROMPT_CHARS",
    "OPTIONAL",
    "REQUIRED",
    "SCHEMA",
    "LogReader",
    "ReadSummary",
    "conform",
]
