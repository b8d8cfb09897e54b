"""Conversations as chat applications keep and export them.

    LibreChat    {"messageId", "conversationId", "isCreatedByUser", "text", "user", "createdAt"}
    Open WebUI   {"user_id", "chat": {"messages", "history": {"messages"}}, "created_at"}
    ChatGPT      {"mapping": {id: {"message": {"author", "content", "create_time"}, "parent"}}}
    Claude       {"chat_messages": [{"sender", "text", "created_at"}], "account"}

Each message of a user is an exchange; its answer is the message below it. A question that was
answered again counts once. LibreChat keeps each message in a record of its own, so an answer is
joined to its question by `parentMessageId`. `user` and `user_id` are who was signed in.

Source: LibreChat, message schema; Open WebUI, export of chats; exports of ChatGPT and Claude.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import (
    FAILED,
    NO_BODY,
    SAID_TWICE,
    TOOL_RESULTS,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.observed import answered_in
from gamekeeper.exchange.messages import conversation_of, first, mapping, parsed

_USERS = ("user", "human")
_MODELS = ("assistant", "model", "ai", "bot")
_NO_ERRORS: tuple[Any, ...] = (None, False, "", {}, [], 0, "false")


def sniff(record: Record) -> bool:
    """True if the record is a conversation, or a message of LibreChat."""
    if "isCreatedByUser" in record:
        return "conversationId" in record
    return _raw_messages(record) is not None


def split(record: Record) -> Iterable[Record]:
    """Yields a question for each message of a user, with its answer; a message as it is."""
    if "isCreatedByUser" in record:
        return (_of_librechat(record),)
    if isinstance(record.get("chat"), str):  # a table
        record = {**record, "chat": mapping(record["chat"])}
    return _questions(record)


def part_key(record: Record) -> tuple[str, int | None] | None:
    """Returns the question that a message of LibreChat is, or is below of."""
    key = record["exchange"].get("joined_by")
    return (key, None) if isinstance(key, str) and key else None


def is_whole(parts: list[Record]) -> bool:
    """True if a question and an answer are there."""
    return len({part["exchange"]["is_question"] for part in parts}) == 2


def join(parts: list[Record]) -> list[Record]:
    """Returns the question with its answer, or an answer whose question is not there."""
    questions = [part for part in parts if part["exchange"]["is_question"]]
    answers = [part for part in parts if not part["exchange"]["is_question"]]
    for question in questions:
        _answer(question["exchange"], [part["exchange"]["message"] for part in answers])
    return questions or answers[:1]


def late(parts: list[Record]) -> list[Record]:
    """Marks answers that came long after their question was answered."""
    for part in parts:
        part["exchange"]["said_twice"] = not part["exchange"]["is_question"]
    return parts


def row(record: Record) -> Row | PassedOver:
    """Returns the row of a question, or why it is not an exchange."""
    exchange = record["exchange"]
    if exchange.get("said_twice"):
        return SAID_TWICE
    if not exchange["is_question"]:
        return NO_BODY
    if exchange["has_failed"]:
        return FAILED
    said = conversation_of([{"role": "user", **_content(exchange["message"]["content"])}])
    if said.pop("only_tools", False):
        return TOOL_RESULTS
    return {
        **said,
        "turn": exchange["turn"],
        "time": exchange["time"],
        "principals": _principals(record),
        "owners": {},
        "claimed": {},
        "model": exchange["model"],
        "conversation": exchange["conversation"],
        "answer": answered_in(exchange["answer"]),
        "request_id": exchange["request_id"],
    }


def _content(content: Any) -> Record:
    """Returns the content of a message as messages of models have it."""
    parts = content.get("parts") if isinstance(content, dict) else None
    return {"parts": parts} if isinstance(parts, list) else {"content": content}


# --- conversations --------------------------------------------------------------------------------


def _raw_messages(record: Record) -> list[Any] | None:
    """Returns the messages of a conversation, None if the record is not one."""
    if isinstance(held := record.get("chat_messages"), list):
        return held if "uuid" in record or "account" in record else None
    if isinstance(held := record.get("mapping"), dict):
        nodes = [node for node in held.values() if isinstance(node, dict)]
        return nodes if any("message" in node for node in nodes) else None
    if isinstance(held := record.get("messages"), list) and "conversationId" in record:
        is_librechat = any(isinstance(one, dict) and "isCreatedByUser" in one for one in held)
        return list(_with_children(held)) if is_librechat else None
    chat = record.get("chat")
    if not isinstance(chat, (dict, str)) or not ("user_id" in record or "created_at" in record):
        return None
    held = mapping(chat)
    whole = mapping(held.get("history")).get("messages")
    if isinstance(whole, dict) and whole:  # all branches; `messages` is the one that is shown
        return [{"id": key, **one} for key, one in whole.items() if isinstance(one, dict)]
    return held["messages"] if isinstance(held.get("messages"), list) else None


def _with_children(messages: list[Any]) -> Iterator[Any]:
    """Yields messages and those inside of them, as LibreChat exports branches."""
    waiting = list(reversed(messages))
    while waiting:
        message = waiting.pop()
        yield message
        if isinstance(message, dict) and isinstance(message.get("children"), list):
            waiting += reversed(message["children"])


def _messages(record: Record) -> Iterator[Record]:
    for raw in _raw_messages(record) or ():
        if not isinstance(raw, dict):
            continue
        message = mapping(raw.get("message")) or raw  # ChatGPT: a node around it
        yield _message(message, first(raw.get("id"), message.get("id")), raw.get("parent"))


def _message(raw: Record, name: Any, parent: Any = None) -> Record:
    """Returns a message with the same fields whatever software keeps it."""
    role = first(raw.get("role"), raw.get("sender"), mapping(raw.get("author")).get("role"))
    if "isCreatedByUser" in raw:
        role = "user" if raw["isCreatedByUser"] in (True, "true", 1) else "assistant"
    names = ("model", "modelName", "model_slug", "model_id")
    parents = ("parentId", "parentMessageId", "parent_id")
    return {
        "id": _id(first(name, raw.get("messageId"), raw.get("uuid"))),
        "parent": _id(first(parent, *map(raw.get, parents))),
        "role": role.lower() if isinstance(role, str) else "",
        "content": _said(raw),
        "time": first(*map(raw.get, ("timestamp", "createdAt", "created_at", "create_time"))),
        "model": first(*map(raw.get, names), mapping(raw.get("metadata")).get("model_slug")),
        "has_failed": raw.get("error") not in _NO_ERRORS,
    }


def _said(raw: Record) -> Any:
    """Returns what a message says: its text, else its parts, of a table as JSON text."""
    text = raw.get("text")
    if isinstance(text, str) and text.strip():
        return text
    content = raw.get("content")
    held = parsed(content)
    return held if isinstance(held, list) and "isCreatedByUser" in raw else content


def _questions(record: Record) -> Iterator[Record]:
    messages = list(_messages(record))
    below: dict[str, list[Record]] = {}
    for message in messages:
        if message["parent"] is not None:
            below.setdefault(message["parent"], []).append(message)
    turns = _turns(messages, has_places=bool(below))
    for place, message in enumerate(messages):
        if message["role"] in _USERS:
            exchange = _exchange(record, message, place)
            exchange["turn"] = turns[place]
            next_one = messages[place + 1 : place + 2]
            answers = below.get(message["id"], []) if below else next_one
            _answer(exchange, [answer for answer in answers if answer["role"] in _MODELS])
            yield {**record, "exchange": exchange}


def _turns(messages: list[Record], *, has_places: bool) -> list[int]:
    """Returns for each message how many of the user's come before it, or are above it in a tree."""
    if not has_places:
        asked = [message["role"] in _USERS for message in messages]
        return [before - is_one for before, is_one in zip(accumulate(asked), asked, strict=True)]
    by_id = {message["id"]: message for message in messages if message["id"] is not None}
    above: dict[str, int] = {}
    for message in messages:
        _count_above(message, by_id, above)
    return [above.get(message["id"], 0) for message in messages]


