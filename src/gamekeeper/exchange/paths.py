"""Where a field is in a record: `auth.key_id`, `meta.team` through JSON text, `msgs.0.content`.

A path is keys with dots between them. Each leads

    into an object       by its key; a key may hold dots itself, and the longest that is there is
                         taken; else the one key that differs in case, `_`, `-` and blanks alone
    into a list          by a place from 0, or from the end by -1; `*` is the last element in which
                         the rest of the path leads somewhere; `msgs[0]` is `msgs.0`
    into a list of pairs by the key: `[{"key": "team", "value": "a"}]`, as tags, headers and the
                         attributes of OpenTelemetry are written
    into text            that is JSON, or what Python prints of a dict

A null is as if it were not there, as in a table: a path that ends in one leads nowhere. `$.` of
JSONPath and the first dot of jq may be written before a path.
"""

import ast
import difflib
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

if TYPE_CHECKING:
    from gamekeeper.exchange.containers.block import Block, Values

_TOKEN = re.compile(r"""\[(-?\d+|\*)\]|\[(["'])(.+?)\2\]|([^.\[]+|\[)""")
_PLACE = re.compile(r"-?\d{1,9}")
_LOOSE = re.compile(r"[_\-\s]+")
_KEYS = ("key", "name", "Key", "Name", "k")
_VALUES = ("value", "Value", "v")
_ANY_VALUES = ("stringValue", "string_value", "intValue", "int_value", "doubleValue",
               "double_value", "boolValue", "bool_value")  # fmt: skip
_ANY_LISTS = ("arrayValue", "array_value", "kvlistValue", "kvlist_value")
_MAX_PYTHON_CHARS = 100_000  # the parser of Python is slow, and its memory grows with nesting
_MAX_TEXT_IN_TEXT = 3
_PLAIN = (str, int, float)
_NEAR = 5
_NEAR_RATIO = 0.6
_MAX_PATHS = 2_000
_MAX_DEPTH = 8


