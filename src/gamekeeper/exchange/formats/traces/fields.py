"""What a span or a log record says, in any spelling: one name for each of its fields.

The same id is `traceId` in OTLP JSON, `trace_id` with the names of the proto, `context.trace_id`
on the console of the Python SDK, `SpanContext.TraceID` on that of Go, `traceID` in Jaeger, and
`TraceId` in a ClickHouse table. Attributes are a list of keys and values, an object, or an object
inside an object. Here they become

    {"gen_ai.system": "openai", ..., "span": {"traceId": ..., "spanId": ..., "name": ..., ...}}

with the attributes of the span before those of its resource, so that any of them can be named as a
field. Sources: OTLP specification, JSON protobuf encoding; opentelemetry-python, -js and -go
console exporters; Jaeger and Zipkin JSON models; ClickHouse exporter of the collector, schema of
tables; SigNoz schema; Phoenix, spans as data frame.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.messages import parsed

_DEEPEST = 60  # levels of AnyValues inside each other that are followed: hostile logs have more
_DEEPEST_KEY = 8  # objects that make a dotted key: attributes.llm.token_count.prompt_details.audio

_SPELLINGS = {
    "traceId": ("traceid", "contexttraceid"),
    "spanId": ("spanid", "contextspanid"),
    "parentSpanId": ("parentspanid", "parentid"),
    "name": ("name", "spanname", "operationname"),
    "kind": ("kind", "spankind"),
    "time": (
        "starttimeunixnano",
        "starttime",
        "timeunixnano",
        "timestamp",
        "start",
        "starttimestamp",
    ),
    "observed": ("observedtimeunixnano", "observedtimestamp"),
    "status": ("status", "statuscode", "statuscodestring", "otelstatuscode"),
    "eventName": ("eventname",),
    "body": ("body",),
    "scope": (
        "scope",
        "scopename",
        "instrumentationscope",
        "instrumentationlibrary",
        "otelscopename",
    ),
    "id": ("id",),
    "context": ("context", "spancontext"),
    "parent": ("parent", "parentspancontext", "references"),
    "attributes": (
        "attributes",
        "spanattributes",
        "logattributes",
        "recordattributes",
        "tags",
        "tag",
        "tagmap",
        "stringtagmap",
        "numbertagmap",
        "booltagmap",
        "attributesstring",
        "attributesnumber",
        "attributesbool",
    ),
    "resource": (
        "resource",
        "resourceattributes",
        "resourcetagsmap",
        "resourcesstring",
        "otelresourceattributes",
        "process",
    ),
    "events": ("events", "logs", "annotations", "otelevents"),
    "eventNames": ("eventsname",),
    "eventAttributes": ("eventsattributes",),
}
_NAMES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
_SEVERAL = ("attributes", "resource")  # tables have one column for each type of value

_ANY_VALUES = {
    "stringValue",
    "intValue",
    "doubleValue",
    "boolValue",
    "arrayValue",
    "kvlistValue",
    "bytesValue",
}
_KINDS = {
    spelling: kind
    for kind in _ANY_VALUES
    for spelling in (
        kind,
        kind[0].upper() + kind[1:],
        kind.replace("Value", "_value"),
    )
}
_VALUES = ("value", "Value", "vStr", "vInt64", "vFloat64", "vBool", "vBinary")


@lru_cache(maxsize=4096)
def name_of(key: Any) -> str | None:
    """Returns our name of a field, None for a field of which we know nothing.

    Example:
        >>> name_of("context.trace_id")
        'traceId'
    """
    if not isinstance(key, str):
        return None
    return _NAMES.get(key.lower().replace("_", "").replace(".", "").replace(" ", ""))


def named(raw: Record) -> Record:
    """Returns the fields of a span or log record under our names; `attributes` is one flat dict."""
    found: Record = {}
    for key, value in raw.items():
        if value is None or value == "":
            continue
        name = name_of(key)
        if name in _SEVERAL:
            found[name] = {**found.get(name, {}), **attributes_of(value)}
        elif name is not None:
            found.setdefault(name, value)
        elif isinstance(key, str) and key.startswith("attributes."):
            found["attributes"] = {
                **found.get("attributes", {}),
                **flattened(key.removeprefix("attributes."), value),
            }
    return found


def attributes_of(value: Any) -> Record:
    """Returns attributes as a flat dict: of a list of keys and values, an object, or JSON text."""
    if isinstance(value, str):
        value = parsed(value)
    if isinstance(value, list):
        return _of_pairs(value)
    if isinstance(value, dict):
        inner = value.get("attributes", value.get("Attributes"))
        if inner is not None and not isinstance(inner, str):
            return attributes_of(inner)  # a resource
        if isinstance(value.get("tags"), list):
            return attributes_of(value["tags"])  # a process of Jaeger
        return _of_object(value)
    return {}


def _of_pairs(pairs: list[Any]) -> Record:
    found: Record = {}
    for pair in pairs:
        if isinstance(pair, dict):
            key = pair.get("key")
            value = pair.get("value")
            if key is None or value is None:
                key = pair.get("key", pair.get("Key"))
                value = next((pair[name] for name in _VALUES if pair.get(name) is not None), None)
            if isinstance(key, str):
                # most are text: a call for each would be a fifth of the time of a span
                text = value.get("stringValue") if isinstance(value, dict) else None
                found[key] = any_value(value) if text is None else text
        elif isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str):
            found[pair[0]] = pair[1]
    return found


def _of_object(value: Record) -> Record:
    if not any(isinstance(inner, dict) for inner in value.values()):
        return value
    found: Record = {}
    for key, inner in value.items():
        found |= flattened(key, any_value(inner))
    return found


def flattened(key: str, value: Any, depth: int = 0) -> Record:
    """Returns an object inside an object as one with dotted keys; lists stay what they are."""
    if not isinstance(value, dict) or not value or depth > _DEEPEST_KEY:
        return {key: value}
    found: Record = {}
    for inner_key, inner in value.items():
        found |= flattened(f"{key}.{inner_key}", inner, depth + 1)
    return found


def any_value(value: Any, depth: int = 0) -> Any:
    """Returns what an OTLP AnyValue holds, and anything else unchanged.

    64-bit integers are written as text. In tables an AnyValue is a struct of all kinds, all null
    but one.
    """
    if not isinstance(value, dict):
        return value
    if (text := value.get("stringValue")) is not None:
        return text
    for key, inner in value.items():
        kind = _KINDS.get(key)
        if kind is None:
            return _typed(value)
        if inner is not None:
            return _any_of(kind, inner, depth)
    return None


def _typed(value: Record) -> Any:
    """Returns the value of Go's `{"Type": "STRING", "Value": ...}`, else the object itself."""
    return value["Value"] if value.keys() == {"Type", "Value"} else value


