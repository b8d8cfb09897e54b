"""Lines that a container runtime cut into parts, because they were above 16 KB, put together again.

Docker's json-file ends a line's last part with a line end and the others without; the format of
Kubernetes marks parts with P and the last with F.
Source: moby daemon/logger/jsonfilelog; Kubernetes CRI, "CRI log format".
"""

import re
from typing import Any

import orjson

from gamekeeper.exchange.containers.lines import MAX_LINE_BYTES

_CONTAINER_LINE = re.compile(r"(\S{20,40} (?:stdout|stderr)) ([PF])(?::\S*)? ", re.ASCII)
_DOCKER_KEYS = frozenset({"log", "stream", "time", "attrs"})


class Partials:
    """Parts that wait for the rest of their line, by stream."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._records: dict[str, tuple[int, dict[str, Any], list[str]]] = {}

    def container_line(self, text: str) -> str | None:
        """Returns a line as it was before it was cut; None if more of it is to come.

        Args:
            text: A line of a log in the format of Kubernetes, or any other, which is returned.
        """
        match = _CONTAINER_LINE.match(text)
        if match is None:
            return text
        stream = match[1].rpartition(" ")[2]
        parts = self._texts.setdefault(stream, [])
        parts.append(text[match.end() :] if parts else text)
        if match[2] == "P" and sum(map(len, parts)) < MAX_LINE_BYTES:
            return None
        del self._texts[stream]
        return "".join(parts)

    def joined(
        self, places: list[int], rows: list[dict[str, Any]]
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """Returns records with those of Docker's json-file joined that are parts of one line."""
        if not self._records and not any("log" in row for row in rows):
            return places, rows
        whole = [pair for pair in map(self._fed, places, rows) if pair is not None]
        return [place for place, _ in whole], [row for _, row in whole]

    def rest(self) -> list[tuple[int, dict[str, Any]]]:
        """Returns parts whose rest did not come."""
        waiting = [_with_log(*record) for record in self._records.values()]
        self._records = {}
        return waiting

    def _fed(self, place: int, row: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        log = row.get("log")
        stream = row.get("stream")
        if not isinstance(log, str) or not isinstance(stream, str):
            return place, row
        held = self._records.pop(stream, None)
        if held is None:
            if not _is_part(row):
                return place, row
            held = place, row, []
        held[2].append(log)
        if log.endswith("\n") or sum(map(len, held[2])) > MAX_LINE_BYTES:
            return _with_log(*held)
        self._records[stream] = held
        return None


def _with_log(place: int, row: dict[str, Any], parts: list[str]) -> tuple[int, dict[str, Any]]:
    return place, row | {"log": "".join(parts)}


def _is_part(row: dict[str, Any]) -> bool:
    """True for the beginning of an object in a record of Docker that is not its line's last.

    Collectors take the line end off whole lines too: those parse.
    """
    log = row.get("log")
    if not isinstance(log, str) or log.endswith("\n") or not log.lstrip().startswith("{"):
        return False
    return row.keys() <= _DOCKER_KEYS and not _parses(log)


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:  # also a lone surrogate
        return False
    return True
