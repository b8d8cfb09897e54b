"""What was asked and answered in a call, in the spellings of those who write spans.

    gen_ai.input.messages, gen_ai.system_instructions          conventions from 1.37
    gen_ai.prompt.0.role, gen_ai.prompt.0.content, ...         OpenLLMetry
    llm.input_messages.0.message.role, llm.prompts.0, ...      OpenInference
    ai.prompt.messages, ai.prompt                              Vercel AI SDK
    gen_ai.user.message, gen_ai.choice, gen_ai.content.prompt  events of the span, or joined
    gen_ai.prompt, langfuse.observation.input, input.value     a request as a whole

Each may be text, JSON text, or values. A user's own JSON text stays the text that it is: only a
list of parts (`[{"type": "text", ...}]`), which instrumentations write as text, is taken apart.
"""

import re
from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.dotted import DEEPEST, listed, put
from gamekeeper.exchange.formats.form import Row
from gamekeeper.exchange.formats.traces.fields import dicts, first_of
from gamekeeper.exchange.messages import (
    answer_of,
    conversation_of,
    listing,
    mapping,
    parsed,
    prompt_of,
    texts_of,
)

_MESSAGE = re.compile(r"gen_ai\.(system|developer|user|assistant|tool)\.message")
_SAYS = ("gen_ai.choice", "gen_ai.content.prompt", "gen_ai.content.completion")

_REQUESTS = (
    "gen_ai.prompt",
    "gen_ai.request.messages",
    "gen_ai.request.prompt",
    "gen_ai.input",
    "llm.request.messages",
    "llm.prompt",
    "langfuse.observation.input",
    "langfuse.input",
    "lmnr.span.input",
    "mlflow.spanInputs",
    "request_data",
    "gcp.vertex.agent.llm_request",
    "input.value",
    "input",
)
"""Attributes that hold a request as a whole."""

_RESPONSES = (
    "gen_ai.completion",
    "gen_ai.response.text",
    "gen_ai.output",
    "langfuse.observation.output",
    "langfuse.output",
    "lmnr.span.output",
    "mlflow.spanOutputs",
    "response_data",
    "gcp.vertex.agent.llm_response",
    "output.value",
    "output",
)
_WHOLE = frozenset((*_REQUESTS, "gen_ai.input.messages", "ai.prompt", "ai.prompt.messages"))
_PREFIXES = ("llm.input_messages", "gen_ai.prompt.0", "gen_ai.prompt.1", "llm.prompts")
_TEXTS = "embedding.embeddings"  # OpenInference


def has_content(record: Record) -> bool:
    """True if a flat span or log record holds what was asked."""
    for key in record:
        if key in _WHOLE or key.startswith(_PREFIXES):
            return True
    return any(_says(event) for event in record["span"].get("events", ()))


def _says(event: Record) -> bool:
    name = event.get("name")
    if isinstance(name, str) and (name in _SAYS or _MESSAGE.fullmatch(name)):
        return True
    attributes = event.get("attributes")
    return isinstance(attributes, dict) and "gen_ai.input.messages" in attributes


def has_question(record: Record) -> bool:
    """True if one of the events of a span or log record is what a user said."""
    events = record["span"].get("events", ())
    return any(event.get("name") == "gen_ai.user.message" for event in events)


def tell(call: Record, part: Record) -> None:
    """Gives what a log record says to the span or log record of its call, as an event of that."""
    said = part["span"]
    event = {
        "name": said["eventName"] or said.get("body"),
        "attributes": {key: value for key, value in part.items() if key != "span"},
    }
    if "body" in said:
        event["body"] = said["body"]
    call["span"].setdefault("events", []).append(event)
    call["span"]["content"] = True


def question_of(record: Record) -> Row | None:
    """Returns `prompt`, `system`, `turn` and what `prompt_of` adds; None if nothing was written
    down.
    """
    record = _with_events(record)
    system = parsed(record.get("gen_ai.system_instructions"))
    if (asked := first_of(record, ("gen_ai.input.messages",))) is not None:
        return _conversation(parsed(asked), system)
    if (asked := first_of(record, ("ai.prompt.messages",))) is not None:
        return _conversation(parsed(asked), system)
    if (asked := first_of(record, ("ai.prompt",))) is not None:
        return _of_vercel(asked)
    if messages := _tree(record, "llm.input_messages"):
        return _conversation([_plain(message) for message in messages], system)
    if messages := _tree(record, "gen_ai.prompt"):
        return _conversation([_plain(message) for message in messages], system)
    if messages := _asked_in_events(record):
        return _conversation(messages, system)
    if texts := [_text_in(item) for item in _tree(record, "llm.prompts")]:
        return prompt_of("\n".join(texts))
    asked = first_of(record, _REQUESTS)
    return None if asked is None else {"system": None, **prompt_of(asked)}


