"""The messages of a request -> prompt, system text and turn, as `exchange.messages` has them for
logs.

The messages are made plain first: role and text, nothing else. A field that the upstream ignores
but our reader of logs heeds (`parts` beside `content`, `toolResult` beside `text`) would otherwise
hide the question from judgement. A request in which no user says anything is still answered: its
prompt is then whatever text the last message holds, a tool's result or a document included.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from gamekeeper.exchange.messages import conversation_of, tools_hash
from gamekeeper.guard.routes._fields import a_list, a_text, an_object, wrong
from gamekeeper.guard.routes._route import Json, UnreadableRequestError

_TEXT = ("text", "input_text", "output_text", "refusal")
_UNSEEN = ("prompt_embeds",)  # vectors in place of words
_LOOSE_DEPTH = 6  # a message, its parts, a part, a tool's result, its parts, a part


class Conversation(NamedTuple):
    """What is asked now, and before."""

    prompt: str
    system: str | None
    turn: int | None


def conversation(
    messages: list[Any], field: str, *, roles: tuple[str, ...], system: Any = None
) -> Conversation:
    """Returns the conversation of a request.

    Args:
        messages: Objects with `role` and `content`.
        field: Their name, for errors.
        roles: Those that this API knows; a role that we do not know might be a user's.
        system: System text that travels apart: text, a list of parts, or None.

    Raises:
        UnreadableRequestError: There is no message, or one is not of this form.
    """
    if not messages:
        raise UnreadableRequestError(f'field "{field}": found no message, expected at least one')
    plain = [_plain(message, f"{field}[{at}]", roles) for at, message in enumerate(messages)]
    said = conversation_of(plain, None if system is None else plain_content(system, "system"))
    return Conversation(
        said["prompt"] or _loose(messages[-1], _LOOSE_DEPTH), said["system"], said["turn"]
    )


def _plain(message: Any, field: str, roles: tuple[str, ...]) -> Json:
    role = an_object(message, field).get("role")
    if role not in roles:
        raise UnreadableRequestError(f'field "{field}.role": expected one of {", ".join(roles)}')
    return {"role": role, "content": plain_content(message.get("content"), f"{field}.content")}


def plain_content(content: Any, field: str) -> str | list[Json]:
    """Returns text as it is, and of parts their text; null is empty text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return a_text(content, field)
    if not isinstance(content, list):
        raise wrong(field, content, "text or a list of parts")
    return [_plain_part(part, f"{field}[{at}]") for at, part in enumerate(content)]


def _plain_part(part: Any, field: str) -> Json:
    kind = an_object(part, field).get("type")
    if kind == "tool_result":
        return {"type": "tool_result"}
    if kind in _UNSEEN:
        raise UnreadableRequestError(
            f'field "{field}.type": a part of vectors cannot be judged, expected text'
        )
    if part.get("text") is None and kind not in _TEXT:
        return {"type": "other"}
    return {"type": "text", "text": a_text(part.get("text"), f"{field}.text")}


def _loose(value: Any, depth: int) -> str:
    """All text of a message, wherever it is."""
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return _lines(_loose(part, depth - 1) for part in value)
    if isinstance(value, dict):
        return _lines(
            _loose(value.get(name), depth - 1) for name in ("text", "content", "output")
        ) or _document(value)
    return ""


def _document(part: Json) -> str:
    source = part.get("source")
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else None
    return data if isinstance(data, str) else ""


def _lines(found: Iterable[str]) -> str:
    return "\n".join(text for text in found if text)


def tools_of(body: Json, *names: str) -> str | None:
    """Returns the hash of the tool schemas in the named fields, lists all.

    Raises:
        UnreadableRequestError: One is not a list, or cannot be written as JSON.
    """
    found = [
        tool for name in names if body.get(name) is not None for tool in a_list(body[name], name)
    ]
    try:
        return tools_hash(found)
    except TypeError:  # orjson's, for what is nested too deeply
        raise UnreadableRequestError(f'field "{names[0]}": cannot be written as JSON') from None
