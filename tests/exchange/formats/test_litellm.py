"""LiteLLM's spend logs and its standard logging payload."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import as_csv, as_parquet, litellm, read, the_fault, write
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.litellm import row, sniff

ASKED = "Why is the sky blue?"
CHAT = [{"role": "user", "content": ASKED}]


def spend(request: Any = None, **fields: Any) -> dict[str, Any]:
    """A row of today's proxies: `messages` is `{}`, what came is in `proxy_server_request`."""
    return litellm(messages="{}", proxy_server_request=request or {}, status="success") | fields


def payload(**fields: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "call_type": "acompletion",
        "status": "success",
        "startTime": 1_793_610_843.5,
        "model": "m",
        "messages": CHAT,
        "response": {"choices": [{"message": {"content": "Dust."}}]},
        "metadata": {
            "user_api_key_hash": "ab12",
            "user_api_key_alias": "nightly",
            "user_api_key_team_id": "t1",
            "user_api_key_org_id": "o1",
            "user_api_key_end_user_id": "chosen",
        },
        "end_user": "chosen",
        "error_information": {"error_code": "", "error_message": ""},
    } | fields


def the_row(record: dict[str, Any]) -> Row:
    found = row(record)
    assert sniff(record) and not isinstance(found, PassedOver), found
    return found


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


CALLS = {
    "chat": spend({"messages": CHAT}),
    "chat as text": spend(json.dumps({"messages": CHAT})),
    "chat inside a body": spend({"url": "/chat", "body": {"messages": CHAT}}),
    "completions": spend({"prompt": ASKED}, call_type="atext_completion"),
    "responses": spend({"input": ASKED}, call_type="aresponses"),
    "responses, items": spend({"input": CHAT}, call_type="responses"),
    "anthropic": spend(
        {"system": [{"type": "text", "text": "S"}], "messages": CHAT},
        call_type="anthropic_messages",
    ),
    "gemini": spend({"contents": [{"parts": [{"text": ASKED}]}]}, call_type="agenerate_content"),
    "passed through": payload(
        call_type="pass_through_endpoint",
        messages=[{"role": "user", "content": json.dumps({"model": "m", "messages": CHAT})}],
    ),
    "call type left empty": spend({"messages": CHAT}, call_type=""),
    "payload": payload(),
    "payload of responses": payload(messages=ASKED, call_type="aresponses"),
    "payload as text": payload(messages=json.dumps(CHAT)),
    "names in lower case": {
        name.lower(): value for name, value in spend({"messages": CHAT}).items()
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_the_prompt_of_every_call_is_found(name: str) -> None:
    """Wherever the proxy keeps it for that call."""
    assert the_row(CALLS[name])["prompt"] == ASKED


NOT_EXCHANGES = [
    (spend({"messages": CHAT}, status="failure", response={}), FAILED),
    (spend(call_type="", api_key="", response={}, metadata={"status": "failure"}), FAILED),
    (payload(status="failure", response=None, error_str="RateLimitError"), FAILED),
    (spend({"model": "whisper-1"}, call_type="atranscription"), OTHER_API),
    (spend({"prompt": "a cat"}, call_type="aimage_generation"), OTHER_API),
    (spend({"name": "search"}, call_type="call_mcp_tool"), OTHER_API),
    (spend({"query": "x"}, call_type="avector_store_search"), OTHER_API),
    (spend(call_type="_arealtime"), OTHER_API),
    (spend({"messages": CHAT}, api_key="litellm-internal-health-check"), OTHER_API),
    (
        spend('{"litellm_truncated": true}', metadata={"cold_storage_object_key": "x"}),
        KEPT_ELSEWHERE,
    ),
    (spend(), NO_BODY),
    (payload(messages=[{"role": "user", "content": "redacted-by-litellm"}]), NO_BODY),
]


@pytest.mark.parametrize(("record", "why"), NOT_EXCHANGES)
def test_a_row_that_is_not_an_exchange_says_why(record: dict[str, Any], why: PassedOver) -> None:
    """Failed calls, other APIs, and bodies that are not in the row."""
    assert sniff(record) and row(record) is why


@pytest.mark.parametrize(
    "record",
    [
        spend({"model": "e", "input": ["a", "b"]}, call_type="aembedding"),
        payload(messages=["a", "b"], call_type="aembedding"),
    ],
)
def test_embeddings_are_kept_apart_with_all_their_texts(record: dict[str, Any]) -> None:
    """They are not questions."""
    found = the_row(record)
    assert (found["call"], found["prompt"]) == (EMBEDDINGS, "a\nb")


def test_the_proxy_names_who_called_and_the_client_only_claims_it() -> None:
    """The key comes first, the organisation is the widest owner, `end_user` is never used."""
    found = the_row(payload())
    principals = [value for value in found["principals"].values() if value]
    assert principals == ["ab12", "t1", "o1"]
    assert [value for value in found["owners"].values() if value] == ["o1", "t1"]
    assert set(found["claimed"].values()) == {"chosen"}
    assert found["alias"] == "nightly"


def test_a_prompt_that_the_proxy_cut_is_said_to_be_cut() -> None:
    """It keeps the beginning and the end of a long text."""
    cut = "Why ... (litellm_truncated skipped 9000 chars) ... blue?"
    assert the_row(spend({"messages": [{"role": "user", "content": cut}]}))["was_cut"]
    assert not the_row(spend({"messages": CHAT}))["was_cut"]
