"""The fields that a request may hold, as a table: what is not in it does not reach the upstream.

Judging by name what is dangerous was always one field behind: `extra_body`, `fallbacks`,
`content_blocks` each held a question that nobody judged. So a route lists what it takes. Lists are
not steps of a field's name: `messages.content` is the content of every message.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from gamekeeper.guard.routes._fields import a_text, an_object, wrong
from gamekeeper.guard.routes._route import Json, UnreadableRequestError

_NESTED = (dict, list)
_MOST_UNKNOWN = 32  # names that one request's answer may list
_MOST_NAME_CHARS = 64
_METADATA_PAIRS = 16  # these three are OpenAI's bounds
_METADATA_NAME_CHARS = 64
_METADATA_TEXT_CHARS = 512


class Leaf(Enum):
    """What a field may hold whose inside has no table.

    Attributes:
        ANY: Anything: it is free by nature (a JSON schema), or the route itself reads all of it.
        SCALAR: A text, a number, true, false or null: neither an object nor a list.
        TOKEN: A scalar; a text is a short word of the API, such as `retrieval.query`.
        PLACE: A scalar; a text is the name of a place, of 64 characters.
        MAP: An object of freely named scalars.
        METADATA: An object of texts, within OpenAI's bounds of 16 pairs, 64 and 512 characters.
    """

    ANY = auto()
    SCALAR = auto()
    TOKEN = auto()
    PLACE = auto()
    MAP = auto()
    METADATA = auto()


Rule: TypeAlias = "Shape | Leaf"

ANY: Final = Leaf.ANY
MAP: Final = Leaf.MAP
METADATA: Final = Leaf.METADATA
TOKEN: Final = Leaf.TOKEN
PLACE: Final = Leaf.PLACE
_SCALAR: Final = Leaf.SCALAR
_NOTHING: Final = object()
_WORDS: Final[dict[Any, re.Pattern[str]]] = {
    TOKEN: re.compile(r"[A-Za-z0-9_.:-]{1,64}"),
    PLACE: re.compile(r"[^\W_](?:[\w .,'/+()-]|\u2019){0,63}"),
}


class Admitted(NamedTuple):
    """A request that holds only fields that are known.

    Args:
        body: The same object if nothing was taken out.
        dropped: Names of the fields that were taken out, in their order, each once; printable
            ASCII without spaces.
    """

    body: Json
    dropped: tuple[str, ...]


class Shape:
    """The fields that an object, or each object of a list, may have; a scalar has none.

    Args:
        scalars: Names of fields that hold scalars.
        others: What the other fields may hold.
    """

    def __init__(self, /, *scalars: str, **others: Rule) -> None:
        self._fields: dict[str, Rule] = {**dict.fromkeys(scalars, _SCALAR), **others}

    def __or__(self, other: "Shape") -> "Shape":
        return Shape(**self._fields | other._fields)

    @property
    def fields(self) -> Mapping[str, Rule]:
        """What each field may hold."""
        return self._fields

    def allowing(self, names: Iterable[str]) -> "Shape":
        """Returns a shape that takes further fields, whatever they hold.

        Args:
            names: Dotted, such as `top_k` or `messages.content_blocks`.
        """
        fields = dict(self._fields)
        for name in names:
            first, _, rest = name.partition(".")
            fields[first] = _allowing(fields.get(first), rest) if rest else ANY
        return Shape(**fields)

    def admit(self, body: Json, route: str, *, drop: bool) -> Admitted:
        """Returns a request that holds known fields only.

        Args:
            body: The request.
            route: Name of its route, for the message.
            drop: Whether unknown fields are taken out; else they are refused.

        Raises:
            UnreadableRequestError: There are unknown fields and they are refused, or too many of
                them; or a known one holds what it never does.
        """
        unknown: dict[str, None] = {}
        admitted = self._kept(body, "", unknown)
        if not unknown:
            return Admitted(body, ())
        if len(unknown) > _MOST_UNKNOWN or not drop:
            raise _refused(list(unknown), route)
        return Admitted(admitted, tuple(unknown))

    def _kept(self, given: Json, where: str, unknown: dict[str, None]) -> Json:
        """The object without unknown fields, whose names are noted; itself if it has none.

        Every request runs through here: names are joined only where they are needed.
        """
        fields = self._fields
        kept = given
        for name, value in given.items():
            rule = fields.get(name)
            if rule is ANY or (rule is not None and not isinstance(value, _NESTED)):
                if (rule is TOKEN or rule is PLACE) and isinstance(value, str):
                    _require_word(rule, value, name, where)
                continue
            path = f"{where}.{_shown(name)}" if where else _shown(name)
            if rule is None:
                unknown[path] = None
                inner = _NOTHING
            else:
                inner = _inner(rule, value, path, unknown)
            if inner is value:
                continue
            kept = dict(given) if kept is given else kept
            if inner is _NOTHING:
                del kept[name]
            else:
                kept[name] = inner
        return kept

    def inside(self, value: Any, where: str, unknown: dict[str, None]) -> Any:
        """Returns an object or a list of objects without unknown fields; itself if it has none."""
        if isinstance(value, dict):
            return self._kept(value, where, unknown)
        kept = value
        for at, item in enumerate(value):
            if isinstance(item, list):
                raise wrong(where, item, "no list within the list")
            inner = self._kept(item, where, unknown) if isinstance(item, dict) else item
            if inner is not item:
                kept = list(value) if kept is value else kept
                kept[at] = inner
        return kept


LIST: Final = Shape()
"""A scalar, or a list of scalars."""


def _inner(rule: Rule, value: Any, where: str, unknown: dict[str, None]) -> Any:
    """An object or a list in a known field, without unknown fields."""
    if isinstance(rule, Shape):
        return rule.inside(value, where, unknown)
    if rule is _SCALAR or rule is TOKEN or rule is PLACE:
        raise wrong(where, value, "a single value")
    for held in an_object(value, where).values():
        if isinstance(held, _NESTED):
            raise wrong(where, held, "single values only")
    if rule is METADATA:
        _require_metadata(value, where)
    return value


def _require_word(rule: Any, value: str, name: str, where: str) -> None:
    if value and _WORDS[rule].fullmatch(value) is None:
        kind = "a short word of the API" if rule is TOKEN else "the name of a place"
        path = f"{where}.{name}" if where else name
        raise UnreadableRequestError(f'field "{path}": expected {kind}, of at most 64 characters')


def _require_metadata(pairs: Json, where: str) -> None:
    small = len(pairs) <= _METADATA_PAIRS
    for name, held in pairs.items():
        small &= len(name) <= _METADATA_NAME_CHARS
        small &= len(a_text(held, where)) <= _METADATA_TEXT_CHARS
    if not small:
        raise UnreadableRequestError(
            f'field "{where}": expected at most {_METADATA_PAIRS} pairs of a name of'
            f" {_METADATA_NAME_CHARS} and a text of {_METADATA_TEXT_CHARS} characters"
        )


def _allowing(rule: "Rule | None", rest: str) -> Rule:
    """A field's rule, widened by a name within it."""
    if rule is ANY:
        return rule
    inside = rule if isinstance(rule, Shape) else Shape()
    return inside.allowing([rest])


@lru_cache(maxsize=256)
def widened(shape: Shape, extra: frozenset[str]) -> Shape:
    """Returns a shape with the fields that a policy allows besides; made once for each policy."""
    return shape.allowing(extra)


def _shown(name: str) -> str:
    """A client's own field name, fit for a message and for a header."""
    plain = name.isascii() and name.replace("-", "_").isidentifier()
    return name if plain and len(name) <= _MOST_NAME_CHARS else "(unprintable)"


def _refused(unknown: list[str], route: str) -> UnreadableRequestError:
    named = unknown[:_MOST_UNKNOWN]
    fields = ", ".join(f'"{name}"' for name in named)
    first = f"field {fields}" if len(named) == 1 else f"fields {fields}"
    return UnreadableRequestError(
        f"{first}: not known for {route}, and therefore not passed on; send the request without,"
        f' or allow it in the policy: [allow.fields] "{route}" = [{fields}]'
    )


__all__ = [
    "ANY",
    "LIST",
    "MAP",
    "METADATA",
    "PLACE",
    "TOKEN",
    "Admitted",
    "Leaf",
    "Rule",
    "Shape",
    "widened",
]
