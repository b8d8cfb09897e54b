"""An exchange on its way from the guard to the linking process: a JSON line in hunt's columns."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median_low
from time import time
from typing import Any

import orjson
import polars as pl

from gamekeeper.base.text import has_secret, mask_secrets
from gamekeeper.exchange import SCHEMA, conform

COUNT_GROUND = "count_ground"
"""Key of a row whose account has a budget of new ground."""

_WRONG_TYPE = (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)
_TEXTS = ("prompt", "system", "model", "conversation")

_WIRE = {
    name: pl.Float64() if kind == pl.Datetime("us", "UTC") else kind
    for name, kind in SCHEMA.items()
}
_NUMBERS = (int, float)  # not their subclass bool
_DAY_S = 86_400.0
_RECENT = 32  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that came in together and can be used.

    Args:
        rows: As they came.
        lines: The same, as JSON; an item a row.
        frame: The same, as a frame of `exchange.SCHEMA`.
        set_aside: Why each of the other lines was set aside.
    """

    rows: list[dict[str, Any]]
    lines: list[bytes]
    frame: pl.DataFrame
    set_aside: tuple[str, ...] = ()


class RowParser:
    """Parses the guard's lines; one that cannot be used is set aside by itself.

    A wrong value of another column than account, time and input is left out, and its row kept: a
    client that can choose such a value must not thereby keep its exchange from being linked.

    A time more than a day off this machine's clock is accepted only if it is near those of the last
    rows: most rows cannot be wrong, so the guard runs on a clock of its own. A single row far in
    the future would have old days of the log deleted.

    Args:
        clock: Epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._recent = deque([clock()], maxlen=_RECENT)

    def parse(self, lines: Sequence[bytes]) -> Batch:
        """Returns what can be used of lines."""
        parsed = [_parsed(line) for line in lines]
        times = [row["time"] for row in parsed if isinstance(row, dict)]
        now = self._clock()
        usual = median_low([*self._recent, *times])
        self._recent.extend(times)
        used: list[tuple[dict[str, Any], bytes]] = []
        set_aside = []
        for row, line in zip(parsed, lines, strict=True):
            if isinstance(row, str):
                set_aside.append(row)
            elif min(abs(row["time"] - now), abs(row["time"] - usual)) > _DAY_S:
                set_aside.append("its time is more than a day off")
            else:
                used.append((row, line))
        return _batch(used, set_aside)


def _parsed(line: bytes) -> dict[str, Any] | str:
    """Returns a row, or why there is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "it is not JSON"
    if not isinstance(row, dict):
        return "it is not an object"
    if not isinstance(row.get("account"), str):
        return "it names no account"
    if type(row.get("time")) not in _NUMBERS:
        return "it has no time"
    if not isinstance(row.get("prompt", ""), str | None):
        return "its prompt is not a text"
    if not _are_numbers(row.get("features")):
        return "its features are not numbers"
    return row


def _are_numbers(features: object) -> bool:
    """Whether a row of numbers is one; a number may be missing, and so may the row."""
    if features is None:
        return True
    return isinstance(features, list) and all(
        each is None or type(each) in _NUMBERS for each in features
    )


def _batch(used: list[tuple[dict[str, Any], bytes]], set_aside: list[str]) -> Batch:
    try:
        frame = frame_of([row for row, _ in used])
    except _WRONG_TYPE:
        rows = [_well_typed(row) for row, _ in used]
        used = [(row, orjson.dumps(row)) for row in rows]
        frame = frame_of(rows)
    return Batch(
        rows=[row for row, _ in used],
        lines=[line for _, line in used],
        frame=frame,
        set_aside=tuple(set_aside),
    )


def _well_typed(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row without the columns that hold a value of a wrong type."""
    return {
        name: value
        for name, value in row.items()
        if name not in _WIRE or name == "features" or _fits(value, _WIRE[name])
    }


def _fits(value: object, kind: pl.DataType) -> bool:
    if kind == pl.Int64():
        return type(value) is int and -(2**63) <= value < 2**63
    if kind == pl.Float64():
        return type(value) in _NUMBERS
    return type(value) is (bool if kind == pl.Boolean() else str)


def frame_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Returns rows as a frame of `exchange.SCHEMA`; times are epoch seconds on the wire."""
    frame = pl.DataFrame(rows, schema=_WIRE, strict=False)
    times = [name for name, kind in SCHEMA.items() if kind == pl.Datetime("us", "UTC")]
    return conform(
        frame.with_columns(
            (pl.col(times) * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
        )
    )


def masked_lines(lines: Sequence[bytes], rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Returns the lines that may be stored: secrets masked that users pasted into prompts.

    Done in this process, not in the guard: it takes time. A line without a secret stays as it is.
    """
    return [
        orjson.dumps(row | _masked_texts(row)) if _holds_secret(row) else line
        for line, row in zip(lines, rows, strict=True)
    ]


def _holds_secret(row: dict[str, Any]) -> bool:
    texts = [row[name] for name in _TEXTS if isinstance(row.get(name), str)]
    return has_secret("\n".join(texts))  # once for all: this is done for every exchange


def _masked_texts(row: dict[str, Any]) -> dict[str, str]:
    return {name: mask_secrets(row[name]) for name in _TEXTS if isinstance(row.get(name), str)}
