"""Spans and log records out of the exports that hold them.

    {"resourceSpans": [{"resource", "scopeSpans": [{"scope", "spans": [...]}]}]}      OTLP JSON
    {"resourceLogs": [{"resource", "scopeLogs": [{"scope", "logRecords": [...]}]}]}   OTLP JSON
    {"batches": [...]}, {"trace": {"resourceSpans": [...]}}                           Tempo
    {"traceID", "spans": [{"tags"}], "processes": {...}}, alone or inside "data"      Jaeger
    {"info", "data": {"spans": [...]}}, {"operation_Id", "customDimensions"}          `holders`
    one span or log record                             consoles, Zipkin, ClickHouse, SigNoz, Phoenix

Each with the names of the proto or of its JSON, and with `instrumentationLibrarySpans` of older
exporters. Sources: OTLP specification; Tempo API; Jaeger and Zipkin JSON models.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.traces.accounts import is_named
from gamekeeper.exchange.formats.traces.contents import has_content
from gamekeeper.exchange.formats.traces.fields import (
    any_value,
    attributes_of,
    dicts,
    first_of,
    identifier,
    name_of,
    named,
)
from gamekeeper.exchange.formats.traces.holders import (
    holds_spans,
    is_of_insights,
    item_of_insights,
    spans_of,
)
from gamekeeper.exchange.formats.traces.roles import OTHER, role_of
from gamekeeper.exchange.formats.traces.statuses import has_failed
from gamekeeper.exchange.messages import mapping, parsed

_RESOURCES = {
    "resourceSpans",
    "resource_spans",
    "ResourceSpans",
    "batches",
    "resourceLogs",
    "resource_logs",
    "ResourceLogs",
}
_METRICS = {"resourceMetrics", "resource_metrics"}  # the collector writes them into the same file
_SCOPES = {
    "scopeSpans",
    "scope_spans",
    "instrumentationLibrarySpans",
    "instrumentation_library_spans",
    "scopeLogs",
    "scope_logs",
    "instrumentationLibraryLogs",
    "instrumentation_library_logs",
}
_ITEMS = {"spans", "logRecords", "log_records", "logs"}
_AROUND = ("data", "result", "trace")  # what an API puts an export into


def sniff(record: Record) -> bool:
    """True if the record is an export of spans or log records, or one of them."""
    return _export(record) is not None


def split(record: Record) -> Iterator[Record]:
    """Yields each span and log record as a flat dict: attributes, its own fields in `span`."""
    export = _export(record)
    for flat in () if export is None else export(record):
        span = flat["span"]
        span["failed"] = span["role"] != OTHER and has_failed(flat)
        yield flat


def _export(record: Record) -> Callable[[Record], Iterable[Record]] | None:
    """Returns the function that finds the spans inside a record, None if it is not an export."""
    if not _RESOURCES.isdisjoint(record):
        return _of_resources
    if not _METRICS.isdisjoint(record):
        return _nothing
    if "spans" in record and ("traceID" in record or "processes" in record):
        return _of_jaeger
    if holds_spans(record):
        return _of_trace
    if is_of_insights(record):
        return _of_insights
    if _is_one(record):
        return _of_one
    inner = next(
        (record[key] for key in _AROUND if isinstance(record.get(key), (dict, list))), None
    )
    inners = dicts([inner] if isinstance(inner, dict) else inner)
    if inners and _export(inners[0]) not in (None, _of_one):
        return _of_inner
    return None


def _held(record: Record, names: set[str]) -> list[Record]:
    """Returns the objects in the lists that a record has under any of the names."""
    return [item for key, value in record.items() if key in names for item in dicts(value)]


def _nothing(_record: Record) -> Iterable[Record]:
    return ()


def _of_inner(record: Record) -> Iterator[Record]:
    for key in _AROUND:
        inner = record.get(key)
        for export in dicts([inner] if isinstance(inner, dict) else inner):
            yield from split(export)


def _of_resources(record: Record) -> Iterator[Record]:
    for holder in _held(record, _RESOURCES):
        resource = attributes_of(holder.get("resource"))
        for scope_holder in _held(holder, _SCOPES):
            yield from _of_scope(scope_holder, resource)


def _of_scope(holder: Record, resource: Record) -> Iterator[Record]:
    scope = mapping(holder.get("scope") or holder.get("instrumentationLibrary")).get("name")
    for raw in _held(holder, _ITEMS):
        yield _flat(named(raw), resource, scope)


def _of_jaeger(record: Record) -> Iterator[Record]:
    processes = mapping(record.get("processes"))
    for raw in dicts(record.get("spans")):
        process = processes.get(str(raw.get("processID")))
        resource = attributes_of(process) if process else attributes_of(raw.get("process"))
        yield _flat(named(raw), resource, None)


def _of_trace(record: Record) -> Iterator[Record]:
    for fields in spans_of(record):
        yield _flat(fields, {}, None)


def _of_insights(record: Record) -> Iterator[Record]:
    yield {**record, **_flat(item_of_insights(record), {}, None)}


def _is_one(record: Record) -> bool:
    names = {name_of(key) for key in record}
    if not names & {"traceId", "context"}:
        return False
    if "attributes" in names or any(str(key).startswith("attributes.") for key in record):
        return "spanId" in names or "id" in names or _trace_of(named(record)) is not None
    return False


def _of_one(record: Record) -> Iterator[Record]:
    fields = named(record)
    flat = _flat(fields, fields.get("resource", {}), None)
    yield {**record, **flat}  # a table's own columns can be named as fields too


def _flat(fields: Record, resource: Record, scope: Any) -> Record:
    attributes = fields.get("attributes", {})
    parent = fields.get("parent")
    span = {
        "traceId": _trace_of(fields),
        "spanId": identifier(_in(fields, "spanId", "context") or fields.get("id")),
        "parentSpanId": identifier(fields.get("parentSpanId")) or _parent_of(parent),
        "name": fields.get("name"),
        "kind": fields.get("kind"),
        "startTimeUnixNano": _time_of(fields, attributes),
        "status": fields.get("status"),
        "scope": scope or _scope_of(fields.get("scope")),
        "eventName": attributes.get("event.name") or fields.get("eventName"),
    }
    if "body" in fields:
        span["body"] = parsed(any_value(fields["body"]))
    events = _events_of(fields)
    if "events" in attributes:
        events += _events_in(attributes)
    if events:
        span["events"] = events
    flat = {**resource, **attributes, "span": span}
    span["role"] = role_of(flat, attributes)
    span["named"] = is_named(attributes)
    span["content"] = span["role"] != OTHER and has_content(flat)
    return flat


def _trace_of(fields: Record) -> str | None:
    return identifier(_in(fields, "traceId", "context"))


def _in(fields: Record, name: str, holder: str) -> Any:
    """Returns a field, or the one inside a context: `{"context": {"trace_id": ...}}`."""
    if name in fields:
        return fields[name]
    context = fields.get(holder)
    if isinstance(context, dict):
        return next((value for key, value in context.items() if name_of(key) == name), None)
    return None


def _parent_of(parent: Any) -> str | None:
    """Returns the span id of a parent: an object, or the first of Jaeger's references."""
    parents = dicts(parent) if isinstance(parent, list) else [parent]
    child_of = [p for p in parents if isinstance(p, dict) and p.get("refType") != "FOLLOWS_FROM"]
    return identifier(_in({"parent": child_of[0]}, "spanId", "parent")) if child_of else None


