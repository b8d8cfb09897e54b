"""The messages of a request -> prompt, system text and turn, as `exchange.messages` has them for
logs.

The messages are made plain first: role and text, nothing else. A field that the upstream ignores
but our reader of logs heeds (`parts` beside `content`, `toolResult` beside `text`) would otherwise
hide the question from judgement. What else the last user message holds, in whatever field, is
judged after its text: nobody has to know which fields a server reads. Media and tokens of the API
are no text; the results of tools are not the user's. A request in which no user says anything is
still answered: its prompt is then whatever text the last message holds, a tool's result or a
document included.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from gamekeeper.exchange.messages import conversation_of, tools_hash
from gamekeeper.guard.routes._fields import a_list, a_text, an_object, wrong
from gamekeeper.guard.routes._route import Json, UnreadableRequestError

_TEXT = ("text", "input_text", "output_text", "refusal")
_UNSEEN = ("prompt_embeds",)  # vectors in place of words
_MEDIA = frozenset({"data", "file_data", "file_url", "image_url", "url", "encrypted_content"})
_TOKENS = frozenset(
    {"detail", "file_id", "format", "id", "media_type", "mode", "phase", "role", "status"}
    | {"tool_use_id", "ttl", "type"}
)
_TOKEN = re.compile(r"[A-Za-z0-9_./:-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # OpenAI's own bound
_TRACES = frozenset(
    {"reasoning", "reasoning_content", "reasoning_details", "summary", "thinking"}
    | {"thinking_blocks"}
)
_TRACE_PARTS = ("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text")
_MOST_DEPTH = 254  # of nesting: what is deeper could not be forwarded
_JUDGED = ("role", "content", "name")  # elsewhere
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
    prompt = said["prompt"] or _loose(messages[-1], _LOOSE_DEPTH)
    asked = _asked(messages, plain)
    if asked is not None:
        further = [text for text in _further(asked) if text not in prompt]
        prompt = lines([prompt, *further]) if further else prompt
    return Conversation(prompt, said["system"], said["turn"])


def _asked(messages: list[Any], plain: list[Json]) -> Json | None:
    """The last message that a user wrote, as `conversation_of` finds it; as it came."""
    for at in range(len(plain) - 1, -1, -1):
        if plain[at]["role"] == "user" and not _only_results(plain[at]["content"]):
            return an_object(messages[at], "messages")
    return None


def _only_results(content: str | list[Json]) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(part["type"] == "tool_result" for part in content)
    )


def _further(message: Json) -> list[str]:
    """What a message holds besides the text of its content."""
    found: list[str] = []
    for name, value in message.items():
        if name == "content" and isinstance(value, list):
            for part in value:
                _further_of_part(part, found)
        elif name not in _JUDGED and value is not None:
            _gather(name, value, found, _MOST_DEPTH)
    return found


def _further_of_part(part: Json, found: list[str]) -> None:
    if len(part) == 2 and "text" in part and part.get("type") in _TEXT:
        return  # as most are
    judged = "content" if part.get("type") == "tool_result" else "text"
    for name, value in part.items():
        if name != judged:
            _gather(name, value, found, _MOST_DEPTH)


def _gather(name: str, value: Any, found: list[str], depth: int) -> None:
    """Adds all text in a field, and names that are no names of fields."""
    if depth == 0:
        raise UnreadableRequestError(f"a message is nested deeper than {_MOST_DEPTH} levels")
    if isinstance(value, str):
        if value and not _is_no_text(name, value):
            found.append(a_text(value, "messages"))
    elif isinstance(value, list):
        for item in value:
            _gather(name, item, found, depth - 1)
    elif isinstance(value, dict):
        is_text = value.get("type") == "text"  # then `data` is text as well
        for inner, held in value.items():
            if _TOKEN.fullmatch(inner) is None:
                found.append(inner)
            _gather("" if is_text and inner == "data" else inner, held, found, depth - 1)


def _is_no_text(name: str, value: str) -> bool:
    """Whether a field holds a token of the API, an address, or bytes."""
    if name in _MEDIA:
        return value.isascii() and " " not in value
    return name in _TOKENS and _TOKEN.fullmatch(value) is not None


def _plain(message: Any, field: str, roles: tuple[str, ...]) -> Json:
    role = an_object(message, field).get("role")
    if role not in roles:
        raise UnreadableRequestError(f'field "{field}.role": expected one of {", ".join(roles)}')
    if role in ("user", "system", "developer"):
        _require_name(message, field)
    if role == "user":
        _require_no_traces(message, field)
    return {"role": role, "content": plain_content(message.get("content"), f"{field}.content")}


def _require_name(message: Json, field: str) -> None:
    name = message.get("name")
    if name is not None and _NAME.fullmatch(a_text(name, f"{field}.name")) is None:
        raise UnreadableRequestError(
            f'field "{field}.name": expected 1 to 64 letters, digits, underscores and hyphens'
        )


def _require_no_traces(message: Json, field: str) -> None:
    """Raises for thoughts in a user's message: a server that reads them reads a question."""
    if not _TRACES.isdisjoint(message):
        _require_none_of(message, field)
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if part.get("type") in _TRACE_PARTS:
            raise UnreadableRequestError(
                f'field "{field}.content": found a part of reasoning in a message of a user,'
                " expected such only in answers"
            )
        if not _TRACES.isdisjoint(part):
            _require_none_of(part, f"{field}.content")


def _require_none_of(given: Json, field: str) -> None:
    for name in _TRACES:
        if given.get(name):
            raise UnreadableRequestError(
                f'field "{field}.{name}": found in a message of a user, expected only in answers'
            )


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
        return lines(_loose(part, depth - 1) for part in value)
    if isinstance(value, dict):
        return lines(
            _loose(value.get(name), depth - 1) for name in ("text", "content", "output")
        ) or _document(value)
    return ""


def _document(part: Json) -> str:
    source = part.get("source")
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else None
    return data if isinstance(data, str) else ""


def lines(found: Iterable[str]) -> str:
    """Returns texts, one a line, without empty ones."""
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
