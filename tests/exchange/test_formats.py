import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import (
    MESSAGES,
    TIME,
    TOOLS,
    as_csv,
    as_parquet,
    attributes,
    azure,
    azure_exchange,
    bedrock,
    litellm,
    openai,
    otel,
    own,
    read,
    span,
    the_fault,
    write,
)
from gamekeeper.exchange import LogReader


def only(*rows: Any, folder: Path, **options: Any) -> dict[str, Any]:
    frame = read(write(folder, "log.jsonl", list(rows)), **options)
    assert frame.height == 1
    return frame.row(0, named=True)


def test_own_columns_are_taken_as_they_stand(tmp_path: Path) -> None:
    """A log in our columns needs no mapping, and keys that we do not know are ignored."""
    row = only(own(n=2, logprobs=True, tools="ab", extra={"x": 1}), folder=tmp_path)
    assert (row["account"], row["prompt"], row["n"], row["logprobs"], row["tools"]) == (
        "a",
        "What is two plus two?",
        2,
        True,
        "ab",
    )
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


def test_fields_rename_and_reach_into_nested_objects(tmp_path: Path) -> None:
    """`fields` maps our names to the log's, with dots for depth."""
    row = {"when": TIME, "auth": {"key": {"id": 17}}, "q": "Hello"}
    fields = {"time": "when", "account": "auth.key.id", "prompt": "q"}
    assert only(row, folder=tmp_path, fields=fields)["account"] == "17"


def test_features_replace_the_prompt(tmp_path: Path) -> None:
    """A tabular API has features and no prompt."""
    row = only({"time": TIME, "account": "a", "features": [1, 2.5]}, folder=tmp_path)
    assert row["features"] == [1.0, 2.5] and row["prompt"] is None


@pytest.mark.parametrize("wrapped", [False, True])
def test_openai_request_gives_latest_user_message_system_and_turn(
    tmp_path: Path, wrapped: bool
) -> None:
    """Text parts are joined; the system message and the number of earlier user turns are kept."""
    record = openai(temperature=0.5, n=2, logprobs=True, tools=TOOLS)
    if wrapped:
        response = {"choices": [{"message": {"content": "Four."}}], "usage": {"prompt_tokens": 9}}
        request = {
            key: record.pop(key)
            for key in ("messages", "model", "temperature", "n", "logprobs", "tools")
        }
        record |= {"request": request, "response": response}
    row = only(record, folder=tmp_path)
    assert row["prompt"] == "What is\ntwo plus two?"
    assert (row["system"], row["turn"], row["account"], row["model"]) == (
        "Be brief.",
        1,
        "key_1",
        "m",
    )
    assert (row["temperature"], row["n"], row["logprobs"], len(row["tools"])) == (0.5, 2, True, 16)
    assert row["answer"] == ("Four." if wrapped else None)
    assert row["input_tokens"] == (9 if wrapped else None)


def test_openai_user_is_not_the_account(tmp_path: Path) -> None:
    """`user` is what the client says; without an authenticated field there is no account."""
    record = openai(user="anybody")
    del record["api_key_id"]
    fault = the_fault(write(tmp_path, "log.jsonl", [record]))
    assert fault.problem == 'field "account" is missing' and "--account-field" in fault.try_


def test_no_field_of_a_wrapped_request_is_the_account(tmp_path: Path) -> None:
    """Inside a wrapper everything of the request comes from the client."""
    record = {
        "created": 1_775_000_000,
        "request": {"messages": MESSAGES, "model": "m", "api_key": "chosen"},
    }
    assert the_fault(write(tmp_path, "log.jsonl", [record])).problem == 'field "account" is missing'


def test_tools_hash_ignores_the_order_of_keys(tmp_path: Path) -> None:
    """The same schemas have one hash, other schemas another."""
    turned = [{"function": {"parameters": {"type": "object"}, "name": "add"}, "type": "function"}]
    other = [{"type": "function", "function": {"name": "sub"}}]
    rows = [openai(tools=tools, id=str(i)) for i, tools in enumerate((TOOLS, turned, other))]
    hashes = read(write(tmp_path, "log.jsonl", rows))["tools"].to_list()
    assert hashes[0] == hashes[1] != hashes[2]


