"""Takes records out of what services wrap around them: the event of a log service, the hit of an
index, the row of a query, the page of an API, the line of a container, the message of a queue.

An envelope is known by its keys. Some keys say it by themselves (`_source`, `logEvents`). Others
are found in ordinary records too (`message`, `data`, `log`): they count only where everything
beside them is what a service adds, or where the record is inside of them and not beside them. A
user's own JSON text stays what it is: what is beside an account or a model is not an envelope.

Time and other fields: a record without a time of its own gets the envelope's as `time`. Other
fields of an event are added to its record where that has no field of the name, so that an account
that only the envelope knows can be named (`--account-field kubernetes.pod_name`). What is beside a
list of records is about the list and is not added; neither is the account of the cloud in which an
event arose, which is the operator's and no caller's.

Sources: CloudWatch Logs, Kinesis, SQS and EventBridge of AWS; CloudEvents 1.0; Azure Event Grid;
Cloud Logging and Pub/Sub of Google; the bulk and search APIs of Elasticsearch; Loki, Splunk,
Datadog and New Relic; JSON:API 1.1, GraphQL's connections, HAL and Spring Data's pages.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import orjson

from gamekeeper.exchange.tables import (
    TIME_NAMES,
    is_exchange,
    lower_names,
    of_table,
    plain_name,
    words,
)

Record: TypeAlias = dict[str, Any]
Layer: TypeAlias = "list[Record] | None"

_MAX_LAYERS = 6
_MAX_UNPACKED_BYTES = 64 << 20
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}\s*")


_OUTER_TIMES = (  # the event's own before that of its arrival
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventTime",
    "_time",
    "date",
    "timestamp_ms",
    "publishTime",
    "publish_time",
    "Timestamp",
    "TimeGenerated",
    "EnqueuedTimeUtc",
    "approximateArrivalTimestamp",
    "receiveTimestamp",
    "ingestionTime",
    "@ingestionTime",
    "ts_ms",
    "@t",
    "time_iso8601",
    "asctime",
    "created_at",
    "createdAt",
)

# fields of a record that is asked about: what is beside them is not an envelope
_OF_RECORDS = words(
    "account account_id user user_id userid username api_key api_key_id key_id api_key_hash"
    " customer customer_id tenant tenant_id team_id org_id organization organization_id prompt"
    " prompts query question messages request request_body response responses answer completion"
    " model model_id modelid input inputs output contents instruction conversation"
    " conversation_id choices usage custom_id method url path call_type schematype operation"
    " requestid request_id trace_id traceid span_id spanid scopespans resourcespans resourcelogs"
    " spans batches correlationid operationname category properties body_json deployment"
)
# what loggers and tracers add to any line: it is of no request in particular
_OF_ANY_LINE = words(
    "trace_id traceid span_id spanid request_id requestid correlationid method url path category"
    " operation operationname"
)
_OF_CALLERS = words(
    "account account_id user user_id userid username api_key api_key_id key_id api_key_hash"
    " customer customer_id tenant tenant_id team_id org_id organization organization_id"
)
# what says that an event is of a cloud, and how its account there is called
_OF_CLOUDS = words(
    "detail-type region awsregion aws_region az availability_zone ec2_instance_id ec2instanceid"
    " instance_id loggroup log_group loggroupname"
)
_CLOUD_ACCOUNTS = words("account accountid awsaccount awsaccountid recipientaccountid owner")
_CLOUD_ACCOUNT = re.compile(r"\d{12}")
# what services and shippers add to a line
_OF_SERVICES = words(
    "id _id eventid event_id messageid message_id insertid logname loggroup loggroupname logstream"
    " logstreamname log_group log_stream @log @logstream @ptr @version version ingestiontime"
    " @ingestiontime timestamp @timestamp time ts date _time datetime stream host hostname source"
    " sourcetype source_type type level severity severity_number severitytext loglevel log_level"
    " lvl status logger name kubernetes docker container container_id container_name containername"
    " pod pod_name namespace node tags tag ddtags ddsource service labels resource trace"
    " tracesampled agent ecs beat input_type fileset offset topic partition key keys headers"
    " tstype index"
    " sequencenumber partitionkey approximatearrivaltimestamp eventsource eventversion eventname"
    " awsregion eventsourcearn invokeidentityarn kinesisschemaversion subscription attributes"
    " publishtime publish_time orderingkey ackid deliveryattempt md5ofbody receipthandle receipt"
    " messageattributes specversion datacontenttype dataschema subject detail-type region resources"
    " facility priority pid procid appname app app_name environment env cluster file filename"
    " linenumber lineno line_number thread threadname module funcname function logger_name"
    " stack_trace process attrs time_unix receivetimestamp schema preview lastrow _index _type"
    " _score _version _seq_no _primary_term sort ignored _ignored highlight _routing"
    " partitionkeyhash encryptiontype sourcelocation operationid httprequest computer"
    " @metadata metadata flags event_type eventtype metadataversion unparsed message_key"
    " enqueuedtimeutc systemproperties"
)
_SIGNS_OF_PAGES = words(
    "has_more hasmore next next_page nextpagetoken next_page_token nexttoken next_token cursor"
    " total total_count count object meta pagination page paging links limit offset size took"
    " timed_out status success first_id last_id errors error result_info @odata.nextlink nextlink"
    " searchedlogstreams statistics next_cursor messagetype pageinfo totalcount jsonapi included"
    " _links pageable size number totalelements totalpages numberofelements first last empty sort"
    " responseheader _shards aggregations facets extensions performancestats @odata.context"
    " @odata.count @odata.deltalink __typename _meta hasnextpage total_pages totalpages totalhits"
    " per_page perpage page_size pagesize page_number pagenumber version api_version apiversion"
    " schema"
)
# what a request or a trace has lists of: they are no lists of requests
_LISTS_IN_RECORDS = words(
    "messages contents content_blocks parts choices candidates tools tool_calls toolcalls functions"
    " function_call input inputs output outputs spans batches resourcespans scopespans resourcelogs"
    " scopelogs resourcemetrics links conversation conversations turns history chat_history"
    " embeddings documents instances predictions prompts texts attachments files images mapping"
    " scores logprobs annotations"
)
_LISTS = (
    "logEvents",
    "records",
    "Records",
    "events",
    "data",
    "items",
    "results",
    "result",
    "value",
    "logs",
    "rows",
    "traces",
    "entries",
    "hits",
    "streams",
    "batch",
    "observations",
    "generations",
    "runs",
    "requests",
    "documents",
    "Messages",
    "receivedMessages",
    "list",
    "objects",
    "exchanges",
    "response",
    "payload",
    "docs",
    "collection",
    "conversations",
)
_DATADOG = {"_id", "date", "ddsource", "host", "status", "tags", "timestamp"}
_SURE_LISTS = ("logEvents", "records", "Records", "receivedMessages", "Messages", "streams")
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_SURE = (
    "_source",
    "jsonPayload",
    "json_payload",
    "protoPayload",
    "textPayload",
    "@message",
    "log_processed",
    "_raw",
    "kinesis",
)
_SIGNED = (  # names that no other record has together, and the one with the record
    (("detail-type",), "detail"),  # EventBridge
    (("specversion",), "data"),  # CloudEvents
    (("specversion",), "data_base64"),
    (("eventType", "eventTime"), "data"),  # Event Grid
    (("MessageTemplate",), "Properties"),  # Serilog
    (("text",), "record"),  # Loguru
)
_CONTEXTS = (  # of loggers: what was logged beside the message
    "meta",
    "context",
    "data",
    "payload",
    "extra",
    "fields",
    "metadata",
    "details",
    "props",
    "params",
    "ctx",
    "info",
    "extra_data",
    "event_data",
)
_OF_LOGGERS = words(
    "level levelname severity lvl loglevel log_level log.level severitytext @l @level msg message"
    " @mt @m"
)
_OF_EDGES = words("node cursor __typename")
_ACTIONS = words("index create update delete")
_OF_ACTIONS = words("routing pipeline require_alias require_data_stream dynamic_templates version")
_AMBIGUOUS = (
    "message",
    "log",
    "msg",
    "MESSAGE",
    "Message",
    "line",
    "_line",
    "LogEntry",
    "LogMessage",
    "RawData",
    "short_message",
    "json",
    "record",
    "event",
    "detail",
    "result",
    "payload",
    "after",
    "data",
    "Data",
    "body",
    "Body",
    "value",
    "doc",
    "attributes",
)


def has_envelope(record: Mapping[str, Any]) -> bool:
    """True if records are inside of `record`, or none where they would be."""
    return _opened(dict(record)) is not None


def unwrap(record: Record) -> list[Record]:
    """Returns the records inside of `record`, through several envelopes; else itself."""
    records = [record]
    for _ in range(_MAX_LAYERS):
        opened = [_opened(one) for one in records]
        if not any(inner is not None for inner in opened):
            break
        pairs = zip(records, opened, strict=True)
        records = [one for whole, inner in pairs for one in ([whole] if inner is None else inner)]
    return records


def with_time(record: Record, time: Any) -> Record:
    """Returns a record with a time, unless it has one of its own."""
    if time is None or any(plain_name(name) in TIME_NAMES for name in record):
        return record
    return {**record, "time": time}


def _opened(record: Record) -> Layer:
    for open_envelope in _LAYERS:
        inner = open_envelope(record)
        if inner is not None:
            return inner
    return None


# --- lists of records


def _of_action(record: Record) -> Layer:
    """A line of Elasticsearch's bulk API that says what to do with the next: it holds no record."""
    if len(record) != 1:
        return None
    ((name, value),) = record.items()
    if name not in _ACTIONS or not isinstance(value, dict):
        return None
    return [] if all(str(field)[:1] == "_" or field in _OF_ACTIONS for field in value) else None


