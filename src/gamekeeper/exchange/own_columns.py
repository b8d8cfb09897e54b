"""A log that has our columns already: they are taken as they are, in whole columns.

Names are matched as they are spelt, else without regard to case where that leaves one. Prompts that
are lists of messages, or their JSON text, become the latest user message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.exchange.containers import Block, Values
from gamekeeper.exchange.formats.form import Row
from gamekeeper.exchange.messages import prompt_of
from gamekeeper.exchange.paths import column
from gamekeeper.exchange.typed import REQUEST


def own_columns(block: Block, mapped: Mapping[str, str]) -> dict[str, Values]:
    """Returns the columns of a block by our names, those that it has."""
    names = block.names()
    by_case = _by_case(names)
    columns: dict[str, Values] = {}
    for name in (*SCHEMA, REQUEST):
        if name in mapped:
            columns[name] = column(block, mapped[name])
        elif name in names:
            columns[name] = block.column(name)
        elif (found := by_case.get(name)) is not None:
            columns[name] = block.column(found)
    return columns


def _by_case(names: Iterable[str]) -> dict[str, str]:
    """Returns the names that are unique when case is not heeded, by their lower case."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.lower(), []).append(name)
    return {lower: spelt[0] for lower, spelt in found.items() if len(spelt) == 1}


def holds_any(values: Values) -> bool:
    """Returns whether a column has any value."""
    if isinstance(values, pl.Series):
        return values.null_count() < len(values)
    return any(value is not None for value in values)


@dataclass(frozen=True, slots=True)
class PromptsRead:
    """What is known of rows whose prompt was more or less than text.

    Args:
        textless: Rows that hold no text: of an image alone, or of blanks.
        tool_results: Rows in which no user wrote anything.
    """

    textless: list[int]
    tool_results: list[int]


def read_prompts(columns: dict[str, Values]) -> PromptsRead:
    """Replaces prompts that are messages, or their JSON text, by the latest user message.

    What is neither text nor messages stays, to be named as a fault.
    """
    prompts = columns.get("prompt")
    places = [] if prompts is None else _structured(prompts)
    if prompts is None or not places:
        return PromptsRead([], [])
    values = prompts.to_list() if isinstance(prompts, pl.Series) else list(prompts)
    read = {place: _read(values[place]) for place in places}
    found = PromptsRead(
        [place for place, row in read.items() if row.get("without_text")],
        [place for place, row in read.items() if row.get("only_tools")],
    )
    neither = {*found.textless, *found.tool_results}
    for place, row in read.items():
        if row.get("prompt") is not None or place in neither:
            values[place] = row.get("prompt")
    columns["prompt"] = values
    for name in ("system", "turn"):
        if name not in columns and any(row.get(name) is not None for row in read.values()):
            columns[name] = [read.get(place, {}).get(name) for place in range(len(values))]
    return found


def _read(value: Any) -> Row:
    if isinstance(value, str) and not value.strip():
        return {"prompt": None, "without_text": True}
    return prompt_of(value)


def _structured(values: Values) -> list[int]:
    """Returns the places of values that may be messages: lists, objects, and what looks like their
    JSON text; and of blank text.
    """
    if isinstance(values, pl.Series) and values.dtype == pl.String:
        starts = values.str.strip_chars_start().str.head(1).is_in(["[", "{", ""])
        return starts.fill_null(False).arg_true().to_list()
    listed = values.to_list() if isinstance(values, pl.Series) else values
    return [place for place, value in enumerate(listed) if _may_be_messages(value)]


def _may_be_messages(value: Any) -> bool:
    if isinstance(value, str):
        first = value[:1]
        return first in ("[", "{", "") or (first.isspace() and value.lstrip()[:1] in "[{")
    return isinstance(value, list | dict)
