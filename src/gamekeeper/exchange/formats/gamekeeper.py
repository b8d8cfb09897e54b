"""Our own columns: a log whose fields already carry the names of `gamekeeper.exchange.SCHEMA`.

Anything that can be exported can be brought into this shape; `fields` renames on the way. An
optional `request_id` tells two equal requests from one that was delivered twice.
"""

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Format

_TYPICAL = frozenset({"time", "account", "prompt", "features"})
_CONTENT = frozenset({"prompt", "features"})


def is_whole(record: Record) -> bool:
    """True if all that an exchange needs is there under our own names: nothing is more specific."""
    return "time" in record and "account" in record and not _CONTENT.isdisjoint(record)


def sniff(record: Record) -> bool:
    """True if two or more of the columns that matter most are there."""
    if len(_TYPICAL & record.keys()) >= 2:
        return True
    return len(_TYPICAL & {str(key).lower() for key in record}) >= 2


FORMAT = Format(
    name="gamekeeper",
    about="Our own column names, as JSON Lines, CSV or Parquet.",
    known_by="two or more of `time`, `account`, `prompt` and `features`",
    sniff=sniff,
    row=None,
)