def _of_stream(record: Record) -> Layer:
    """A stream of Loki: labels, and pairs of nanoseconds and line."""
    values = record.get("values")
    labels = record.get("stream", record.get("metric"))
    if not isinstance(values, list) or not isinstance(labels, dict) or not values:
        return None
    if not all(isinstance(pair, list) and len(pair) > 1 for pair in values):
        return None
    return [_of_line(pair[0], pair[1], labels) for pair in values]


def _of_line(time: Any, line: Any, labels: Record) -> Record:
    record = _record_in(line)
    if record is None:
        return {"time": time, "line": line}
    return with_time(_with_fields(record, labels, ()), time)


def _of_list(record: Record, depth: int = 0) -> Layer:
    """A page of an API, a delivery of a log service, a bulk of messages."""
    hits = record.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return _dicts(hits["hits"])
    for key in _LISTS:
        if key not in record:
            continue
        value = record[key]
        inner = None
        if isinstance(value, list):
            inner = _of_page(record, key, value)
        elif isinstance(value, dict) and _is_page(record, key):
            inner = _opened_list(value, depth + 1)
        if inner is not None:
            return inner
    return _of_own_page(record, depth)


def _opened_list(value: Record, depth: int) -> Layer:
    """Returns what is in a list some levels down: `{"data": {"result": [...]}}`."""
    if depth > _MAX_LAYERS:
        return None
    inner = _of_list(value, depth)
    return inner if inner is not None else of_table(value)