def _count_above(message: Record, by_id: dict[str, Record], above: dict[str, int]) -> None:
    """Counts the messages of the user above one, and above all on the way to the first."""
    way: list[Record] = []
    on_way: set[str] = set()
    while message["id"] is not None and message["id"] not in above and message["id"] not in on_way:
        way.append(message)
        on_way.add(message["id"])
        if message["parent"] not in by_id:
            break
        message = by_id[message["parent"]]
    for one in reversed(way):
        parent = by_id.get(one["parent"])
        is_asked = parent is not None and parent["role"] in _USERS
        above[one["id"]] = above.get(one["parent"], 0) + is_asked


def _exchange(record: Record, message: Record, place: int) -> Record:
    """Returns what is known of an exchange from a message alone."""
    names = ("conversationId", "conversation_id", "id", "uuid")
    conversation = _id(first(*map(record.get, names)))
    models = mapping(record.get("chat")).get("models")
    model = first(message["model"], record.get("model"), record.get("default_model_slug"))
    if model is None and isinstance(models, list) and len(models) == 1:
        model = models[0]
    times = map(record.get, ("created_at", "createdAt", "create_time"))
    return {
        "is_question": message["role"] in _USERS,
        "message": message,
        "time": first(message["time"], *times),
        "model": model,
        "answer": None,
        "has_failed": message["has_failed"],
        "turn": None,
        "conversation": conversation,
        "request_id": f"{conversation}:{first(message['id'], place)}",
    }


def _principals(record: Record) -> Record:
    named = {name: _id(record.get(name)) for name in ("user", "user_id", "userId")}
    named["account.uuid"] = _id(mapping(record.get("account")).get("uuid"))
    return {name: value for name, value in named.items() if value is not None}


def _answer(exchange: Record, answers: list[Record]) -> None:
    """Gives a question its answer: the first that did not fail."""
    good = [answer for answer in answers if not answer["has_failed"]]
    if good:
        exchange["answer"] = _content(good[0]["content"])
        exchange["model"] = first(good[0]["model"], exchange["model"])
    elif answers:
        exchange["has_failed"] = True


def _id(value: Any) -> str | None:
    """Returns an id as text, also one of MongoDB's extended JSON."""
    if isinstance(value, dict):
        value = value.get("$oid")
    is_id = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value) if is_id and value != "" else None


def _of_librechat(record: Record) -> Record:
    message = _message(record, record.get("messageId"))
    exchange = _exchange(record, message, 0)
    exchange["joined_by"] = message["id"] if exchange["is_question"] else message["parent"]
    return {**record, "exchange": exchange}


FORMAT = Format(
    name="chats",
    about="Conversations of chat applications: LibreChat, Open WebUI; exports of ChatGPT, Claude.",
    known_by="`isCreatedByUser`, `chat` with `user_id`, `chat_messages`, or `mapping`",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    part_key=part_key,
    join=join,
    is_whole=is_whole,
    late=late,
    account_try="--account-field FIELD, one of the conversation that says who was signed in",
    prompt_try="export the conversations with their messages",
)
