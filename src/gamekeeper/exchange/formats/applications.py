"""Calls of models as tools and applications export them, each a table of where its parts are.

    posthog      {"event": "$ai_generation", "distinct_id", "properties": {"$ai_input": [...]}}
    datadog      {"type": "span", "attributes": {"span_kind": "llm", "input": {"messages"}}}
    literal      {"threadId", "type": "llm", "generation": {"messages", "messageCompletion"}}
    dify         {"query", "answer", "inputs", "from_end_user_id", "from_account_id"}

The user that an application names to PostHog, Datadog and Literal AI is the one it authenticated.
Dify's account is who was signed in; its end user is what a client of its API writes, and claimed.

Source: PostHog, manual capture of LLM analytics; Datadog, LLM Observability export and HTTP API;
Literal AI, steps and generations; Dify, messages of the API and of the console.
"""

from collections.abc import Iterator
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import EMBEDDINGS, OTHER_RECORD, OTHER_SPAN, PassedOver
from gamekeeper.exchange.formats.observed import TENANTS, USERS
from gamekeeper.exchange.formats.shapes import Shape, format_of, under
from gamekeeper.exchange.messages import listing, mapping
from gamekeeper.exchange.paths import dig

__all__ = ["FORMATS"]

# --- PostHog --------------------------------------------------------------------------------------


def _is_posthog(record: Record) -> bool:
    return "distinct_id" in record and isinstance(record.get("event"), str)


def _of_posthog(record: Record) -> PassedOver | str | None:
    event = record["event"]
    if event == "$ai_generation":
        return None
    if event == "$ai_embedding":
        return EMBEDDINGS
    return OTHER_SPAN if str(event).startswith("$ai_") else OTHER_RECORD


def _with_user(record: Record) -> Iterator[Record]:
    """Yields an event; one of nobody has its trace as `distinct_id`."""
    trace = dig(record, "properties.$ai_trace_id")
    is_nobody = isinstance(trace, str) and record["distinct_id"] == trace
    yield {**record, "distinct_id": None} if is_nobody else record


_POSTHOG = Shape(
    name="posthog",
    about="PostHog events of LLM analytics: exports, API, tables.",
    known_by="`event` with `distinct_id`",
    sniff=_is_posthog,
    why_not=_of_posthog,
    split=_with_user,
    times=("timestamp", "created_at"),
    requests=("properties.$ai_input",),
    responses=("properties.$ai_output_choices", "properties.$ai_output"),
    models=("properties.$ai_model",),
    parameters=("properties.$ai_model_parameters",),
    errors=("properties.$ai_is_error", "properties.$ai_error"),
    statuses=("properties.$ai_http_status",),
    principals=("properties.api_key_id", "distinct_id", "person_id", "properties.user_id"),
    owners=(
        *("properties.$groups.organization", "properties.$groups.company"),
        *("properties.$groups.team", "$group_0"),
    ),
    claimed=("properties.$ai_session_id",),
    conversations=("properties.$ai_session_id", "properties.$ai_trace_id"),
    input_tokens=("properties.$ai_input_tokens",),
    output_tokens=("properties.$ai_output_tokens",),
    addresses=("properties.$ip",),
    ids=("uuid", "id"),
    account_try="--account-field properties.FIELD, set by the application",
    prompt_try="export properties.$ai_input, and turn off privacy mode in the SDK",
)


# --- Datadog LLM Observability --------------------------------------------------------------------

_TAGGED = ("api_key_id", "account_id", "user_id", "usr.id", "user_handle", "user", "user_email")


_KINDS = ("llm", "embedding", "agent", "workflow", "task", "tool", "retrieval")


def _is_datadog(record: Record) -> bool:
    span = _datadog_span(record)
    if "ml_app" in span and ("meta" in span or _is_intake(span)):
        return True
    is_span = "attributes" not in span and ("input" in span or "output" in span or "ml_app" in span)
    return is_span and span.get("span_kind") in _KINDS


def _datadog_span(record: Record) -> Record:
    inner = record.get("attributes")
    return inner if isinstance(inner, dict) and record.get("type") == "span" else record


def _is_intake(span: Record) -> bool:
    return "ml_app" in span and isinstance(span.get("spans"), list)


def _datadog_spans(record: Record) -> Iterator[Record]:
    """Yields spans as the export has them, out of the intake's form too; tags as an object."""
    whole = _datadog_span(record)
    spans = whole["spans"] if _is_intake(whole) else [whole]
    for span in spans:
        if isinstance(span, dict):
            meta = mapping(span.get("meta"))
            tags = [*listing(whole.get("tags")), *listing(span.get("tags"))]
            yield {"id": record.get("id"), **meta, **span, "tags": _tags(tags)}


def _tags(tags: list[Any]) -> Record:
    pairs = (tag.partition(":") for tag in tags if isinstance(tag, str))
    return {name: value for name, _, value in pairs if value}


def _of_datadog(record: Record) -> PassedOver | str | None:
    kind = dig(record, "span_kind") or dig(record, "span.kind") or dig(record, "kind")
    if kind == "llm":
        return None
    return EMBEDDINGS if kind == "embedding" else OTHER_SPAN


