"""Langfuse: observations and traces, as its blob storage export, API and tables have them.

    {"id", "trace_id", "type": "GENERATION", "start_time", "input", "output", "user_id", ...}
    {"id", "timestamp", "userId", "input", "output", "observations": [...]}

An observation of type GENERATION is a call of a model. In older exports the user is on the trace
alone, which is another file: both are joined by the id of the trace. Where a trace comes without
any generation, it is the exchange itself. Times are UTC. Source: Langfuse, blob storage export
field reference, and API reference.
"""

from collections.abc import Iterable
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.dotted import gathered
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    OTHER_SPAN,
    SAID_TWICE,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.observed import (
    TENANTS,
    USERS,
    answered_in,
    asked_in,
    named_in,
    parameters_in,
    tokens_in,
)
from gamekeeper.exchange.messages import first, listing, mapping

_TYPES = (
    "GENERATION",
    "EMBEDDING",
    "SPAN",
    "EVENT",
    "AGENT",
    "TOOL",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "GUARDRAIL",
)
_TRACE = "TRACE"
_SCORE = "SCORE"
_IDS = USERS[:3]  # of a key, narrower than a user
_OF_USERS = ("userId", "user_id", "sessionId", "session_id")
_OF_TRACES = ("bookmarked", "htmlPath", "public", "release", "tags")


def sniff(record: Record) -> bool:
    """True if the record is an observation, a trace or a score of Langfuse."""
    return _type(record) is not None


def split(record: Record) -> Iterable[Record]:
    """Yields the observations inside a trace after the trace, or the record itself."""
    record = gathered(record)
    observations = [item for item in listing(record.get("observations")) if isinstance(item, dict)]
    yield {**record, "trace_id": _trace(record), "kind_of_record": _type(record)}
    for item in observations:
        yield {**item, "trace_id": _trace(record), "kind_of_record": _type(item)}


def part_key(record: Record) -> tuple[str, int | None] | None:
    """Returns the trace of generations and traces."""
    if record["kind_of_record"] not in ("GENERATION", "EMBEDDING", _TRACE):
        return None
    trace = record["trace_id"]
    return (trace, None) if isinstance(trace, str) and trace else None


def is_whole(parts: list[Record]) -> bool:
    """True if each generation has a user, or the trace is there."""
    generations = [part for part in parts if part["kind_of_record"] != _TRACE]
    if len(generations) < len(parts):
        return bool(generations)
    return all(_user(part) is not None for part in generations)


def join(parts: list[Record]) -> list[Record]:
    """Returns the parts of a trace: its generations with its user, and the trace as said twice."""
    traces = [part for part in parts if part["kind_of_record"] == _TRACE]
    generations = [part for part in parts if part["kind_of_record"] != _TRACE]
    for trace in traces:
        trace["said_twice"] = bool(generations)
        for part in generations:
            _describe(part, trace)
    return parts


def late(parts: list[Record]) -> list[Record]:
    """Marks traces whose generations came long before."""
    for part in parts:
        part["said_twice"] = part["kind_of_record"] == _TRACE
    return parts


def row(record: Record) -> Row | PassedOver:
    """Returns the row of a generation or a trace, or why it is not an exchange."""
    kind = record["kind_of_record"]
    if kind not in ("GENERATION", "EMBEDDING", _TRACE):
        return OTHER_SPAN
    if record.get("said_twice"):
        return SAID_TWICE
    if record.get("level") == "ERROR":
        return FAILED
    asked = asked_in(record.get("input"))
    if isinstance(asked, PassedOver):
        return asked
    metadata = mapping(record.get("metadata"))
    return {
        **asked,
        **parameters_in(first(record.get("model_parameters"), record.get("modelParameters"))),
        **tokens_in(
            *(record.get(name) for name in ("usage_details", "usageDetails", "usage")),
            named_in(record, ("promptTokens", "completionTokens")),
        ),
        "time": first(record.get("start_time"), record.get("startTime"), record.get("timestamp")),
        "principals": {
            **named_in(metadata, _IDS, "metadata."),
            **named_in(record, ("user_id", "userId")),
            **named_in(metadata, USERS, "metadata."),
        },
        "owners": {
            **named_in(metadata, TENANTS, "metadata."),
            **named_in(record, ("project_id", "projectId")),
        },
        "claimed": named_in(record, ("session_id", "sessionId")),
        "model": first(
            *(record.get(name) for name in ("provided_model_name", "providedModelName", "model"))
        ),
        "conversation": first(record.get("session_id"), record.get("sessionId")),
        "answer": None if kind == "EMBEDDING" else answered_in(record.get("output")),
        "request_id": record.get("id"),
        "call": EMBEDDINGS if kind == "EMBEDDING" else None,
    }


def _type(record: Record) -> str | None:
    kind = record.get("type")
    if isinstance(kind, str) and kind in _TYPES and _is_observation(record):
        return kind
    if "id" not in record:
        return None
    if "timestamp" in record and any(name in record for name in _OF_USERS):
        return _TRACE if any(name in record for name in _OF_TRACES) else None
    is_score = ("data_type" in record or "dataType" in record) and "value" in record
    return _SCORE if is_score and ("trace_id" in record or "traceId" in record) else None


def _is_observation(record: Record) -> bool:
    has_trace = "trace_id" in record or "traceId" in record
    return has_trace and ("start_time" in record or "startTime" in record)


def _trace(record: Record) -> Any:
    return first(record.get("trace_id"), record.get("traceId"), record.get("id"))


def _user(record: Record) -> Any:
    return first(record.get("user_id"), record.get("userId"))


def _describe(part: Record, trace: Record) -> None:
    """Gives a generation what only its trace says: the user, the session, metadata."""
    for key in ("user_id", "userId", "session_id", "sessionId", "metadata", "tags"):
        if trace.get(key) not in (None, "", {}, "{}") and part.get(key) in (None, "", {}, "{}"):
            part[key] = trace[key]


FORMAT = Format(
    name="langfuse",
    about="Langfuse observations and traces: blob storage export, API, tables.",
    known_by="an observation's `type` and `trace_id`, or a trace's `user_id`",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    part_key=part_key,
    join=join,
    is_whole=is_whole,
    late=late,
    account_try=(
        "--account-field metadata.FIELD, set by the application; or export the traces too, whose"
        " user_id is joined"
    ),
    prompt_try="export the observations with their input",
)
