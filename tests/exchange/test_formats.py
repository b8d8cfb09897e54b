import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import (
    TIME,
    attributes,
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


def test_unknown_format_names_the_fields_it_found(tmp_path: Path) -> None:
    """Rows that look like nothing we know tell which fields they have."""
    fault = the_fault(write(tmp_path, "log.jsonl", [{"ts": 1, "text": "x"}]))
    assert "ts, text" in fault.found and "--account-field" in fault.try_
