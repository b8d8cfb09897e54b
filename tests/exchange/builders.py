"""Builders of log rows and files, one for each format; what a test does not name has a
plain value.
"""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gamekeeper.base.errors import Fault, InputError
from gamekeeper.base.zstd import compress
from gamekeeper.exchange import LogReader, ReadOptions

TIME = "2026-11-02T12:00:00Z"
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "two plus two?"}],
    },
]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


def own(**fields: Any) -> dict[str, Any]:
    return {"time": TIME, "account": "a", "prompt": "What is two plus two?"} | fields


def many(n: int) -> list[dict[str, Any]]:
    return [own(prompt=f"Question {i}", account=f"a{i % 7}", input_tokens=i) for i in range(n)]


def openai(**fields: Any) -> dict[str, Any]:
    return {
        "created": 1_775_000_000,
        "api_key_id": "key_1",
        "model": "m",
        "messages": MESSAGES,
    } | fields


def litellm(**fields: Any) -> dict[str, Any]:
    return {
        "request_id": "r1",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df77",
        "startTime": "2026-11-02 12:00:00.5",
        "model": "m",
        "messages": MESSAGES,
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "requester_ip_address": "192.0.2.1",
        "session_id": "s1",
        "end_user": "somebody",
        "response": {"choices": [{"message": {"role": "assistant", "content": "Four."}}]},
    } | fields


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    def any_value(value: Any) -> dict[str, Any]:
        return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}

    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def span(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": "t",
        "spanId": str(number),
        "startTimeUnixNano": "1793620800000000000",
    } | fields


def otel(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    shared = {"attributes": attributes(resource or {})}
    return {"resourceSpans": [{"resource": shared, "scopeSpans": [{"spans": [*spans]}]}]}


def bedrock(body: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    asked = body or {"messages": [{"role": "user", "content": [{"text": "Two plus two?"}]}]}
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": TIME,
        "accountId": "123456789012",
        "identity": {"arn": "arn:aws:iam::123456789012:user/ann"},
        "requestId": "r1",
        "operation": "Converse",
        "modelId": "amazon.nova",
        "input": {"inputBodyJson": asked, "inputTokenCount": 5},
        "output": {"outputBodyJson": {}, "outputTokenCount": 2},
    } | fields


def azure(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "TimeGenerated": TIME,
        "CorrelationId": "c1",
        "SequenceNumber": number,
        "TenantId": "ws",
    } | fields


def azure_exchange() -> list[dict[str, Any]]:
    body = json.dumps([{"role": "user", "content": "Two plus two?"}])
    return [
        azure(0, ModelName="gpt", PromptTokens=5, CompletionTokens=1, ApimSubscriptionId="sub-1"),
        azure(1, RequestMessages=body[:20]),
        azure(2, RequestMessages=body[20:]),
        azure(3, ResponseMessages=json.dumps([{"role": "assistant", "content": "Four."}])),
    ]


def as_jsonl(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for a table, lists of objects and objects as JSON text."""
    nested = {
        key for key, value in row.items() if isinstance(value, dict | list) and key != "features"
    }
    return row | {key: json.dumps(row[key]) for key in nested}


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(map(flat, rows))
    return text.getvalue().encode()


def as_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(list(map(flat, rows))).write_parquet(buffer)
    return buffer.getvalue()


def as_gzip(rows: Sequence[Any]) -> bytes:
    return gzip.compress(as_jsonl(rows), mtime=0)


def as_zstd(rows: Sequence[Any]) -> bytes:
    return compress(as_jsonl(rows))


def write(folder: Path, name: str, content: bytes | Sequence[Any]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else as_jsonl(content))
    return str(path)


def read(*sources: str, **options: Any) -> pl.DataFrame:
    return pl.concat(LogReader(sources, ReadOptions(**options)).batches())


def faults(*sources: str, **options: Any) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as raised:
        list(LogReader(sources, ReadOptions(**options)).batches())
    return raised.value.faults


def the_fault(*sources: str, **options: Any) -> Fault:
    found = faults(*sources, **options)
    assert len(found) == 1, found
    return found[0]
