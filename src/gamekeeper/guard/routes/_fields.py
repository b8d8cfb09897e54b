"""Fields of a body, strict about their type: what a lax upstream would convert, the guard refuses.

An upstream that reads `"stream": "yes"` as true, or `"n": true` as 1, would act on something that
the guard judged otherwise. A field that is absent or null is None. Messages name the field and the
type found, never the value: it may be somebody's prompt.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Any

from gamekeeper.guard.routes._route import Json, UnreadableRequestError

_MAX_MODEL_CHARS = 256
_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def wrong(field: str, found: Any, expected: str) -> UnreadableRequestError:
    """Returns the error for a field that is not what it should be."""
    return UnreadableRequestError(
        f'field "{field}": found {_KINDS.get(type(found), "something else")}, expected {expected}'
    )


def an_object(value: Any, field: str) -> Json:
    """Returns a value that must be an object."""
    if not isinstance(value, dict):
        raise wrong(field, value, "an object")
    return value


def a_list(value: Any, field: str) -> list[Any]:
    """Returns a value that must be a list."""
    if not isinstance(value, list):
        raise wrong(field, value, "a list")
    return value


def a_text(value: Any, field: str) -> str:
    """Returns a value that must be text, and text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise wrong(field, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UnreadableRequestError(
            f'field "{field}": found half of a surrogate pair, expected text'
        ) from None
    return value


def texts(values: list[Any], field: str, most: int) -> tuple[str, ...]:
    """Returns a list's values, which must be text, at least one and at most so many."""
    if not 1 <= len(values) <= most:
        raise UnreadableRequestError(
            f'field "{field}": found {len(values)} items, expected 1 to {most}'
        )
    return tuple(a_text(value, f"{field}[{at}]") for at, value in enumerate(values))


def text(body: Json, name: str) -> str | None:
    """Returns a field of text."""
    value = body.get(name)
    return None if value is None else a_text(value, name)


def model_of(body: Json) -> str:
    """Returns the model asked for: required, because keys are scoped by it."""
    return model_named(body.get("model"))


def model_named(value: Any) -> str:
    """Returns the name of one model. LiteLLM reads a comma as several, which no scope foresees."""
    model = a_text(value, "model")
    if not model or len(model) > _MAX_MODEL_CHARS or not model.isprintable() or "," in model:
        raise UnreadableRequestError(
            f'field "model": expected one name, printable, of 1 to {_MAX_MODEL_CHARS} characters'
            " and without a comma"
        )
    return model


def flag(body: Json, name: str) -> bool:
    """Returns a field of true or false; absent is false."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(name, value, "true or false")
    return value is True


def whole(body: Json, name: str, *, least: int, most: int | None = None) -> int | None:
    """Returns a field that is a whole number within bounds, both included."""
    value = body.get(name)
    if value is None:
        return None
    bounds = f"a whole number from {least}" + (f" to {most}" if most is not None else "")
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(name, value, bounds)
    if value < least or (most is not None and value > most):
        raise UnreadableRequestError(
            f'field "{name}": found a number out of bounds, expected {bounds}'
        )
    return value


def number(body: Json, name: str) -> float | None:
    """Returns a field that is a finite number."""
    value = body.get(name)
    return None if value is None else numbers([value], name)[0]


def numbers(values: Iterable[Any], field: str) -> tuple[float, ...]:
    """Returns finite numbers; -0.0 becomes 0.0, which every model takes for the same input."""
    values = list(values)
    for kind in set(map(type, values)) - {int, float}:
        raise wrong(field, next(v for v in values if type(v) is kind), "numbers only")
    try:
        found = tuple(float(value) + 0.0 for value in values)
    except OverflowError:
        found = (float("inf"),)
    if not all(map(isfinite, found)):
        raise UnreadableRequestError(
            f'field "{field}": found a number that is not finite, expected finite numbers'
        )
    return found


def require_absent(body: Json, *names: str) -> None:
    """Raises if a field is there that some upstreams read in place of the one that is judged."""
    for name in names:
        if body.get(name) is not None:
            raise UnreadableRequestError(
                f'field "{name}": found {_KINDS.get(type(body[name]))}, expected no such field here'
            )


def without(body: Json, *names: str) -> Json:
    """Returns an object without some fields; the same object if it has none of them."""
    if not any(name in body for name in names):
        return body
    return {name: value for name, value in body.items() if name not in names}


def only(body: Json, names: frozenset[str]) -> Json:
    """Returns an object with some fields only; the same object if it has no others."""
    if body.keys() <= names:
        return body
    return {name: value for name, value in body.items() if name in names}


def tokens(counts: Any, *names: str) -> int | None:
    """Returns the sum of an answer's token counts; None if it states none, or one that is not a
    count.
    """
    if not isinstance(counts, dict):
        return None
    total = None
    for name in names:
        value = counts.get(name)
        if value is None:
            continue
        count = value if type(value) is int and value >= 0 else _count(value)
        if count is None:
            return None
        total = count if total is None else total + count
    return total


def _count(value: Any) -> int | None:
    """A count as some servers write it, 120.0 included."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None