def _any_of(kind: str, inner: Any, depth: int) -> Any:
    if kind == "intValue" and isinstance(inner, str):
        return int(inner[:20]) if inner.lstrip("-").isdecimal() else inner
    if kind not in ("arrayValue", "kvlistValue"):
        return inner
    values = inner.get("values") if isinstance(inner, dict) else inner
    if not isinstance(values, list) or depth > _DEEPEST:
        return None
    if kind == "arrayValue":
        return [any_value(item, depth + 1) for item in values]
    return {
        str(item.get("key")): any_value(item.get("value"), depth + 1)
        for item in values
        if isinstance(item, dict)
    }


def dicts(value: Any) -> list[Record]:
    """Returns the objects of an array, of the JSON text of one, or of nothing."""
    if isinstance(value, str):
        value = parsed(value)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """Returns a trace or span id as text: without 0x, bytes as hex, zeros alone as no id."""
    if isinstance(value, bytes):
        value = value.hex()
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return None
    text = str(value).lower().removeprefix("0x")
    return None if text in _NO_IDS else text


_NO_IDS = ("", "0" * 16, "0" * 32)


def first_of(record: Record, keys: Iterable[str]) -> Any:
    """Returns the first value that is neither None, nor empty text, nor an empty list or object."""
    for key in keys:
        value = record.get(key)
        if value is not None and value != "" and value != [] and value != {}:
            return value
    return None
