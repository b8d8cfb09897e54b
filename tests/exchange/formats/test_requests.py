"""Requests that gateways log, in wrappers of any name."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import (
    MESSAGES,
    TIME,
    TOOLS,
    as_parquet,
    openai,
    read,
    the_fault,
    write,
)
from gamekeeper.exchange.formats import recognise
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    OTHER_RECORD,
    TOOL_RESULTS,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.openai import row, sniff

ASKED = "Why is the sky blue?"
CHAT = {"model": "m", "messages": [{"role": "user", "content": ASKED}]}
ANSWERED = {"choices": [{"message": {"content": "Dust."}}], "usage": {"prompt_tokens": 9}}


def only(*rows: Any, folder: Path, **options: Any) -> dict[str, Any]:
    frame = read(write(folder, "log.jsonl", list(rows)), **options)
    assert frame.height == 1
    return frame.row(0, named=True)


def gateway(**fields: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "api_key_id": "k1", "path": "/v1/chat/completions"} | fields


def the_row(record: dict[str, Any]) -> Row:
    found = row(record)
    assert sniff(record) and not isinstance(found, PassedOver), found
    return found


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


TEXT = json.dumps(CHAT)
WRAPPED = {
    "request": {"request": CHAT, "response": ANSWERED},
    "body as text": {"requestBody": TEXT, "responseBody": json.dumps(ANSWERED)},
    "body inside": {"request": {"method": "POST", "url": "/v1/chat", "body": TEXT}, "status": 200},
    "req": {"req": {"headers": {"host": "x"}, "json": CHAT, "body": CHAT}, "res": {"code": 1}},
    "payload": {"payload": {"request": TEXT, "response": "{}"}},
    "kwargs": {"kwargs": CHAT, "output": ANSWERED},
    "elastic": {"http": {"request": {"body": {"content": TEXT}}, "response": {"status_code": 200}}},
    "elastic, dotted": {"http.request.body.content": TEXT},
    "data": {"data": {"body": CHAT}},
    "base64": {"body": base64.b64encode(TEXT.encode()).decode()},
    "kong": {"ai": {"proxy": {"payload": {"request": TEXT}}}, "request": {"uri": "/", "size": 1}},
    "vertex": {"full_request": {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]}},
    "insights": {"customDimensions": json.dumps({"Request-Body": TEXT})},
    "batch": {"custom_id": "c", "url": "/v1/chat/completions", "body": CHAT},
    "anthropic batch": {"custom_id": "c", "params": CHAT},
    "bare": CHAT,
    "upper case": {name.upper(): value for name, value in CHAT.items()},
    "a list of messages by another name": {"llm_messages": CHAT["messages"]},
    "text alone": {"request": ASKED, "response": "Dust."},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_request_is_found_in_a_wrapper_of_any_name(name: str) -> None:
    """As an object, as JSON text, and inside another."""
    found = the_row({"timestamp": TIME, "api_key_id": "k1", **WRAPPED[name]})
    assert (found["prompt"], found["principals"]) == (ASKED, {"api_key_id": "k1"})


SPELLINGS = ("api_key_id", "apiKeyId", "API-Key-ID", "ApiKeyID")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_are_compared_without_case_and_separators(spelling: str) -> None:
    """A principal keeps its own spelling, which --account-field takes."""
    assert the_row({"ts": TIME, spelling: "k1", "Request_Body": TEXT})["principals"] == {
        spelling: "k1"
    }


def test_the_narrowest_principal_comes_first_and_the_widest_owner() -> None:
    """A key before its user, a user before the team, wherever they are."""
    found = the_row(
        gateway(
            auth={"user": {"id": "u1"}, "org_id": "o1"},
            team_id="t1",
            request=CHAT | {"user": "chosen"},
            key_alias="nightly",
        )
    )
    assert list(found["principals"].items()) == [
        ("api_key_id", "k1"),
        ("auth.user.id", "u1"),
        ("key_alias", "nightly"),
        ("team_id", "t1"),
        ("auth.org_id", "o1"),
    ]
    assert list(found["owners"]) == ["auth.org_id", "team_id"]
    assert found["claimed"] == {"request.user": "chosen"}
    assert found["alias"] == "nightly"


@pytest.mark.parametrize(
    "claims",
    [
        {"user": "chosen"},
        {"safety_identifier": "chosen"},
        {"customer_identifier": "chosen"},
        {"end_user": "chosen", "metadata": {"user_id": "chosen"}},
        {"helicone_request_id": "h", "user_id": "chosen"},
    ],
)
def test_what_the_client_says_of_itself_is_never_a_principal(claims: dict[str, Any]) -> None:
    """It is named in messages at most."""
    assert the_row({"timestamp": TIME, "request": CHAT, **claims})["principals"] == {}


def test_consumers_of_kong_and_callers_of_api_gateway_are_found() -> None:
    """The credential is narrower than the consumer, the key narrower than the user."""
    kong = gateway(request=CHAT, consumer={"id": "c1"}, authenticated_entity={"id": "cred"})
    del kong["api_key_id"]
    assert list(the_row(kong)["principals"].values()) == ["cred", "c1"]
    context = {
        "requestTimeEpoch": 1_793_610_843_000,
        "identity": {"apiKeyId": "a1", "sourceIp": "192.0.2.1"},
        "authorizer": {"claims": {"sub": "s1"}},
    }
    found = the_row({"requestContext": context, "body": TEXT, "httpMethod": "POST"})
    assert list(found["principals"].values()) == ["a1", "s1"]
    assert (found["time"], found["ip"]) == (1_793_610_843_000, "192.0.2.1")


NOT_EXCHANGES = [
    (gateway(method="GET", path="/v1/models", request=None), OTHER_API),
    (gateway(method="GET", path="/health", status=200), OTHER_API),
    (gateway(path="/v1/images/generations", request={"prompt": "a cat"}), OTHER_API),
    (gateway(path="/v1/audio/speech", request={"input": "x", "voice": "y"}), OTHER_API),
    (gateway(path="/v1/moderations", request={"input": "x"}), OTHER_API),
    (gateway(path="/v1/messages/count_tokens", request=CHAT), OTHER_API),
    (gateway(path="/v2/rerank", request={"query": "x", "documents": ["y"]}), OTHER_API),
    (gateway(path="/mcp", request={"method": "tools/call", "params": {"name": "x"}}), OTHER_API),
    ({"timestamp": TIME, "request": {"model": "dall-e-3", "prompt": "a cat"}}, OTHER_API),
    (gateway(request=CHAT, status=429), FAILED),
    (gateway(request=CHAT, status="503 Service Unavailable"), FAILED),
    (gateway(request=CHAT, statusCode="401"), FAILED),
    (gateway(request=CHAT, response={"status": 500}), FAILED),
    (gateway(request=CHAT, error={"message": "overloaded"}), FAILED),
    (gateway(request=CHAT, success=False), FAILED),
    (gateway(request=CHAT, response={"error": {"type": "x"}}), FAILED),
    (gateway(request=CHAT, outcome="rate_limited"), FAILED),
    (gateway(request=None, logging_error_codes=["MAX_REQUEST_SIZE_EXCEEDED"]), KEPT_ELSEWHERE),
    (gateway(request={}, status=200), NO_BODY),
    (gateway(request={"messages": [{"role": "user", "content": "[REDACTED]"}]}), NO_BODY),
    ({"id": "b", "custom_id": "c", "response": {"status_code": 200, "body": ANSWERED}}, NO_BODY),
    (
        gateway(request={"model": "m", "input": [{"type": "function_call_output", "output": "4"}]}),
        TOOL_RESULTS,
    ),
]


@pytest.mark.parametrize(("record", "why"), NOT_EXCHANGES)
def test_a_record_that_is_not_an_exchange_says_why(record: dict[str, Any], why: PassedOver) -> None:
    """It is of this format all the same, so that it is counted by its reason."""
    assert sniff(record) and row(record) is why


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 200, "error": None, "exception": "", "success": "true"},
        {"status": "ok", "error": {"code": None, "message": ""}},
        {"status": 499, "response": ANSWERED},
        {"error": "client closed the stream", "response": ANSWERED},
    ],
)
def test_a_call_that_a_model_answered_is_an_exchange(fields: dict[str, Any]) -> None:
    """Also one that broke off: a thief who hangs up has the answer."""
    assert the_row(gateway(request=CHAT, **fields))["prompt"] == ASKED


@pytest.mark.parametrize(
    "record",
    [
        gateway(path="/v1/embeddings", request={"model": "m", "input": ["a", "b"]}),
        {"timestamp": TIME, "request": {"model": "text-embedding-x", "input": "a\nb"}},
        {
            "timestamp": TIME,
            "request": {"input": "a\nb"},
            "response": {"data": [{"embedding": [1]}]},
        },
        gateway(path="/m:embedContent", request={"content": {"parts": [{"text": "a\nb"}]}}),
    ],
)
def test_calls_of_embedding_models_are_kept_apart(record: dict[str, Any]) -> None:
    """By their path, their model or their response."""
    found = the_row(record)
    assert (found["call"], found["prompt"]) == (EMBEDDINGS, "a\nb")


def test_token_ids_hold_no_text() -> None:
    """They are counted, and never a prompt."""
    found = the_row(gateway(path="/v1/embeddings", request={"input": [[1, 2], [3]]}))
    assert found["prompt"] is None and found["without_text"]


def test_a_body_that_was_cut_is_a_fault_and_not_a_prompt(tmp_path: Path) -> None:
    """Nothing says what the rest was."""
    fault = the_fault(write(tmp_path, "log.jsonl", [gateway(request=TEXT[:40])]))
    assert fault.problem.startswith('both "prompt" and "features" are missing')


def test_a_log_without_bodies_says_how_to_keep_them(tmp_path: Path) -> None:
    """Each call alone is only passed over."""
    fault = the_fault(write(tmp_path, "log.jsonl", [gateway(request=None)] * 3))
    assert fault.problem == "the log contains no exchange" and "prompt" in fault.try_


def test_a_conversation_of_a_data_set_is_one_exchange(tmp_path: Path) -> None:
    """One row and one time: the latest question, and the turns before it."""
    turns = [("human", "Hello"), ("gpt", "Hi"), ("human", ASKED), ("gpt", "Dust.")]
    said = [{"from": who, "value": text} for who, text in turns]
    record = {"id": "c1", "tstamp": 1_793_610_843.5, "user_id": "u1", "conversations": said}
    path = write(tmp_path, "set.parquet", as_parquet([record]))
    found = read(path).row(0, named=True)
    assert (found["prompt"], found["turn"], found["answer"]) == (ASKED, 1, "Dust.")


def test_our_own_columns_are_not_taken_for_a_gateway() -> None:
    """Whatever else is beside them."""
    record = {"time": TIME, "account": "a", "prompt": ASKED, "model": "m", "request": {"x": 1}}
    form = recognise([record])
    assert not sniff(record) and form is not None and form.name == "gamekeeper"


@pytest.mark.parametrize(
    "record", [{"level": "info", "message": "started"}, {"data": {"x": 1}}, {}]
)
def test_lines_of_an_application_are_not_requests(record: dict[str, Any]) -> None:
    """A word is not a prompt for being called message."""
    assert not sniff(record) and row(record) is OTHER_RECORD