_DATADOG = Shape(
    name="datadog",
    about="Datadog LLM Observability spans: export API, and what was sent to it.",
    known_by="`span_kind` in the `attributes` of a `span`",
    sniff=_is_datadog,
    why_not=_of_datadog,
    split=_datadog_spans,
    times=("start_ms", "start_ns", "start", "timestamp"),
    requests=("input.messages", "input.value", "input.documents", "input"),
    responses=("output.messages", "output.value", "output"),
    models=("model_name", "metadata.model_name"),
    parameters=("metadata",),
    errors=("error",),
    statuses=("status",),
    principals=under(("tags", "metadata"), _TAGGED),
    owners=under(("tags", "metadata"), TENANTS),
    claimed=("session_id", "tags.session_id"),
    conversations=("session_id", "tags.session_id"),
    input_tokens=("metrics.input_tokens", "metrics.prompt_tokens"),
    output_tokens=("metrics.output_tokens", "metrics.completion_tokens"),
    ids=("span_id", "id"),
    account_try="--account-field tags.NAME, a tag that the application sets (user_id)",
    prompt_try="export the spans with their input",
)


# --- Literal AI -----------------------------------------------------------------------------------

_OF_GENERATIONS = ("messageCompletion", "tokenThroughputInSeconds", "ttFirstToken")
_OF_STEPS = ("threadId", "generation")


def _is_literal(record: Record) -> bool:
    if any(name in record for name in _OF_GENERATIONS):
        return True
    if isinstance(record.get("steps"), list) and "participant" in record:
        return True
    has_step = "startTime" in record or "createdAt" in record
    return has_step and "type" in record and any(name in record for name in _OF_STEPS)


def _literal_steps(record: Record) -> Iterator[Record]:
    """Yields the steps of a thread with its participant, or the record itself."""
    steps = record.get("steps")
    if not isinstance(steps, list):
        yield record
        return
    thread = {"threadId": record.get("id"), "participant": record.get("participant")}
    for step in steps:
        if isinstance(step, dict):
            yield {**thread, **step}


def _of_literal(record: Record) -> PassedOver | str | None:
    generation = mapping(record.get("generation"))
    kind = record.get("type")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind.startswith("embedding"):
        return EMBEDDINGS
    is_call = bool(generation) or kind == "llm" or any(name in record for name in _OF_GENERATIONS)
    return None if is_call else OTHER_SPAN


_LITERAL = Shape(
    name="literal",
    about="Literal AI and Chainlit: threads, steps and generations.",
    known_by="`messageCompletion`, or `threadId` with a step's `type`",
    sniff=_is_literal,
    why_not=_of_literal,
    split=_literal_steps,
    times=("startTime", "createdAt", "start_time", "created_at"),
    requests=("generation.messages", "messages", "generation.prompt", "prompt", "input"),
    responses=(
        *("generation.messageCompletion", "messageCompletion", "generation.completion"),
        *("completion", "output"),
    ),
    models=("generation.model", "model", "generation.settings.model", "settings.model"),
    parameters=("generation.settings", "settings"),
    errors=("error", "generation.error"),
    principals=(
        *("participant.identifier", "participant.id", "thread.participant.identifier"),
        *("thread.participant.id", "thread.participantId", "participantIdentifier"),
        *("participantId", "userIdentifier", "userId"),
        *under(("metadata",), USERS),
    ),
    owners=(*under(("metadata",), TENANTS), "projectId"),
    claimed=("threadId",),
    conversations=("threadId", "thread.id"),
    input_tokens=("generation.inputTokenCount", "inputTokenCount"),
    output_tokens=("generation.outputTokenCount", "outputTokenCount"),
    ids=("id",),
    account_try="--account-field participant.identifier, of threads exported with their steps",
    prompt_try="export the generations with their messages",
)


# --- Dify -----------------------------------------------------------------------------------------

_OF_DIFY = (
    *("from_end_user_id", "from_account_id", "from_source", "retriever_resources"),
    *("agent_thoughts", "message_files", "answer_tokens"),
)


def _is_dify(record: Record) -> bool:
    return "query" in record and "answer" in record and any(name in record for name in _OF_DIFY)


def _question(_record: Record) -> None:
    return None


_DIFY = Shape(
    name="dify",
    about="Dify messages: API, console, table.",
    known_by="`query` and `answer` with `from_source`, `from_end_user_id` or `answer_tokens`",
    sniff=_is_dify,
    why_not=_question,
    times=("created_at",),
    requests=("query", "inputs", "message"),
    responses=("answer",),
    models=("model_id", "model_config.model"),
    errors=("error",),
    statuses=("status",),
    principals=("from_account_id",),
    owners=("tenant_id",),
    claimed=("from_end_user_id", "from_end_user_session_id", "user"),
    conversations=("conversation_id",),
    input_tokens=("message_tokens",),
    output_tokens=("answer_tokens",),
    ids=("id",),
    account_try=(
        "--account-field from_end_user_id, if the application that calls Dify sets `user` to who it"
        " authenticated"
    ),
    prompt_try="export the messages with `query`",
)

FORMATS = tuple(map(format_of, (_POSTHOG, _DATADOG, _LITERAL, _DIFY)))