def _time_of(fields: Record, attributes: Record) -> Any:
    time = fields.get("time")
    if isinstance(time, list) and len(time) == 2:  # seconds and nanoseconds of the SDK for JS
        return _joined_time(*time)
    if time in (None, 0, "0"):
        return fields.get("observed") or attributes.get("event.timestamp")
    return time


def _joined_time(seconds: Any, nanos: Any) -> Any:
    if isinstance(seconds, int) and isinstance(nanos, int):
        return seconds * 10**9 + nanos
    return None


def _scope_of(scope: Any) -> Any:
    return scope.get("name", scope.get("Name")) if isinstance(scope, dict) else scope


def _events_of(fields: Record) -> list[Record]:
    """Returns the events of a span: `name`, and the attributes of each."""
    names = fields.get("eventNames")
    if isinstance(names, list):
        held = fields.get("eventAttributes")
        held = held if isinstance(held, list) else []
        return [
            {"name": name, "attributes": attributes_of(attributes)}
            for name, attributes in zip(names, held, strict=False)
        ]
    return [_event(raw) for raw in dicts(fields.get("events"))]


def _events_in(attributes: Record) -> list[Record]:
    """Returns the events that Pydantic AI and Logfire write into an attribute, in one list."""
    return [
        {"name": raw["event.name"], "body": raw}
        for raw in dicts(attributes.get("events"))
        if "event.name" in raw
    ]


def _event(raw: Record) -> Record:
    if isinstance(raw.get("fields"), list):  # Jaeger
        attributes = attributes_of(raw["fields"])
        return {"name": first_of(attributes, ("event", "name")), "attributes": attributes}
    if isinstance(raw.get("value"), str):  # Zipkin: '"name": {"key": ...}'
        name, _, held = raw["value"].partition(": ")
        return {"name": name.strip('"'), "attributes": attributes_of(held)}
    name = first_of(raw, ("name", "Name"))
    return {"name": name, "attributes": attributes_of(first_of(raw, ("attributes", "Attributes")))}
