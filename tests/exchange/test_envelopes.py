"""What services wrap around a record is taken off; what a user wrote is not taken for a record."""

import base64
import gzip
import json
from typing import Any

import pytest

from gamekeeper.exchange.envelopes import has_envelope, unwrap

ROW = {
    "when": "2026-11-02T12:00:00Z",
    "key_id": "a",
    "request": {"messages": [{"role": "user", "content": "Hi"}]},
}
TIMED = {**{k: v for k, v in ROW.items() if k != "when"}, "timestamp": "2026-11-02T12:00:00Z"}
TEXT = json.dumps(TIMED)
PACKED = base64.b64encode(gzip.compress(TEXT.encode())).decode()

ENVELOPES: dict[str, Any] = {
    "CloudWatch subscription": {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": [{"id": "1", "timestamp": 1, "message": TEXT}]},
    "CloudWatch filter-log-events": {"events": [{"timestamp": 1, "message": TEXT, "eventId": "1"}], "searchedLogStreams": []},
    "CloudWatch with objects": {"events": [{"timestamp": 1, "message": TIMED, "ingestionTime": 2}], "nextToken": "x"},
    "Logs Insights": {"results": [[{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": TEXT}]], "status": "Complete", "statistics": {"recordsMatched": 1.0}},
    "Elasticsearch hit": {"_index": "i", "_id": "1", "_source": TIMED},
    "Elasticsearch search": {"took": 3, "hits": {"total": {"value": 1}, "hits": [{"_id": "1", "_source": TIMED}]}},
    "Filebeat of JSON text": {"_index": "i", "_source": {"@timestamp": "t", "message": TEXT, "agent": {"type": "filebeat"}, "ecs": {}}},
    "docker": {"log": TEXT + "\n", "stream": "stdout", "time": "2026-11-02T12:00:00.1Z"},
    "fluent-bit": {"log": TEXT, "stream": "stdout", "kubernetes": {"pod_name": "p"}, "date": 1.5},
    "Google Cloud object": {"insertId": "1", "jsonPayload": TIMED, "resource": {"type": "k8s"}, "timestamp": "t"},
    "Google Cloud text": {"insertId": "1", "textPayload": TEXT, "logName": "x", "severity": "INFO"},
    "Azure Event Hub": {"records": [TIMED]},
    "page with data": {"data": [TIMED], "has_more": False, "object": "list"},
    "page with meta": {"data": [TIMED], "meta": {"page": 1, "total": 1}},
    "page with items": {"items": [TIMED], "total": 1},
    "page of OData": {"@odata.nextLink": "u", "value": [TIMED]},
    "page of Cloudflare": {"result": [TIMED], "success": True, "errors": [], "messages": [], "result_info": {"page": 1}},
    "page two levels down": {"status": "success", "data": {"items": [TIMED], "count": 1}},
    "Splunk": {"preview": False, "offset": 0, "result": {"_raw": TEXT, "_time": "t", "host": "h"}},
    "Splunk collector": {"time": 1.5, "host": "h", "sourcetype": "_json", "event": TIMED},
    "Loki push": {"streams": [{"stream": {"app": "x"}, "values": [["1793620800000000000", TEXT]]}]},
    "Loki query": {"status": "success", "data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1", TEXT]]}]}},
    "Datadog": {"id": "1", "type": "log", "attributes": {"timestamp": "t", "service": "s", "attributes": TIMED}},
    "Kafka Connect": {"schema": {"type": "struct"}, "payload": TIMED},
    "kcat": {"topic": "t", "partition": 0, "offset": 1, "ts": 5, "key": None, "payload": TEXT},
    "Kinesis": {"Records": [{"kinesis": {"partitionKey": "p", "sequenceNumber": "1", "data": PACKED}, "eventID": "1", "eventSource": "aws:kinesis"}]},
    "Pub/Sub": {"message": {"data": base64.b64encode(TEXT.encode()).decode(), "messageId": "1", "publishTime": "t"}, "subscription": "s"},
    "SQS": {"Messages": [{"MessageId": "1", "Body": TEXT, "ReceiptHandle": "r"}]},
    "EventBridge": {"version": "0", "id": "1", "detail-type": "call", "source": "app", "time": "t", "region": "r", "resources": [], "detail": TIMED},
    "journald": {"MESSAGE": TEXT, "PRIORITY": "6", "_HOSTNAME": "h"},
    "EventBridge of a cloud's account": {"version": "0", "id": "1", "detail-type": "call", "source": "app", "account": "123456789012", "time": "t", "region": "r", "resources": [], "detail": TIMED},
    "Event Grid": {"id": "1", "topic": "t", "subject": "s", "eventType": "e", "eventTime": "t", "dataVersion": "1", "metadataVersion": "1", "data": TIMED},
    "CloudEvents": {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "time": "t", "traceparent": "00", "tenant_id": "x", "data": TIMED},
    "CloudEvents in Base64": {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "data_base64": base64.b64encode(TEXT.encode()).decode()},
    "fluent-bit on a machine of a cloud": {"log": TEXT, "account_id": "123456789012", "ec2_instance_id": "i", "az": "a"},
    "page of Spring": {"content": [TIMED], "pageable": {"pageNumber": 0}, "totalElements": 1, "sort": {"sorted": False}, "first": True},
    "page of Opik": {"content": [TIMED], "page": 1, "size": 10, "total": 1},
    "page of JSON:API": {"data": [{"type": "requests", "id": "1", "attributes": TIMED}], "jsonapi": {"version": "1.1"}, "links": {}},
    "page of HAL": {"_embedded": {"requests": [TIMED]}, "_links": {"self": {}}, "page": {"size": 1}},
    "page with pageInfo": {"data": [TIMED], "pageInfo": {"hasNextPage": False}, "totalCount": 1},
    "page under a name of its own": {"calls": [TIMED], "totalCount": 1},
    "GraphQL's edges": {"data": {"requests": {"edges": [{"node": TIMED, "cursor": "c"}], "pageInfo": {"hasNextPage": False}}}},
    "GraphQL's list": {"data": {"calls": [TIMED]}, "extensions": {"cost": 1}},
    "GraphQL far down": {"data": {"viewer": {"account": {"asked": {"nodes": [TIMED], "totalCount": 1}}}}},
    "New Relic": {"results": [{"events": [TIMED]}], "metadata": {"contents": [{"function": "events"}], "messages": [], "guid": "g"}},
    "winston": {"level": "info", "message": "called", "meta": TIMED, "timestamp": "t", "service": "s"},
    "bunyan": {"level": 30, "pid": 1, "hostname": "h", "msg": "called", "context": TIMED, "v": 0, "trace_id": "t"},
    "tracing of Rust": {"timestamp": "t", "level": "INFO", "target": "app", "fields": TIMED},
    "Serilog": {"Timestamp": "t", "Level": "Information", "MessageTemplate": "x", "Properties": TIMED},
    "Loguru": {"text": "x", "record": {"elapsed": {}, "extra": TIMED, "level": {"name": "INFO"}, "message": "x", "time": {"repr": "t", "timestamp": 1.5}}},
    "rows by a key": {"r0": TIMED},
    "update of the bulk API": {"doc": TIMED},
    "message inside message": {"message": json.dumps({"log": TEXT, "stream": "stdout"}), "@timestamp": "t"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ENVELOPES)
def test_record_is_taken_out_of_its_envelope(kind: str) -> None:
    """Whatever is added, the record's own fields are as they were."""
    assert has_envelope(ENVELOPES[kind])
    (found,) = unwrap(ENVELOPES[kind])
    assert {name: found[name] for name in TIMED} == TIMED


TABLES: dict[str, Any] = {
    "Azure": {"tables": [{"name": "PrimaryResult", "columns": [{"name": "a"}, {"name": "b"}], "rows": [[1, 2], [3, None]]}]},
    "ClickHouse": {"meta": [{"name": "a", "type": "Int"}, {"name": "b", "type": "Int"}], "data": [[1, 2], [3, None]], "rows": 2},
    "Snowflake": {"resultSetMetaData": {"rowType": [{"name": "a"}, {"name": "b"}]}, "data": [[1, 2], [3, None]]},
    "BigQuery": {"schema": {"fields": [{"name": "a"}, {"name": "b"}]}, "rows": [{"f": [{"v": 1}, {"v": 2}]}, {"f": [{"v": 3}, {"v": None}]}]},
    "OpenSearch": {"schema": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}], "datarows": [[1, 2], [3, None]], "total": 2, "status": 200},
    "InfluxDB": {"results": [{"statement_id": 0, "series": [{"name": "m", "columns": ["a", "b"], "values": [[1, 2], [3, None]]}]}]},
    "pandas by columns": {"a": {"0": 1, "1": 3}, "b": {"0": 2, "1": None}},
    "pandas by rows": {"0": {"a": 1, "b": 2}, "1": {"a": 3, "b": None}},
    "pandas": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, None]]},
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_rows_of_a_query_get_the_names_of_its_columns(kind: str) -> None:
    """A cell that is null is absent."""
    found = [{k: v for k, v in row.items() if v is not None} for row in unwrap(TABLES[kind])]
    assert found == [{"a": 1, "b": 2}, {"a": 3}]


