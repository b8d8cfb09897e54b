"""Which files a name leads to."""

import io
import os
from pathlib import Path

import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.sources import ByteSource, Sources, find_sources

ROW = b'{"account": "a"}\n'


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name.endswith("empty.jsonl") else ROW)


def names_of(found: Sources, folder: Path) -> list[str]:
    return [Path(source.name).relative_to(folder).as_posix() for source in found.sources]


@pytest.mark.parametrize(
    "name",
    [
        "000000.gz",
        "part-00000",
        "day/09/export",
        "a.log.1",
        "_requests",
        "day=1/x.txt",
        "b.jsonl.xz",
    ],
)
def test_a_file_of_a_folder_is_a_log_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    """What it is, its content says: exports have names of their own."""
    write(tmp_path, name)
    found = find_sources([str(tmp_path)])
    assert names_of(found, tmp_path) == [name]
    assert not found.sources[0].is_named


@pytest.mark.parametrize(
    "name",
    [
        "_SUCCESS",
        "._a.jsonl",
        ".DS_Store",
        "__MACOSX/a.jsonl",
        ".part-0.parquet.crc",
        "_temporary/0/part-0",
        "_started_7",
        "amazon-bedrock-logs-permission-check",
        "aws-logs-write-test",
        "day_$folder$",
    ],
)
def test_what_systems_leave_beside_a_log_is_left_out_in_silence(tmp_path: Path, name: str) -> None:
    """Nobody misses it, and it is neither a record nor a fault."""
    write(tmp_path, "a.jsonl", name)
    found = find_sources([str(tmp_path)])
    assert names_of(found, tmp_path) == ["a.jsonl"]
    assert not found.faults and not found.remarks


@pytest.mark.parametrize(
    "name",
    [
        ".old.jsonl",
        ".archive/a.jsonl",
        "README.md",
        "chart.png",
        "a.jsonl.sha256",
        "write.lock",
        "b.jsonl.tmp",
        "x.sqlite",
        "09/data/r1_input.json.gz",
    ],
)
def test_what_somebody_may_miss_is_left_out_and_said(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a.jsonl", name)
    found = find_sources([str(tmp_path)])
    assert names_of(found, tmp_path) == ["a.jsonl"]
    assert len(found.remarks) == 1
    assert name.split("/")[0] in found.remarks[0]


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    """The rules are for what a folder holds by chance."""
    write(tmp_path, ".old.jsonl", "notes.md")
    found = find_sources([str(tmp_path / ".old.jsonl"), str(tmp_path / "notes.md")])
    assert [source.is_named for source in found.sources] == [True, True]


def test_a_file_reached_by_several_names_is_read_once(tmp_path: Path) -> None:
    """By a link, a hard link, a pattern and its folder; the name that was given counts."""
    write(tmp_path, "logs/a.jsonl")
    (tmp_path / "logs/current.jsonl").symlink_to("a.jsonl")
    os.link(tmp_path / "logs/a.jsonl", tmp_path / "logs/hard.jsonl")
    names = [tmp_path / "logs", tmp_path / "logs/*.jsonl", tmp_path / "logs/current.jsonl"]
    found = find_sources([str(name) for name in names])
    assert len(found.sources) == 1
    assert found.sources[0].is_named
    assert not found.faults


def test_folders_that_are_linked_in_a_circle_are_walked_once(tmp_path: Path) -> None:
    write(tmp_path, "logs/a.jsonl", "elsewhere/b.jsonl")
    (tmp_path / "logs/again").symlink_to(tmp_path / "logs")
    (tmp_path / "logs/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "logs/gone").symlink_to(tmp_path / "nowhere")
    found = find_sources([str(tmp_path / "logs")])
    assert names_of(found, tmp_path) == ["logs/a.jsonl", "logs/more/b.jsonl"]


def test_a_pipe_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    write(tmp_path, "a.jsonl")
    os.mkfifo(tmp_path / "pipe")
    assert names_of(find_sources([str(tmp_path)]), tmp_path) == ["a.jsonl"]


@pytest.mark.parametrize("wrong", ["2026-11-2.jsonl", "2026-11-02.JSON", "2026-11-02"])
def test_a_name_that_does_not_exist_is_answered_with_names_like_it(
    tmp_path: Path, wrong: str
) -> None:
    write(tmp_path, "2026-11-02.jsonl", "other.csv")
    found = find_sources([str(tmp_path / wrong)])
    assert not found.sources
    assert found.faults[0].problem == "no such file or folder"
    assert found.faults[0].try_ == str(tmp_path / "2026-11-02.jsonl")


def test_a_folder_and_a_pattern_without_a_log_are_faults(tmp_path: Path) -> None:
    write(tmp_path, "docs/README.md")
    problems = [
        find_sources([str(tmp_path / name)]).faults[0].problem for name in ("docs", "*.jsonl")
    ]
    assert problems == ["the folder contains no log file", "the pattern matches no log file"]


def test_an_hour_without_a_call_is_no_fault_beside_others(tmp_path: Path) -> None:
    write(tmp_path, "09/a.jsonl", "10/empty.jsonl")
    found = find_sources([str(tmp_path / "09"), str(tmp_path / "10")])
    assert names_of(found, tmp_path) == ["09/a.jsonl"]
    assert not found.faults
    assert find_sources([str(tmp_path / "10")]).faults[0].problem == "the log is empty"


def test_folder_names_of_hive_are_columns(tmp_path: Path) -> None:
    """Percent signs are decoded, and the name for no value is no value."""
    write(tmp_path, "t/team=a%2Fb/hour=__HIVE_DEFAULT_PARTITION__/part-0")
    for name in ("t", "t/team=a%2Fb", "t/*/*/part-*"):
        source = find_sources([str(tmp_path / name)]).sources[0]
        assert source.partition == {"team": "a/b"}


def test_standard_input_stays_open_and_is_read_once() -> None:
    stdin = io.BytesIO(ROW)
    found = find_sources(["-", "-"], stdin=stdin)
    assert len(found.sources) == 1
    source = found.sources[0]
    assert isinstance(source, ByteSource)
    with source.open() as stream:
        assert stream.read() == ROW
    assert not stdin.closed


def test_names_and_a_query_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="name no logs beside it"):
        find_sources(["a.jsonl"], sql="select 1")
    with pytest.raises(UsageError, match="add --sql"):
        find_sources([], database="sqlite://x")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5_000, "[", "**", "~", "file://"])
def test_no_name_ends_in_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_sources([name]).faults


def test_results_of_a_hunt_are_not_read_as_a_log(tmp_path: Path) -> None:
    """`hunt logs --out logs/found` must not add its example rows to the next reading of `logs`."""
    names = ["a.jsonl", "empty.jsonl", "found/evidence/run.json", "found/verdicts.parquet"]
    names += ["found/campaigns.json", "found/evidence/examples.parquet"]
    names += ["played/replay.json", "played/exchanges.parquet"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"x")
    found = find_sources([str(tmp_path)])
    assert [Path(source.name).name for source in found.sources] == ["a.jsonl"]
    assert any("results of gamekeeper itself" in remark for remark in found.remarks)
    assert any("empty.jsonl" in remark for remark in found.remarks)