def _of_own_page(record: Record, depth: int) -> Layer:
    """A list under a name of the API's own, or objects down to one: GraphQL, HAL, Spring.

    It is the only field but for what is about a page, and its objects are requests where nothing
    else says so.
    """
    names = [
        name
        for name, value in record.items()
        if value not in _NOTHING and not _is_about_page_itself(name, value)
    ]
    if len(names) != 1 or str(names[0]).lower() in _LISTS_IN_RECORDS:
        return None
    value = record[names[0]]
    if isinstance(value, dict):
        is_chain = depth > 0 or names[0] == "_embedded"
        return _opened_list(value, depth + 1) if is_chain else None
    if not isinstance(value, list) or not _are_records(value):
        return None
    return value if depth or len(record) > 1 or is_exchange(value[0]) else None


def _is_about_page_itself(name: str, value: Any) -> bool:
    lower = str(name).lower()
    if lower == "metadata" and isinstance(value, dict):
        return lower_names(value).isdisjoint(_OF_CALLERS)
    return lower in _SIGNS_OF_PAGES


def _are_records(values: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in values) and not _is_part(values[0])


def _of_page(record: Record, key: str, values: list[Any]) -> Layer:
    if not _is_page(record, key):
        return None
    if not values:
        return [] if lower_names(record) - {key.lower()} <= _SIGNS_OF_PAGES else None
    if all(map(_is_fields, values)):  # CloudWatch Logs Insights
        return [{cell["field"]: cell.get("value") for cell in row} for row in values]
    return values if _are_records(values) else None


