"""One query and its answer: the columns that travel, and the readers that bring logs into them.

Names are loaded when first asked for, so that the live path can read messages without loading
frames.

Example:
    >>> from gamekeeper.exchange import LogReader, ReadOptions
    >>> reader = LogReader(["logs/"], ReadOptions(timezone="UTC"))
    >>> frames = reader.batches()
"""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.exchange.columns import OPTIONAL, REQUIRED, SCHEMA, conform
    from gamekeeper.exchange.formats import FORMATS
    from gamekeeper.exchange.limits import MAX_PROMPT_CHARS
    from gamekeeper.exchange.options import ReadOptions
    from gamekeeper.exchange.reader import LogReader
    from gamekeeper.exchange.summary import ReadSummary

__all__ = [
    "FORMATS",
    "MAX_PROMPT_CHARS",
    "OPTIONAL",
    "REQUIRED",
    "SCHEMA",
    "LogReader",
    "ReadOptions",
    "ReadSummary",
    "conform",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FORMATS": "gamekeeper.exchange.formats",
        "MAX_PROMPT_CHARS": "gamekeeper.exchange.limits",
        "OPTIONAL": "gamekeeper.exchange.columns",
        "REQUIRED": "gamekeeper.exchange.columns",
        "SCHEMA": "gamekeeper.exchange.columns",
        "LogReader": "gamekeeper.exchange.reader",
        "ReadOptions": "gamekeeper.exchange.options",
        "ReadSummary": "gamekeeper.exchange.summary",
        "conform": "gamekeeper.exchange.columns",
    },
)
