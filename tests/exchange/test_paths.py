"""Paths to fields: through objects, lists, pairs and JSON text."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.exchange.containers.block import RecordBlock, TableBlock
from gamekeeper.exchange.paths import column, dig, find, nearest

RECORD: dict[str, Any] = {
    "extra": json.dumps({"org": "o1", "inner": json.dumps({"list": [{"x": 5}]})}),
    "printed": "{'org': 'o2', 'none': None}",
    "attributes": {"session.id": "s1", "deep": {"a.b": {"c": 2}}, "session": {"other": 3}},
    "turns": [{"text": "first"}, {"text": "last"}, {"role": "tool"}],
    "Display Name": "blank",
    "X-Tenant-Id": "t1",
    "callerName": "camel",
    "2031": {"5": "numbers"},
    "labels": [{"key": "cost.centre", "value": {"stringValue": "cc"}}, {"key": "n", "value": 1}],
    "headers": [["X-Key-Id", "k1"], ["Accept", "*"]],
    "double": [{"name": "a", "value": 1}, {"name": "a", "value": 2}],
    "gone": None,
    "Case": 1,
    "cAse": 2,
}
LEADS_TO = {
    "extra.org": "o1",
    "extra.inner.list.0.x": 5,
    "printed.org": "o2",
    "attributes.session.id": "s1",
    "attributes.session.other": 3,
    "attributes.deep.a.b.c": 2,
    "turns.0.text": "first",
    "turns[0].text": "first",
    "turns.-1.role": "tool",
    "turns.*.text": "last",
    "Display Name": "blank",
    "$['Display Name']": "blank",
    "display_name": "blank",
    "x-tenant-id": "t1",
    "caller_name": "camel",
    "CALLERNAME": "camel",
    "2031.5": "numbers",
    "labels.cost.centre": "cc",
    "labels.n": 1,
    "headers.x-key-id": "k1",
    ".extra.org": "o1",
    "double.a": None,
    "case": None,
    "Case": 1,
    "gone": None,
    "turns.7.text": None,
    "extra.org.more": None,
    "nothing": None,
    "": None,
    ".": None,
    "[": None,
}


@pytest.mark.parametrize("path", LEADS_TO)
def test_path_leads_to(path: str) -> None:
    """What is written two ways, or not there, leads nowhere."""
    assert dig(RECORD, path) == LEADS_TO[path]


def test_nearest_paths_are_those_that_are_there_and_alike() -> None:
    """They are what a message proposes, so that each leads somewhere."""
    assert nearest(RECORD, "extra.organisation")[0] == "extra.org"
    assert nearest(RECORD, "tenant_id")[0] == "X-Tenant-Id"
    assert nearest(RECORD, "messages.0.text")[0] == "turns.0.text"
    assert nearest(RECORD, "qqqq") == []
    assert all(dig(RECORD, path) is not None for path in nearest(RECORD, "session.id"))


def test_table_answers_as_its_records_do() -> None:
    """Only the columns in which a path may begin are looked at."""
    table = TableBlock(
        range(1, 4),
        {
            "meta": pl.Series(['{"team": "a"}', None, "no JSON"]),
            "meta.team": [None, "b", None],
            "Account": pl.Series([1, 2, 3]),
            "big": [object()] * 3,
        },
    )
    for path in ("meta.team", "META.team", "account", "Account", "nothing", "big.x"):
        found = list(column(table, path))
        assert found == [dig(record, path) for record in table.records()], path
    assert find(table.names(), "meta.team") == ["meta.team", "meta"]
    assert find(table.names(), "account") == ["Account"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "A", "a.b", "key", "value", "0"]), inner, max_size=4
        )
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2).map(json.dumps)
    ),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(["a", "A", "a.b", "c"]), JSON, max_size=4),
    min_size=1,
    max_size=4,
)
PATHS = st.lists(
    st.sampled_from(["a", "A", "b", "c", "0", "-1", "*", "[0]", "", "$", "['a']"])
).map(".".join)


@settings(max_examples=80, deadline=None)
@given(RECORDS, PATHS)
def test_any_path_into_any_record_leads_somewhere_or_nowhere(
    records: list[dict[str, Any]], path: str
) -> None:
    """It never raises, and a block answers as its records do, whatever holds them."""
    expected = repr([dig(record, path) for record in records])
    names = sorted(set().union(*records))
    table = TableBlock(
        range(len(records)), {name: [record.get(name) for record in records] for name in names}
    )
    assert repr(list(column(RecordBlock(range(len(records)), records), path))) == expected
    assert repr(list(column(table, path))) == expected
    assert all(isinstance(near, str) for near in nearest(records[0], path))
