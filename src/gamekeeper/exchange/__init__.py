"""One query and its answer: the columns that travel, and the readers that bring logs into them.

Names are loaded when first asked for, so that the live path can read messages without loading frames.

Example:
    >>> from gamekeeper.exchange import LogReader
    >>> reader = LogReader(["logs/"], timezone="UTC")
    >>> frames = reader.batches()
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOME = {
    "FORMATS": "formats",
    "MAX_PROMPT_CHARS": "reader",
    "OPTIONAL": "columns",
    "REQUIRED": "columns",
    "SCHEMA": "columns",
    "LogReader": "reader",
    "ReadSummary": "reader",
    "conform": "columns",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"gamekeeper.exchange.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
