import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exchange.builders import (
    TIME,
    as_csv,
    as_gzip,
    as_parquet,
    as_zstd,
    azure_exchange,
    faults,
    many,
    own,
    read,
    the_fault,
    write,
)
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.exchange import MAX_PROMPT_CHARS, LogReader, ReadOptions, duplicates
from gamekeeper.exchange.containers import lines


@pytest.mark.parametrize("pack", [as_gzip, as_zstd])
def test_truncated_compression_is_a_file_fault_that_no_share_lets_pass(
    tmp_path: Path, pack: Any
) -> None:
    """What came before the end was read and counted, but a log that lacks its end is not taken for
    whole.
    """
    packed = pack([own(prompt=os.urandom(200).hex()) for _ in range(2_000)])
    reader = LogReader(
        [write(tmp_path, "log.jsonl", packed[: len(packed) // 2])], ReadOptions(max_bad_rows=1.0)
    )
    with pytest.raises(InputError) as raised:
        list(reader.batches())
    assert "truncated" in raised.value.faults[0].problem
    assert 0 < reader.summary.rows < 2_000


@pytest.mark.parametrize("pack", [as_gzip, as_zstd])
def test_damaged_compression_is_a_file_fault(tmp_path: Path, pack: Any) -> None:
    """Bytes changed inside compressed data are noticed."""
    packed = bytearray(pack([own(prompt=os.urandom(200).hex()) for _ in range(500)]))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = b"\xff" * 64
    assert any(
        "damaged" in f.problem or "truncated" in f.problem
        for f in faults(write(tmp_path, "x", bytes(packed)))
    )


ROWS: dict[str, tuple[Any, str, str]] = {
    "not JSON": (b'{"time": \n', "does not parse as JSON", ""),
    "NaN in JSON": (
        b'{"time": "2026-11-02T12:00:00Z", "account": "a", "features": [NaN, 1]}\n',
        "NaN, infinity or null",
        "",
    ),
    "not UTF-8": (b'{"prompt": "caf\xe9"}\n', "not UTF-8", "iconv"),
    "no account": ({"time": TIME, "prompt": "x"}, '"account" is missing', "--account-field"),
    "null account": (own(account=None), '"account" is missing', "--account-field"),
    "empty account": (own(account=" "), '"account" is missing', "--account-field"),
    "no time": ({"account": "a", "prompt": "x"}, '"time" is missing', "--time-field"),
    "no prompt": (
        {"account": "a", "time": TIME},
        'both "prompt" and "features" are missing',
        "--prompt-field",
    ),
    "odd time": (own(time="yesterday"), "cannot be read as a time", "--time-field"),
    "day alone": (own(time="2026-11-02"), "is a date without a time of day", "--time-format"),
    "year 1": (own(time="0001-01-01T00:00:00Z"), "cannot be read as a time", ""),
    "small number": (own(time=12), "cannot be read as a time", ""),
    "no zone": (own(time="2026-11-02T12:00:00"), "has no time zone", "--timezone UTC"),
    "n is a word": (own(n="many"), '"n" has the wrong type', ""),
    "prompt is an object": (own(prompt={"a": 1}), '"prompt" has the wrong type', ""),
    "account is a list": (own(account=["x"]), '"account" has the wrong type', ""),
    "features are text": (own(features="x"), '"features" has the wrong type', ""),
    "number too large": (
        b'{"time": "2026-11-02T12:00:00Z", "account": "a", "features": [1e999, 1]}\n',
        "NaN, infinity or null",
        "",
    ),
    "null feature": (own(features=[None, 1]), "NaN, infinity or null", ""),
    "other width": (own(features=[1]), "differs in length", ""),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_row_is_one_fault_at_its_line(tmp_path: Path, name: str) -> None:
    """Each kind of bad row says where, what was found and expected; a second one is counted with
    it.
    """
    row, problem, try_ = ROWS[name]
    bad = row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n"
    good = json.dumps(own(features=[1.0, 2.0])).encode() + b"\n"
    path = write(tmp_path, "log.jsonl", good + b"\n" + bad + bad)
    fault = the_fault(path)
    assert problem in fault.problem and try_ in fault.try_
    assert (fault.where, fault.count, fault.of) == (f"{path}:3", 2, 3)
    assert fault.found and fault.expected


def test_bad_rows_up_to_the_share_are_dropped_and_counted(tmp_path: Path) -> None:
    """One bad row of ten passes at a tenth, not at a twentieth."""
    path = write(tmp_path, "log.jsonl", [*many(9), own(account=None)])
    reader = LogReader([path], ReadOptions(max_bad_rows=0.1))
    assert sum(frame.height for frame in reader.batches()) == 9
    assert (reader.summary.rows, reader.summary.bad_rows, len(reader.summary.faults)) == (10, 1, 1)
    faults(path, max_bad_rows=0.05)


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    """Nobody should have to mend a log one error message at a time."""
    write(tmp_path, "a.jsonl", [own(account=None), own(n="x")])
    write(tmp_path, "b.jsonl", [own(time="now")])
    write(tmp_path, "c.jsonl", b"")  # an hour in which nothing came
    found = faults(str(tmp_path), str(tmp_path / "nowhere"))
    assert len(found) == 4
    assert {Path(fault.where).name for fault in found} == {
        "a.jsonl:1",
        "a.jsonl:2",
        "b.jsonl:1",
        "nowhere",
    }


def test_mixed_units_of_time_in_one_file_are_a_fault(tmp_path: Path) -> None:
    """Seconds and milliseconds in one file mean that two writers share it."""
    path = write(tmp_path, "log.jsonl", [own(time=1_775_000_000), own(time=1_775_000_000_000)])
    assert "changes its unit" in the_fault(path).problem


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_units_of_time_are_told_apart_by_magnitude(tmp_path: Path, factor: int) -> None:
    """Seconds, milli-, micro- and nanoseconds give the same time."""
    frame = read(write(tmp_path, "log.jsonl", [own(time=1_775_000_000 * factor)]))
    assert frame["time"][0].timestamp() == 1_775_000_000


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-02 12:00:00+00", 12),
        ("2026-11-02T12:00:00.123456789-0230", 14),
        ("2026-11-02 12:00:00 UTC", 12),
    ],
)
def test_spellings_of_iso_times_are_read(tmp_path: Path, text: str, hour: int) -> None:
    """Databases and libraries write offsets and fractions in several ways."""
    assert read(write(tmp_path, "log.jsonl", [own(time=text)]))["time"][0].hour == hour


def test_timezone_gives_a_zone_to_times_without_one(tmp_path: Path) -> None:
    """Noon in Berlin in November is eleven in UTC."""
    path = write(tmp_path, "log.jsonl", [own(time="2026-11-02T12:00:00")])
    assert read(path, timezone="Europe/Berlin")["time"][0].hour == 11


def test_the_same_row_twice_is_a_fault_at_its_first_repeat(tmp_path: Path) -> None:
    """One fault a file, at the first row that was there before, in this file or an earlier one."""
    a = write(tmp_path, "a.jsonl", [own(), own(), own(prompt="other"), own()])
    b = write(tmp_path, "b.jsonl", [own(prompt="new"), own(prompt="other")])
    first, second = faults(str(tmp_path))
    assert (first.where, first.count, first.of) == (f"{a}:2", 2, 4)
    assert (second.where, second.count, second.of) == (f"{b}:2", 1, 2)
    assert first.problem == "the same row twice" and "What is two" in first.found
    assert first.expected.startswith("each request once") and "--max-bad-rows 0.01" in first.try_


def test_repeated_rows_within_the_share_are_counted_and_left_out(tmp_path: Path) -> None:
    """They are bad rows like any other; another request id is another request."""
    write(tmp_path, "a.jsonl", [own(), own(), own(request_id="2")])
    write(tmp_path, "b.jsonl", [own(), own(prompt="other")])
    reader = LogReader([str(tmp_path)], ReadOptions(max_bad_rows=0.4))
    assert sum(frame.height for frame in reader.batches()) == 3
    summary = reader.summary
    assert (summary.rows, summary.bad_rows, summary.duplicate_rows, summary.kept_rows) == (
        5,
        2,
        2,
        3,
    )


def test_faulty_row_twice_is_its_own_fault_and_no_repeat(tmp_path: Path) -> None:
    """A row that cannot be used is not compared with others."""
    fault = the_fault(write(tmp_path, "a.jsonl", [own(), own(account=None), own(account=None)]))
    assert fault.problem == 'field "account" is missing' and fault.count == 2


def test_part_delivered_twice_is_a_repeated_row(tmp_path: Path) -> None:
    """Of an exchange that the log splits over records, too."""
    parts = azure_exchange()
    path = write(tmp_path, "a.jsonl", [*parts, parts[1]])
    assert (the_fault(path).where, the_fault(path).problem) == (f"{path}:5", "the same row twice")
    reader = LogReader([path], ReadOptions(max_bad_rows=0.5))
    assert sum(frame.height for frame in reader.batches()) == 1
    summary = reader.summary
    assert (summary.rows, summary.bad_rows, summary.duplicate_rows, summary.kept_rows) == (
        2,
        1,
        1,
        1,
    )


def test_repeats_are_found_among_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row again in another file, far more than one run of hashes holds."""
    monkeypatch.setattr(duplicates, "_SMALL_RUN", 1_000)
    write(tmp_path, "a.jsonl", many(30_000))
    write(tmp_path, "b.jsonl", many(30_000)[::-1])
    reader = LogReader([str(tmp_path)], ReadOptions(max_bad_rows=0.5))
    assert sum(frame.height for frame in reader.batches()) == 30_000
    assert reader.summary.duplicate_rows == 30_000


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"time,account,prompt\n", as_gzip([])])
def test_empty_file_is_a_fault(tmp_path: Path, content: bytes) -> None:
    """A file without rows is more often a broken export than a quiet day."""
    suffix = "csv" if content.startswith(b"time") else "log"
    assert "empty" in the_fault(write(tmp_path, f"x.{suffix}", content)).problem


def test_sources_that_lead_nowhere_are_faults(tmp_path: Path) -> None:
    """A folder without logs, a pattern without matches, a path that is not there."""
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / name) for name in ("empty", "*.jsonl", "gone")]
    assert [fault.where for fault in faults(*names)] == names


def test_unreadable_file_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing permission is told as such (tests may run as root, so it is simulated)."""

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "log.jsonl", [own()])
    monkeypatch.setattr("builtins.open", refuse)
    assert the_fault(path).found == "Permission denied"


def test_huge_prompt_is_cut_and_counted(tmp_path: Path) -> None:
    """10 MB in one prompt break nothing."""
    reader = LogReader([write(tmp_path, "log.jsonl", [own(prompt="x" * 10_000_000), own()])])
    frames = list(reader.batches())
    assert frames[0]["prompt"].str.len_chars().to_list()[0] == MAX_PROMPT_CHARS
    assert reader.summary.cut_prompts == 1


def test_line_above_the_limit_is_a_fault_and_the_next_line_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line without end is let go while it is read; the count of lines goes on."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 3 << 20)
    content = [own(), own(prompt="x" * (5 << 20)), own(prompt="y"), own(account=None)]
    reader = LogReader([write(tmp_path, "log.jsonl", content)], ReadOptions(max_bad_rows=0.5))
    assert sum(frame.height for frame in reader.batches()) == 2
    assert [fault.where.rsplit(":")[-1] for fault in reader.summary.faults] == ["2", "4"]


def test_parquet_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """The suffix promises what the bytes do not hold."""
    assert the_fault(write(tmp_path, "log.parquet", [own()])).problem == "the file is not Parquet"


def test_truncated_parquet_is_a_fault(tmp_path: Path) -> None:
    """Parquet ends with its table of contents; half a file has none."""
    whole = as_parquet(many(1_000))
    assert (
        "truncated" in the_fault(write(tmp_path, "log.parquet", whole[: len(whole) // 2])).problem
    )


def test_parquet_times_beyond_the_calendar_are_faults(tmp_path: Path) -> None:
    """A timestamp of the year 146 million counts as none: it cannot even be shown."""
    rows = pl.DataFrame([own(time=2**62), own(time=1_775_000_000_000)])
    rows.with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC"))).write_parquet(
        tmp_path / "x.parquet"
    )
    assert the_fault(str(tmp_path / "x.parquet")).problem == 'field "time" is missing'


def test_parquet_of_wrong_types_is_a_fault(tmp_path: Path) -> None:
    """A column of text where numbers belong names its first row that is no number."""
    path = write(tmp_path, "log.parquet", as_parquet([own(n="1"), own(n="many")]))
    fault = the_fault(path)
    assert (fault.where, fault.found) == (f"{path}:2", '"n": many')


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_faults(tmp_path: Path, value: float) -> None:
    """Parquet can hold what JSON cannot."""
    path = write(
        tmp_path, "log.parquet", as_parquet([own(features=[1.0, 2.0]), own(features=[value, 2.0])])
    )
    fault = the_fault(path)
    assert (fault.where, fault.problem) == (f"{path}:2", '"features" holds NaN, infinity or null')


def test_ragged_csv_rows_are_faults_at_their_line(tmp_path: Path) -> None:
    """A row with too few cells; the line counts, also after a cell that holds line ends."""
    content = as_csv([own(prompt="two\nlines")]) + b"only,two\r\n"
    fault = the_fault(path := write(tmp_path, "log.csv", content))
    assert fault.where == f"{path}:4" and "numbers of cells" in fault.problem


def test_broken_csv_quotes_and_bytes_are_faults(tmp_path: Path) -> None:
    """Quotes inside a quoted cell and bytes that are no text lose their row only."""
    content = (
        as_csv([own()]) + b'2026-11-02T12:00:00Z,"a"b,x\r\n' + b"2026-11-02T12:00:00Z,a,caf\xe9\r\n"
    )
    problems = {fault.problem for fault in faults(write(tmp_path, "log.csv", content))}
    assert problems == {"the quoting of the row is broken", "bytes are not UTF-8"}


def test_secrets_are_masked_and_control_characters_removed(tmp_path: Path) -> None:
    """What is shown of a row goes into terminals and tickets."""
    row = {
        "time": TIME,
        "prompt": "x",
        "auth": "Bearer abc.def",
        "k": "sk-proj-123456",
        "e": "\x1b[31m",
    }
    found = the_fault(write(tmp_path, "log.jsonl", [row])).found
    assert "abc.def" not in found and "123456" not in found and "\x1b" not in found
    assert len(found) <= 80


def test_account_that_is_a_whole_key_is_masked(tmp_path: Path) -> None:
    """Accounts are shown in reports; keys are not."""
    account = read(write(tmp_path, "log.jsonl", [own(account="sk-1234567890")]))["account"][0]
    assert account.startswith("sk-***") and "1234567890" not in account


@pytest.mark.parametrize(
    "options",
    [{"format": "xml"}, {"timezone": "Mars"}, {"fields": {"nope": "x"}}, {"max_bad_rows": 2}],
)
def test_options_that_mean_nothing_are_usage_errors(options: dict[str, Any]) -> None:
    """Before any file is opened."""
    with pytest.raises(UsageError):
        LogReader(["x"], ReadOptions(**options))