def test_results_of_tools_are_no_user_message(tmp_path: Path) -> None:
    """Anthropic sends what tools returned as role user; the user's own message before is the
    prompt.
    """
    tool_result = {"role": "user", "content": [{"type": "tool_result", "content": "42"}]}
    row = only(openai(messages=[*MESSAGES, tool_result]), folder=tmp_path)
    assert row["prompt"] == "What is\ntwo plus two?" and row["turn"] == 1


def test_responses_api_input_is_read(tmp_path: Path) -> None:
    """The Responses API says input and instructions in place of messages."""
    response = {
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Four."}]}]
    }
    request = {"model": "m", "input": "Two plus two?", "instructions": "Be brief."}
    row = only(
        {"timestamp": TIME, "project": "p", "request": request, "response": response},
        folder=tmp_path,
    )
    assert (row["prompt"], row["system"], row["answer"]) == ("Two plus two?", "Be brief.", "Four.")


@pytest.mark.parametrize("container", ["jsonl", "csv", "parquet"])
def test_litellm_spend_logs_are_read_from_every_container(tmp_path: Path, container: str) -> None:
    """Messages may be JSON text; times without a zone are UTC; end_user is not the account."""
    record = litellm()
    content = {"csv": as_csv, "parquet": as_parquet}.get(container, list)([record])
    row = read(write(tmp_path, f"log.{container}", content)).row(0, named=True)
    assert (
        row["account"] == record["api_key"]
        and row["answer"] == "Four."
        and row["ip"] == "192.0.2.1"
    )
    assert row["prompt"] == "What is\ntwo plus two?" and row["conversation"] == "s1"
    assert row["time"].isoformat() == "2026-11-02T12:00:00.500000+00:00"
    assert (row["input_tokens"], row["output_tokens"]) == (9, 4)


def test_litellm_without_prompts_says_how_to_store_them(tmp_path: Path) -> None:
    """LiteLLM leaves prompts out unless told otherwise."""
    fault = the_fault(write(tmp_path, "log.jsonl", [litellm(messages={}, response={})]))
    assert "store_prompts_in_spend_logs" in fault.try_


NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.conversation.id": "c",
    "gen_ai.usage.input_tokens": 9,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": "Two plus two?"}]}]
    ),
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Four."}]}]
    ),
}
OLD = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "m",
    "gen_ai.usage.prompt_tokens": 9,
    "gen_ai.usage.completion_tokens": 2,
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Two plus two?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Four.",
}


@pytest.mark.parametrize("names", [NEW, OLD], ids=["new", "old"])
def test_otel_spans_of_both_generations_are_read(tmp_path: Path, names: dict[str, Any]) -> None:
    """Old and new attribute names give the same row."""
    row = only(
        otel(span(attributes=attributes(names)), resource={"tenant.id": "t1"}), folder=tmp_path
    )
    assert (row["prompt"], row["system"], row["answer"]) == ("Two plus two?", "Be brief.", "Four.")
    assert (row["account"], row["model"], row["input_tokens"], row["output_tokens"]) == (
        "t1",
        "m",
        9,
        2,
    )
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


def test_otel_messages_may_be_events(tmp_path: Path) -> None:
    """Older instrumentations write messages as events of the span."""
    events = [
        {"name": "gen_ai.user.message", "attributes": attributes({"content": "Two plus two?"})}
    ]
    one = span(attributes=attributes({"gen_ai.system": "openai", "enduser.id": "e"}), events=events)
    row = only(otel(one, resource={"tenant.id": "t1"}), folder=tmp_path)
    assert (row["prompt"], row["account"]) == ("Two plus two?", "e")