def answer_in(record: Record) -> str | None:
    """Returns the text of a call's answers, one a line; None if there is none."""
    record = _with_events(record)
    answered = parsed(first_of(record, ("gen_ai.output.messages",)))
    if isinstance(answered, str):
        return answered
    if answered:
        return texts_of(listing(answered))
    text = first_of(record, ("ai.response.text", "ai.response.object", "ai.result.text"))
    if isinstance(text, str):
        return text
    messages = _tree(record, "llm.output_messages") or _tree(record, "gen_ai.completion")
    if messages:
        return texts_of([_plain(message) for message in messages])
    if messages := _answered_in_events(record):
        return texts_of(messages)
    return _response(first_of(record, _RESPONSES))


def embedded_in(record: Record) -> Row | None:
    """Returns `prompt` of a call of an embedding model: its texts, one a line; None without."""
    texts = [_text_in(item) for item in _tree(record, _TEXTS)]
    if not texts:
        values = first_of(record, ("ai.values", "ai.value"))
        texts = [text for value in _several(values) if isinstance(text := parsed(value), str)]
    if texts:
        return {"prompt": "\n".join(texts), "system": None, "turn": None}
    return question_of(record)


def _several(value: Any) -> list[Any]:
    value = parsed(value)
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _conversation(messages: Any, system: Any) -> Row | None:
    if isinstance(messages, str):
        if (held := restored(messages)) is not None:
            return {**(_conversation(held, system) or {"prompt": None}), "was_cut": True}
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, dict):
        return prompt_of(messages)
    asked = conversation_of(messages, system)
    is_kept = not asked["without_text"] or any(map(_holds_content, messages))
    return asked if is_kept else None


def _holds_content(message: Any) -> bool:
    """True if a message holds something: where contents are not recorded, roles may still be."""
    if not isinstance(message, dict):
        return True
    return any(value for key, value in message.items() if key not in _OF_ROLES)


_OF_ROLES = ("role", "name", "index", "id", "event.name", "gen_ai.message.index", "gen_ai.system")


_OPENING = re.compile(r'\s*\[?\s*\{\s*"(role|parts|content|type|messages|system)"\s*:')
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def restored(text: str) -> Any:
    """Returns messages whose JSON text was cut, as far as they go; None if it is not such a text.

    Exporters and stores cut attributes at a length (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT).
    """
    if not _OPENING.match(text):
        return None
    closing: list[str] = []
    is_open = False
    for match in _STRUCTURE.finditer(text):
        found = match[0]
        is_open = found[0] == '"' and (len(found) == 1 or not _is_closed(found))
        if found in ("[", "{"):
            closing.append("]" if found == "[" else "}")
        elif found in ("]", "}") and closing:
            closing.pop()
    end = "".join(reversed(closing))
    for whole in _completed(text, is_open):
        held = parsed(whole + end)
        if not isinstance(held, str):
            return held
    return []


def _is_closed(text: str) -> bool:
    return text.endswith('"') and (len(text) - len(text[:-1].rstrip("\\"))) % 2 == 1


def _completed(text: str, is_open: bool) -> list[str]:
    """Returns the ways in which a cut text may be completed, up to the brackets that are open."""
    if not is_open:
        return [text, text.rstrip().rstrip(","), text + "null", text + ":null"]
    without_escape = re.sub(r"\\u?[0-9a-fA-F]{0,3}$", "", text)
    return [text + '"', without_escape + '"', text + '":null', without_escape + '":null']


def _of_vercel(asked: Any) -> Row | None:
    """Returns the row of `ai.prompt`: the call's arguments, messages or one text."""
    asked = parsed(asked)
    held = asked if isinstance(asked, dict) else {"prompt": asked}
    messages = parsed(first_of(held, ("messages", "prompt")))
    return _conversation(messages, held.get("system"))


def _response(answered: Any) -> str | None:
    value = parsed(answered)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return texts_of(value)
    if not isinstance(value, dict):
        return None
    inner = value.get("message") if isinstance(value.get("message"), dict) else value
    return answer_of(value) or texts_of([inner])


# --- dotted keys ----------------------------------------------------------------------------------


