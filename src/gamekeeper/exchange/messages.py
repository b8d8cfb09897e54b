"""Requests and messages -> prompt, system, turn, answer; in the shapes of all vendors.

The prompt is the latest message that a user wrote. A user message that holds nothing but the
results of tools was not written by the user: agents send thousands of them for one thing that
somebody asked. The same holds for what clients inject, see `gamekeeper.exchange.texts`. A message
without text, such as an image alone, is said to be `without_text`; its prompt is never "".
"""

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from gamekeeper.exchange.texts import (
    TOOL_FIELDS,
    is_tool_result,
    only_injected,
    only_tool_results,
    plain_part,
    plain_text,
    text_of,
    turns_of,
    without_injected,
)

__all__ = [
    "answer_of",
    "are_messages",
    "are_tensors",
    "conversation_of",
    "events_of",
    "first",
    "is_filled",
    "is_request",
    "is_said_by_model",
    "listing",
    "mapping",
    "parsed",
    "pick",
    "prompt_of",
    "request_of",
    "respelt",
    "spelt",
    "text_of",
    "texts_of",
    "tools_hash",
]

_MAX_REPR = 4 << 20  # characters of Python's repr; its parser takes hundred times the memory


def parsed(value: Any) -> Any:
    """Returns the value of JSON text, or of the repr of a list or dict that pandas writes to CSV;
    anything else unchanged. Tables keep objects as text.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[", '"'):
        return value
    try:
        return orjson.loads(value)
    except (orjson.JSONDecodeError, RecursionError):
        return _of_repr(value)


_NUMPY_ARRAY = re.compile(r"array\(|, dtype=\w+\)")
_NUMPY_ROWS = re.compile(r"\}\n\s*\{")


def _of_repr(value: str) -> Any:
    if len(value) > _MAX_REPR or not re.match(r"\s*(?:\[\s*)*\{\s*'", value):
        return value
    # numpy writes no commas between the objects of an array, but a line break, which is never
    # inside a string
    plain = _NUMPY_ROWS.sub("}, {", _NUMPY_ARRAY.sub("", value) if "dtype=" in value else value)
    try:
        return ast.literal_eval(plain.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return value


def mapping(value: Any) -> dict[str, Any]:
    """Returns an object, parsed if it is text; an empty one for anything else."""
    if isinstance(value, str):
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


def is_filled(value: Any) -> bool:
    """Returns whether a value is not None, nor an empty text, list or object."""
    return value is not None and value != "" and value != [] and value != {}


_USER = "user"
_SYSTEM = "system"
_ASSISTANT = "assistant"
_TOOL = "tool"
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "end_user", "enduser", "customer"), _USER),
    **dict.fromkeys(("humanmessage", "humanmessagechunk", "question"), _USER),
    **dict.fromkeys(("system", "developer", "systemmessage", "root", "platform"), _SYSTEM),
    **dict.fromkeys(("assistant", "model", "ai", "bot", "chatbot", "gpt", "agent"), _ASSISTANT),
    **dict.fromkeys(("aimessage", "aimessagechunk", "chatgpt", "bing", "bard"), _ASSISTANT),
    **dict.fromkeys(("tool", "function", "ipython", "toolmessage", "observation"), _TOOL),
    **dict.fromkeys(("functionmessage", "environment", "tool_response", "toolresult"), _TOOL),
}
_ROLE_FIELDS = ("role", "from", "author", "speaker", "sender")
_CONTENT_FIELDS = ("content", "text", "message", "value", "kwargs", "data")
_PARTS = frozenset({"text", "input_text", "image_url", "input_image", "image", "file"})
_PARTS |= {"input_file", "input_audio", "document"}
_ITEMS = frozenset({"message", "reasoning", "function_call", "item_reference", "compaction"})
_UNKNOWN = "unknown"


def conversation_of(messages: Any, system: Any = None) -> dict[str, Any]:
    """Returns what was asked in a conversation.

    Args:
        messages: A list of objects with `role` and `content` (or `parts`), or the JSON text of one.
        system: System text that travels apart from the messages: a string or a list of parts.

    Returns:
        `prompt`, None if there is none; `system`; `turn`, the user turns before it; `without_text`,
        True if a user said something that is not text; `only_tools`, True if nothing but the
        results of tools was sent. Where no user says anything the latest other message is the
        prompt: the model answers it all the same.
    """
    if isinstance(messages, str):
        messages = parsed(messages)
    if (plain := _plain_conversation(messages, system)) is not None:
        return plain
    said = [(_role(item), item) for item in _items(messages)]
    asked = [_asked(item) for role, item in said if role == _USER]
    users = [content for content in asked if content is not None]
    systems = [system] if system else []
    systems += [_content(item) for role, item in said if role == _SYSTEM]
    real = [content for content in users if not _is_injected(content)]
    if real:
        prompt = without_injected(text_of(real[-1]))
    else:  # nothing but what looks injected: then it is what was asked
        prompt = text_of(users[-1]) if users else _other(said)
    has_tools = not users and any(role == _TOOL or _is_result(item) for role, item in said)
    has_text = bool(prompt.strip()) and not has_tools
    return {
        "prompt": prompt if has_text else None,
        "system": _system_of(systems),
        "turn": len(real or users) - 1 if users else None,
        "without_text": bool(users) and not has_text,
        "only_tools": has_tools,
    }


def _plain_conversation(messages: Any, system: Any) -> dict[str, Any] | None:
    """Returns what `conversation_of` does, of messages that hold text alone and of which one is a
    user's; None for any others. Most are such, and in one pass they cost a quarter.
    """
    if not isinstance(messages, list):
        return None
    users: list[str] = []
    systems = [system] if system else []
    for message in messages:
        if not isinstance(message, dict):
            return None
        role = message.get("role")
        text = message.get("content")
        if len(message) > 2 or not isinstance(text, str):
            text = _plain_content(message)
        if not text or not isinstance(role, str) or not role:
            return None
        role = _ROLES.get(role) or _ROLES.get(role.lower())
        if role == _USER:
            users.append(text)
        elif role == _SYSTEM:
            systems.append(text)
    if not users:
        return None
    real = [text for text in users if not _is_injected(text)]
    prompt = without_injected(real[-1]) if real else users[-1]
    has_text = bool(prompt.strip())
    return {
        "prompt": prompt if has_text else None,
        "system": _system_of(systems),
        "turn": len(real or users) - 1,
        "without_text": not has_text,
        "only_tools": False,
    }


def _plain_content(message: dict[str, Any]) -> str | None:
    """Returns the text of a message that is nothing but text, None of any other."""
    if message.get("type", "message") != "message" or not TOOL_FIELDS.isdisjoint(message):
        return None
    parts = message.get("parts")
    if parts is None:
        return plain_text(message.get("content"))
    return plain_part(parts[0]) if isinstance(parts, list) and len(parts) == 1 else None


def _system_of(systems: list[Any]) -> str | None:
    if not systems:
        return None
    return "\n".join(filter(None, map(text_of, systems))) or None


def _items(messages: Any) -> list[Any]:
    if isinstance(messages, dict):
        inner = messages.get("messages")
        messages = inner if isinstance(inner, list) else [messages]
    if not isinstance(messages, list):
        return []
    if messages and isinstance(messages[0], list):  # a batch of conversations
        messages = messages[0]
    parts = [_item_respelt(item) for item in messages if isinstance(item, (dict, str))]
    return [{"role": _USER, "content": parts}] if parts and all(map(_is_part, parts)) else parts


def _item_respelt(item: Any) -> Any:
    """Returns a message whose names begin with capitals, as .NET and Go write them, without."""
    return respelt(item) if isinstance(item, dict) and _has_capitals(item) else item


def _has_capitals(value: dict[Any, Any]) -> bool:
    return any(isinstance(name, str) and name[:1].isupper() for name in value)


def _is_part(item: Any) -> bool:
    """Whether an item is content of a user by itself: Responses takes parts without a message."""
    if not isinstance(item, dict) or item.get("role"):
        return False
    kind = item.get("type")
    return isinstance(kind, str) and kind in _PARTS


def _role(item: Any) -> str:
    if isinstance(item, str) or _is_part(item):
        return _USER
    for field in _ROLE_FIELDS:
        role = item.get(field)
        if isinstance(role, dict):  # ChatGPT's own export: {"author": {"role": ...}}
            role = role.get("role")
        if isinstance(role, str) and role:
            return _ROLES.get(role) or _ROLES.get(role.lower(), _UNKNOWN)
    kind = item.get("type")
    if is_tool_result(item):
        return _TOOL
    if isinstance(kind, str) and kind.lower() in _ROLES:  # LangChain: {"type": "human"}
        return _ROLES[kind.lower()]
    if isinstance(name := item.get("id"), list) and name and isinstance(name[-1], str):
        return _ROLES.get(name[-1].lower(), _UNKNOWN)  # LangChain's constructors
    if kind is None and "parts" in item:  # Gemini: a content without a role is the user's
        return _USER
    return _ASSISTANT if kind is not None else _UNKNOWN


def _content(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if isinstance(item.get("parts"), (list, dict)):
        return item["parts"]
    if _is_part(item):
        return [item]
    for field in _CONTENT_FIELDS:
        held = item.get(field)
        if held is not None and held != "" and (field != "data" or isinstance(held, dict)):
            return held
    return None


def _asked(item: Any) -> Any:
    """Returns the content of a user's message, None if it holds nothing but results of tools."""
    content = _content(item)
    if _is_result(item) or only_tool_results(content):
        return None
    return "" if content is None else content


