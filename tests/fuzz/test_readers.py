"""Any bytes in place of a log: a frame of `SCHEMA` or `InputError` comes out, and nothing else."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.builders import (
    MESSAGES,
    as_csv,
    as_gzip,
    as_jsonl,
    as_parquet,
    as_zstd,
    attributes,
    azure_exchange,
    bedrock,
    litellm,
    many,
    openai,
    otel,
    own,
    span,
    write,
)
from exchange.test_containers import FILES
from exchange.test_envelopes import ENVELOPES, TABLES, WHOLE
from gamekeeper.base.errors import InputError
from gamekeeper.exchange import SCHEMA, LogReader, ReadOptions
from gamekeeper.exchange.containers import read_blocks
from gamekeeper.exchange.envelopes import unwrap
from gamekeeper.exchange.faults import Tally, UnreadableFileError
from gamekeeper.exchange.sources import ByteSource

LONGER = int(os.environ.get("GAMEKEEPER_FUZZ", "1"))  # 100: about ten minutes

SPAN = span(
    attributes=attributes({"gen_ai.system": "x", "gen_ai.prompt": "Hello", "enduser.id": "e"})
)
VALID = {
    "own.jsonl": as_jsonl([own(), own(features=[1.0, 2.0], n=1)]),
    "own.gz": as_gzip(many(5)),
    "own.zst": as_zstd(many(5)),
    "own.csv": as_csv(many(5)),
    "own.parquet": as_parquet(many(5)),
    "openai.jsonl": as_jsonl(
        [openai(), {"created": 1_775_000_000, "key_id": "k", "request": {"messages": MESSAGES}}]
    ),
    "litellm.csv": as_csv([litellm()]),
    "litellm.parquet": as_parquet([litellm()]),
    "otel.json": as_jsonl([otel(SPAN)]),
    "bedrock.jsonl": as_jsonl([bedrock()]),
    "azure.jsonl": as_jsonl(azure_exchange()),
}

change = st.tuples(
    st.floats(0, 1),
    st.integers(0, 6),
    st.binary(max_size=8) | st.sampled_from([b"null", b"[]", b"{}", b"1e99", b'"']),
)


CONTAINERS = {kind: content for kind, content in FILES.items() if len(content) < 20_000}


def mutated(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, new in changes:
        at = int(place * len(content))
        content = content[:at] + new + content[at + length :]
    return content


def read_or_refuse(path: str, **options: Any) -> None:
    try:
        for frame in LogReader([path], ReadOptions(max_bad_rows=1.0, **options)).batches():
            assert dict(frame.schema) == SCHEMA
    except InputError as error:
        assert error.faults and all(fault.where and fault.problem for fault in error.faults)


@pytest.mark.parametrize("name", VALID)
@settings(
    max_examples=60 * LONGER,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(change, min_size=1, max_size=4))
def test_changed_bytes_are_read_or_refused(
    tmp_path: Path, name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    """A few bytes replaced, inserted or lost anywhere in a valid file."""
    read_or_refuse(write(tmp_path, name, mutated(VALID[name], changes)))


@pytest.mark.parametrize("kind", CONTAINERS)
@settings(max_examples=15 * LONGER, deadline=None)
@given(changes=st.lists(change, min_size=1, max_size=4))
def test_changed_files_of_every_kind_are_read_or_refused(
    kind: str, changes: list[tuple[float, int, bytes]]
) -> None:
    """Blocks of plain values come out, or one fault of the file, and nothing else."""
    content = mutated(CONTAINERS[kind], changes)
    source = ByteSource(name="x", open=lambda: io.BytesIO(content))
    try:
        for block in read_blocks(source, Tally(), lambda done: None):
            for record in block.records():
                assert all(isinstance(one, dict) for one in unwrap(record))
            assert len(block.records()) == len(block.places)
    except UnreadableFileError as refusal:
        assert refusal.fault.problem and refusal.fault.expected


@settings(max_examples=200 * LONGER, deadline=None)
@given(data=st.data())
def test_misshapen_envelopes_are_opened_or_left(data: st.DataObject) -> None:
    """Any part of an envelope may be anything."""
    template = data.draw(st.sampled_from([*ENVELOPES.values(), *TABLES.values(), *WHOLE.values()]))
    record = data.draw(misshapen(template))
    if isinstance(record, dict):
        assert all(isinstance(one, dict) for one in unwrap(record))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
TEMPLATES = {
    "gamekeeper": own(features=[1.0]),
    "openai": openai(
        request={"messages": MESSAGES},
        response={"choices": [{"message": {"content": "x"}}]},
        tools=[],
    ),
    "litellm": litellm(),
    "otel": otel(SPAN),
    "bedrock": bedrock(),
    "azure": azure_exchange()[1],
}


@st.composite
def misshapen(draw: st.DrawFn, template: Any) -> Any:
    """A valid record in which any part may be anything."""
    if draw(st.integers(0, 5)) == 0:
        return draw(anything)
    if isinstance(template, dict):
        return {key: draw(misshapen(value)) for key, value in template.items()}
    if isinstance(template, list):
        return [draw(misshapen(value)) for value in template]
    return template


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=80 * LONGER, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_misshapen_records_are_read_or_refused(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    """Valid JSON whose fields hold the wrong things, at any depth."""
    rows = [data.draw(misshapen(TEMPLATES[name])) for _ in range(2)]
    read_or_refuse(write(tmp_path, "log.jsonl", rows), format=name)
