"""Chat messages -> prompt, system, turn, answer; in the shapes of OpenAI, Anthropic, Bedrock and
OTel.

Content is a string or a list of parts; only text parts count. A user message that holds nothing but
the results of tools was not written by the user: agents send thousands of them for one thing that
somebody asked.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

# Tuples, not sets: what a log holds in place of a name may not be hashable.
_TOOL_RESULTS = ("tool_result", "tool_call_response", "function_call_output")
_SYSTEM_ROLES = ("system", "developer")


def parsed(value: Any) -> Any:
    """Returns the value of JSON text, and anything else unchanged: tables keep objects as text."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[", '"'):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def mapping(value: Any) -> dict[str, Any]:
    """Returns an object, parsed if it is text; an empty one for anything else."""
    value = parsed(value)
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Returns an array, parsed if it is text; an empty one for anything else."""
    value = parsed(value)
    return value if isinstance(value, list) else []


def first(*values: Any) -> Any:
    """Returns the first value that is neither None nor empty text."""
    for value in values:
        if value is not None and value != "":
            return value
    return None


def pick(record: dict[str, Any], keys: Iterable[str]) -> Any:
    """Returns the value of the first of `keys` that holds something."""
    for key in keys:
        if (value := record.get(key)) is not None and value != "":
            return value
    return None


def text_of(content: Any) -> str:
    """Returns the text of a message's content: the string itself, or its text parts, one a line."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "\n".join(text for part in parts if (text := _part_text(part)))


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or _is_tool_result(part):
        return ""
    text = first(part.get("text"), part.get("content"))  # OTel's parts say content
    return text if isinstance(text, str) else ""


def _is_tool_result(part: Any) -> bool:
    return isinstance(part, dict) and (
        part.get("type") in _TOOL_RESULTS or part.get("toolResult") is not None
    )


def conversation_of(messages: Any, system: Any = None) -> dict[str, Any]:
    """Returns `prompt`, `system` and `turn` of a request's messages; the prompt is None if no user
    wrote one.

    Args:
        messages: A list of objects with `role` and `content` (or `parts`), or the JSON text of one.
        system: System text that travels apart from the messages: a string or a list of parts.
    """
    said = [message for message in listing(messages) if isinstance(message, dict)]
    users = [
        _content(m) for m in said if m.get("role") == "user" and not _only_tool_results(_content(m))
    ]
    systems = [system] if system else []
    systems += [_content(m) for m in said if m.get("role") in _SYSTEM_ROLES]
    return {
        "prompt": text_of(users[-1]) if users else None,
        "system": "\n".join(map(text_of, systems)) or None,
        "turn": len(users) - 1 if users else None,
    }


def _content(message: dict[str, Any]) -> Any:
    return message["parts"] if isinstance(message.get("parts"), list) else message.get("content")


def _only_tool_results(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and all(map(_is_tool_result, content))


def texts_of(messages: Iterable[Any]) -> str | None:
    """Returns the text of several answers, one a line; None if there is none."""
    return (
        "\n".join(t for m in messages if isinstance(m, dict) and (t := text_of(_content(m))))
        or None
    )


def answer_of(response: Any) -> str | None:
    """Returns the text of an OpenAI-style response (chat, completion, Responses API), None if it
    has none.
    """
    response = mapping(response)
    choices = [choice for choice in listing(response.get("choices")) if isinstance(choice, dict)]
    messages = [choice.get("message") or {"content": choice.get("text")} for choice in choices]
    return texts_of(messages) or texts_of(listing(response.get("output")))


def tools_hash(tools: Any) -> str | None:
    """Returns 16 hex digits that stand for the tool schemas, whatever the order of their keys."""
    tools = parsed(tools)
    if not tools:
        return None
    canonical = orjson.dumps(tools, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()