def _is_result(item: Any) -> bool:
    return is_tool_result(item) or only_tool_results(_content(item))


def _is_injected(content: Any) -> bool:
    """Whether a client wrote all of it; what it writes begins with a mark."""
    if isinstance(content, str) and content.lstrip()[:1] not in ("<", "#", "[", "C"):
        return False
    return only_injected(content)


def _other(said: list[tuple[str, Any]]) -> str:
    """Returns the text of the latest message that is not a user's: not an answer if possible."""
    for wanted in (_UNKNOWN, _SYSTEM, _ASSISTANT):
        texts = [text_of(_content(item)) for role, item in said if role == wanted]
        if spoken := [text for text in texts if text.strip()]:
            return spoken[-1]
    return ""


_SYSTEM_FIELDS = (
    *("system", "instructions", "systemInstruction", "system_instruction", "systeminstruction"),
    *("system_prompt", "systemPrompt", "preamble"),
)
_CONVERSATIONS = (
    *("messages", "contents", "conversation", "conversations", "prompt_messages", "input_messages"),
    *(
        "chat_messages",
        "additional_messages",
        "message_list",
        "dialogue",
        "dialog",
        "turns",
        "chat",
    ),
)
"""Fields that hold a list of messages."""

_LISTS_OR_TEXT = ("messages", "contents")
"""Fields of messages that may be a text alone."""

