"""OpenAI-style requests as a gateway or application logs them, bare or wrapped with their response.

    {"created": 1775000000, "api_key_id": "key_1", "model": "m", "messages": [...]}
    {"timestamp": "...", "project": "p", "request": {"messages": [...]}, "response": {"choices":
    [...]}}

The request's own `user`, `safety_identifier` and `metadata` are what the client says, so they never
are the account; and inside a wrapper no field of the request is. Source: OpenAI API reference,
chat, completions and responses.
"""

from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Format, Row
from gamekeeper.exchange.messages import (
    answer_of,
    conversation_of,
    first,
    listing,
    mapping,
    pick,
    text_of,
    tools_hash,
)

_REQUESTS = ("request", "request_body", "body")
_RESPONSES = ("response", "response_body")
_ACCOUNTS = (
    "account",
    "account_id",
    "api_key_id",
    "api_key_hash",
    "api_key",
    "key_id",
    "organization_id",
    "organization",
    "org_id",
    "project_id",
    "project",
    "user_id",
)
_TIMES = ("timestamp", "created", "created_at", "time", "request_time")
_ADDRESSES = ("ip", "ip_address", "client_ip", "remote_addr")


def sniff(record: Record) -> bool:
    """True if there are messages, or a wrapped request with messages, a prompt or an input."""
    request = _request(record)
    if "messages" in request or "input" in request:
        return "messages" in request or "model" in request
    return "prompt" in request and (
        request is not record or record.get("object") == "text_completion"
    )


def row(record: Record) -> Row:
    """Returns the row of one request."""
    request = _request(record)
    response = _response(record)
    usage = mapping(response.get("usage")) or mapping(record.get("usage"))
    return {
        **_asked(request),
        **settings(request),
        "time": first(pick(record, _TIMES), response.get("created"), response.get("created_at")),
        "account": pick(record, _ACCOUNTS),
        "model": first(request.get("model"), response.get("model"), record.get("model")),
        "conversation": first(
            record.get("conversation_id"), record.get("session_id"), request.get("conversation")
        ),
        "answer": answer_of(response),
        "input_tokens": first(usage.get("prompt_tokens"), usage.get("input_tokens")),
        "output_tokens": first(usage.get("completion_tokens"), usage.get("output_tokens")),
        "ip": pick(record, _ADDRESSES),
        "client": first(record.get("user_agent"), record.get("client")),
        "request_id": first(
            record.get("request_id"), record.get("id"), response.get("id"), record.get("custom_id")
        ),
    }


def settings(request: Record) -> Row:
    """Returns the parameters asked for: temperature, n, logprobs and the tools' hash."""
    logprobs = request.get("logprobs")
    return {
        "temperature": request.get("temperature"),
        "n": request.get("n"),
        "logprobs": (
            True if _is_count(logprobs) else logprobs
        ),  # completions: how many, chat: whether
        "tools": tools_hash(first(request.get("tools"), request.get("functions"))),
    }


def _asked(request: Record) -> Row:
    system = request.get("instructions")
    if request.get("messages") is not None:
        return conversation_of(request["messages"], system)
    asked = first(request.get("input"), request.get("prompt"))
    if listing(asked) and all(isinstance(item, dict) for item in listing(asked)):
        return conversation_of(asked, system)
    return {"prompt": None if asked is None else text_of(asked), "system": system, "turn": None}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _request(record: Record) -> Record:
    inner = next((found for key in _REQUESTS if (found := mapping(record.get(key)))), record)
    return mapping(inner.get("body")) or inner


def _response(record: Record) -> Record:
    inner = next((found for key in _RESPONSES if (found := mapping(record.get(key)))), {})
    if not inner and "choices" in record:
        return record
    return mapping(inner.get("body")) or inner


FORMAT = Format(
    name="openai",
    about="OpenAI-style requests (messages, prompt or input), with or without their response.",
    sniff=sniff,
    row=row,
    account_try=(
        "--account-field FIELD, one the server sets: the request's `user` is what the client says"
    ),
)
