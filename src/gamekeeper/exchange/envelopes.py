"""Takes records out of what services wrap around them: the event of a log service, the hit of an
index, the row of a query, the page of an API, the line of a container, the message of a queue.

An envelope is known by its keys. Some keys say it by themselves (`_source`, `logEvents`). Others
are found in ordinary records too (`message`, `data`, `log`): they count only where everything
beside them is what a service adds, or where the record is inside of them and not beside them. A
user's own JSON text stays what it is: what is beside an account or a model is not an envelope.

Time and other fields: a record without a time of its own gets the envelope's as `time`. Other
fields of an event are added to its record where that has no field of the name, so that an account
that only the envelope knows can be named (`--account-field kubernetes.pod_name`). What is beside a
list of records is about the list and is not added.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import orjson

Record: TypeAlias = dict[str, Any]
Layer: TypeAlias = "list[Record] | None"

_MAX_LAYERS = 6
_MAX_UNPACKED_BYTES = 64 << 20
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}\s*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# names of times, in lower case without underscores
_TIMES = _words(
    "time timestamp @timestamp ts datetime date created createdat createdtime start starttime"
    " starttimeunixnano timeunixnano timegenerated requesttime eventtime loggedat timestampms"
    " observedtimeunixnano requesttimestamp databricksrequesttime loggingtime completionstarttime"
    " timestamputc starttimestamp begintime"
)
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
)

# fields of a record that is asked about: what is beside them is not an envelope
_OF_RECORDS = _words(
    "account account_id user user_id userid username api_key api_key_id key_id api_key_hash"
    " customer customer_id tenant tenant_id team_id org_id organization organization_id prompt"
    " prompts query question messages request request_body response responses answer completion"
    " model model_id modelid input inputs output contents instruction conversation"
    " conversation_id choices usage custom_id method url path call_type schematype operation"
    " requestid request_id trace_id traceid span_id spanid scopespans resourcespans resourcelogs"
    " spans batches correlationid operationname category properties body_json deployment"
)
# what services and shippers add to a line
_OF_SERVICES = _words(
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
_SIGNS_OF_PAGES = _words(
    "has_more hasmore next next_page nextpagetoken next_page_token nexttoken next_token cursor"
    " total total_count count object meta pagination page paging links limit offset size took"
    " timed_out status success first_id last_id errors error result_info @odata.nextlink nextlink"
    " searchedlogstreams statistics next_cursor messagetype"
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
    "attributes",
)


def has_envelope(record: Mapping[str, Any]) -> bool:
    """True if records are inside of `record`, or none where they would be."""
    return _opened(dict(record)) is not None


def unwrap(record: Record) -> list[Record]:
    """Returns the records inside of `record`, through several envelopes; itself if it is not one."""
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
    if time is None or any(_plain(name) in _TIMES for name in record):
        return record
    return {**record, "time": time}


def _opened(record: Record) -> Layer:
    for open_envelope in (_of_table, _of_stream, _of_list, _of_event):
        inner = open_envelope(record)
        if inner is not None:
            return inner
    return None


def _plain(name: Any) -> str:
    return str(name).lower().replace("_", "")


def _lower(names: Iterable[Any]) -> set[str]:
    return {str(name).lower() for name in names}


# --- results of queries: names once, then rows of cells


def _of_table(record: Record) -> Layer:
    """Azure's query API, ClickHouse, Trino, Snowflake, BigQuery, `DataFrame.to_json("split")`."""
    tables = record.get("tables")
    if isinstance(tables, list) and tables and all(map(_is_table, tables)):
        return [row for table in tables for row in _rows(table) or []]
    return _rows(record) if _is_table(record) else None


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and _rows(value) is not None


def _rows(table: Record) -> Layer:
    names = _names(table)
    rows = table.get("rows") if isinstance(table.get("rows"), list) else table.get("data")
    if not names or not isinstance(rows, list):
        return None
    found = [_row(names, row) for row in rows]
    return None if any(row is None for row in found) else [row for row in found if row]


def _names(table: Record) -> list[str]:
    for key, inner in _HEADERS:
        header = table.get(key)
        if inner and isinstance(header, dict):
            header = header.get(inner)
        if isinstance(header, list) and header:
            names = [one.get("name") if isinstance(one, dict) else one for one in header]
            texts = [name for name in names if isinstance(name, str)]
            return texts if len(texts) == len(names) else []
    return []