_WHOLE_PROMPTS = ("prompt", "inputText", "inputtext", "inputs", "text_input")
"""Fields whose text may be a conversation in a model's chat template."""

_ASKED = (
    *("input", *_WHOLE_PROMPTS, "message", "texts", "text", "content", "input_text"),
    *("user_input", "userInput", "user_prompt", "userPrompt", "user_message", "userMessage"),
    *("query", "question", "instruction", "input_as_text", "input_value", "chat_input"),
    *("human_input", "user_query", "user_question", "user_text", "prompt_text", "query_text"),
    *("input_prompt", "utterance"),
)
_BATCHES = ("instances", "requests")
_REQUEST_FIELDS = frozenset((*_CONVERSATIONS, *_ASKED, *_BATCHES))
_SEPARATORS = re.compile("[^a-z0-9]+")


def is_request(value: Any) -> bool:
    """Returns whether an object looks like the body of a request to a model."""
    if not isinstance(value, dict):
        return False
    if _REQUEST_FIELDS.isdisjoint(value):
        return any(
            spelt(field) in _REQUEST_FIELDS and is_filled(held) for field, held in value.items()
        )
    return any(field in _REQUEST_FIELDS and is_filled(held) for field, held in value.items())


def request_of(body: dict[str, Any], *, is_table: bool = False, depth: int = 3) -> dict[str, Any]:
    """Returns what a request's body asks, as `conversation_of`; empty if it asks nothing.

    Args:
        body: A body of any vendor's API.
        is_table: The fields are cells of a table, in which lists are kept as JSON text. Elsewhere a
            text is what the user wrote, also if it looks like JSON.
        depth: How deep a body may be within a body.
    """
    if _REQUEST_FIELDS.isdisjoint(body):
        body = respelt(body)
    system = pick(body, _SYSTEM_FIELDS)
    for field in _CONVERSATIONS:
        value = body.get(field)
        if value is not None and (said := _conversation(value, field, system)) is not None:
            return said
    if body.get("chat_history") and isinstance(body.get("message"), str):  # Cohere
        return conversation_of(
            [*listing(body["chat_history"]), {"role": _USER, "content": body["message"]}], system
        )
    for field in _ASKED:
        if body.get(field) is None:
            continue
        is_whole = field == "input" and "model_id" in body  # watsonx.ai
        named = "prompt" if is_whole else field
        if said := _asked_in(body[field], named, system, is_table, depth):
            return said
    for field in _BATCHES:
        if depth and (inner := [item for item in listing(body.get(field)) if is_request(item)]):
            return _joined([request_of(item, depth=depth - 1) for item in inner])
    if body.get("role") == _USER:  # a message of an assistant's thread
        return conversation_of([body], system)
    return {}