def _is_page(record: Record, key: str) -> bool:
    """True if nothing of a record is beside a list: no field of one, no time, no other objects."""
    return all(
        name == key or value in _NOTHING or _is_about_page(name, value, key in _SURE_LISTS)
        for name, value in record.items()
    )


def _is_about_page(name: str, value: Any, is_sure: bool) -> bool:
    lower = str(name).lower()
    if _is_about_page_itself(name, value):
        return True
    if isinstance(value, dict) or (isinstance(value, list) and any(map(_is_object, value))):
        return False
    return lower not in _OF_RECORDS and (is_sure or plain_name(name) not in TIME_NAMES)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_fields(row: Any) -> bool:
    if not isinstance(row, list) or not row:
        return False
    return all(isinstance(cell, dict) and isinstance(cell.get("field"), str) for cell in row)


def _is_part(value: Record) -> bool:
    """True for a part of a record: a message, a block of content, a vector."""
    is_block = "type" in value and not _PARTS.isdisjoint(value) and len(value) <= 4
    return "role" in value or "embedding" in value or is_block or {"from", "value"} <= value.keys()


_PARTS = frozenset({"text", "image_url", "input_text", "source"})


def _dicts(values: list[Any]) -> list[Record]:
    return [value for value in values if isinstance(value, dict)]


# --- one record in an event


def _of_edge(record: Record) -> Layer:
    """A record in a connection of GraphQL."""
    node = record.get("node")
    return [node] if isinstance(node, dict) and record.keys() <= _OF_EDGES else None


def _of_span(record: Record) -> Layer:
    """Spans of Datadog, as its intake takes them and its API gives them: the time in a name of its
    own, the fields of the call in `meta`.
    """
    whole = _inside(record.get("data"), "attributes")
    spans = _inside(whole, "spans")
    if isinstance(spans, list) and spans and all(isinstance(one, dict) for one in spans):
        said = {name: whole[name] for name in ("ml_app", "session_id", "tags") if name in whole}
        return [{**said, **one} for one in spans]
    start = record.get("start_ms", record.get("start_ns"))
    if "span_id" not in record or "time" in record or start is None:
        return None
    meta = record.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    return [{**inner, **record, "time": start}]