def test_lists_of_one_length_with_times_are_columns() -> None:
    """Whatever the column of the times is called."""
    rows = [{"when": "2026-11-02T12:00:00Z", "who": "a"}, {"when": "2026-11-02 12:00", "who": "b"}]
    assert unwrap({name: [row[name] for row in rows] for name in rows[0]}) == rows


def test_account_of_a_cloud_is_no_caller() -> None:
    """All requests of an event bus have the same: it is whose bus it is."""
    event = ENVELOPES["EventBridge of a cloud's account"]
    (found,) = unwrap(event)
    assert "account" not in found and found["region"] == "r"
    (found,) = unwrap(event | {"detail": TIMED | {"account": "b"}})
    assert found["account"] == "b"


def test_span_of_datadog_has_its_time_and_the_fields_of_the_call() -> None:
    """From its intake, and from its API."""
    call = {"span_id": "1", "trace_id": "2", "name": "chat"}
    asked = {"kind": "llm", "input": {"messages": [{"role": "user", "content": "Hi"}]}}
    intake = {"type": "span", "attributes": {"ml_app": "a", "spans": [call | {"start_ns": 5, "meta": asked}]}}  # fmt: skip
    (found,) = unwrap({"data": intake})
    assert (found["time"], found["input"]) == (5, asked["input"])
    span = {"id": "9", "type": "span", "attributes": call | asked | {"start_ms": 6}}
    (found,) = unwrap({"data": [span], "links": {"next": "u"}, "meta": {"elapsed": 1}})
    assert (found["time"], found["input"]) == (6, asked["input"])