def _conversation(value: Any, field: str, system: Any) -> dict[str, Any] | None:
    """Returns what a list of messages asks, None if it is not one."""
    messages = parsed(value)
    if isinstance(messages, list) and messages:
        if _are_plain(messages):
            return _list_asked(messages, system)
        is_known = field in _LISTS_OR_TEXT or are_messages(messages)
        return _logged(messages, system) if is_known else None
    if isinstance(messages, dict) and messages and field in _LISTS_OR_TEXT:
        return conversation_of(messages, system)
    if isinstance(messages, str) and messages.strip() and field in _LISTS_OR_TEXT:
        if messages.lstrip()[:2] in ("[{", "{'", '{"'):
            return {"prompt": None, "system": None, "turn": None}  # a list that was cut
        return _text_asked(messages, system)  # LiteLLM's payload of other APIs
    return None


def _are_plain(values: list[Any]) -> bool:
    """Whether a list holds neither objects nor lists: texts, or the ids of tokens."""
    if isinstance(values[0], (dict, list)):
        return False
    return not any(isinstance(value, (dict, list)) for value in values)


def _asked_in(
    value: Any, field: str, system: Any, is_table: bool, depth: int
) -> dict[str, Any] | None:
    if isinstance(value, str) and is_table and are_messages(items := parsed(value)):
        value = items
    if isinstance(value, str):
        if not value.strip():
            return None
        is_prompt = field in _WHOLE_PROMPTS
        turns = turns_of(value, is_prompt=is_prompt) if is_prompt or field == "input" else None
        return conversation_of(turns, system) if turns else _text_asked(value, system)
    if isinstance(value, dict):
        if field in ("message", "content") or value.get("role"):
            return conversation_of([{"role": _USER, **value}], system)
        if isinstance(filled := value.get("variables"), dict):  # a prompt that OpenAI stores
            return _list_asked([text_of(held) for held in filled.values()], system)
        return request_of(value, depth=depth - 1) if depth else None
    if isinstance(value, list) and value:
        if field == "inputs" and are_tensors(value):
            return _tensors_asked(value, system)
        return _list_asked(value, system)
    return None


