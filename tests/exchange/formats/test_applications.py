"""Exports of applications and services: PostHog, Datadog, Dify, chats, SageMaker and others."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import read, the_fault, write
from gamekeeper.exchange import LogReader, ReadOptions

TIME = "2026-11-02T12:00:00Z"
MS = 1793620800000
QUESTION = "What is two plus two?"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
ANSWER = {"role": "assistant", "content": "Four."}
BODY = {"messages": MESSAGES, "model": "m"}
ANSWERED = {"choices": [{"message": ANSWER}], "usage": {"prompt_tokens": 9}}


def posthog(**fields: Any) -> dict[str, Any]:
    said = {"$ai_model": "m", "$ai_input": MESSAGES, "$ai_output_choices": [ANSWER]}
    said |= {"$ai_input_tokens": 9, "$ai_trace_id": "t1", "$ai_http_status": 200}
    event = {"uuid": "e1", "event": "$ai_generation", "timestamp": TIME, "distinct_id": "ann"}
    return event | {"properties": said | fields.pop("properties", {})} | fields


def datadog(**fields: Any) -> dict[str, Any]:
    span = {"span_id": "s1", "trace_id": "t1", "ml_app": "bot", "name": "ask", "span_kind": "llm"}
    span |= {"input": {"messages": MESSAGES}, "output": {"messages": [ANSWER]}, "status": "ok"}
    span |= {"model_name": "m", "tags": ["env:test", "user_id:ann"], "start_ms": MS}
    span |= {"metrics": {"input_tokens": 9}}
    return {"id": "s1", "type": "span", "attributes": span | fields}


def sent_to_datadog(**fields: Any) -> dict[str, Any]:
    meta = {"kind": "llm", "input": {"messages": MESSAGES}, "output": {"messages": [ANSWER]}}
    span = {"span_id": "s1", "meta": meta, "start_ns": MS * 10**6, "metrics": {"input_tokens": 9}}
    span |= {"model_name": "m"} | fields
    whole = {"ml_app": "bot", "tags": ["user_id:ann"], "spans": [span]}
    return {"type": "span", "attributes": whole}


def literal(**fields: Any) -> dict[str, Any]:
    generation = {"type": "CHAT", "model": "m", "messages": MESSAGES, "inputTokenCount": 9}
    generation["messageCompletion"] = ANSWER
    step = {"id": "s1", "threadId": "t1", "type": "llm", "startTime": TIME, "error": None}
    return step | {"generation": generation, "metadata": {"user_id": "ann"}} | fields


def thread(**fields: Any) -> dict[str, Any]:
    return {"id": "t1", "participant": {"identifier": "ann"}, "steps": [literal(metadata={})]}


def dify(**fields: Any) -> dict[str, Any]:
    message = {"id": "m1", "conversation_id": "c1", "inputs": {}, "query": QUESTION}
    message |= {"answer": "Four.", "message_tokens": 9, "answer_tokens": 1, "status": "normal"}
    message |= {"from_source": "console", "from_account_id": "ann", "model_id": "m"}
    return message | {"created_at": MS // 1000, "error": None} | fields


def sagemaker(**fields: Any) -> dict[str, Any]:
    asked = {"observedContentType": "application/json", "mode": "INPUT", "encoding": "JSON"}
    asked["data"] = json.dumps(BODY)
    given = {"mode": "OUTPUT", "encoding": "BASE64"}
    given["data"] = base64.b64encode(json.dumps(ANSWERED).encode()).decode()
    captured = {"endpointInput": asked | fields, "endpointOutput": given}
    metadata = {"eventId": "e1", "inferenceTime": TIME, "inferenceId": "chosen"}
    return {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}


def snowflake(**fields: Any) -> dict[str, Any]:
    query = f"SELECT SNOWFLAKE.CORTEX.COMPLETE('m', '{QUESTION}')"
    row = {"QUERY_ID": "q1", "QUERY_TEXT": query, "USER_NAME": "ann", "ROLE_NAME": "R"}
    row |= {"QUERY_TYPE": "SELECT", "EXECUTION_STATUS": "SUCCESS", "ERROR_CODE": None}
    return row | {"START_TIME": TIME} | fields


def cloudtrail(**fields: Any) -> dict[str, Any]:
    event = {"eventTime": TIME, "eventSource": "bedrock.amazonaws.com", "eventName": "InvokeModel"}
    event |= {"userIdentity": {"arn": "arn:aws:iam::1:user/ann"}, "eventID": "e1"}
    return event | {"requestParameters": {"modelId": "m"}} | fields


def openrouter(**fields: Any) -> dict[str, Any]:
    row = {"generation_id": "g1", "created_at": TIME, "model_permaslug": "m", "tokens_prompt": 9}
    return row | {"api_key_name": "ann", "cancelled": False} | fields


def libre(**fields: Any) -> dict[str, Any]:
    message = {"messageId": "m1", "conversationId": "c1", "parentMessageId": "0", "user": "ann"}
    message |= {"isCreatedByUser": True, "text": QUESTION, "createdAt": {"$date": TIME}}
    return message | fields


def libre_answer(**fields: Any) -> dict[str, Any]:
    answer = libre(messageId="m2", parentMessageId="m1", isCreatedByUser=False, model="m")
    return answer | {"text": "", "content": [{"type": "text", "text": "Four."}]} | fields


def open_webui(**fields: Any) -> dict[str, Any]:
    asked = {"id": "m1", "role": "user", "content": QUESTION, "timestamp": MS // 1000}
    given = ANSWER | {"id": "m2", "parentId": "m1", "model": "m"} | fields
    chat = {"history": {"messages": {"m1": asked, "m2": given}, "currentId": "m2"}}
    return {"id": "c1", "user_id": "ann", "created_at": MS // 1000 + 9, "chat": chat}


def chatgpt(**fields: Any) -> dict[str, Any]:
    asked = {"author": {"role": "user"}, "create_time": MS / 1000, "content": {"parts": [QUESTION]}}
    given = {"author": {"role": "assistant"}, "content": {"parts": ["Four."]}}
    given["metadata"] = {"model_slug": "m"}
    nodes = {"a": {"id": "a", "message": asked, "parent": None}}
    nodes["b"] = {"id": "b", "message": given, "parent": "a"}
    return {"conversation_id": "c1", "mapping": nodes, "user_id": "ann"}


WHOLE = [posthog, datadog, sent_to_datadog, literal, thread, dify]


def prompts(path: str) -> list[str]:
    frames = list(LogReader([path]).batches())
    return [prompt for frame in frames for prompt in frame["prompt"].to_list()]


@pytest.mark.parametrize("export", WHOLE)
def test_a_call_is_the_same_exchange_in_every_export(tmp_path: Path, export: Any) -> None:
    """Whatever the names of its parts, and wherever they are."""
    row = read(write(tmp_path, "log.jsonl", [export()])).row(0, named=True)
    assert (row["prompt"], row["account"], row["model"]) == (QUESTION, "ann", "m")
    assert (row["answer"], row["input_tokens"]) == ("Four.", 9)
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


@pytest.mark.parametrize(
    "records",
    [[libre(), libre_answer()], [libre_answer(), libre()], [open_webui()], [chatgpt()]],
)
def test_a_question_in_a_chat_is_an_exchange_with_its_answer(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    """Also where each message is a record, in any order."""
    row = read(write(tmp_path, "log.jsonl", records)).row(0, named=True)
    assert (row["prompt"], row["account"], row["model"]) == (QUESTION, "ann", "m")
    assert (row["answer"], row["turn"] or 0) == ("Four.", 0)
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


def test_every_question_of_a_chat_counts_with_its_turn(tmp_path: Path) -> None:
    """A list without places is in the order of the conversation; a table keeps it as text."""
    said = [
        {"role": "user", "content": QUESTION},
        ANSWER,
        {"role": "user", "content": "And three?"},
    ]
    record = {"id": "c1", "user_id": "ann", "created_at": TIME, "chat": {"messages": said}}
    chats = [record, record | {"id": "c2", "chat": json.dumps(record["chat"])}]
    frame = read(write(tmp_path, "log.jsonl", chats))
    assert frame.select("prompt", "turn", "answer").rows() == 2 * [
        (QUESTION, 0, "Four."),
        ("And three?", 1, None),
    ]


FAILED = [
    (posthog, posthog(uuid="x", properties={"$ai_is_error": True})),
    (posthog, posthog(uuid="x", properties={"$ai_http_status": 429})),
    (datadog, datadog(span_id="x", status="error")),
    (literal, literal(id="x", error="refused")),
    (dify, dify(id="x", status="error", error="refused")),
    (snowflake, snowflake(QUERY_ID="x", EXECUTION_STATUS="FAIL", ERROR_CODE="100")),
    (open_webui, open_webui(error={"content": "refused"}) | {"id": "x"}),
    (libre, libre(messageId="x", error=True)),
]


@pytest.mark.parametrize(("export", "failed"), FAILED)
def test_a_call_that_failed_is_counted(tmp_path: Path, export: Any, failed: dict[str, Any]) -> None:
    """Also with what was asked."""
    reader = LogReader([write(tmp_path, "log.jsonl", [export(), failed])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"failed calls": 1}


OTHER = [
    (posthog, posthog(event="$pageview"), "records of another kind"),
    (posthog, posthog(event="$ai_span"), "spans of other kinds"),
    (posthog, posthog(event="$ai_embedding"), "embeddings"),
    (posthog, posthog(properties={"$ai_input": None}), "calls without a body"),
    (datadog, datadog(span_kind="tool"), "spans of other kinds"),
    (literal, literal(type="tool", generation=None), "spans of other kinds"),
    (snowflake, snowflake(QUERY_TEXT="select 1"), "records of another kind"),
    (snowflake, snowflake(QUERY_TEXT="select ai_classify(a, b) from t"), "calls of other APIs"),
    (snowflake, snowflake(QUERY_TEXT="select ai_complete('m', q) from t"), "calls without a body"),
]


@pytest.mark.parametrize(("export", "other", "reason"), OTHER)
def test_a_record_that_asks_no_model_is_counted_by_what_it_is(
    tmp_path: Path, export: Any, other: dict[str, Any], reason: str
) -> None:
    """Exports hold more than calls."""
    reader = LogReader([write(tmp_path, "log.jsonl", [export(), other])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {reason: 1}


@pytest.mark.parametrize(
    ("record", "way_on"),
    [
        (sagemaker(), "request.FIELD"),
        (dify(from_account_id=None, from_end_user_id="e"), "from_end_user_id"),
        (posthog(distinct_id="t1"), "properties.FIELD"),
        (cloudtrail(), "model invocation logging"),
        (openrouter(), "Broadcast"),
    ],
)
def test_what_an_export_lacks_is_named_with_a_way_to_get_it(
    tmp_path: Path, record: dict[str, Any], way_on: str
) -> None:
    """What a client chooses is not taken for who called."""
    assert way_on in str(the_fault(write(tmp_path, "log.jsonl", [record])).try_)


@pytest.mark.parametrize(
    "record",
    [
        sagemaker(),
        sagemaker(encoding="BASE64", data=base64.b64encode(json.dumps(BODY).encode()).decode()),
    ],
)
def test_a_body_that_sagemaker_captured_is_read_in_both_encodings(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    """It has base64 unless the content type was configured."""
    path = write(tmp_path, "log.jsonl", [record])
    options = ReadOptions(fields={"account": "eventMetadata.inferenceId"})
    (frame,) = LogReader([path], options).batches()
    assert frame.select("account", "prompt", "answer").rows() == [("chosen", QUESTION, "Four.")]


@pytest.mark.parametrize(
    ("call", "prompt"),
    [
        ("ai_complete('m', 'It''s \\n ''hot''')", "It's \n 'hot'"),
        ("snowflake.cortex.complete('m', $$Is it 'hot'?$$)", "Is it 'hot'?"),
        ("AI_COMPLETE(model => 'm', prompt => 'Is it?', show_details => true)", "Is it?"),
        ("cortex.try_complete('m', [{'role': 'user', 'content': 'Is it?'}], {})", "Is it?"),
    ],
)
def test_a_prompt_is_read_out_of_a_query_of_cortex(tmp_path: Path, call: str, prompt: str) -> None:
    """Where it is a literal of SQL."""
    path = write(tmp_path, "log.jsonl", [snowflake(QUERY_TEXT=f"select {call} as a")])
    assert prompts(path) == [prompt]


def test_a_csv_with_a_column_for_each_property_is_the_same_export(tmp_path: Path) -> None:
    """As queries write it."""
    event = {"event": "$ai_generation", "distinct_id": "ann", "timestamp": TIME}
    event |= {"properties.$ai_model": "m", "properties.$ai_input": json.dumps(MESSAGES)}
    assert prompts(write(tmp_path, "log.csv", [event])) == [QUESTION]


HOSTILE: list[Any] = [None, 1, "x", [], [1], {}, {"a": [[]]}, "[{", True, 1e300]


@pytest.mark.parametrize(
    "export", [*WHOLE, libre, open_webui, chatgpt, snowflake, sagemaker, cloudtrail, openrouter]
)
def test_no_value_of_any_kind_ends_in_a_traceback(export: Any) -> None:
    """Each field in turn holds what it never should."""
    from gamekeeper.exchange.formats import FORMATS

    forms = [form for form in FORMATS.values() if form.sniff(export())]
    for field in export():
        for value in HOSTILE:
            record = export() | {field: value}
            for part in forms[0].split(record):
                assert forms[0].row is not None
                forms[0].row(part)


@pytest.mark.parametrize(
    "page",
    [
        {"data": sent_to_datadog()},
        {"data": [datadog()], "meta": {"page": {"after": "x"}}, "links": {"next": "u"}},
        {"next": None, "results": [posthog()]},
        {"limit": 20, "has_more": False, "data": [dify()]},
        {"data": [thread()], "pageInfo": {"hasNextPage": False}},
    ],
)
def test_a_page_of_an_api_holds_the_same_calls(tmp_path: Path, page: dict[str, Any]) -> None:
    """What it says of all of them, such as tags of who asked, is kept."""
    row = read(write(tmp_path, "log.json", json.dumps(page).encode())).row(0, named=True)
    assert (row["prompt"], row["account"], row["answer"]) == (QUESTION, "ann", "Four.")


def test_a_table_of_braintrust_is_a_page_with_its_schema(tmp_path: Path) -> None:
    """As its query language answers."""
    span = {"id": "s", "created": TIME, "span_attributes": {"type": "llm"}, "input": MESSAGES}
    page = {"data": [span | {"metadata": {"user_id": "ann"}}], "schema": {"type": "array"}}
    assert prompts(write(tmp_path, "log.json", json.dumps(page).encode())) == [QUESTION]
