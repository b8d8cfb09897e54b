"""The end of the casebook, read from its file: what was recorded last, the newest first."""

import os
from pathlib import Path
from typing import Any

import orjson

ENTRIES = 100
_MOST_BYTES = 4 << 20


def last_entries(folder: Path, entries: int = ENTRIES) -> list[dict[str, Any]]:
    """Returns the last entries of a casebook, the newest first; fewer if they are very long.

    Args:
        folder: Of the casebook.
        entries: At most.
    """
    lines = _end(folder / "entries.jsonl").split(b"\n")
    # what stands behind the last line feed is being written
    whole = [line for line in lines[:-1] if line]
    read = (orjson.loads(line) for line in reversed(whole))
    # the first line of the file is not an entry
    return [entry for entry in read if "index" in entry][:entries]


def _end(path: Path) -> bytes:
    """Returns the last lines of a file, whole ones."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_BYTES))
        read = file.read(_MOST_BYTES)
    return read if size <= _MOST_BYTES else read.partition(b"\n")[2]
