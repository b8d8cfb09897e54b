"""LangSmith: runs, as its bulk export and API have them.

    {"id", "trace_id", "run_type": "llm", "start_time", "inputs", "outputs", "extra", "error"}

A run of type llm is a call of a model; chains, tools, retrievers and prompts are not. A wrapped
client inside a chat model of LangChain says the same call again: the inner run counts. The user is
what the application puts into `extra.metadata`. Times are UTC. Source: LangSmith, run data format,
and bulk data export.
"""

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.dotted import gathered
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    OTHER_SPAN,
    SAID_TWICE,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.observed import (
    TENANTS,
    USERS,
    answered_in,
    asked_in,
    named_in,
    parameters_in,
    tokens_in,
)
from gamekeeper.exchange.messages import first, mapping

_THREADS = ("thread_id", "conversation_id", "session_id")


def sniff(record: Record) -> bool:
    """True if the record is a run."""
    return "run_type" in record and (
        "inputs" in record or "start_time" in record or "inputs.messages" in record
    )


def part_key(record: Record) -> tuple[str, int | None] | None:
    """Returns the trace of calls of models."""
    trace = record.get("trace_id")
    return (trace, None) if record.get("run_type") == "llm" and isinstance(trace, str) else None


def is_whole(_parts: list[Record]) -> bool:
    """Returns True: an outer run ends with the one inside it, so they are close together."""
    return True


def join(parts: list[Record]) -> list[Record]:
    """Returns the runs, those around another one marked."""
    parents = {
        part["parent_run_id"] for part in parts if isinstance(part.get("parent_run_id"), str)
    }
    for part in parts:
        if isinstance(part.get("id"), str) and part["id"] in parents:
            part["said_twice"] = True
    return parts


def row(record: Record) -> Row | PassedOver:
    """Returns the row of a run, or why it is not an exchange."""
    kind = record.get("run_type")
    if kind not in ("llm", "embedding"):
        return OTHER_SPAN
    if record.get("said_twice"):
        return SAID_TWICE
    if first(record.get("error")) is not None or record.get("status") == "error":
        return FAILED
    asked = asked_in(record.get("inputs"))
    if isinstance(asked, PassedOver):
        return asked
    outputs = mapping(record.get("outputs"))
    extra = mapping(record.get("extra"))
    metadata = mapping(extra.get("metadata"))
    parameters = mapping(extra.get("invocation_params"))
    printed = mapping(outputs.get("llm_output"))
    threads = named_in(metadata, _THREADS, "extra.metadata.")
    return {
        **asked,
        **parameters_in(parameters),
        **tokens_in(
            record,
            printed.get("token_usage"),
            outputs.get("usage_metadata"),
            metadata.get("usage_metadata"),
        ),
        "time": record.get("start_time"),
        "principals": named_in(metadata, USERS, "extra.metadata."),
        "owners": {
            **named_in(metadata, TENANTS, "extra.metadata."),
            **named_in(record, ("tenant_id",)),
        },
        "claimed": threads,
        "model": first(
            parameters.get("model"),
            parameters.get("model_name"),
            metadata.get("ls_model_name"),
            printed.get("model_name"),
        ),
        "conversation": first(*threads.values()),
        "answer": None if kind == "embedding" else answered_in(outputs),
        "request_id": record.get("id"),
        "call": EMBEDDINGS if kind == "embedding" else None,
    }


FORMAT = Format(
    name="langsmith",
    about="LangSmith runs: bulk export and API.",
    known_by="`run_type` with `inputs`",
    sniff=sniff,
    row=row,
    split=lambda record: (gathered(record),),
    zone="UTC",
    part_key=part_key,
    join=join,
    is_whole=is_whole,
    account_try="--account-field extra.metadata.FIELD, set by the application",
    prompt_try="export runs with their inputs",
)
