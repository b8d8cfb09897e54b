"""Traces and observations of any shape: nothing raises."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.formats.test_hostile import changed
from exchange.formats.test_observed import TOOLS, langfuse_trace
from exchange.formats.test_traces import (
    ASSISTANTS,
    CONTENTS,
    EVENTS,
    OTHERS,
    SAID,
    SPELLINGS,
    log,
    logs,
    span,
    spans,
)
from gamekeeper.exchange.faults import Tally
from gamekeeper.exchange.formats import FORMATS
from gamekeeper.exchange.formats.form import Format, PassedOver
from gamekeeper.exchange.joining import Joiner

RECORDS = [
    *(spelling() for spelling in SPELLINGS.values()),
    *(spans(span(held), span(held)) for held in (*CONTENTS.values(), *OTHERS.values())),
    *(spans(span(events=events)) for events in EVENTS.values()),
    *(logs(log(name, held | {"prompt": "x"})) for name, held in ASSISTANTS.items()),
    logs(*SAID),
    *(tool() for tool in TOOLS),
    langfuse_trace(observations=[langfuse_trace()]),
]
FORMS = [FORMATS[name] for name in ("otel", "langfuse", "langsmith", "helicone", "tracers")]

KEYS = ["traceId", "span_id", "id", "parent_id", "attributes", "resource", "events", "status"]
KEYS += ["body", "kind", "name", "timestamp", "context", "key", "value", "tags", "logs", "spans"]
KEYS += ["resourceSpans", "scopeSpans", "resourceLogs", "scopeLogs", "logRecords", "batches"]
KEYS += ["data", "processes", "fields", "references", "Events.Name", "Events.Attributes", "type"]
KEYS += ["stringValue", "intValue", "arrayValue", "kvlistValue", "values", "eventName", "input"]
KEYS += ["gen_ai.input.messages", "gen_ai.prompt.0.content", "llm.input_messages.0.message.role"]
KEYS += ["ai.prompt", "ai.operationId", "gen_ai.operation.name", "event.name", "run_type", "inputs"]
KEYS += ["observations", "metadata", "user_id", "extra", "op_name", "started_at", "request_body"]
KEYS += ["request_created_at", "span_attributes", "created", "start_time", "trace_id", "level"]
NAMES = ["chat", "gen_ai.user.message", "claude_code.user_prompt", "GENERATION", "llm", "[{", '"']
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NAMES)
)
VALUES = st.recursive(
    LEAVES | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)


def read_all(form: Format, record: dict[str, Any]) -> None:
    """Does to a record what a reader does."""
    assert form.row is not None
    if not form.sniff(record):
        return
    joiner = Joiner(form, Tally()) if form.part_key else None
    for inner in form.split(record):
        found = list(joiner.feed("a", 1, inner)) if joiner else []
        assert all(isinstance(form.row(one.record), dict | PassedOver) for one in found)
        assert joiner or isinstance(form.row(inner), dict | PassedOver)
    for one in joiner.close() if joiner else ():
        assert isinstance(form.row(one.record), dict | PassedOver)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8))
def test_any_values_under_known_keys_are_read_or_passed_over(record: dict[str, Any]) -> None:
    """Whatever JSON they hold."""
    for form in FORMS:
        read_all(form, record)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_no_changed_record_raises(form: Format) -> None:
    """Wrong types at every level, deep nesting, text that is not Unicode."""
    rng = random.Random(7)
    records = [record for record in RECORDS if form.sniff(record)]
    for _ in range(600):
        record = rng.choice(records)
        for _ in range(rng.randrange(1, 4)):
            record = changed(record, rng)
        if isinstance(record, dict):
            read_all(form, record)
