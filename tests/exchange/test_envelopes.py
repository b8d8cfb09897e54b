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
    "pandas": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, None]]},
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_rows_of_a_query_get_the_names_of_its_columns(kind: str) -> None:
    """A cell that is null is absent."""
    assert unwrap(TABLES[kind]) == [{"a": 1, "b": 2}, {"a": 3}]


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
