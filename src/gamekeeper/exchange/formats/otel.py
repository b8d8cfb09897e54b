"""OpenTelemetry spans of generative AI as OTLP JSON; old and new attribute names.

One record holds many spans. Read are, newest first,

    gen_ai.input.messages, gen_ai.system_instructions, gen_ai.output.messages  (JSON text or
    structured)
    events gen_ai.user.message, gen_ai.content.prompt, ...                  (on the span)
    gen_ai.prompt.0.role, gen_ai.prompt.0.content, ...; gen_ai.prompt       (by instrumentations)

gen_ai.* names no account. Taken is the first of `_ACCOUNTS` on the span, then on its resource: who
was authenticated (enduser.id) before whose tenant it is. `service.name` names the application, not
who is charged. Source: OpenTelemetry semantic conventions, GenAI spans and events (development),
enduser registry.
"""

import re
from collections.abc import Iterable
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Format, Row
from gamekeeper.exchange.messages import (
    conversation_of,
    first,
    listing,
    mapping,
    parsed,
    pick,
    texts_of,
    tools_hash,
)

_ACCOUNTS = ("enduser.id", "account.id", "user.id", "tenant.id", "organization.id", "customer.id")
_NOT_EXCHANGES = ("execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "retrieval")
_FLATTENED = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content)")
_ROLE_OF_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")


def sniff(record: Record) -> bool:
    """True if the record is an OTLP export of spans."""
    return "resourceSpans" in record


def split(record: Record) -> Iterable[Record]:
    """Yields each span as one flat dict: its attributes, its resource's, and its own fields."""
    for resource_spans in _dicts(record.get("resourceSpans")):
        resource = _attributes(mapping(resource_spans.get("resource")))
        for scope_spans in _dicts(resource_spans.get("scopeSpans")):
            for span in _dicts(scope_spans.get("spans")):
                yield {**resource, **_attributes(span), **_events(span), "span": span}


def row(record: Record) -> Row | None:
    """Returns the row of one span; None if it is not an exchange with a model."""
    if not _is_exchange(record):
        return None
    span = mapping(record.get("span"))
    return {
        **conversation_of(_asked(record), parsed(record.get("gen_ai.system_instructions"))),
        "time": span.get("startTimeUnixNano"),
        "account": pick(record, _ACCOUNTS),
        "model": first(record.get("gen_ai.request.model"), record.get("gen_ai.response.model")),
        "conversation": first(record.get("gen_ai.conversation.id"), record.get("session.id")),
        "answer": texts_of(_answered(record)),
        "input_tokens": first(
            record.get("gen_ai.usage.input_tokens"), record.get("gen_ai.usage.prompt_tokens")
        ),
        "output_tokens": first(
            record.get("gen_ai.usage.output_tokens"), record.get("gen_ai.usage.completion_tokens")
        ),
        "temperature": record.get("gen_ai.request.temperature"),
        "n": record.get("gen_ai.request.choice.count"),
        "tools": tools_hash(record.get("gen_ai.tool.definitions")),
        "ip": first(record.get("client.address")),
        "client": first(record.get("user_agent.original")),
        "request_id": f"{span.get('traceId')}:{span.get('spanId')}",
    }


def _is_exchange(record: Record) -> bool:
    if record.get("gen_ai.operation.name") in _NOT_EXCHANGES:
        return False
    return any(key.startswith("gen_ai.") for key in record)


def _dicts(value: Any) -> list[Record]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(holder: Record) -> Record:
    return {
        str(item.get("key")): _value(item.get("value")) for item in _dicts(holder.get("attributes"))
    }


def _value(value: Any) -> Any:
    """Returns what an OTLP AnyValue holds; 64-bit integers are written as text."""
    if not isinstance(value, dict) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "intValue" and isinstance(inner, str) and inner.lstrip("-").isdecimal():
        return int(inner[:20])
    if kind == "arrayValue":
        return [_value(item) for item in _dicts(mapping(inner).get("values"))]
    if kind == "kvlistValue":
        return {
            str(item.get("key")): _value(item.get("value"))
            for item in _dicts(mapping(inner).get("values"))
        }
    return inner


def _events(span: Record) -> Record:
    """Returns the attributes of a span's events, and under `messages` what each said."""
    found: Record = {}
    messages = []
    for event in _dicts(span.get("events")):
        attributes = _attributes(event)
        if role := _ROLE_OF_EVENT.fullmatch(str(event.get("name"))):
            messages.append(
                {
                    "role": role[1],
                    "content": first(attributes.get("content"), attributes.get("body")),
                }
            )
        found |= {key: value for key, value in attributes.items() if key.startswith("gen_ai.")}
    return {**found, "messages": messages}


def _asked(record: Record) -> list[Any]:
    asked = parsed(first(record.get("gen_ai.input.messages"), record.get("gen_ai.prompt")))
    if isinstance(asked, str):
        return [{"role": "user", "content": asked}]
    return listing(asked) or listing(record.get("messages")) or _flattened(record, "prompt")


def _answered(record: Record) -> list[Any]:
    answered = parsed(first(record.get("gen_ai.output.messages"), record.get("gen_ai.completion")))
    if isinstance(answered, str):
        return [{"content": answered}]
    return listing(answered) or _flattened(record, "completion")


def _flattened(record: Record, side: str) -> list[Record]:
    messages: dict[int, Record] = {}
    for key, value in record.items():
        if (match := _FLATTENED.fullmatch(key)) and match[1] == side:
            messages.setdefault(int(match[2]), {})[match[3]] = (
                parsed(value) if match[3] == "content" else value
            )
    return [messages[number] for number in sorted(messages)]


FORMAT = Format(
    name="otel",
    about="OpenTelemetry GenAI spans as OTLP JSON, old and new attribute names.",
    sniff=sniff,
    row=row,
    split=split,
    account_try=(
        "--account-field ATTRIBUTE, a span or resource attribute that names who was authenticated"
    ),
    prompt_try="record contents: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
)
