"""Spans and log records in the spellings of those who write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exchange.builders import attributes, read, the_fault, write
from gamekeeper.exchange import LogReader

NANOS = 1_793_620_800_000_000_000
ISO = "2026-11-02T12:00:00.000000Z"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
QUESTION = "What is two plus two?"
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 9,
    "enduser.id": "ann",
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    ),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Four."}]}]
    ),
}


def span(held: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": "",
        "name": "chat m",
        "kind": 3,
        "startTimeUnixNano": str(NANOS),
        "attributes": attributes(CALL if held is None else held),
        "status": {},
    } | fields


def spans(*held: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    shared = {"attributes": attributes(resource or {"service.name": "app"})}
    return {"resourceSpans": [{"resource": shared, "scopeSpans": [{"spans": list(held)}]}]}


def log(name: str, held: dict[str, Any], body: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "timeUnixNano": str(NANOS),
        "eventName": name,
        "body": body,
        "attributes": attributes({"event.name": name, **held}),
        "traceId": TRACE,
        "spanId": SPAN,
    } | fields


def logs(*held: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    shared = {"attributes": attributes(resource or {"service.name": "app"})}
    return {"resourceLogs": [{"resource": shared, "scopeLogs": [{"logRecords": list(held)}]}]}


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        pairs = [{"key": key, "value": any_value(inner)} for key, inner in value.items()]
        return {"kvlistValue": {"values": pairs}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(inner) for inner in value]}}
    return {"stringValue": value}


def snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake(key): snake(inner) for key, inner in value.items()}
    return [snake(inner) for inner in value] if isinstance(value, list) else value


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


def old_scopes() -> Any:
    held = spans(span())["resourceSpans"][0]
    held["instrumentationLibrarySpans"] = held.pop("scopeSpans")
    return {"resourceSpans": [held]}


def structured() -> Any:
    messages = json.loads(CALL["gen_ai.input.messages"])
    held = [pair for pair in attributes(CALL) if pair["key"] != "gen_ai.input.messages"]
    held.append({"key": "gen_ai.input.messages", "value": any_value(messages)})
    return spans(span(attributes=held))


def jaeger() -> Any:
    tags = [{"key": key, "type": "string", "value": value} for key, value in CALL.items()]
    one = {"traceID": TRACE, "spanID": SPAN, "operationName": "chat m", "references": []}
    one |= {"startTime": NANOS // 1000, "duration": 9, "tags": tags, "logs": [], "processID": "p1"}
    processes = {"p1": {"serviceName": "app", "tags": []}}
    return {"traceID": TRACE, "spans": [one], "processes": processes}


def zipkin() -> Any:
    tags = {key: str(value) for key, value in CALL.items()}
    return {
        "traceId": TRACE,
        "id": SPAN,
        "name": "chat m",
        "timestamp": NANOS // 1000,
        "tags": tags,
    }


def python_console() -> Any:
    return {
        "name": "chat m",
        "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{SPAN}", "trace_state": "[]"},
        "kind": "SpanKind.CLIENT",
        "parent_id": None,
        "start_time": ISO,
        "status": {"status_code": "UNSET"},
        "attributes": CALL,
        "events": [],
        "resource": {"attributes": {"service.name": "app"}},
    }


def js_console() -> Any:
    return {
        "resource": {"attributes": {"service.name": "app"}},
        "traceId": TRACE,
        "id": SPAN,
        "name": "chat m",
        "timestamp": NANOS // 1000,
        "attributes": CALL,
        "status": {"code": 0},
        "events": [],
    }


def go_console() -> Any:
    held = [{"Key": k, "Value": {"Type": "STRING", "Value": v}} for k, v in CALL.items()]
    return {
        "Name": "chat m",
        "SpanContext": {"TraceID": TRACE, "SpanID": SPAN},
        "Parent": {"TraceID": "0" * 32, "SpanID": "0" * 16},
        "SpanKind": 3,
        "StartTime": ISO,
        "Attributes": held,
        "Events": None,
        "Status": {"Code": "Unset", "Description": ""},
        "Resource": [{"Key": "service.name", "Value": {"Type": "STRING", "Value": "app"}}],
    }


def clickhouse() -> Any:
    return {
        "Timestamp": "2026-11-02 12:00:00.000000000",
        "TraceId": TRACE,
        "SpanId": SPAN,
        "ParentSpanId": "",
        "SpanName": "chat m",
        "SpanKind": "Client",
        "ServiceName": "app",
        "ResourceAttributes": {"service.name": "app"},
        "SpanAttributes": {key: str(value) for key, value in CALL.items()},
        "StatusCode": "Unset",
        "Events.Name": [],
        "Events.Attributes": [],
    }


def phoenix_row() -> Any:
    return {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": ISO,
        "status_code": "OK",
        "context.trace_id": TRACE,
        "context.span_id": SPAN,
        "attributes.llm.model_name": "m",
        "attributes.llm.input_messages": [{"message.role": "user", "message.content": QUESTION}],
        "attributes.llm.output_messages": [{"message": {"role": "assistant", "content": "Four."}}],
        "attributes.llm.token_count.prompt": 9,
        "attributes.user.id": "ann",
    }


def phoenix_nested() -> Any:
    messages = [{"message": {"role": "user", "contents": [_phoenix_part(QUESTION)]}}]
    return {
        "name": "ChatCompletion",
        "context": {"trace_id": TRACE, "span_id": SPAN},
        "span_kind": "LLM",
        "start_time": ISO,
        "attributes": {
            "llm": {
                "model_name": "m",
                "input_messages": messages,
                "output_messages": [{"message": {"role": "assistant", "content": "Four."}}],
                "token_count": {"prompt": 9},
            },
            "user": {"id": "ann"},
        },
    }


def _phoenix_part(text: str) -> Any:
    return {"message_content": {"type": "text", "text": text}}


SPELLINGS: dict[str, Callable[[], Any]] = {
    "otlp": lambda: spans(span()),
    "names of the proto": lambda: snake(spans(span())),
    "older scopes": old_scopes,
    "structured values": structured,
    "Tempo": lambda: {"batches": spans(span())["resourceSpans"]},
    "Tempo, newer": lambda: {"trace": spans(span())},
    "Jaeger": jaeger,
    "Jaeger, page": lambda: {"data": [jaeger()], "total": 0, "errors": None},
    "Zipkin": zipkin,
    "console of Python": python_console,
    "console of JavaScript": js_console,
    "console of Go": go_console,
    "ClickHouse": clickhouse,
    "Phoenix, data frame": phoenix_row,
    "Phoenix, nested": phoenix_nested,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_span_is_the_same_exchange_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    """Field names, places of attributes and units of time differ; the exchange does not."""
    row = read(write(tmp_path, "spans.jsonl", [SPELLINGS[spelling]()])).row(0, named=True)
    assert (row["prompt"], row["account"], row["model"]) == (QUESTION, "ann", "m")
    assert (row["answer"], row["input_tokens"]) == ("Four.", 9)
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


def test_a_span_is_the_same_exchange_in_nested_parquet(tmp_path: Path) -> None:
    """A value of an attribute is a struct of all kinds there, all null but one."""
    path = tmp_path / "spans.parquet"
    one = {key: value for key, value in span().items() if key != "status"}
    pl.DataFrame([spans(one)]).write_parquet(path)
    assert read(str(path))["prompt"].to_list() == [QUESTION]


def event(name: str, held: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "attributes": attributes(held)}


MESSAGE = {"role": "user", "content": QUESTION}
EVENTS = {
    "content": [event("gen_ai.user.message", {"content": QUESTION})],
    "content as parts": [
        event("gen_ai.user.message", {"content": json.dumps([{"text": QUESTION}])})
    ],
    "message as text": [
        event("gen_ai.user.message", {"gen_ai.event.content": json.dumps(MESSAGE)})
    ],
    "prompt": [event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps([MESSAGE])})],
    "details": [
        event(
            "gen_ai.client.inference.operation.details",
            {"gen_ai.input.messages": CALL["gen_ai.input.messages"]},
        )
    ],
}
CONTENTS: dict[str, dict[str, Any]] = {
    "OpenLLMetry": {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": QUESTION},
    "OpenLLMetry, parts": {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": json.dumps([{"type": "text", "text": QUESTION}]),
    },
    "LangSmith": {"gen_ai.prompt": json.dumps({"messages": [MESSAGE]})},
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": QUESTION,
    },
    "OpenInference, value": {
        "openinference.span.kind": "LLM",
        "input.value": json.dumps({"model": "m", "messages": [MESSAGE]}),
        "input.mime_type": "application/json",
    },
    "OpenInference, completion": {
        "openinference.span.kind": "LLM",
        "llm.prompts.0.prompt.text": QUESTION,
    },
    "Vercel AI SDK": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
        ),
    },
    "Vercel AI SDK, outer alone": {
        "ai.operationId": "ai.streamText",
        "ai.prompt": json.dumps({"system": "Be brief.", "prompt": QUESTION}),
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps([MESSAGE]),
    },
    "MLflow": {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": json.dumps([MESSAGE])},
    "Logfire": {"request_data": json.dumps({"model": "m", "messages": [MESSAGE]})},
}


@pytest.mark.parametrize("content", [*CONTENTS, *EVENTS])
def test_what_was_asked_is_found_wherever_it_is_written(tmp_path: Path, content: str) -> None:
    """Attributes, dotted keys and events; text, JSON text and whole requests."""
    held = {"enduser.id": "ann", "gen_ai.request.model": "m", **CONTENTS.get(content, {})}
    one = span(held, events=EVENTS.get(content, []))
    row = read(write(tmp_path, "spans.jsonl", [spans(one)])).row(0, named=True)
    assert row["prompt"] == QUESTION


def test_json_that_a_user_wrote_stays_as_it_is(tmp_path: Path) -> None:
    """Only lists of parts are taken apart, not what looks like JSON."""
    for number, asked in enumerate(('{"text": "a", "task": "b"}', "[1, 2]", '["a"]')):
        held = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": asked, "enduser.id": "a"}
        held["gen_ai.system"] = "openai"
        file = write(tmp_path, f"{number}.jsonl", [spans(span(held))])
        assert read(file)["prompt"].to_list() == [asked]


def test_messages_that_an_exporter_cut_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    """Exporters cut attributes at a length; the prompt is text all the same."""
    whole = CALL["gen_ai.input.messages"]
    cut = whole[: whole.index("plus two") + 4]
    reader = LogReader(
        [write(tmp_path, "spans.jsonl", [spans(span(CALL | {"gen_ai.input.messages": cut}))])]
    )
    assert [frame["prompt"].to_list() for frame in reader.batches()] == [["What is two plus"]]
    assert reader.summary.cut_by_writer == 1


OTHERS = {
    "tool": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
    "agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": "[]"},
    "workflow": {"traceloop.span.kind": "workflow", "traceloop.entity.input": QUESTION},
    "chain": {"openinference.span.kind": "CHAIN", "input.value": QUESTION},
    "vector store": {"db.system": "pinecone", "gen_ai.system": "pinecone"},
    "web request": {"http.request.method": "POST", "url.full": "https://example.com"},
    "tool of Vercel": {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search"},
    "image": {"gen_ai.operation.name": "generate_image", "gen_ai.prompt": "A comet"},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_span_that_calls_no_language_model_is_passed_over(tmp_path: Path, other: str) -> None:
    """Tools, agents, stores and web requests beside a call are not exchanges."""
    beside = span(OTHERS[other], spanId="1" * 16)
    reader = LogReader([write(tmp_path, "spans.jsonl", [spans(span(), beside)])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"spans of other kinds": 1}


FAILURES: dict[str, dict[str, Any]] = {
    "type": {"attributes": attributes(CALL | {"error.type": "429"})},
    "code": {"status": {"code": 2, "message": "refused"}},
    "word": {"status": {"code": "STATUS_CODE_ERROR"}},
    "tag": {"attributes": attributes(CALL | {"error": "true"})},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_call_that_failed_is_not_an_exchange(tmp_path: Path, failure: str) -> None:
    """Also with content: no model answered it."""
    failed = span(spanId="1" * 16, **FAILURES[failure])
    reader = LogReader([write(tmp_path, "spans.jsonl", [spans(span(), failed)])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"failed calls": 1}


def test_embeddings_are_kept_apart(tmp_path: Path) -> None:
    """Texts of an embedding model are read when they are asked for, and are not questions."""
    held = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.embeddings.0.embedding.text": "A passage.",
        "user.id": "ann",
    }
    file = write(tmp_path, "spans.jsonl", [spans(span(), span(held, spanId="1" * 16))])
    assert read(file)["prompt"].to_list() == [QUESTION]


BARE = {key: value for key, value in CALL.items() if not key.endswith("messages")}
SAID = [
    log("gen_ai.system.message", {}, any_value({"content": "Be brief."})),
    log("gen_ai.user.message", {"gen_ai.system": "openai"}, any_value({"content": QUESTION})),
    log("gen_ai.choice", {}, any_value({"index": "0", "message": {"content": "Four."}})),
]


@pytest.mark.parametrize("order", [("spans", "logs"), ("logs", "spans")])
def test_contents_in_log_records_are_joined_to_their_spans(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    """By trace and span, whichever file comes first."""
    held = {"spans": spans(span(BARE)), "logs": logs(*SAID)}
    files = [write(tmp_path, f"{number}.jsonl", [held[n]]) for number, n in enumerate(order)]
    row = read(*files).row(0, named=True)
    assert (row["prompt"], row["answer"], row["system"]) == (QUESTION, "Four.", "Be brief.")
    assert (row["account"], row["model"]) == ("ann", "m")


def test_contents_in_both_spans_and_log_records_are_one_exchange(tmp_path: Path) -> None:
    """Instrumentations can be told to write both; the details of a call are the call."""
    details = log("gen_ai.client.inference.operation.details", CALL)
    first = write(tmp_path, "1.jsonl", [spans(span())])
    second = write(tmp_path, "2.jsonl", [logs(details)])
    assert read(first, second)["prompt"].to_list() == [QUESTION]


def test_details_of_a_call_are_an_exchange_without_a_span(tmp_path: Path) -> None:
    """They hold all of it."""
    details = log("gen_ai.client.inference.operation.details", CALL)
    row = read(write(tmp_path, "logs.jsonl", [logs(details)])).row(0, named=True)
    assert (row["prompt"], row["account"], row["answer"]) == (QUESTION, "ann", "Four.")


NAMELESS = {key: value for key, value in CALL.items() if key != "enduser.id"}
ROOT = "1" * 16


@pytest.mark.parametrize(
    ("root", "call"),
    [
        ({}, {"parentSpanId": ROOT}),
        ({}, {}),
        ({"parentSpanId": "2" * 16, "kind": 2}, {"parentSpanId": "3" * 16}),
    ],
    ids=["parent", "root of the trace", "server"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_account_may_be_on_the_span_of_the_web_request(
    tmp_path: Path, root: dict[str, Any], call: dict[str, Any], is_first: bool
) -> None:
    """Middleware sets enduser.id on the span of the server, which ends after the call."""
    request = span({"enduser.id": "ann", "http.route": "/"}, **({"spanId": ROOT, "kind": 2} | root))
    pair = [spans(request), spans(span(NAMELESS, **call))]
    file = write(tmp_path, "spans.jsonl", pair if is_first else pair[::-1])
    assert read(file)["account"].to_list() == ["ann"]


def test_two_accounts_in_one_trace_are_not_guessed_at(tmp_path: Path) -> None:
    """Without a parent that is known, either could be the one."""
    servers = [
        span({"enduser.id": who}, spanId=str(n) * 16, kind=2) for n, who in ((1, "ann"), (2, "bo"))
    ]
    call = span(NAMELESS, parentSpanId="9" * 16)
    fault = the_fault(write(tmp_path, "spans.jsonl", [spans(*servers, call)]))
    assert fault.problem == 'field "account" is missing'


def test_a_field_that_the_user_names_may_be_on_the_root_span(tmp_path: Path) -> None:
    """It is looked for where an account would be."""
    root = span({"app.customer": "ann"}, spanId=ROOT, kind=2)
    file = write(tmp_path, "spans.jsonl", [spans(span(NAMELESS, parentSpanId=ROOT)), spans(root)])
    assert read(file, fields={"account": "app.customer"})["account"].to_list() == ["ann"]


@pytest.mark.parametrize("is_outer_first", [True, False])
def test_an_outer_call_that_says_the_same_is_not_a_second_exchange(
    tmp_path: Path, is_outer_first: bool
) -> None:
    """An SDK and the client that it calls both write the call; the inner one counts."""
    outer = span(CALL | {"gen_ai.request.model": "outer"}, spanId=ROOT)
    pair = [spans(outer), spans(span(parentSpanId=ROOT))]
    reader = LogReader([write(tmp_path, "spans.jsonl", pair if is_outer_first else pair[::-1])])
    assert [frame["model"].to_list() for frame in reader.batches()] == [["m"]]
    assert reader.summary.passed_over == {"outer spans of a call": 1}


ASSISTANTS: dict[str, dict[str, Any]] = {
    "claude_code.user_prompt": {"user.account_uuid": "ann", "user.id": "installation"},
    "user_prompt": {"user.account_uuid": "ann"},
    "codex.user_prompt": {"user.account_id": "ann"},
    "gemini_cli.user_prompt": {"user.email": "ann"},
}


@pytest.mark.parametrize("name", ASSISTANTS)
def test_prompts_of_coding_assistants_are_read(tmp_path: Path, name: str) -> None:
    """What somebody typed is an exchange; the calls that follow from it are not."""
    typed = log(name, ASSISTANTS[name] | {"prompt": QUESTION})
    called = log(name.replace("user_prompt", "api_request"), ASSISTANTS[name] | {"model": "m"})
    reader = LogReader([write(tmp_path, "logs.jsonl", [logs(typed, called)])])
    frame = pl.concat(reader.batches())
    assert frame.select("prompt", "account").rows() == [(QUESTION, "ann")]
    assert reader.summary.passed_over == {"spans of other kinds": 1}


@pytest.mark.parametrize("mask", ["[REDACTED]", "<REDACTED>", "__REDACTED__"])
def test_a_prompt_that_was_masked_is_not_a_prompt(tmp_path: Path, mask: str) -> None:
    """Coding assistants mask prompts unless they are told not to."""
    masked = log("codex.user_prompt", {"user.account_id": "ann", "prompt": mask}, spanId=ROOT)
    typed = log("codex.user_prompt", {"user.account_id": "ann", "prompt": QUESTION})
    reader = LogReader([write(tmp_path, "logs.jsonl", [logs(masked, typed)])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"spans without content": 1}


def test_messages_kept_in_a_store_are_counted(tmp_path: Path) -> None:
    """Instrumentations can upload messages and write where they are."""
    away = BARE | {"gen_ai.input.messages_ref": "s3://bucket/key"}
    reader = LogReader([write(tmp_path, "spans.jsonl", [spans(span(), span(away, spanId=ROOT))])])
    list(reader.batches())
    assert reader.summary.passed_over == {"bodies kept elsewhere": 1}