def dig(record: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a path, None where it leads nowhere.

    Example:
        >>> dig({"meta": '{"team": "a"}', "msgs": [{"content": "Hi"}]}, "meta.team")
        'a'
        >>> dig({"msgs": [{"content": "Hi"}, {"content": "Bye"}]}, "msgs.*.content")
        'Bye'
    """
    found = record.get(path)
    if found is not None:
        return found
    return _follow(record, _tokens(path), 0)


def find(names: Collection[str], path: str) -> list[str]:
    """Returns the names among `names` in which a path may begin, exact ones first."""
    tokens = _tokens(path)
    prefixes = [".".join(tokens[:end]) for end in range(len(tokens), 0, -1)]
    exact = [name for name in dict.fromkeys((path, *prefixes)) if name in names]
    loose = {_loosened(prefix) for prefix in prefixes}
    return exact + sorted(n for n in names if n not in exact and _loosened(n) in loose)


def column(block: "Block", path: str) -> "Values":
    """Returns the value at a path for each row of a block.

    Of a table only the columns in which the path may begin are looked at.
    """
    from gamekeeper.exchange.containers.block import RecordBlock

    if isinstance(block, RecordBlock):
        return [dig(record, path) for record in block.rows]
    roots = find(block.names(), path)
    if not roots:
        return [None] * len(block.places)
    if roots == [path]:
        return block.column(path)
    columns = [_listed(block.column(root)) for root in roots]
    return [dig(_without_nulls(roots, row), path) for row in zip(*columns, strict=True)]


def nearest(record: Mapping[str, Any], path: str) -> list[str]:
    """Returns the paths of a record that are most like `path`, the nearest first, at most five."""
    wanted = _loosened(path)
    last = wanted.rpartition(".")[2]
    scores: dict[str, float] = {}
    for there, _ in every_path(record):
        scores[there] = _likeness(wanted, last, _loosened(there))
    near = [there for there, score in scores.items() if score >= _NEAR_RATIO]
    return sorted(near, key=lambda there: (-scores[there], len(there), there))[:_NEAR]


def every_path(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the paths of a record and what they lead to, the first `_MAX_PATHS` of them; of lists
    those into the first element.
    """
    return islice(_paths(record, "", 0), _MAX_PATHS)


def _listed(values: "Values") -> list[Any]:
    return values.to_list() if isinstance(values, pl.Series) else values


def _without_nulls(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value for name, value in zip(names, row, strict=True) if value is not None}


@lru_cache(maxsize=256)
def _tokens(path: str) -> tuple[str, ...]:
    plain = path.removeprefix("$").removeprefix(".") if path[:2] in ("$.", "$[") else path
    plain = plain.removeprefix(".")
    return tuple(place or quoted or key for place, _, quoted, key in _TOKEN.findall(plain))


def _follow(value: Any, tokens: tuple[str, ...], at: int) -> Any:
    """Returns what the tokens from `at` on lead to."""
    if at == len(tokens):
        return value if tokens else None
    if isinstance(value, str):
        value = _inside(value)
    if isinstance(value, Mapping):
        return _follow_keys(value, tokens, at)
    if isinstance(value, list | tuple):
        return _follow_list(value, tokens, at)
    return None


def _follow_keys(value: Mapping[str, Any], tokens: tuple[str, ...], at: int) -> Any:
    ends = range(len(tokens), at, -1)
    for end in ends:
        inner = value.get(".".join(tokens[at:end]))
        if inner is not None:
            found = _follow(inner, tokens, end)
            if found is not None:
                return found
    names = tuple(name for name, inner in value.items() if inner is not None)
    for end in ends:
        name = _alike(names, ".".join(tokens[at:end]))
        if name is not None:
            found = _follow(value[name], tokens, end)
            if found is not None:
                return found
    return None


def _follow_list(value: list[Any] | tuple[Any, ...], tokens: tuple[str, ...], at: int) -> Any:
    token = tokens[at]
    if _PLACE.fullmatch(token):
        place = int(token)
        if -len(value) <= place < len(value):
            return _follow(value[place], tokens, at + 1)
    if token == "*":
        found = (_follow(one, tokens, at + 1) for one in reversed(value))
        return next((one for one in found if one is not None), None)
    pairs = _pairs(value)
    return _follow_keys(pairs, tokens, at) if pairs else None


def _pairs(value: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    """Returns a list of keys and values as an object; a key with two values is left out."""
    pairs: dict[str, Any] = {}
    twice: set[str] = set()
    for one in value:
        key, inner = _pair(one)
        if not isinstance(key, str):
            continue
        if key in pairs and not (isinstance(inner, _PLAIN) and pairs[key] == inner):
            twice.add(key)
        pairs[key] = inner
    return {key: inner for key, inner in pairs.items() if key not in twice}


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list | tuple) and len(value) == 2:
        return value[0], value[1]
    if not isinstance(value, Mapping):
        return None, None
    key = next((value[name] for name in _KEYS if name in value), None)
    inner = next((value[name] for name in _VALUES if name in value), None)
    return key, _of_any_value(inner)


def _of_any_value(value: Any) -> Any:
    """Returns what an OpenTelemetry value holds: `{"stringValue": "a"}` -> `a`."""
    if not isinstance(value, Mapping):
        return value
    for name in _ANY_VALUES:
        if value.get(name) is not None:
            return value[name]
    for name in _ANY_LISTS:
        inner = value.get(name)
        if isinstance(inner, Mapping):
            return inner.get("values")
    return value


@lru_cache(maxsize=4_096)
def _alike(names: tuple[str, ...], wanted: str) -> str | None:
    """Returns the one name that differs from `wanted` in case alone, or in how words are joined."""
    for form in (_lowered, _loosened):
        alike = [name for name in names if isinstance(name, str) and form(name) == form(wanted)]
        if alike:
            return alike[0] if len(alike) == 1 else None
    return None


def _lowered(name: str) -> str:
    return name.lower()


def _loosened(name: str) -> str:
    return _LOOSE.sub("", name).lower()


@lru_cache(maxsize=8)
def _inside(text: str) -> Any:
    """Returns the object or list that a text is; None if it is not.

    The fields of one record are dug one behind the other, so a few texts are kept.
    """
    value: Any = text
    for _ in range(_MAX_TEXT_IN_TEXT):
        value = _parsed(value)
        if not isinstance(value, str):
            break
    return value if isinstance(value, dict | list) else None


def _parsed(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return _printed(text)


def _printed(text: str) -> Any:
    """Returns the value of what Python prints of it, as pandas writes a column of dicts to CSV."""
    if len(text) > _MAX_PYTHON_CHARS or "'" not in text:
        return None
    try:
        with warnings.catch_warnings():  # of odd escapes inside a stranger's text
            warnings.simplefilter("ignore")
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _paths(value: Any, before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yields the paths into a value and what they lead to."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        value = _inside(value)
    if isinstance(value, list | tuple):
        pairs = _pairs(value)
        value = pairs or {str(place): one for place, one in enumerate(value[:1])}
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if inner is None:
            continue
        path = f"{before}.{key}" if before else str(key)
        yield path, inner
        yield from _paths(inner, path, depth + 1)


def _likeness(wanted: str, last: str, there: str) -> float:
    """Returns how much two paths are alike, 0 to 1; the same last key is enough to be near."""
    whole = difflib.SequenceMatcher(None, wanted, there).ratio()
    end = difflib.SequenceMatcher(None, last, there.rpartition(".")[2]).ratio()
    return max(whole, end * 0.95)
