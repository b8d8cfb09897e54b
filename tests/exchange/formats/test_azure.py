"""Azure API Management's logs of language models."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import (
    TIME,
    azure,
    azure_exchange,
    read,
    the_fault,
    write,
)
from gamekeeper.exchange import LogReader
from gamekeeper.exchange.formats.azure import row, sniff, split
from gamekeeper.exchange.formats.form import (
    FAILED,
    NO_BODY,
    OTHER_API,
    PassedOver,
)

CHAT = [{"role": "user", "content": "Two plus two?"}]


def only(*rows: Any, folder: Path, **options: Any) -> dict[str, Any]:
    frame = read(write(folder, "log.jsonl", list(rows)), **options)
    assert frame.height == 1
    return frame.row(0, named=True)


def test_azure_parts_are_rejoined_in_order_of_number(tmp_path: Path) -> None:
    """A request cut into parts is whole again, whatever the order of the rows."""
    row = only(*reversed(azure_exchange()), folder=tmp_path)
    assert (row["prompt"], row["answer"], row["account"], row["model"]) == (
        "Two plus two?",
        "Four.",
        "sub-1",
        "gpt",
    )
    assert (row["input_tokens"], row["output_tokens"]) == (5, 1)


def test_azure_parts_are_rejoined_across_files_and_from_the_gateway_log(tmp_path: Path) -> None:
    """The account may stand in the gateway's own log, in another file, in diagnostic spelling."""
    parts = azure_exchange()
    del parts[0]["ApimSubscriptionId"]
    gateway = {
        "time": TIME,
        "correlationId": "c1",
        "callerIpAddress": "192.0.2.1",
        "properties": {"apimSubscriptionId": "sub-2"},
    }
    write(tmp_path, "1.jsonl", parts[:2])
    write(tmp_path, "2.jsonl", parts[2:])
    write(tmp_path, "3.json", json.dumps({"records": [gateway]}, indent=1).encode())
    row = read(str(tmp_path)).row(0, named=True)
    assert (row["prompt"], row["account"], row["ip"]) == ("Two plus two?", "sub-2", "192.0.2.1")


def test_azure_missing_part_is_a_fault(tmp_path: Path) -> None:
    """A body with a hole is not guessed at."""
    parts = azure_exchange()
    fault = the_fault(write(tmp_path, "log.jsonl", [parts[0], parts[1], parts[3]]))
    assert fault.problem == "a part of the exchange is missing" and "0, 1, 3" in fault.found


def test_azure_number_of_any_size_costs_no_memory(tmp_path: Path) -> None:
    """The writer of a log chooses its numbers: 2^50 parts are said to be missing, not listed."""
    parts = [*azure_exchange(), azure(2**50, RequestMessages="x")]
    assert "missing" in the_fault(write(tmp_path, "log.jsonl", parts)).problem


def test_azure_different_parts_of_one_number_are_a_fault(tmp_path: Path) -> None:
    """Which of the two is meant is not guessed at."""
    other = azure(1, RequestMessages="other")
    assert (
        "same number" in the_fault(write(tmp_path, "log.jsonl", [*azure_exchange(), other])).problem
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"RequestMessages": json.dumps(CHAT)},
        {"Input": json.dumps(CHAT)},
        {"RequestBody": json.dumps({"messages": CHAT})},
        {"requestMessages_s": json.dumps(CHAT)},
        {"properties": {"requestMessages": CHAT}},
        {"properties": json.dumps({"requestMessages": CHAT})},
    ],
)
def test_the_request_is_found_in_every_export(fields: dict[str, Any]) -> None:
    """Tables, queries that rename, bodies of the gateway's own log, and AzureDiagnostics."""
    record = {
        "TimeGenerated [UTC]": TIME,
        "CorrelationId": "c",
        "ApimSubscriptionId": "s",
        **fields,
    }
    (flat,) = split(record)
    found = row(flat)
    assert sniff(record) and not isinstance(found, PassedOver)
    assert (found["prompt"], found["time"]) == ("Two plus two?", TIME)
    assert found["principals"]["ApimSubscriptionId"] == "s"


def test_calls_without_messages_are_counted_once(tmp_path: Path) -> None:
    """A call of another API has a row of tokens, and a row of the gateway."""
    other = azure(0, CorrelationId="c2", ModelName="e", PromptTokens=3)
    gateway = {"TimeGenerated": TIME, "CorrelationId": "c2", "ApimSubscriptionId": "s"}
    reader = LogReader([write(tmp_path, "log.jsonl", [*azure_exchange(), other, gateway])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert sum(reader.summary.passed_over.values()) == 1


NOT_EXCHANGES = [
    (azure(1, RequestMessages=json.dumps(CHAT), ResponseCode=429), FAILED),
    (azure(1, RequestMessages=json.dumps(CHAT), IsRequestSuccess=False), FAILED),
    (azure(0, ModelName="m", PromptTokens=3), NO_BODY),
    ({"CorrelationId": "c", "ApimSubscriptionId": "s", "Url": "https://x/v1/models"}, OTHER_API),
    (
        {
            "correlationId": "c",
            "category": "RequestResponse",
            "operationName": "ChatCompletions_Create",
        },
        NO_BODY,
    ),
]


@pytest.mark.parametrize(("record", "why"), NOT_EXCHANGES)
def test_a_record_that_is_not_an_exchange_says_why(record: dict[str, Any], why: PassedOver) -> None:
    """Refused calls, other APIs, and logs that hold no prompts."""
    (flat,) = split(record)
    assert sniff(record) and row(flat) is why


def test_the_log_of_azure_openai_is_refused_for_want_of_prompts(tmp_path: Path) -> None:
    """It never holds one; the message names the log that does."""
    record = {
        "time": TIME,
        "category": "RequestResponse",
        "operationName": "ChatCompletions_Create",
    }
    rows = [record | {"correlationId": f"c{i}", "properties": "{}"} for i in range(3)]
    fault = the_fault(write(tmp_path, "log.jsonl", rows))
    assert "prompt" in fault.try_ and "API Management" in fault.try_