def are_tensors(value: Any) -> bool:
    """Returns whether a value is the tensors of the Open Inference Protocol (KServe, Triton)."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "datatype" in one and "data" in one for one in value)
    )


_ASKING = re.compile(r"prompt|input|quer|question|message|text|instruct", re.IGNORECASE)
_NOT_ASKING = re.compile(r"system|negative|stop|bad|param|config|options|lora", re.IGNORECASE)


def _tensors_asked(tensors: list[Any], system: Any) -> dict[str, Any]:
    """Returns what tensors ask: the texts of the one that is named as a prompt, or of all."""
    texts = {str(one.get("name")): _strings(one["data"]) for one in tensors}
    given = {name: held for name, held in texts.items() if held and not _NOT_ASKING.search(name)}
    asking = {name: held for name, held in given.items() if _ASKING.search(name)} or given
    text = "\n".join(text for held in asking.values() for text in held)
    if not text.strip():
        return _list_asked([], system)
    return _asked_in(text, "inputs", system, True, 0) or _list_asked([text], system)


def _strings(value: Any, depth: int = 4) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value if isinstance(value, list) and depth else []
    return [text for one in inner for text in _strings(one, depth - 1)]


def _logged(messages: list[Any], system: Any) -> dict[str, Any]:
    """Returns what messages of a log ask; some logs keep the parts of a message as JSON text.

    Not so in `conversation_of`, which the guard takes: what a model was sent as text is text.
    """
    said = conversation_of(messages, system)
    prompt = said["prompt"]
    if prompt is None or not prompt.startswith("[{") or _parts_in(prompt) is None:
        return said
    return conversation_of([_with_parts(message) for message in messages], system)


def _with_parts(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    parts = _parts_in(message.get("content"))
    return message if parts is None else {**message, "content": parts}


_PART_KINDS = _PARTS | {"output_text", "tool_use", "tool_result", "video_url", "audio_url"}
_PART_KINDS |= {"thinking", "redacted_thinking", "input_text"}


def _parts_in(text: Any) -> list[Any] | None:
    """Returns the parts that a text is the JSON of, None for a list of the user's own."""
    parts = parsed(text) if isinstance(text, str) and text.startswith("[{") else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    kinds = [part.get("type") for part in parts]
    are_known = all(isinstance(kind, str) and kind in _PART_KINDS for kind in kinds)
    return parts if are_known and all(len(part) > 1 for part in parts) else None


def _list_asked(values: list[Any], system: Any) -> dict[str, Any]:
    """Returns what a list asks: messages or items, several texts, or the ids of tokens."""
    if any(isinstance(value, dict) for value in values):
        return _logged(values, system)
    texts = [value for value in values if isinstance(value, str)]
    text = "\n".join(texts)
    has_text = bool(text.strip())
    return {
        "prompt": text if has_text else None,
        "system": text_of(system) or None,
        "turn": None,
        "without_text": not has_text,
    }


def _text_asked(text: str, system: Any) -> dict[str, Any]:
    return {
        "prompt": without_injected(text) or text,
        "system": text_of(system) or None,
        "turn": None,
        "without_text": False,
    }


