"""Exports of tools that observe applications."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import read, the_fault, write
from gamekeeper.exchange import LogReader

TIME = "2026-11-02 12:00:00.000000"
QUESTION = "What is two plus two?"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
ANSWER = {"role": "assistant", "content": "Four."}


def langfuse(**fields: Any) -> dict[str, Any]:
    return {
        "id": "o1",
        "trace_id": "t1",
        "project_id": "p1",
        "type": "GENERATION",
        "start_time": TIME,
        "level": "DEFAULT",
        "user_id": "ann",
        "input": json.dumps(MESSAGES),
        "output": json.dumps(ANSWER),
        "provided_model_name": "m",
        "usage_details": {"input": 9, "output": 1},
        "metadata": {},
    } | fields


def langfuse_trace(**fields: Any) -> dict[str, Any]:
    return {
        "id": "t1",
        "timestamp": TIME,
        "user_id": "ann",
        "session_id": "s",
        "project_id": "p1",
        "tags": [],
        "input": json.dumps(MESSAGES),
        "output": json.dumps(ANSWER),
    } | fields


def langsmith(**fields: Any) -> dict[str, Any]:
    human = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "HumanMessage"]}
    human["kwargs"] = {"content": QUESTION, "type": "human"}
    said = {"generations": [[{"text": "Four.", "type": "ChatGeneration"}]]}
    said["llm_output"] = {"token_usage": {"prompt_tokens": 9}, "model_name": "m"}
    return {
        "id": "r1",
        "trace_id": "t1",
        "tenant_id": "w1",
        "run_type": "llm",
        "start_time": "2026-11-02T12:00:00.000000",
        "inputs": json.dumps({"messages": [[human]]}),
        "outputs": json.dumps(said),
        "extra": json.dumps({"metadata": {"user_id": "ann"}}),
        "error": None,
    } | fields


def helicone(**fields: Any) -> dict[str, Any]:
    return {
        "request_id": "h1",
        "request_created_at": TIME,
        "request_path": "/v1/chat/completions",
        "request_body": json.dumps({"model": "m", "messages": MESSAGES}),
        "request_user_id": "chosen by the client",
        "helicone_api_key_id": "ann",
        "model": "m",
        "response_status": 200,
        "response_body": {"choices": [{"message": ANSWER}], "usage": {"prompt_tokens": 9}},
    } | fields


def opik(**fields: Any) -> dict[str, Any]:
    return {
        "id": "s1",
        "trace_id": "t1",
        "type": "llm",
        "start_time": "2026-11-02T12:00:00Z",
        "input": {"messages": MESSAGES},
        "output": {"choices": [{"message": ANSWER}]},
        "model": "m",
        "usage": {"prompt_tokens": 9},
        "metadata": {"user_id": "ann"},
    } | fields


def braintrust(**fields: Any) -> dict[str, Any]:
    return {
        "id": "s1",
        "span_id": "s1",
        "root_span_id": "s0",
        "created": "2026-11-02T12:00:00Z",
        "span_attributes": {"type": "llm", "name": "Chat Completion"},
        "input": MESSAGES,
        "output": [{"message": ANSWER}],
        "metadata": {"model": "m", "user_id": "ann"},
        "metrics": {"prompt_tokens": 9},
    } | fields


def weave(**fields: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "trace_id": "t1",
        "op_name": "weave:///e/p/op/openai.chat.completions.create:digest",
        "started_at": "2026-11-02T12:00:00Z",
        "inputs": {"model": "m", "messages": MESSAGES},
        "output": {"choices": [{"message": ANSWER}]},
        "attributes": {"user_id": "ann"},
        "summary": {"usage": {"m": {"prompt_tokens": 9}}},
    } | fields


TOOLS = [langfuse, langsmith, helicone, opik, braintrust, weave]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_call_is_the_same_exchange_in_every_tool(tmp_path: Path, tool: Any) -> None:
    """Objects and JSON text, with the names of each tool."""
    row = read(write(tmp_path, "log.jsonl", [tool()])).row(0, named=True)
    assert (row["prompt"], row["account"], row["model"]) == (QUESTION, "ann", "m")
    assert (row["answer"], row["input_tokens"]) == ("Four.", 9)
    assert row["time"].isoformat() == "2026-11-02T12:00:00+00:00"


FAILED = [
    langfuse(id="x", trace_id="x", level="ERROR"),
    langsmith(id="x", trace_id="x", error="429"),
    helicone(request_id="x", response_status=429),
    opik(id="x", error_info={"message": "429"}),
    braintrust(id="x", error="429"),
    weave(id="x", exception="429"),
]


@pytest.mark.parametrize(("tool", "failed"), [*zip(TOOLS, FAILED, strict=True)])
def test_a_call_that_failed_is_not_an_exchange(
    tmp_path: Path, tool: Any, failed: dict[str, Any]
) -> None:
    """Also with its body."""
    reader = LogReader([write(tmp_path, "log.jsonl", [tool(), failed])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"failed calls": 1}


OTHER = [
    langfuse(id="x", trace_id="x", type="TOOL"),
    langsmith(id="x", trace_id="x", run_type="chain"),
    opik(id="x", type="tool"),
    braintrust(id="x", span_attributes={"type": "task"}),
    weave(id="x", op_name="weave:///e/p/op/retrieve:digest"),
]


@pytest.mark.parametrize(
    ("tool", "other"), [*zip([t for t in TOOLS if t is not helicone], OTHER, strict=True)]
)
def test_a_step_that_calls_no_model_is_passed_over(
    tmp_path: Path, tool: Any, other: dict[str, Any]
) -> None:
    """Tools, chains and retrievers hold text as well."""
    reader = LogReader([write(tmp_path, "log.jsonl", [tool(), other])])
    assert sum(frame.height for frame in reader.batches()) == 1
    assert reader.summary.passed_over == {"spans of other kinds": 1}


@pytest.mark.parametrize("is_trace_first", [True, False])
def test_the_user_of_a_langfuse_trace_is_joined_to_its_generations(
    tmp_path: Path, is_trace_first: bool
) -> None:
    """In older exports the user is on the trace alone, which is another file."""
    generation = write(tmp_path, "observations/1.jsonl", [langfuse(user_id=None)])
    trace = write(tmp_path, "traces/1.jsonl", [langfuse_trace()])
    files = (trace, generation) if is_trace_first else (generation, trace)
    assert read(*files).select("account", "prompt").rows() == [("ann", QUESTION)]


def test_a_langfuse_trace_without_generations_is_the_exchange(tmp_path: Path) -> None:
    """Some applications write traces alone."""
    assert read(write(tmp_path, "traces.jsonl", [langfuse_trace()]))["account"].to_list() == ["ann"]


def test_a_langfuse_trace_of_the_api_holds_its_observations(tmp_path: Path) -> None:
    """The trace says again what its generation says."""
    inner = langfuse(user_id=None)
    trace = langfuse_trace(observations=[inner])
    reader = LogReader([write(tmp_path, "traces.json", json.dumps({"data": [trace]}).encode())])
    assert [frame["prompt"].to_list() for frame in reader.batches()] == [[QUESTION]]
    assert reader.summary.passed_over == {"outer spans of a call": 1}


def test_a_run_around_another_run_of_a_model_counts_once(tmp_path: Path) -> None:
    """A wrapped client inside a chat model of LangChain says the call again."""
    inner = langsmith(id="r2", parent_run_id="r1")
    assert read(write(tmp_path, "runs.jsonl", [langsmith(), inner])).height == 1


def test_the_user_header_of_helicone_is_never_the_account(tmp_path: Path) -> None:
    """Any caller may write it."""
    record = helicone()
    del record["helicone_api_key_id"]
    assert the_fault(write(tmp_path, "log.jsonl", [record])).problem == 'field "account" is missing'


def test_bodies_of_helicone_in_a_store_are_counted(tmp_path: Path) -> None:
    """The export then has an address in place of the body."""
    away = helicone(request_id="x", request_body=None, signed_body_url="https://example.com/b")
    reader = LogReader([write(tmp_path, "log.jsonl", [helicone(), away])])
    list(reader.batches())
    assert reader.summary.passed_over == {"bodies kept elsewhere": 1}


@pytest.mark.parametrize(
    ("tool", "objects"),
    [
        (weave, ("inputs", "output", "attributes", "summary")),
        (opik, ("input", "output", "metadata", "usage")),
        (langsmith, ("inputs", "extra")),
        (helicone, ("request_body",)),
    ],
)
def test_a_table_with_a_column_for_each_part_is_the_same_export(
    tmp_path: Path, tool: Any, objects: tuple[str, ...]
) -> None:
    """`inputs.messages` and `inputs.model` in place of `inputs`."""
    cells: dict[str, Any] = {}
    for name, value in tool().items():
        value = json.loads(value) if name in objects and isinstance(value, str) else value
        parts = value.items() if name in objects else ()
        cells |= {f"{name}.{part}": inner for part, inner in parts} or {name: value}
    texts = {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in cells.items()}
    row = read(write(tmp_path, "log.csv", [texts])).row(0, named=True)
    assert (row["prompt"], row["account"]) == (QUESTION, "ann")


def test_the_user_of_an_opik_trace_is_that_of_its_spans(tmp_path: Path) -> None:
    """Opik exports a file for each trace."""
    span = opik(metadata={})
    trace = {"trace": {"id": "t1", "metadata": {"user_id": "ann"}}, "spans": [span]}
    assert read(write(tmp_path, "log.json", json.dumps(trace).encode()))["account"][0] == "ann"