def test_object_of_any_depth_is_looked_into() -> None:
    """A thousand levels are as far as JSON is parsed."""
    deep: dict[str, Any] = {"a": 1}
    for level in range(1_000):
        deep = {("data", "_embedded", "x")[level % 3]: deep}
        assert unwrap(deep)


def test_action_of_the_bulk_api_holds_no_record() -> None:
    """It says what to do with the next line."""
    assert unwrap({"index": {"_index": "i", "_id": "1"}}) == unwrap({"create": {}}) == []


def test_record_without_a_time_gets_the_envelopes() -> None:
    """And other fields of the envelope, where it has none of the name."""
    inner = {"asked": "Hi", "who": "a", "level": "own"}
    event = {
        "@timestamp": "2026-11-02T12:00:00Z",
        "message": json.dumps(inner),
        "host": {"name": "h"},
        "level": "info",
    }
    assert unwrap(event) == [inner | {"time": "2026-11-02T12:00:00Z", "host": {"name": "h"}}]
    assert unwrap(event | {"message": json.dumps(inner | {"startTime": 5})})[0].get("time") is None


WHOLE: dict[str, Any] = {
    "own columns": {"time": "t", "account": "a", "prompt": "Hi"},
    "a user's JSON": {"time": "t", "account": "a", "message": '{"model": "x", "prompt": "y"}'},
    "a user's JSON beside a model": {"ts": 1, "model": "m", "log": '{"a": 1, "b": 2}'},
    "messages": {"time": "t", "who": "a", "messages": [{"role": "user", "content": "Hi"}]},
    "items of an input": {"ts": 1, "items": [{"role": "user", "content": "Hi"}]},
    "vectors": {"object": "list", "data": [{"object": "embedding", "embedding": [0.1]}], "model": "m"},
    "a batch's line": {"custom_id": "1", "method": "POST", "url": "/v1", "body": {"model": "m", "messages": []}},
    "a span": {"name": "chat", "context": {"trace_id": "1"}, "attributes": {"a": 1, "b": 2}, "events": [], "status": {}},
    "a span with events": {"name": "chat", "start_time": "t", "attributes": {}, "events": [{"name": "e", "timestamp": "t", "attributes": {}}]},
    "a log record": {"timeUnixNano": "1", "traceId": "t", "body": {"stringValue": "x"}, "attributes": []},
    "an export of spans": {"resourceSpans": [{"scopeSpans": []}]},
    "a time of MongoDB": {"_id": {"$oid": "1"}, "time": {"$date": "t"}, "asked": "x"},
    "text": {"log": "Server started\n", "stream": "stdout", "time": "t"},
    "nothing": {},
    "request and response": {"request": {"messages": [{"role": "user", "content": "Hi"}], "model": "m", "timestamp": 1}, "response": {"model": "m", "timestamp": 2}},
    "alike objects": {"user": {"id": 1, "name": "a"}, "org": {"id": 2, "name": "b"}},
    "own columns of a cloud": {"time": "t", "account": "123456789012", "region": "r", "prompt": "Hi"},
    "a request's lists": {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "f", "input": {}}]},
    "a step of a model": {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
    "a message of Anthropic": {"id": "1", "type": "message", "model": "m", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
    "contents of Gemini": {"contents": [{"parts": [{"text": "Hi"}]}]},
    "context of a caller": {"level": "info", "msg": "x", "user": "a", "context": {"prompt": "y", "model": "m"}},
    "a list in a record": {"who": "a", "asked": "Hi", "steps": [{"prompt": "x", "model": "m"}]},
    "spans alone": {"spans": [{"span_id": "1", "name": "chat", "input": "x", "start": 1}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_record_that_is_none_of_a_service_stays_whole(kind: str) -> None:
    """A user's own JSON stays the text it is; a format's own lists are the format's."""
    assert not has_envelope(WHOLE[kind])
    assert unwrap(WHOLE[kind]) == [WHOLE[kind]]


def test_page_without_records_holds_none() -> None:
    """The last page of an API is often empty."""
    assert unwrap({"data": [], "has_more": False}) == []


def test_traces_of_a_page_are_records_of_their_format() -> None:
    """Each keeps what its format knows it by."""
    trace = {"traceID": "1", "spans": [{"spanID": "1"}], "processes": {}}
    assert unwrap({"data": [trace], "total": 0, "limit": 0, "errors": None}) == [trace]


@pytest.mark.parametrize("bomb", [b"\x1f\x8b\x08\x00", gzip.compress(bytes(80 << 20))])
def test_packed_data_that_are_damaged_or_too_large_stay_as_they_are(bomb: bytes) -> None:
    """What unpacks without end is not unpacked."""
    event = {"data": base64.b64encode(bomb).decode(), "partitionKey": "p"}
    assert unwrap(event) == [event]
