"""Calls of models as Opik, Braintrust and Weave export them.

    Opik         {"type": "llm", "trace_id", "start_time", "input", "output", "usage", "metadata"}
    Braintrust   {"span_attributes": {"type": "llm"}, "created", "input", "output", "metadata"}
    Weave        {"op_name": "...chat.completions.create...", "started_at", "inputs", "output"}

Tables have a column for each part: `inputs.messages`. Opik writes a file for each trace as well,
`{"trace", "spans"}`: what the trace says of its user is then given to its spans.

The account is what the application puts into the metadata. Source: API references of the three.
"""

from collections.abc import Iterator
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.dotted import gathered
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    OTHER_SPAN,
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

_CALLS = ("chat", "completion", "responses.create", "messages.create", "generate_content", "invoke")
_EMBED = "embed"


def sniff(record: Record) -> bool:
    """True if the record is a span of Opik or Braintrust, or a call of Weave."""
    if _is_trace(record):
        return True
    record = gathered(record)
    if "op_name" in record:
        return "started_at" in record
    if "span_attributes" in record:
        return "created" in record or "span_parents" in record
    return "type" in record and "input" in record and _has_trace(record)


def split(record: Record) -> Iterator[Record]:
    """Yields a record with its columns as objects, or the spans of a trace."""
    if not _is_trace(record):
        yield gathered(record)
        return
    trace = record["trace"]
    shared = {"metadata": trace.get("metadata"), "thread_id": trace.get("thread_id")}
    for span in listing(record["spans"]):
        if isinstance(span, dict):
            said = {**mapping(shared["metadata"]), **mapping(span.get("metadata"))}
            yield {**shared, **span, "metadata": said}


def _is_trace(record: Record) -> bool:
    """True if the record is a trace of Opik with its spans."""
    return isinstance(record.get("trace"), dict) and isinstance(record.get("spans"), list)


def _has_trace(record: Record) -> bool:
    return "trace_id" in record and "start_time" in record


def row(record: Record) -> Row | PassedOver:
    """Returns the row of a call of a model, or why the record is not one."""
    kind = _kind(record)
    if kind is None:
        return OTHER_SPAN
    if any(
        record.get(field) not in (None, "", {}) for field in ("error", "error_info", "exception")
    ):
        return FAILED
    request = first(record.get("input"), record.get("inputs"))
    asked = asked_in(request)
    if isinstance(asked, PassedOver):
        return asked
    metadata = mapping(first(record.get("metadata"), record.get("attributes")))
    return {
        **asked,
        **parameters_in({**metadata, **mapping(request)}),
        **tokens_in(*(record.get(field) for field in ("usage", "metrics")), _summary(record)),
        "time": first(*(record.get(field) for field in ("start_time", "created", "started_at"))),
        "principals": named_in(metadata, USERS, "metadata."),
        "owners": {
            **named_in(metadata, TENANTS, "metadata."),
            **named_in(record, ("org_id", "project_id", "workspace_id")),
        },
        "claimed": named_in(record, ("thread_id",)),
        "model": first(record.get("model"), mapping(request).get("model"), metadata.get("model")),
        "conversation": record.get("thread_id"),
        "answer": None if kind == _EMBED else answered_in(record.get("output")),
        "request_id": record.get("id"),
        "call": EMBEDDINGS if kind == _EMBED else None,
    }


def _kind(record: Record) -> str | None:
    """Returns what the call is of: a language model, an embedding model, or None for neither."""
    if isinstance(operation := record.get("op_name"), str):
        name = operation.rpartition("/")[2].partition(":")[0].lower()
        if _EMBED in name:
            return _EMBED
        return "llm" if any(call in name for call in _CALLS) else None
    kind = first(record.get("type"), mapping(record.get("span_attributes")).get("type"))
    if kind in ("llm", "chat"):
        return "llm"
    return _EMBED if kind in ("embedding", "embeddings") else None


def _summary(record: Record) -> Any:
    """Returns the usage of Weave, by model, of the first model."""
    usage = mapping(mapping(record.get("summary")).get("usage"))
    return next(iter(usage.values()), None)


FORMAT = Format(
    name="tracers",
    about="Calls of models as Opik, Braintrust and Weave export them.",
    known_by="`span_attributes`, `op_name`, or `trace_id` with `input`",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    account_try="--account-field metadata.FIELD, set by the application",
    prompt_try="export the calls with their input",
)
