"""What is not an exchange is counted by its reason; what cannot be understood is a fault; and a few
odd rows never refuse a log.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from gamekeeper.exchange import LogReader, ReadOptions, ReadSummary

from .builders import faults, many, openai, own, read, write

PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


def summary(*sources: str, **options: Any) -> ReadSummary:
    reader = LogReader(sources, ReadOptions(**options))
    list(reader.batches())
    return reader.summary


def test_an_odd_row_in_a_thousand_refuses_nothing(tmp_path: Path) -> None:
    """It is left out and counted."""
    rows = [*many(2_000), own(time="yesterday")]
    found = summary(write(tmp_path, "log.jsonl", rows))
    assert (found.kept_rows, found.bad_rows) == (2_000, 1)


def test_more_odd_rows_are_refused_and_the_way_on_is_named(tmp_path: Path) -> None:
    """The real remedy first, then how to go on without these rows."""
    rows = [*many(20), own(account=None), own(account=None)]
    (fault,) = faults(write(tmp_path, "log.jsonl", rows))
    assert "--account-field" in fault.try_ and "--max-bad-rows 0.091" in fault.try_


def test_other_lines_of_an_application_are_passed_over(tmp_path: Path) -> None:
    """They come first, and are fewer than the exchanges."""
    others = [{"level": "info", "event": f"started {i}"} for i in range(5)]
    found = summary(write(tmp_path, "app.jsonl", [*others, *many(20)]))
    assert found.kept_rows == 20
    assert found.passed_over == {"records of another kind": 5}
    assert found.records == 25


def test_a_log_that_is_mostly_something_else_is_refused(tmp_path: Path) -> None:
    """Unless its format is named: then the user has looked."""
    others = [{"level": "info", "event": f"started {i}"} for i in range(50)]
    path = write(tmp_path, "app.jsonl", [*others, *many(20)])
    (fault,) = faults(path)
    assert fault.problem == "most records are of an unknown kind"
    assert summary(path, format="gamekeeper").kept_rows == 20


def test_a_file_of_another_kind_does_not_lose_a_folder(tmp_path: Path) -> None:
    """It is left out and said; named by itself it is a fault."""
    write(tmp_path, "logs/a.jsonl", many(20))
    other = write(tmp_path, "logs/b.jsonl", [{"x": 1}, {"x": 2}])
    found = summary(str(tmp_path / "logs"))
    assert found.kept_rows == 20
    assert any("b.jsonl" in remark for remark in found.remarks)
    assert faults(other)


def test_a_folder_of_other_files_alone_is_refused(tmp_path: Path) -> None:
    """With what was found in them."""
    write(tmp_path, "logs/b.jsonl", [{"x": 1}, {"x": 2}])
    assert any("format" in fault.problem for fault in faults(str(tmp_path / "logs")))


def test_a_picture_without_a_word_is_an_exchange_without_text(tmp_path: Path) -> None:
    """Its prompt is absent, never empty."""
    rows = [openai(created=1.775e9 + i, api_key_id=f"k{i}") for i in range(3)]
    rows.append(openai(created=1.776e9, messages=[{"role": "user", "content": PICTURE}]))
    path = write(tmp_path, "log.jsonl", rows)
    assert summary(path).without_text == 1
    assert read(path)["prompt"].to_list()[-1] is None


def test_embeddings_are_kept_apart(tmp_path: Path) -> None:
    """They are passed over by default, and `calls` reads them alone."""
    rows = [openai(created=1.775e9 + i, api_key_id=f"k{i}") for i in range(3)]
    indexed = {"created": 1.776e9, "api_key_id": "k9", "model": "text-embedding-x"}
    rows.append(indexed | {"input": "A chapter of a book.", "object": "embedding"})
    rows[-1]["path"] = "/v1/embeddings"
    path = write(tmp_path, "log.jsonl", rows)
    found = summary(path)
    assert (found.kept_rows, dict(found.passed_over)) == (3, {"embeddings": 1})
    assert read(path, calls="embeddings")["prompt"].to_list() == ["A chapter of a book."]


def test_a_mapped_prompt_may_be_messages(tmp_path: Path) -> None:
    """As a list, as JSON text, in our own column: the latest user message is the prompt."""
    said = [{"role": "user", "content": "One?"}, {"role": "user", "content": "Two?"}]
    rows = [{"who": "a", "ts": 1.775e9 + i, "m": m} for i, m in enumerate([said, json.dumps(said)])]
    fields = {"account": "who", "time": "ts", "prompt": "m"}
    assert read(write(tmp_path, "a.jsonl", rows), fields=fields)["prompt"].to_list() == ["Two?"] * 2
    table = pl.DataFrame({"account": ["a"], "time": [1_775_000_000], "prompt": [said]})
    table.write_parquet(tmp_path / "own.parquet")
    assert read(str(tmp_path / "own.parquet"))["prompt"].to_list() == ["Two?"]


def test_json_that_a_user_wrote_stays_as_it_is(tmp_path: Path) -> None:
    """Only messages are taken apart."""
    written = '{"question": "How many?", "text": "in all"}'
    assert read(write(tmp_path, "a.jsonl", [own(prompt=written)]))["prompt"].to_list() == [written]


def test_a_field_that_is_nowhere_is_named_with_what_is_near(tmp_path: Path) -> None:
    """A wrong letter must not look like a log without accounts."""
    rows = [{"auth": {"keyId": f"k{i}"}, "ts": 1.775e9 + i, "q": "?"} for i in range(3)]
    fields = {"account": "auth.kyeid", "time": "ts", "prompt": "q"}
    found = faults(write(tmp_path, "a.jsonl", rows), fields=fields)
    assert any("auth.keyId" in fault.try_ for fault in found)


def test_rows_in_upper_case_are_our_columns(tmp_path: Path) -> None:
    """Warehouses unload names in upper case."""
    rows = [{name.upper(): value for name, value in row.items()} for row in many(3)]
    assert read(write(tmp_path, "a.jsonl", rows)).height == 3


def test_own_prompts_of_tools_or_of_blanks_are_no_empty_questions(tmp_path: Path) -> None:
    """A tool's result alone is passed over; blank text is an exchange without text."""
    result = [{"role": "user", "content": [{"type": "tool_result", "content": "42"}]}]
    path = write(tmp_path, "a.jsonl", [own(prompt=result), own(prompt=" \n"), own()])
    found = summary(path)
    assert (found.kept_rows, found.without_text) == (2, 1)
    assert found.passed_over == {"tool results alone": 1}


def test_fields_that_may_be_meant_are_named(tmp_path: Path) -> None:
    """Of a log of one's own, and of a row that lacks something: the remedy can be copied."""
    record = {"when": 1.775e9, "meta": {"user": "claimed", "tenantKey": "t1"}, "sentAt": 1.775e9}
    record["log"] = {"ask": [{"role": "user", "content": "Hello?"}]}
    (fault,) = faults(write(tmp_path, "own.jsonl", [record]))
    assert "--account-field meta.tenantKey --time-field sentAt" in fault.try_
    assert "--prompt-field log.ask" in fault.try_
    lacking = {"time": 1.775e9, "prompt": "Hello?", "apiKeyName": "k1"}
    (fault,) = faults(write(tmp_path, "a.jsonl", [lacking]), format="gamekeeper")
    assert "--account-field apiKeyName" in fault.try_