def test_otel_line_holds_many_spans_and_others_are_skipped(tmp_path: Path) -> None:
    """Spans of tools, agents and web requests are no exchange, and are counted."""
    chats = [span(i, attributes=attributes(NEW | {"enduser.id": "e"})) for i in range(3)]
    tool = span(8, attributes=attributes({"gen_ai.operation.name": "execute_tool"}))
    web = span(9, attributes=attributes({"http.request.method": "GET"}))
    reader = LogReader([write(tmp_path, "log.jsonl", [otel(*chats, tool, web)])])
    assert sum(frame.height for frame in reader.batches()) == 3
    assert reader.summary.skipped_records == 2


def test_otel_account_field_names_an_attribute_with_dots(tmp_path: Path) -> None:
    """--account-field takes any attribute of span or resource."""
    one = otel(span(attributes=attributes(NEW)), resource={"billing.key": "k"})
    assert only(one, folder=tmp_path, fields={"account": "billing.key"})["account"] == "k"


BODIES = {
    "anthropic": (
        {
            "system": "S",
            "temperature": 0.5,
            "messages": [{"role": "user", "content": "Two plus two?"}],
        },
        {"content": [{"type": "text", "text": "Four."}]},
    ),
    "converse": (
        {
            "system": [{"text": "S"}],
            "inferenceConfig": {"temperature": 0.5},
            "messages": [{"role": "user", "content": [{"text": "Two plus two?"}]}],
        },
        {"output": {"message": {"role": "assistant", "content": [{"text": "Four."}]}}},
    ),
    "titan": (
        {"inputText": "Two plus two?", "textGenerationConfig": {"temperature": 0.5}},
        {"results": [{"outputText": "Four."}]},
    ),
    "llama": ({"prompt": "Two plus two?", "temperature": 0.5}, {"generation": "Four."}),
    "stream": (
        {"messages": [{"role": "user", "content": "Two plus two?"}], "temperature": 0.5},
        [
            {"type": "content_block_delta", "delta": {"text": "Fo"}},
            {"contentBlockDelta": {"delta": {"text": "ur."}}},
        ],
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_bedrock_bodies_of_each_family_are_read(tmp_path: Path, kind: str) -> None:
    """Anthropic, Converse, Titan, Llama, and streamed answers."""
    asked, given = BODIES[kind]
    row = only(
        bedrock(asked, output={"outputBodyJson": given, "outputTokenCount": 2}), folder=tmp_path
    )
    assert (row["prompt"], row["answer"], row["temperature"]) == ("Two plus two?", "Four.", 0.5)
    assert (row["account"], row["input_tokens"]) == ("arn:aws:iam::123456789012:user/ann", 5)


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:sts::1:assumed-role/app/any-name", "arn:aws:sts::1:assumed-role/app"),
        (
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_1/ann",
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_1/ann",
        ),
        (None, "123456789012"),
    ],
)
def test_bedrock_account_is_what_the_caller_cannot_choose(
    tmp_path: Path, arn: str | None, account: str
) -> None:
    """The session name of an assumed role is the caller's choice and does not split an account."""
    assert only(bedrock(identity={"arn": arn}), folder=tmp_path)["account"] == account


def test_bedrock_inside_cloudwatch_is_read(tmp_path: Path) -> None:
    """CloudWatch wraps the log as text."""
    assert (
        only({"timestamp": 1, "message": json.dumps(bedrock())}, folder=tmp_path)["prompt"]
        == "Two plus two?"
    )


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


def test_azure_different_parts_of_one_number_are_a_fault(tmp_path: Path) -> None:
    """Which of the two is meant is not guessed at."""
    other = azure(1, RequestMessages="other")
    assert (
        "same number" in the_fault(write(tmp_path, "log.jsonl", [*azure_exchange(), other])).problem
    )


def test_unknown_format_names_the_fields_it_found(tmp_path: Path) -> None:
    """Rows that look like nothing we know tell which fields they have."""
    fault = the_fault(write(tmp_path, "log.jsonl", [{"ts": 1, "text": "x"}]))
    assert "ts, text" in fault.found and "--account-field" in fault.try_