def _inside(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _of_event(record: Record) -> Layer:
    record = _without_cloud_account(record)
    for key in (*_signed(record), *_SURE):
        inner = _record_in(record.get(key))
        if inner is not None:
            return [_out_of(record, key, inner)]
    names: set[str] | None = None
    for key in (*_AMBIGUOUS, *_CONTEXTS):
        if not isinstance(record.get(key), str | dict):
            continue
        if names is None:
            names = lower_names(record)
        inner = _of_key(record, key, names)
        if inner is not None:
            return [_out_of(record, key, inner)]
    return None


def _of_key(record: Record, key: str, names: set[str]) -> Record | None:
    if names.isdisjoint(_OF_RECORDS):
        inner = _record_in(record[key])
        if inner is not None and key in _AMBIGUOUS and _is_event(key, names, inner):
            return inner
    inner = record[key]
    is_context = key in _CONTEXTS and isinstance(inner, dict) and not names.isdisjoint(_OF_LOGGERS)
    is_request = is_context and names.isdisjoint(_OF_RECORDS - _OF_ANY_LINE)
    return inner if is_request and is_exchange(inner) else None


def _signed(record: Record) -> Iterable[str]:
    """Yields the field that holds the record of an event whose kind its names say."""
    for signs, key in _SIGNED:
        if key in record and all(sign in record for sign in signs):
            yield key


def _without_cloud_account(record: Record) -> Record:
    """Returns an event of a cloud without the account in which it arose."""
    if not any(str(name).lower() in _OF_CLOUDS for name in record):
        return record
    return {name: value for name, value in record.items() if not _is_cloud_account(name, value)}


def _is_cloud_account(name: str, value: Any) -> bool:
    is_text = isinstance(value, str | int)
    return (
        plain_name(name) in _CLOUD_ACCOUNTS
        and is_text
        and _CLOUD_ACCOUNT.fullmatch(str(value)) is not None
    )


def _is_event(key: str, names: set[str], inner: Record) -> bool:
    """True if everything beside the inner record is what services add, or the inner record has the
    fields of one.
    """
    if "role" in inner or (len(inner) < 2 and not _holds_one(inner)):
        return False
    if key == "attributes" and not _is_datadog(names, inner):
        return False  # of a span, otherwise
    has_fields = not lower_names(inner).isdisjoint(_OF_RECORDS)
    return has_fields or names - {key.lower()} <= _OF_SERVICES


def _holds_one(inner: Record) -> bool:
    return any(isinstance(value, list | dict) for value in inner.values()) or any(
        name in inner for name in (*_SURE, *_AMBIGUOUS)
    )


_OF_RESOURCES = frozenset({"id", "type", "attributes", "relationships", "links", "meta"})
"""Of JSON:API, which Datadog's API is as well."""


def _is_datadog(names: set[str], inner: Record) -> bool:
    if names <= _OF_RESOURCES:
        has_event = "attributes" in inner or "message" in inner or "timestamp" in inner
        return has_event or "start_ms" in inner or is_exchange(inner) or "id" in names
    is_span = not names.isdisjoint({"name", "kind", "context", "resource"})
    return "service" in names and not names.isdisjoint(_DATADOG) and not is_span


def _out_of(outer: Record, key: str, inner: Record) -> Record:
    time = next((outer[name] for name in _OUTER_TIMES if outer.get(name) is not None), None)
    return _with_fields(with_time(inner, time), outer, (key, "schema"))


def _with_fields(record: Record, outer: Record, without: Iterable[str]) -> Record:
    """Returns a record with the fields of its envelope that it has not itself, times aside."""
    added = {
        name: value
        for name, value in outer.items()
        if name not in record and name not in without and plain_name(name) not in _NOT_ADDED
    }
    return {**record, **added} if added else record


_NOT_ADDED = TIME_NAMES | words(
    "type name attributes resource log message msg text ingestiontime relationships"
)


# --- values that hold a record


def _record_in(value: Any) -> Record | None:
    """Returns the record that a value is, or that its text or Base64 is."""
    if isinstance(value, dict):
        inner = value.get("data")
        if isinstance(inner, str) and not value.keys() <= {"data"} and _is_delivery(value):
            return _record_in(inner)
        return value or None
    if not isinstance(value, str):
        return None
    start = value.lstrip()[:1]
    if start == "{":
        return _parsed(value)
    return _from_base64(value) if _BASE64.fullmatch(value) else None


def _is_delivery(value: Record) -> bool:
    """True for a message of Kinesis or Pub/Sub, whose data are Base64."""
    return not lower_names(value).isdisjoint(
        {"partitionkey", "sequencenumber", "messageid", "message_id", "publishtime"}
    )


def _parsed(text: str | bytes) -> Record | None:
    try:
        value = orjson.loads(text)
    except ValueError:  # also a lone surrogate
        return None
    return value if isinstance(value, dict) and value else None


def _from_base64(text: str) -> Record | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if data.startswith(b"\x1f\x8b"):
        data = _gunzipped(data)
    return _parsed(data) if data.lstrip()[:1] == b"{" else None


def _gunzipped(data: bytes) -> bytes:
    """Returns the data, none if they are damaged or unpack to more than is held at a time."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, _MAX_UNPACKED_BYTES)
    except zlib.error:
        return b""
    return unpacked if unpacker.eof else b""


_LAYERS = (_of_action, _of_edge, of_table, _of_stream, _of_span, _of_list, _of_event)