_HEADERS = (
    ("columns", ""),
    ("meta", ""),
    ("schema", "fields"),
    ("resultSetMetaData", "rowType"),
    ("fields", ""),
)


def _row(names: list[str], row: Any) -> Record | None:
    if isinstance(row, dict) and isinstance(row.get("f"), list):  # BigQuery
        row = [cell.get("v") if isinstance(cell, dict) else cell for cell in row["f"]]
    if not isinstance(row, list) or len(row) != len(names):
        return None
    return {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}


# --- lists of records


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


def _of_list(record: Record) -> Layer:
    """A page of an API, a delivery of a log service, a bulk of messages."""
    hits = record.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return _dicts(hits["hits"])
    for key in _LISTS:
        if key not in record:
            continue
        value = record[key]
        if isinstance(value, list):
            return _of_page(record, key, value)
        if isinstance(value, dict) and _is_page(record, key):
            inner = _opened_list(value)
            if inner is not None:
                return inner
    return None


def _opened_list(value: Record) -> Layer:
    """Returns what is in a list one or two levels down: `{"data": {"result": [...]}}`."""
    inner = _of_list(value)
    return inner if inner is not None else _of_table(value)


def _of_page(record: Record, key: str, values: list[Any]) -> Layer:
    if not _is_page(record, key):
        return None
    if not values:
        return [] if _lower(record) - {key.lower()} <= _SIGNS_OF_PAGES else None
    if all(map(_is_fields, values)):  # CloudWatch Logs Insights
        return [{cell["field"]: cell.get("value") for cell in row} for row in values]
    is_of_records = all(isinstance(one, dict) for one in values) and not _is_part(values[0])
    return values if is_of_records else None


def _is_page(record: Record, key: str) -> bool:
    """True if nothing of a record is beside a list: no field of one, no time, no other objects."""
    return all(
        name == key or value in _NOTHING or _is_about_page(name, value, key in _SURE_LISTS)
        for name, value in record.items()
    )


def _is_about_page(name: str, value: Any, is_sure: bool) -> bool:
    lower = str(name).lower()
    if lower in _SIGNS_OF_PAGES:
        return True
    if isinstance(value, dict) or (isinstance(value, list) and any(map(_is_object, value))):
        return False
    return lower not in _OF_RECORDS and (is_sure or _plain(name) not in _TIMES)


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


def _of_event(record: Record) -> Layer:
    for key in _SURE:
        if key in record:
            inner = _record_in(record[key])
            if inner is not None:
                return [_out_of(record, key, inner)]
    lower: set[str] | None = None
    for key in _AMBIGUOUS:
        if key not in record or not isinstance(record[key], str | dict):
            continue
        if lower is None:
            lower = _lower(record)
        if not lower.isdisjoint(_OF_RECORDS):
            return None
        inner = _record_in(record[key])
        if inner is not None and _is_event(key, lower, inner):
            return [_out_of(record, key, inner)]
    return None


def _is_event(key: str, names: set[str], inner: Record) -> bool:
    """True if everything beside the inner record is what services add, or the inner record has the
    fields of one.
    """
    if "role" in inner or (len(inner) < 2 and not _holds_one(inner)):
        return False
    if key == "attributes" and not _is_datadog(names, inner):
        return False  # of a span, otherwise
    has_fields = not _lower(inner).isdisjoint(_OF_RECORDS)
    return has_fields or names - {key.lower()} <= _OF_SERVICES


def _holds_one(inner: Record) -> bool:
    return any(isinstance(value, list | dict) for value in inner.values()) or any(
        name in inner for name in (*_SURE, *_AMBIGUOUS)
    )


def _is_datadog(names: set[str], inner: Record) -> bool:
    if names <= {"id", "type", "attributes"}:
        return "attributes" in inner or "message" in inner or "timestamp" in inner
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
        if name not in record and name not in without and _plain(name) not in _NOT_ADDED
    }
    return {**record, **added} if added else record


_NOT_ADDED = _TIMES | {"type", "name", "attributes", "resource", "log", "message", "ingestiontime"}


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
    return not _lower(value).isdisjoint(
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