def _joined(asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns several requests of one call as one."""
    texts = [one["prompt"] for one in asked if one.get("prompt")]
    if len(asked) == 1:
        return asked[0]
    return {
        "prompt": "\n".join(texts) or None,
        "system": next((one["system"] for one in asked if one.get("system")), None),
        "turn": None,
        "without_text": not texts,
    }


def are_messages(items: Any) -> bool:
    """Returns whether a value is a list of messages or items, not a list of the user's own."""
    if not isinstance(items, list) or not items:
        return False
    if isinstance(items[0], list):  # a batch of conversations
        items = items[0]
    return bool(items) and all(map(_is_message, items))


def _is_message(item: Any) -> bool:
    item = _item_respelt(item)
    if not isinstance(item, dict):
        return False
    if isinstance(item.get("role"), (str, dict)) or isinstance(item.get("from"), (str, dict)):
        return True
    if isinstance(item.get("author"), dict):
        return True
    kind = item.get("type")
    if not isinstance(kind, str):
        return False
    if item.get("lc") is not None and isinstance(item.get("kwargs"), dict):  # LangChain
        return True
    return (
        is_tool_result(item)
        or kind in _ITEMS
        or (kind in _PARTS and len(item) > 1)
        or (kind.lower() in _ROLES and ("content" in item or "data" in item))
    )


def prompt_of(value: Any) -> dict[str, Any]:
    """Returns what a value asks that somebody named as the prompt, as `conversation_of`.

    Args:
        value: Text; a list of messages, parts or contents, or its JSON text; the body of a request
            as an object or JSON text. JSON text that is none of these is what the user wrote.

    Example:
        >>> prompt_of('[{"role": "user", "content": "What is a comet?"}]')["prompt"]
        'What is a comet?'
        >>> prompt_of('{"a": 1}')["prompt"]
        '{"a": 1}'
    """
    if isinstance(value, str):
        return _text_prompt(value)
    if isinstance(value, list):
        return _list_asked(value, None) if value else {"prompt": None}
    if isinstance(value, dict):
        if value.get("role") or value.get("parts"):
            return conversation_of([{"role": _USER, **value}])
        return request_of(value) or _inner_prompt(value)
    return {"prompt": value}


def _text_prompt(text: str) -> dict[str, Any]:
    held = parsed(text)
    if are_messages(held):
        return conversation_of(held)
    if isinstance(held, dict) and (_is_message(held) or _is_body(held)):
        return prompt_of(held)
    turns = turns_of(text)
    return conversation_of(turns) if turns else _text_asked(text, None)


def _is_body(value: dict[str, Any]) -> bool:
    """Returns whether an object that was found in text is a request, not what a user wrote."""
    if any(are_messages(listing(value.get(field))) for field in (*_CONVERSATIONS, "input")):
        return True
    if any(isinstance(item, dict) and "parts" in item for item in listing(value.get("contents"))):
        return True
    settings = ("max_tokens", "temperature", "stream", "maxTokens", "textGenerationConfig")
    return is_request(value) and ("model" in value or any(name in value for name in settings))


def _inner_prompt(value: dict[str, Any]) -> dict[str, Any]:
    """Returns what an envelope around a request asks: {"body": {...}}."""
    for inner in value.values():
        body = parsed(inner)
        if isinstance(body, dict) and _is_body(body):
            return request_of(body)
    return {"prompt": None}


def texts_of(messages: Iterable[Any]) -> str | None:
    """Returns the text of several answers, one a line; None if there is none."""
    texts = [
        text_of(_content(m)) for m in messages if isinstance(m, dict) and not is_tool_result(m)
    ]
    return "\n".join(filter(None, texts)) or None


_ANSWERS = (
    *("choices", "candidates", "output", "outputs", "content", "message", "messages", "results"),
    *("generations", "generation", "completions", "completion", "predictions", "generated_text"),
    *("outputText", "output_text", "text", "response", "answer", "delta", "contentBlockDelta"),
    *("parts", "data", "result", "body"),
)
_ANSWER_FIELDS = frozenset(_ANSWERS)
_ANSWER_DEPTH = 10


def answer_of(response: Any) -> str | None:
    """Returns the text of a response of any vendor's API, None if it has none.

    Args:
        response: The body, as an object or JSON text; the chunks of a stream, as a list or as
            server-sent events; or the text itself.
    """
    response = parsed(response)
    if isinstance(response, str):
        chunks = events_of(response)
        return _streamed(chunks) if chunks else response.strip() or None
    if isinstance(response, list) and len(response) > 1 and any(map(_is_chunk, response)):
        return _streamed(response)
    return "\n".join(_answers(response, _ANSWER_DEPTH)) or None


def _answers(value: Any, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if depth == 0:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _answers(item, depth - 1)]
    if not isinstance(value, dict):
        return []
    if _ANSWER_FIELDS.isdisjoint(value):
        return _answers(respelt(value), depth - 1) if _has_capitals(value) else []
    if is_tool_result(value) or value.get("thought") is True:
        return []
    kind = value.get("type")
    if isinstance(kind, str) and (kind in ("function_call", "tool_use") or not _speaks(kind)):
        return []
    for field in _ANSWERS:
        held = value.get(field)
        if held is not None and (found := _answers(held, depth - 1)):
            return found
    return []


def _speaks(kind: str) -> bool:
    return not kind.startswith(("thinking", "redacted_thinking", "reasoning", "summary_text"))


_SAID = frozenset(
    {"choices", "candidates", "output", "outputs", "content", "results", "generations"}
    | {"completions", "predictions", "delta", "contentBlockDelta", "parts"}
)
"""Fields in which an object or a list is of a model, and a text may be of anybody."""

_SAID_AS_TEXT = frozenset(
    {"generated_text", "outputText", "output_text", "generation", "completion"}
)
_AROUND = ("body", "data", "result", "response", "message", "chunk")
_ENDS = frozenset(
    {"finish_reason", "finishReason", "stop_reason", "stopReason", "done", "generation_id", "role"}
    | {"is_finished", "tokens_predicted"}
)
"""Fields that a model's text has beside it."""


def is_said_by_model(response: Any, depth: int = 4) -> bool:
    """Returns whether a response holds what only a model's has: choices, content, a stream.

    The `message` of an error, or a text alone, may be of whatever is in front of the model.
    """
    response = parsed(response)
    if isinstance(response, str):
        return any(map(is_said_by_model, events_of(response)))
    if isinstance(response, list):
        return depth > 0 and any(is_said_by_model(one, depth - 1) for one in response)
    if not isinstance(response, dict) or depth == 0:
        return False
    for field, held in response.items():
        if field in _SAID and _is_of_model(held):
            return True
        if field in _SAID_AS_TEXT and isinstance(held, str) and held:
            return True
    if not _ENDS.isdisjoint(response) and _answers(response, _ANSWER_DEPTH):
        return True
    if response.get("type") == _TEXT_DELTA:
        return True
    if any(is_said_by_model(response.get(field), depth - 1) for field in _AROUND):
        return True
    return _has_capitals(response) and is_said_by_model(respelt(response), depth - 1)


def _is_of_model(held: Any) -> bool:
    if not isinstance(held, (dict, list)) or not held:
        return False
    if isinstance(first_one := held[0] if isinstance(held, list) else held, dict):
        message = first_one.get("message")
        if isinstance(message, dict) and is_filled(message.get("tool_calls")):
            return True
        if first_one.get("type") in ("tool_use", "function_call"):
            return True
        if isinstance(message, str):  # of an error
            return False
    return bool(_answers(held, _ANSWER_DEPTH))


def _is_chunk(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    chunk_fields = ("delta", "contentBlockDelta", "candidates", "outputText", "generation")
    if any(field in item for field in chunk_fields):
        return True
    return any(
        isinstance(choice, dict) and "delta" in choice for choice in listing(item.get("choices"))
    )


def _streamed(chunks: list[Any]) -> str | None:
    """Returns the text of the parts of a stream. The events of the Responses API repeat the whole
    at their end; only its deltas count.
    """
    texts: list[str] = []
    for chunk in chunks:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if isinstance(kind, str) and kind.startswith("response.") and kind != _TEXT_DELTA:
            continue
        texts += _answers(chunk, _ANSWER_DEPTH)
    return "".join(texts) or None


_TEXT_DELTA = "response.output_text.delta"
_EVENT = re.compile(r"^data:[ ]?(.*)$", re.MULTILINE)


def events_of(text: str) -> list[Any]:
    """Returns the data of server-sent events; empty if the text is not of these."""
    if not text.lstrip().startswith(("data:", "event:")):
        return []
    return [event for line in _EVENT.findall(text) if isinstance(event := parsed(line), dict)]


_OTHER_NAMES = (
    *("role", "type", "parts", "author", "name", "chat_history", "variables", "model", "tools"),
    *("temperature", "logprobs", "n", "functions", "tool_calls", "usage", "generationConfig"),
    *("parameters", "options", "max_tokens", "stream", "tool_call_id", "error"),
)
_KNOWN = dict.fromkeys(
    (
        *(*_CONVERSATIONS, *_ASKED, *_BATCHES, *_SYSTEM_FIELDS, *_ROLE_FIELDS, *_CONTENT_FIELDS),
        *(*_ANSWERS, *_ENDS, *_OTHER_NAMES),
    )
)
_BY_FOLDED = {_SEPARATORS.sub("", name.lower()): name for name in reversed(_KNOWN)}
_BY_FOLDED["modelname"] = "model"


@lru_cache(maxsize=4096)
def spelt(name: Any) -> Any:
    """Returns the name of a field as an API spells it, whatever its case and separators.

    Example:
        >>> spelt("Messages"), spelt("chatMessages"), spelt("ROLE"), spelt("inputText")
        ('messages', 'chat_messages', 'role', 'inputText')
    """
    if not isinstance(name, str) or name in _KNOWN:
        return name
    return _BY_FOLDED.get(_SEPARATORS.sub("", name.lower()), name)


def respelt(value: Any, depth: int = 12) -> Any:
    """Returns a value in whose objects the names are spelt as an API spells them."""
    if isinstance(value, list) and depth:
        return [respelt(one, depth - 1) for one in value]
    if isinstance(value, dict) and depth:
        names = {spelt(name): name for name in reversed(value)}
        return {known: respelt(value[name], depth - 1) for known, name in names.items()}
    return value


def tools_hash(tools: Any) -> str | None:
    """Returns 16 hex digits that stand for the tool schemas, whatever the order of their keys."""
    tools = parsed(tools)
    if not tools:
        return None
    canonical = orjson.dumps(tools, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()
