"""Cells of CSV that are lists and dicts as Python writes them, which pandas does: `[{'role': ...`.

Only a list of messages, and a dict, is taken for a value, and only where it is one to its end: text
that a user wrote and that looks like one by chance stays the text it is. Nothing is run: literals
alone are read.
"""

import ast
import re
import warnings
from typing import Any

import polars as pl

from gamekeeper.exchange.containers.block import Values

_START = r"^(?:array\()?\s*(?:\[\s*)?\{\s*'"
_STARTS = re.compile(_START)
_ARRAY = re.compile(r"\barray\(|, dtype=object\)")
_BETWEEN = re.compile(r"\}\s*\n\s*\{")
_MESSAGE_KEYS = frozenset({"role", "content", "text", "from", "value", "parts", "type", "author"})
_MAX_CHARS = 4 << 20
# a column of which each cell is a user's own text; a dict there may be a question about one
_OWN_TEXTS = frozenset({"prompt", "query", "question", "text", "content"})


def with_values(frame: pl.DataFrame) -> dict[str, Values]:
    """Returns columns of text with the cells that are lists or dicts of Python as such."""
    columns: dict[str, Values] = {column.name: column for column in frame}
    if not frame.height:
        return columns
    begins = pl.all().str.head(1).is_in(["[", "{", "a"]).any()
    for name, may_have in zip(frame.columns, frame.select(begins).row(0), strict=True):
        if may_have and frame[name].str.contains(_START).any():
            takes_dicts = name.lower() not in _OWN_TEXTS
            columns[name] = [_value(cell, takes_dicts) for cell in frame[name].to_list()]
    return columns


def _value(cell: str | None, takes_dicts: bool) -> Any:
    if cell is None or len(cell) > _MAX_CHARS or not _STARTS.match(cell):
        return cell
    value = _literal(cell)
    if value is None:  # as NumPy writes an array of objects: no commas between
        value = _literal(_BETWEEN.sub("}, {", _ARRAY.sub("", cell)).replace("dtype=object)", ""))
    if isinstance(value, list):
        return value if value and all(map(_is_message, value)) else cell
    return value if isinstance(value, dict) and takes_dicts else cell


def _literal(cell: str) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and not _MESSAGE_KEYS.isdisjoint(map(str, value))
