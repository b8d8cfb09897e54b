"""Parts of exchanges, far apart and in different files."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.formats.test_traces import (
    BARE,
    CALL,
    NAMELESS,
    QUESTION,
    ROOT,
    SAID,
    TRACE,
    log,
    logs,
    span,
    spans,
)
from gamekeeper.exchange import joining
from gamekeeper.exchange.faults import Tally
from gamekeeper.exchange.formats import FORMATS
from gamekeeper.exchange.formats.form import PassedOver, Row
from gamekeeper.exchange.joining import Joined, Joiner

OTEL = FORMATS["otel"]


def joined(exports: Iterable[dict[str, Any]], tally: Tally | None = None) -> list[Joined]:
    joiner = Joiner(OTEL, tally or Tally())
    found: list[Joined] = []
    for place, export in enumerate(exports, start=1):
        for record in OTEL.split(export):
            found += joiner.feed(f"{place}.jsonl", place, record)
    return [*found, *joiner.close()]


def exchanges(records: Iterable[Joined]) -> list[Row]:
    assert OTEL.row is not None
    rows = [OTEL.row(record.record) for record in records]
    return [row for row in rows if not isinstance(row, PassedOver)]


def numbered(number: int, export: dict[str, Any]) -> dict[str, Any]:
    """The same export in a trace of its own."""
    return _replaced(export, TRACE, f"{number:032x}")


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    return new if value == old else value


def test_parts_are_joined_however_far_apart_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """All spans come before all log records: none of them is quiet for too long."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    bare = [numbered(n, spans(span(BARE))) for n in range(1, 60)]
    said = [numbered(n, logs(*SAID)) for n in range(1, 60)]
    rows = exchanges(joined([*bare, *said]))
    assert [row["prompt"] for row in rows] == [QUESTION] * 59
    assert all(row["principals"]["enduser.id"] == "ann" for row in rows)


def test_whole_records_do_not_wait_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span with content and account needs nothing of the others."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    joiner = Joiner(OTEL, Tally())
    early = 0
    for n in range(1, 60):
        for record in OTEL.split(numbered(n, spans(span()))):
            early += len(list(joiner.feed("a", n, record)))
    assert early == 55


def test_an_exchange_does_not_wait_once_its_last_part_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A span that got its messages is whole."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    joiner = Joiner(OTEL, Tally())
    found: list[Joined] = []
    bare = [numbered(n, spans(span(BARE))) for n in range(1, 60)]
    said = [numbered(n, logs(*SAID)) for n in range(1, 60)]
    for export in (*bare, *said):
        for record in OTEL.split(export):
            found += joiner.feed("a", 1, record)
    assert len(exchanges(found)) > 50


def test_what_had_to_be_closed_early_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; an exchange is never lost to that in silence."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    monkeypatch.setattr(joining, "WAITING_BYTES", 20_000)
    tally = Tally()
    bare = [numbered(n, spans(span(BARE))) for n in range(1, 200)]
    assert not exchanges(joined(bare, tally))
    assert any("lack a part" in remark for remark in tally.remarks)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes, not by a count of records."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    monkeypatch.setattr(joining, "WAITING_BYTES", 20_000)
    joiner = Joiner(OTEL, Tally())
    for n in range(1, 200):
        for record in OTEL.split(numbered(n, spans(span(BARE)))):
            list(joiner.feed("a", n, record))
    assert joiner._waiting_bytes <= 20_000


def test_each_record_keeps_its_own_file_and_place() -> None:
    """A fault of it names where it is."""
    call = spans(span(NAMELESS, spanId="3" * 16))
    found = joined([spans(span(spanId=ROOT)), logs(log("other", {})), call])
    assert [(one.file, one.place) for one in found] == [
        ("2.jsonl", 2),
        ("1.jsonl", 1),
        ("3.jsonl", 3),
    ]


def test_details_that_come_after_their_call_was_closed_are_said_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Content in spans and in log records, in files of their own."""
    monkeypatch.setattr(joining, "QUIET_RECORDS", 3)
    details = {key: value for key, value in CALL.items() if key != "enduser.id"}
    name = "gen_ai.client.inference.operation.details"
    whole = [numbered(n, spans(span())) for n in range(1, 60)]
    late = [numbered(n, logs(log(name, details))) for n in range(1, 60)]
    assert len(exchanges(joined([*whole, *late]))) == 59


PARTS = [
    spans(span({"enduser.id": "ann"}, spanId=ROOT, kind=2)),
    spans(span({"gen_ai.operation.name": "chat"}, parentSpanId=ROOT)),
    *[logs(one) for one in SAID],
    spans(span({"gen_ai.operation.name": "execute_tool"}, spanId="4" * 16, parentSpanId=ROOT)),
]


@given(st.permutations(PARTS))
def test_the_order_of_parts_does_not_matter(parts: list[dict[str, Any]]) -> None:
    """Exporters write spans when they end, tables sort them by anything."""
    (row,) = exchanges(joined(parts))
    assert (row["prompt"], row["answer"]) == (QUESTION, "Four.")
    assert row["principals"] == {"enduser.id": "ann"}
