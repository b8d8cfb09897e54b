"""Spans out of what is not an export of OpenTelemetry but holds spans of it.

    {"info": {"trace_id", "trace_metadata"}, "data": {"spans": [...]}}      MLflow
    {"trace_id", "request_time", "trace_metadata", "spans": [...]}          MLflow, as a table
    {"operation_Id", "id", "customDimensions", "itemType"}                  Application Insights
    {"OperationId", "Id", "Properties", "AppRoleName", "Type"}              the same in a workspace

What a trace says of its caller is given to each of its spans. Application Insights keeps
`enduser.id` as the authenticated user and `enduser.pseudo.id` as the user. Sources: MLflow, tracing
data model; Azure Monitor reference, AppDependencies and AppTraces; OpenTelemetry exporter of Azure
Monitor.
"""

from collections.abc import Iterator
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import Names, names_of
from gamekeeper.exchange.formats.traces.fields import (
    attributes_of,
    dicts,
    flattened,
    name_of,
    named,
)
from gamekeeper.exchange.messages import first, mapping, parsed

# --- traces with their spans ----------------------------------------------------------------------

_METADATA = ("tags", "request_metadata", "trace_metadata", "metadata")
_IDS = ("spanId", "id", "context")


def holds_spans(record: Record) -> bool:
    """True if a record is a trace with its spans inside of it."""
    spans = _spans(record)
    if spans is None:
        return False
    return not spans or _is_span(spans[0])


def spans_of(record: Record) -> Iterator[Record]:
    """Yields the fields of each span, with what the trace says in its attributes."""
    info = mapping(record.get("info")) or record
    said: Record = {}
    for name in _METADATA:
        said |= attributes_of(info.get(name))
    trace = first(info.get("trace_id"), info.get("traceId"), info.get("request_id"))
    for raw in _spans(record) or ():
        fields = named(raw)
        fields["attributes"] = {**said, **_own(fields.get("attributes", {}))}
        fields.setdefault("traceId", trace)
        yield fields


def _spans(record: Record) -> list[Record] | None:
    """Returns the spans of a trace, None if the record is not one."""
    holder = record
    if "spans" not in record:
        if "info" not in record:
            return None
        holder = mapping(record.get("data"))
    is_known = "info" in record or any(name in record for name in _METADATA)
    spans = dicts(holder.get("spans"))
    return spans if spans or (is_known and "spans" in holder) else None


def _is_span(raw: Record) -> bool:
    names = {name_of(key) for key in raw}
    return "attributes" in names and not names.isdisjoint(_IDS)


def _own(attributes: Record) -> Record:
    """Returns the attributes of a span; MLflow writes each of its own as JSON text."""
    found: Record = {}
    for key, value in attributes.items():
        is_written = key.startswith("mlflow.")
        held = parsed(value) if is_written else value
        found |= flattened(key, held) if key == "mlflow.chat.tokenUsage" else {key: held}
    model = mapping(found.get("mlflow.spanInputs")).get("model")
    if isinstance(model, str):
        found.setdefault("model", model)
    return found


# --- Application Insights -------------------------------------------------------------------------

_DIMENSIONS = ("customdimensions", "properties")
_ATTRIBUTES = {
    "userauthenticatedid": "enduser.id",
    "userid": "enduser.pseudo.id",
    "clientip": "client.address",
    "sessionid": "session.id",
    "resultcode": "http.response.status_code",
}


def is_of_insights(record: Record) -> bool:
    """True if a record is a telemetry item; not if it holds the bodies of a gateway's requests."""
    if not names_of(record).fact(_are_of_insights):
        return False
    held = attributes_of(_dimensions(record))
    return not any("body" in str(key).lower() for key in held)


def item_of_insights(record: Record) -> Record:
    """Returns the fields of a telemetry item: of a span, or of a log record of one."""
    names = names_of(record)

    def held(name: str) -> Any:
        return record[names[name]] if name in names else None

    attributes = {ours: held(name) for name, ours in _ATTRIBUTES.items()}
    attributes = {key: value for key, value in attributes.items() if value not in (None, "")}
    parent = first(held("operationparentid"), held("parentid"))
    is_log = "message" in names and "duration" not in names and "durationms" not in names
    fields = {
        "traceId": held("operationid"),
        "spanId": parent if is_log else held("id"),
        "parentSpanId": None if is_log else parent,
        "name": held("name"),
        "time": first(held("timestamp"), held("timegenerated")),
        "attributes": {**attributes, **attributes_of(_dimensions(record))},
    }
    if str(held("success")).lower() in ("false", "0"):
        fields["status"] = "error"
    if is_log:
        fields["body"] = parsed(held("message"))
    return {key: value for key, value in fields.items() if value is not None}


def _are_of_insights(names: Names) -> bool:
    if "operationid" not in names:
        return False
    return "customdimensions" in names or ("properties" in names and "approlename" in names)


def _dimensions(record: Record) -> Any:
    names = names_of(record)
    return next((record[names[name]] for name in _DIMENSIONS if name in names), None)
