"""Objects out of dotted keys: `inputs.messages.0.role`, as tables and attributes write them."""

from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record

DEEPEST = 20  # parts of a dotted key that are taken apart: hostile ones have more
_MOST_DIGITS = 6
_ROOTS = frozenset(
    {"inputs", "input", "outputs", "output", "metadata", "attributes", "extra", "summary", "usage"}
    | {"span_attributes", "metrics", "error_info", "request_body", "response_body"}
    | {"usage_details", "model_parameters"}
)


def gathered(record: Record) -> Record:
    """Returns a record of a tool whose columns `inputs.messages` are one object, `inputs`.

    A column that holds nothing is not there, and a whole object is taken before its parts.
    """
    dotted = _dotted(tuple(record))
    if not dotted:
        return record
    root: Record = {}
    for key, path in dotted:
        if record[key] is not None and record[key] != "":
            put(root, path, record[key])
    return {**{name: listed(held) for name, held in root.items()}, **_without_empty(record)}


def put(node: Record, path: list[str], value: Any) -> None:
    """Puts a value where a path leads, through objects that are made on the way."""
    for part in path[:-1]:
        inner = node.get(part)
        if not isinstance(inner, dict):
            inner = node[part] = {}
        node = inner
    node.setdefault(path[-1], value)


def listed(node: Any, depth: int = DEEPEST) -> Any:
    """Returns objects whose keys are all numbers as lists, as deep as keys are taken apart."""
    if not isinstance(node, dict) or not node or depth < 0:
        return node
    if all(str(key).isdecimal() and len(str(key)) <= _MOST_DIGITS for key in node):
        return [listed(node[key], depth - 1) for key in sorted(node, key=int)]
    return {key: listed(inner, depth - 1) for key, inner in node.items()}


@lru_cache(maxsize=512)  # the records of a log have the same few sets of keys
def _dotted(keys: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    """Returns the keys that lead into an object of a tool, each with its path."""
    texts = [key for key in keys if isinstance(key, str) and "." in key]
    return [(key, key.split(".", DEEPEST)) for key in texts if key.split(".")[0] in _ROOTS]


def _without_empty(record: Record) -> Record:
    return {key: value for key, value in record.items() if value is not None and value != ""}
