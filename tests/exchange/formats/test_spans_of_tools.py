"""Spans inside of other records, events in an attribute, and calls that gave no text."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import read, write
from exchange.formats.test_traces import CALL, QUESTION, span, spans
from gamekeeper.exchange import LogReader

TIME = "2026-11-02T12:00:00Z"
NANOS = 1_793_620_800_000_000_000
REQUEST = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
RESPONSE = {"choices": [{"message": {"role": "assistant", "content": "Four."}}]}


def mlflow_span(kind: str = "CHAT_MODEL") -> dict[str, Any]:
    said = {"mlflow.spanType": kind, "mlflow.spanInputs": REQUEST, "mlflow.spanOutputs": RESPONSE}
    said["mlflow.chat.tokenUsage"] = {"input_tokens": 9}
    return {
        "trace_id": "qDU3w5YyiAAAAA==",
        "span_id": kind,
        "parent_span_id": None,
        "name": "ask",
        "start_time_unix_nano": NANOS,
        "status": {"code": "STATUS_CODE_OK"},
        "attributes": {key: json.dumps(value) for key, value in said.items()},
    }


def mlflow() -> dict[str, Any]:
    info = {"trace_id": "tr-1", "request_time": TIME, "state": "OK"}
    info["trace_metadata"] = {"mlflow.trace.user": "ann"}
    return {"info": info, "data": {"spans": [mlflow_span("CHAIN"), mlflow_span()]}}


def older_mlflow() -> dict[str, Any]:
    old = {k: v for k, v in mlflow_span().items() if k not in ("trace_id", "span_id", "status")}
    old |= {"context": {"trace_id": "0x1", "span_id": "0x2"}, "status_code": "OK"}
    old["start_time"] = old.pop("start_time_unix_nano")
    info = {"request_id": "1", "timestamp_ms": NANOS // 10**6, "request_metadata": {}}
    info["tags"] = [{"key": "mlflow.trace.user", "value": "ann"}]
    return {"info": info, "data": {"spans": [old], "request": "{}", "response": "{}"}}


def table_of_mlflow() -> dict[str, Any]:
    held = mlflow()
    return held["info"] | {"spans": json.dumps(held["data"]["spans"]), "tags": "{}"}


def insights(**fields: Any) -> dict[str, Any]:
    said = {key: value for key, value in CALL.items() if key != "enduser.id"}
    item = {"timestamp": TIME, "id": "a1", "operation_Id": "b1", "operation_ParentId": "b1"}
    item |= {"name": "chat m", "itemType": "dependency", "success": "True", "resultCode": "0"}
    item |= {"user_AuthenticatedId": "ann", "customDimensions": json.dumps(said)}
    return item | fields


def insights_of_workspace() -> dict[str, Any]:
    item = {"TimeGenerated": TIME, "Id": "a1", "OperationId": "b1", "ParentId": "b1", "Name": "c"}
    return (
        item
        | {"Type": "AppDependencies", "AppRoleName": "app", "Success": True}
        | {"Properties": CALL}
    )


def logfire() -> dict[str, Any]:
    said = [
        {"event.name": "gen_ai.system.message", "content": "Be brief.", "role": "system"},
        {"event.name": "gen_ai.user.message", "content": QUESTION, "role": "user"},
        {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "Four."}},
    ]
    held = {key: value for key, value in CALL.items() if not key.endswith(".messages")}
    return {
        "trace_id": "b1",
        "span_id": "a1",
        "span_name": "chat m",
        "start_timestamp": TIME,
        "otel_status_code": None,
        "attributes": json.dumps(held | {"events": json.dumps(said)}),
    }


@pytest.mark.parametrize(
    "export",
    [mlflow, older_mlflow, table_of_mlflow, insights, insights_of_workspace, logfire],
)
def test_a_call_is_the_same_exchange_wherever_its_span_is(tmp_path: Path, export: Any) -> None:
    """MLflow, Application Insights and Logfire write spans in records of their own."""
    row = read(write(tmp_path, "log.jsonl", [export()])).row(0, named=True)
    assert (row["prompt"], row["account"], row["answer"]) == (QUESTION, "ann", "Four.")
    assert (row["input_tokens"], row["model"]) == (9, "m")
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


def test_the_log_records_of_application_insights_join_their_span(tmp_path: Path) -> None:
    """A message is a trace item, whose parent is the span."""
    without = {k: v for k, v in CALL.items() if k not in ("gen_ai.input.messages", "enduser.id")}
    said = {"event.name": "gen_ai.user.message"}
    message = {"timestamp": TIME, "operation_Id": "b1", "operation_ParentId": "a1"}
    message |= {"itemType": "trace", "message": json.dumps({"role": "user", "content": QUESTION})}
    items = [message | {"customDimensions": said}, insights(customDimensions=without)]
    row = read(write(tmp_path, "log.jsonl", items)).row(0, named=True)
    assert (row["prompt"], row["account"]) == (QUESTION, "ann")


@pytest.mark.parametrize(
    "held",
    [
        {"http.response.status_code": 429},
        {"http.status_code": "500"},
        {"gen_ai.response.status_code": 401},
        {"llm.response.statusCode": 503.0},
        {"rpc.grpc.status_code": 8},
        {"gen_ai.response.finish_reasons": ["error"]},
    ],
)
def test_a_span_that_ended_in_an_error_is_not_an_exchange(
    tmp_path: Path, held: dict[str, Any]
) -> None:
    """Also where the status of the span itself is not set."""
    failed = {"traceId": "1", "spanId": "2", "name": "x", "startTimeUnixNano": NANOS}
    records = [failed | {"attributes": CALL | held}, failed | {"spanId": "3", "attributes": CALL}]
    reader = LogReader([write(tmp_path, "log.jsonl", records)])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"failed calls": 1}


def test_the_status_of_a_request_around_a_call_is_not_the_calls(tmp_path: Path) -> None:
    """A server may fail after its model answered."""
    held = {"http.response.status_code": 500, "enduser.id": "bob", "client.address": "192.0.2.1"}
    server = span(held, spanId="1" * 16, kind=2)
    anonymous = {key: value for key, value in CALL.items() if key != "enduser.id"}
    call = span(anonymous, parentSpanId="1" * 16)
    row = read(write(tmp_path, "log.jsonl", [spans(server, call)])).row(0, named=True)
    assert (row["account"], row["ip"]) == ("bob", "192.0.2.1")


@pytest.mark.parametrize(
    "held",
    [
        {"gen_ai.operation.name": "generate_content", "gen_ai.output.type": "image"},
        {"gen_ai.output.type": "speech"},
        {"gen_ai.request.model": "whisper-1"},
    ],
)
def test_a_call_that_gives_no_text_is_of_another_api(tmp_path: Path, held: dict[str, Any]) -> None:
    """`chat` and `generate_content` give pictures and sound as well."""
    other = span(CALL | held, spanId="2" * 16)
    reader = LogReader([write(tmp_path, "log.jsonl", [spans(span(), other)])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"calls of other APIs": 1}


@pytest.mark.parametrize(
    "held",
    [
        {"events": json.dumps([{"event.name": "gen_ai.user.message", "role": "user"}])},
        {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": []}])},
    ],
)
def test_messages_whose_contents_were_not_recorded_are_no_exchange_without_text(
    tmp_path: Path, held: dict[str, Any]
) -> None:
    """Instrumentations write down who spoke even where they may not write what."""
    said = {key: value for key, value in CALL.items() if not key.endswith(".messages")}
    bare = span(said | held, spanId="2" * 16, traceId="3" * 32)
    reader = LogReader([write(tmp_path, "log.jsonl", [spans(span(), bare)])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"spans without content": 1}
