"""The row of one span or log record, or why it is not an exchange."""

from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import OTHER, kind_of
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    KEPT_ELSEWHERE,
    NO_CONTENT,
    OTHER_API,
    OTHER_SPAN,
    SAID_TWICE,
    TOOL_RESULTS,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.traces import contents, roles
from gamekeeper.exchange.formats.traces.accounts import accounts_of
from gamekeeper.exchange.formats.traces.fields import first_of
from gamekeeper.exchange.messages import first, listing, mapping, tools_hash
from gamekeeper.exchange.placeholders import is_redacted

_OUTPUT_TYPES = ("gen_ai.output.type", "gen_ai.request.output_type", "gen_ai.output.modality")
_NOT_TEXT = ("image", "speech", "audio", "video", "music")
_MASK_CHARS = 40  # what stands for a text that was not written down is short
_MODELS = (
    "gen_ai.request.model",
    "gen_ai.response.model",
    "llm.model_name",
    "ai.model.id",
    "llm.request.model",
    "embedding.model_name",
    "langfuse.observation.model.name",
    "mlflow.llm.model",
    "model",
)
_CONVERSATIONS = (
    "gen_ai.conversation.id",
    "session.id",
    "conversation.id",
    "langfuse.session.id",
    "ai.telemetry.metadata.sessionId",
    "langsmith.trace.session_id",
)
_INPUT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.promptTokens",
    "ai.usage.inputTokens",
    "ai.usage.tokens",
    "llm.usage.prompt_tokens",
    "mlflow.chat.tokenUsage.input_tokens",
)
_OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "ai.usage.completionTokens",
    "ai.usage.outputTokens",
    "llm.usage.completion_tokens",
    "mlflow.chat.tokenUsage.output_tokens",
)
_TEMPERATURES = ("gen_ai.request.temperature", "llm.request.temperature", "ai.settings.temperature")
_TOOLS = ("gen_ai.tool.definitions", "llm.tools", "ai.prompt.tools", "llm.request.functions")
_ADDRESSES = ("client.address", "http.client_ip", "net.sock.peer.addr")
_CLIENTS = ("user_agent.original", "http.user_agent")
_REFERENCES = (
    "gen_ai.input.messages_ref",
    "gen_ai.input.messages.ref",
    "gen_ai.input.messages_url",
)


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one flat span or log record, or why it is not an exchange."""
    span = record["span"]
    role = span["role"]
    if role == roles.OTHER:
        return OTHER_SPAN
    if span.get("twice"):
        return SAID_TWICE
    if span["failed"]:
        return FAILED
    model = first_of(record, _MODELS)
    if role != roles.PROMPT and _is_of_other_api(record, model):
        return OTHER_API
    if role in (roles.EVENT, roles.DETAILS) and "events" not in span:
        contents.tell(record, record)  # alone: without a trace to be joined by
    if role == roles.PROMPT:
        asked = _of_assistant(record)
    elif role == roles.EMBED:
        asked = contents.embedded_in(record)
    else:
        asked = contents.question_of(record)
    if role == roles.EVENT and not contents.has_question(record):
        return OTHER_SPAN  # an answer or a system message, and no question with it
    if asked is None or _is_masked(asked.get("prompt")):
        return KEPT_ELSEWHERE if first_of(record, _REFERENCES) else NO_CONTENT
    if asked.get("only_tools"):
        return TOOL_RESULTS
    return {**asked, **accounts_of(record), **_settings(record, role), "model": model}


def _is_of_other_api(record: Record, model: Any) -> bool:
    """True if a model was asked for a picture, sound or a film, or is one that gives nothing else.

    An operation does not say so: `generate_content` and `chat` give all of these.
    """
    kind = first_of(record, _OUTPUT_TYPES)
    if kind is not None:
        kinds = [kind] if isinstance(kind, str) else listing(kind)
        words = [word.lower() for word in kinds if isinstance(word, str)]
        return bool(words) and all(word in _NOT_TEXT for word in words)
    return isinstance(model, str) and _is_of_other_kind(model)


@lru_cache(maxsize=512)
def _is_of_other_kind(model: str) -> bool:
    return kind_of({}, None, model) == OTHER


def _of_assistant(record: Record) -> Row | None:
    """Returns the row of what somebody typed into a coding assistant."""
    asked = first_of(record, ("prompt", "user_prompt", "gen_ai.prompt"))
    if not isinstance(asked, str):
        return None
    return {"prompt": asked, "system": None, "turn": None}


def _is_masked(prompt: Any) -> bool:
    return isinstance(prompt, str) and len(prompt) <= _MASK_CHARS and is_redacted(prompt)


def _settings(record: Record, role: str) -> Row:
    span = record["span"]
    given = mapping(record.get("llm.invocation_parameters"))
    return {
        "time": span["startTimeUnixNano"],
        "conversation": first_of(record, _CONVERSATIONS),
        "answer": None if role in (roles.EMBED, roles.PROMPT) else contents.answer_in(record),
        "input_tokens": first_of(record, _INPUT_TOKENS),
        "output_tokens": first_of(record, _OUTPUT_TOKENS),
        "temperature": first(first_of(record, _TEMPERATURES), given.get("temperature")),
        "n": first(record.get("gen_ai.request.choice.count"), given.get("n")),
        "tools": tools_hash(first_of(record, _TOOLS)),
        "ip": first_of(record, _ADDRESSES),
        "client": first_of(record, _CLIENTS),
        "request_id": _request_id(span, record),
        "call": EMBEDDINGS if role == roles.EMBED else None,
    }


def _request_id(span: Record, record: Record) -> str | None:
    if span["traceId"] is not None and span["spanId"] is not None:
        return f"{span['traceId']}:{span['spanId']}"
    number = first_of(record, ("event.sequence", "prompt_id", "prompt.id"))
    return None if number is None else f"{record.get('session.id')}:{number}"