def _tree(record: Record, prefix: str) -> list[Any]:
    """Returns the list that dotted keys with numbers make: `prefix.0.role`, `prefix.0.content`."""
    whole = parsed(record.get(prefix))
    if isinstance(whole, list) and all(isinstance(item, dict) for item in whole):
        return whole
    root: Record = {}
    for key, path in _numbered(tuple(record), prefix):
        put(root, path, record[key])
    found = listed(root)
    return found if isinstance(found, list) else []


@lru_cache(maxsize=2048)  # the spans of a log have the same few sets of keys
def _numbered(keys: tuple[str, ...], prefix: str) -> list[tuple[str, list[str]]]:
    """Returns the keys that are a prefix, a dot and a number, each with the path behind it."""
    dotted = f"{prefix}."
    start = len(dotted)
    return [
        (key, key[start:].split(".", DEEPEST))
        for key in keys
        if key.startswith(dotted) and key[start : start + 1].isdecimal()
    ]


def _plain(message: Any) -> Any:
    """Returns a message as `role` and `content`, out of OpenInference's objects around both."""
    if not isinstance(message, dict):
        return message
    inner = message.get("message")
    held = inner if isinstance(inner, dict) else message
    held = {key.removeprefix("message."): value for key, value in held.items()}
    content = first_of(held, ("content", "contents"))
    return {**held, "content": _content(content)}


def _content(content: Any) -> Any:
    """Returns the parts of a content; JSON text that is not a list of parts stays text."""
    if isinstance(content, str) and content.startswith("["):
        parts = parsed(content)
        return parts if _are_parts(parts) else content
    if isinstance(content, list):
        return [_part(part) for part in content]
    return content


def _are_parts(parts: Any) -> bool:
    return (
        isinstance(parts, list)
        and bool(parts)
        and all(isinstance(part, dict) and _is_part(part) for part in parts)
    )


def _is_part(part: Record) -> bool:
    if isinstance(part.get("type"), str):
        return True
    return part.keys() <= {"text", "image", "document", "video", "toolUse", "toolResult"}


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    inner = part.get("message_content")
    held = inner if isinstance(inner, dict) else part
    return {key.removeprefix("message_content."): value for key, value in held.items()}


def _text_in(item: Any) -> str:
    """Returns the text inside `{"prompt": {"text": ...}}` or `{"embedding": {"text": ...}}`."""
    while isinstance(item, dict):
        item = first_of(
            item,
            ("text", "content", "prompt", "embedding", "prompt.text", "embedding.text"),
        )
    return item if isinstance(item, str) else ""


# --- events ---------------------------------------------------------------------------------------


def _with_events(record: Record) -> Record:
    """Returns the record with what its events say in attributes of their own."""
    events = record["span"].get("events")
    if not events:
        return record
    found: Record = {}
    for event in events:
        for key, value in _attributes(event).items():
            if key.startswith("gen_ai."):
                found.setdefault(key, value)
    return {**found, **record}


def _attributes(event: Record) -> Record:
    attributes = event.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _asked_in_events(record: Record) -> list[Any]:
    messages: list[Any] = []
    for event in record["span"].get("events", ()):
        name = str(event.get("name"))
        if match := _MESSAGE.fullmatch(name):
            messages.append({"role": match[1], **_said(event)})
        body = event.get("body")
        if isinstance(body, dict) and isinstance(body.get("input"), dict):
            messages += listing(body["input"].get("messages"))
    return [_plain(message) for message in messages]


def _answered_in_events(record: Record) -> list[Any]:
    messages: list[Any] = []
    for event in record["span"].get("events", ()):
        body = event.get("body")
        if event.get("name") == "gen_ai.choice":
            said = _said(event)
            messages.append(said.get("message") or said)
        if isinstance(body, dict) and isinstance(body.get("output"), dict):
            messages += listing(body["output"].get("messages"))
    return [_plain(parsed(message)) for message in dicts(messages)]


def _said(event: Record) -> Record:
    """Returns the message that an event holds, in its body, its attributes, or as JSON text."""
    attributes = _attributes(event)
    text = attributes.get("gen_ai.event.content")
    for held in (event.get("body"), text, attributes.get("body")):
        if found := mapping(held):
            return found
        if isinstance(held, str) and held:
            return {"content": held}
    held_here = [key for key in ("role", "content", "message") if key in attributes]
    said: Record = {key: attributes[key] for key in held_here}
    if "message" in said:
        said["message"] = mapping(said["message"]) or {"content": said["message"]}
    return said
