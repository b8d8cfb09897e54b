"""Writers of a frame of exchanges in the shapes of other software, so that a test can write the
demo month in each and compare what is read.

A writer takes rows of our columns and returns the records of its log. Earlier turns of a
conversation are written as messages, as clients send them.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

Record = dict[str, Any]

HELD = ("time", "account", "prompt", "model", "system", "turn", "input_tokens", "output_tokens")
"""Columns that most formats hold."""

_ARN = "arn:aws:iam::111122223333:user/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """How a format is written.

    Args:
        records: The records of a row.
        columns: Those of our columns that the format holds.
        prefix: What the format puts before the name of an account.
        options: How the log has to be read.
    """

    records: Callable[[Record], Iterable[Record]]
    columns: tuple[str, ...] = HELD
    prefix: str = ""
    options: Mapping[str, Any] | None = None

    def lines(self, frame: pl.DataFrame) -> bytes:
        """Returns a log of `frame` as JSON Lines."""
        return b"".join(json.dumps(record).encode() + b"\n" for record in self.write(frame))

    def write(self, frame: pl.DataFrame) -> Iterator[Record]:
        """Yields the records of a log of `frame`."""
        for row in frame.iter_rows(named=True):
            yield from self.records(row)


def chat(row: Record) -> list[Record]:
    """The messages of a chat: system, earlier turns, and the prompt."""
    system = [{"role": "system", "content": row["system"]}] if row["system"] else []
    before = [
        {"role": role, "content": "Before."}
        for _ in range(row["turn"] or 0)
        for role in ("user", "assistant")
    ]
    return [*system, *before, {"role": "user", "content": row["prompt"]}]


def _without_system(row: Record) -> list[Record]:
    return [message for message in chat(row) if message["role"] != "system"]


def _blocks(row: Record) -> list[Record]:
    return [
        {"role": message["role"], "content": [{"text": message["content"]}]}
        for message in _without_system(row)
    ]


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _wrapped(row: Record, request: Record, usage: Record) -> Record:
    return {
        "timestamp": _iso(row["time"]),
        "api_key_id": row["account"],
        "client_ip": row["ip"],
        "user_agent": row["client"],
        "conversation_id": row["conversation"],
        "status": 200,
        "request": {"model": row["model"], **request},
        "response": {"usage": usage},
    }


def _usage(row: Record, asked: str, given: str) -> Record:
    return {asked: row["input_tokens"], given: row["output_tokens"]}


def _openai(row: Record) -> list[Record]:
    request = {
        "messages": chat(row),
        "temperature": row["temperature"],
        "n": row["n"],
        "logprobs": row["logprobs"],
    }
    return [_wrapped(row, request, _usage(row, "prompt_tokens", "completion_tokens"))]


def _responses(row: Record) -> list[Record]:
    items = [{"type": "message", **message} for message in _without_system(row)]
    request = {"input": items, "instructions": row["system"]}
    return [_wrapped(row, request, _usage(row, "input_tokens", "output_tokens"))]


def _anthropic(row: Record) -> list[Record]:
    messages = [
        {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]}
        for m in _without_system(row)
    ]
    system = [{"type": "text", "text": row["system"]}] if row["system"] else None
    request = {"messages": messages, "system": system}
    return [_wrapped(row, request, _usage(row, "input_tokens", "output_tokens"))]


def _gemini(row: Record) -> list[Record]:
    roles = {"user": "user", "assistant": "model"}
    contents = [
        {"role": roles[m["role"]], "parts": [{"text": m["content"]}]} for m in _without_system(row)
    ]
    system = {"parts": [{"text": row["system"]}]} if row["system"] else None
    request = {"contents": contents, "systemInstruction": system}
    record = _wrapped(row, request, {})
    counts = _usage(row, "promptTokenCount", "candidatesTokenCount")
    return [record | {"response": {"usageMetadata": counts}}]


def _kong(row: Record) -> list[Record]:
    payload = {"request": json.dumps({"model": row["model"], "messages": chat(row)})}
    usage = _usage(row, "prompt_tokens", "completion_tokens")
    return [
        {
            "started_at": row["time"].timestamp() * 1000,
            "client_ip": row["ip"],
            "request": {"uri": "/chat", "method": "POST", "headers": {"user-agent": row["client"]}},
            "response": {"status": 200, "headers": {}},
            "consumer": {"id": row["account"]},
            "ai": {"proxy": {"payload": payload, "usage": usage}},
        }
    ]


def _databricks(row: Record) -> list[Record]:
    usage = _usage(row, "prompt_tokens", "completion_tokens")
    return [
        {
            "request_time": _iso(row["time"]),
            "status_code": 200,
            "request": json.dumps({"messages": chat(row)}),
            "response": json.dumps({"model": row["model"], "usage": usage}),
            "requester": row["account"],
            "logging_error_codes": [],
        }
    ]


def _data_set(row: Record) -> list[Record]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    said = [{"from": names[m["role"]], "value": m["content"]} for m in chat(row)]
    return [
        {
            "tstamp": row["time"].timestamp(),
            "user_id": row["account"],
            "model": row["model"],
            "conversations": said,
        }
    ]


def _spend(row: Record, request: Record, call_type: str) -> Record:
    return {
        "request_id": f"{row['account']}-{row['time'].timestamp()}-{row['conversation']}",
        "call_type": call_type,
        "api_key": row["account"],
        "startTime": row["time"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "model": row["model"],
        "messages": "{}",
        "proxy_server_request": json.dumps(request),
        "response": "{}",
        "metadata": json.dumps({"status": "success"}),
        "status": "success",
        "prompt_tokens": row["input_tokens"],
        "completion_tokens": row["output_tokens"],
        "requester_ip_address": row["ip"],
        "session_id": row["conversation"],
    }


def _litellm(row: Record) -> list[Record]:
    return [_spend(row, {"messages": chat(row)}, "acompletion")]


def _litellm_responses(row: Record) -> list[Record]:
    request = {"input": _without_system(row), "instructions": row["system"]}
    return [_spend(row, request, "aresponses")]


def _litellm_payload(row: Record) -> list[Record]:
    record = _spend(row, {}, "acompletion") | {
        "startTime": row["time"].timestamp(),
        "messages": chat(row),
        "metadata": {"user_api_key_hash": row["account"], "user_api_key_end_user_id": "chosen"},
    }
    return [{k: v for k, v in record.items() if k not in ("api_key", "proxy_server_request")}]


def _invocation(row: Record, body: Record, operation: str) -> Record:
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": _iso(row["time"]),
        "accountId": "111122223333",
        "identity": {"arn": f"{_ARN}{row['account']}"},
        "requestId": f"{row['account']}-{row['time'].timestamp()}-{row['conversation']}",
        "operation": operation,
        "modelId": row["model"],
        "input": {"inputBodyJson": body, "inputTokenCount": row["input_tokens"]},
        "output": {"outputBodyJson": {}, "outputTokenCount": row["output_tokens"]},
    }


def _converse(row: Record) -> list[Record]:
    system = [{"text": row["system"]}] if row["system"] else None
    return [_invocation(row, {"messages": _blocks(row), "system": system}, "Converse")]


def _llama(row: Record) -> list[Record]:
    turns = "".join(
        f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content']}<|eot_id|>"
        for m in chat(row)
    )
    prompt = f"<|begin_of_text|>{turns}<|start_header_id|>assistant<|end_header_id|>\n\n"
    return [_invocation(row, {"prompt": prompt}, "InvokeModel")]


def _azure(row: Record) -> list[Record]:
    group = f"{row['account']}-{row['time'].timestamp()}-{row['conversation']}"
    shared = {"TimeGenerated": _iso(row["time"]), "CorrelationId": group}
    asked = json.dumps(chat(row))
    half = len(asked) // 2
    tokens = _usage(row, "PromptTokens", "CompletionTokens")
    return [
        shared | {"ApimSubscriptionId": row["account"], "CallerIpAddress": row["ip"]},
        shared | {"SequenceNumber": 0, "ModelName": row["model"], **tokens},
        shared | {"SequenceNumber": 2, "RequestMessages": asked[half:]},
        shared | {"SequenceNumber": 1, "RequestMessages": asked[:half]},
    ]


def _attributes(values: Record) -> list[Record]:
    kinds = {int: "intValue", float: "doubleValue"}
    return [
        {"key": key, "value": {kinds.get(type(value), "stringValue"): value}}
        for key, value in values.items()
        if value is not None
    ]


def _trace(row: Record) -> str:
    held = f"{row['account']}-{row['time'].timestamp()}-{row['conversation']}-{row['prompt']}"
    return hashlib.sha256(held.encode()).hexdigest()[:32]


def _export(row: Record, attributes: Record, **fields: Any) -> Record:
    span = {
        "traceId": _trace(row),
        "spanId": "b7ad6b7169203331",
        "startTimeUnixNano": str(int(row["time"].timestamp() * 1_000_000) * 1000),
        "attributes": _attributes(attributes),
        **fields,
    }
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span]}]}]}


def _call(row: Record) -> Record:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": row["model"],
        "gen_ai.request.temperature": row["temperature"],
        "gen_ai.request.choice.count": row["n"],
        "gen_ai.usage.input_tokens": row["input_tokens"],
        "gen_ai.usage.output_tokens": row["output_tokens"],
        "gen_ai.conversation.id": row["conversation"],
    }


def _caller(row: Record) -> Record:
    return {
        "enduser.id": row["account"],
        "client.address": row["ip"],
        "user_agent.original": row["client"],
    }


def _said(row: Record) -> Record:
    messages = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
        for m in _without_system(row)
    ]
    system = [{"type": "text", "content": row["system"]}] if row["system"] else None
    return {
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.system_instructions": json.dumps(system) if system else None,
    }


def _otel(row: Record) -> list[Record]:
    return [_export(row, {**_call(row), **_caller(row), **_said(row)})]


def _otel_root(row: Record) -> list[Record]:
    root = "a7ad6b7169203331"
    return [
        _export(row, {**_call(row), **_said(row)}, parentSpanId=root),
        _export(row, _caller(row), spanId=root, kind=2),
    ]


def _otel_logs(row: Record) -> list[Record]:
    said = [
        {
            "timeUnixNano": "1",
            "traceId": _trace(row),
            "spanId": "b7ad6b7169203331",
            "eventName": f"gen_ai.{message['role']}.message",
            "body": {"kvlistValue": {"values": _attributes({"content": message["content"]})}},
        }
        for message in chat(row)
    ]
    records = {"resourceLogs": [{"scopeLogs": [{"logRecords": said}]}]}
    return [records, _export(row, {**_call(row), **_caller(row)})]


def _openllmetry(row: Record) -> list[Record]:
    held: Record = {"llm.request.type": "chat"}
    for number, message in enumerate(chat(row)):
        held[f"gen_ai.prompt.{number}.role"] = message["role"]
        held[f"gen_ai.prompt.{number}.content"] = message["content"]
    call = {key: value for key, value in _call(row).items() if not key.endswith("operation.name")}
    return [_export(row, {**call, **_caller(row), **held})]


def _openinference(row: Record) -> list[Record]:
    held: Record = {
        "openinference.span.kind": "LLM",
        "llm.model_name": row["model"],
        "llm.token_count.prompt": row["input_tokens"],
        "llm.token_count.completion": row["output_tokens"],
        "user.id": row["account"],
        "session.id": row["conversation"],
    }
    for number, message in enumerate(chat(row)):
        held[f"llm.input_messages.{number}.message.role"] = message["role"]
        held[f"llm.input_messages.{number}.message.content"] = message["content"]
    return [_export(row, held)]


def _vercel(row: Record) -> list[Record]:
    outer = "a7ad6b7169203331"
    user = {"ai.telemetry.metadata.userId": row["account"]}
    messages = json.dumps(chat(row))
    asked = json.dumps({"messages": chat(row)})
    inner = {
        "ai.operationId": "ai.streamText.doStream",
        "ai.model.id": row["model"],
        "ai.prompt.messages": messages,
        "ai.usage.promptTokens": row["input_tokens"],
        "ai.usage.completionTokens": row["output_tokens"],
    }
    around = {"ai.operationId": "ai.streamText", "ai.prompt": asked}
    return [
        _export(row, user | inner, parentSpanId=outer),
        _export(row, user | around, spanId=outer),
    ]


def _langfuse(row: Record) -> list[Record]:
    return [
        {
            "id": _trace(row),
            "trace_id": _trace(row),
            "type": "GENERATION",
            "start_time": row["time"].strftime("%Y-%m-%d %H:%M:%S.%f"),
            "level": "DEFAULT",
            "user_id": row["account"],
            "session_id": row["conversation"],
            "input": json.dumps(chat(row)),
            "provided_model_name": row["model"],
            "usage_details": _usage(row, "input", "output"),
        }
    ]


def _langsmith(row: Record) -> list[Record]:
    kinds = {"user": "human", "assistant": "ai", "system": "system"}
    messages = [{"type": kinds[m["role"]], "content": m["content"]} for m in chat(row)]
    extra = {
        "metadata": {"user_id": row["account"], "thread_id": row["conversation"]},
        "invocation_params": {"model": row["model"]},
    }
    return [
        {
            "id": _trace(row),
            "trace_id": _trace(row),
            "run_type": "llm",
            "start_time": row["time"].strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "inputs": json.dumps({"messages": [messages]}),
            "outputs": "{}",
            "extra": json.dumps(extra),
            **_usage(row, "prompt_tokens", "completion_tokens"),
        }
    ]


def _helicone(row: Record) -> list[Record]:
    return [
        {
            "request_id": _trace(row),
            "request_created_at": row["time"].strftime("%Y-%m-%d %H:%M:%S.%f"),
            "request_body": {"model": row["model"], "messages": chat(row)},
            "request_user_id": "chosen",
            "request_properties": {"Helicone-Session-Id": row["conversation"]},
            "helicone_api_key_id": row["account"],
            "response_status": 200,
            "model": row["model"],
            **_usage(row, "prompt_tokens", "completion_tokens"),
        }
    ]


_OF_GATEWAYS = (*HELD, "ip", "client", "conversation")
_OF_LITELLM = (*HELD, "ip", "conversation")
_OF_SPANS = (*_OF_GATEWAYS, "temperature", "n")
_OF_TOOLS = (*HELD, "conversation")

WRITERS: dict[str, Writer] = {
    "openai": Writer(records=_openai, columns=(*_OF_GATEWAYS, "temperature", "n", "logprobs")),
    "responses": Writer(records=_responses, columns=_OF_GATEWAYS),
    "anthropic": Writer(records=_anthropic, columns=_OF_GATEWAYS),
    "gemini": Writer(records=_gemini, columns=_OF_GATEWAYS),
    "kong": Writer(records=_kong, columns=(*HELD, "ip", "client")),
    "databricks": Writer(records=_databricks),
    "data set": Writer(records=_data_set, columns=HELD[:6]),
    "litellm": Writer(records=_litellm, columns=_OF_LITELLM),
    "litellm responses": Writer(records=_litellm_responses, columns=_OF_LITELLM),
    "litellm payload": Writer(records=_litellm_payload, columns=_OF_LITELLM),
    "bedrock": Writer(records=_converse, prefix=_ARN),
    "bedrock llama": Writer(records=_llama, prefix=_ARN),
    "azure": Writer(records=_azure, columns=(*HELD, "ip")),
    "otel": Writer(records=_otel, columns=_OF_SPANS),
    "otel, account on the root": Writer(records=_otel_root, columns=_OF_SPANS),
    "otel, log records": Writer(records=_otel_logs, columns=_OF_SPANS),
    "openllmetry": Writer(records=_openllmetry, columns=_OF_SPANS),
    "openinference": Writer(records=_openinference, columns=_OF_TOOLS),
    "vercel": Writer(records=_vercel),
    "langfuse": Writer(records=_langfuse, columns=_OF_TOOLS),
    "langsmith": Writer(records=_langsmith, columns=_OF_TOOLS),
    "helicone": Writer(records=_helicone, columns=_OF_TOOLS),
}
