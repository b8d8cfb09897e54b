import json
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.campaigns.result import HuntResult
from gamekeeper.report import folder, read_folder, require_replaceable, write_folder
from report.builders import make_campaign, make_empty_result, make_redacted_result, make_result

FRAMES = ("accounts", "readings", "links", "examples", "timeline", "map")


def assert_same(left: HuntResult, right: HuntResult) -> None:
    for name in HuntResult.__slots__:
        if name in FRAMES:
            assert_frame_equal(getattr(left, name), getattr(right, name))
        else:
            assert getattr(left, name) == getattr(right, name), name


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def fail_at(name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(folder, name, fails)


@pytest.mark.parametrize("make", [make_result, make_empty_result, make_redacted_result])
def test_a_folder_reads_back_as_it_was_written(
    tmp_path: Path, make: Callable[[], HuntResult]
) -> None:
    """`explain` knows all that `hunt` knew."""
    result = make()
    write_folder(result, tmp_path / "hunt")
    assert_same(read_folder(tmp_path / "hunt"), result)


def test_a_rank_that_was_not_measured_reads_back_as_such(tmp_path: Path) -> None:
    """NaN is null in JSON, and NaN again when read."""
    write_folder(make_result([make_campaign(p_benign=float("nan"))]), tmp_path / "hunt")
    text = (tmp_path / "hunt" / "campaigns.json").read_text()
    assert json.loads(text)["campaigns"][0]["p_benign"] is None
    assert math.isnan(read_folder(tmp_path / "hunt").campaigns[0].p_benign)


def test_the_folder_holds_what_others_read(tmp_path: Path) -> None:
    """The names and the version are the contract."""
    out = tmp_path / "new" / "hunt"
    write_folder(make_result(), out)
    assert {path.name for path in out.iterdir()} == {
        "verdicts.parquet",
        "campaigns.json",
        "report.html",
        "evidence",
    }
    assert (
        json.loads((out / "evidence" / "run.json").read_text())["schema"] == "gamekeeper/evidence@1"
    )
    assert pl.read_parquet(out / "verdicts.parquet").columns == [
        "account",
        "campaign",
        "verdict",
        "p_benign",
        "exchanges",
        "owner",
        "alias",
        "families",
    ]


def test_an_earlier_hunt_is_replaced_and_nothing_is_left_beside(tmp_path: Path) -> None:
    """The second run stands where the first stood."""
    write_folder(make_result(), tmp_path / "hunt")
    write_folder(make_empty_result(), tmp_path / "hunt")
    assert read_folder(tmp_path / "hunt").campaigns == ()
    assert [path.name for path in tmp_path.iterdir()] == ["hunt"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["render_html", "run_document", "_swap"])
def test_a_run_that_fails_leaves_the_earlier_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    """Whole or not at all: at whatever step it ends, the old result stays and nothing lies beside
    it.
    """
    write_folder(make_result(), tmp_path / "hunt")
    before = contents(tmp_path)
    fail_at(step, error, monkeypatch)
    with pytest.raises(type(error)):
        write_folder(make_empty_result(), tmp_path / "hunt")
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["hunt"]


def test_a_failed_rename_brings_the_earlier_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one moment without the old name ends with the old name."""
    write_folder(make_result(), tmp_path / "hunt")
    before = contents(tmp_path)
    rename = Path.rename

    def fails_for_new(self: Path, target: Path) -> Path:
        if self.suffix == ".new":
            raise OSError("busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_new)
    with pytest.raises(OSError, match="busy"):
        write_folder(make_empty_result(), tmp_path / "hunt")
    assert contents(tmp_path) == before


def test_a_first_run_that_fails_leaves_no_folder_and_no_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parents that were made for it go too."""
    fail_at("render_html", KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        write_folder(make_result(), tmp_path / "a" / "b" / "hunt")
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    """A folder with anything else in it is left alone, even beside an earlier hunt."""
    write_folder(make_result(), tmp_path / "hunt")
    (tmp_path / "hunt" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        write_folder(make_result(), tmp_path / "hunt")
    assert (tmp_path / "hunt" / "notes.txt").read_text() == "mine"


def test_a_folder_that_only_looks_like_a_hunt_is_not_replaced(tmp_path: Path) -> None:
    """Names alone do not make it ours."""
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UsageError, match="not a folder of an earlier hunt"):
        require_replaceable(tmp_path)


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    """`mkdir` before the run does no harm; a file's name is a slip."""
    (tmp_path / "empty").mkdir()
    write_folder(make_empty_result(), tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        write_folder(make_empty_result(), tmp_path / "file")


def test_the_current_folder_is_not_replaced_under_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell within it would be left in a folder that is gone."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="current folder"):
        write_folder(make_empty_result(), Path("."))


def test_a_folder_of_another_kind_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The message says where, what was expected and what to try."""
    with pytest.raises(InputError, match="gamekeeper hunt LOGS") as caught:
        read_folder(tmp_path)
    assert caught.value.faults[0].where.endswith("run.json")


@pytest.mark.parametrize("content", ['{"schema": "gamekeeper/evidence@2"}', "[]", "{", "\udcff"])
def test_an_unknown_version_is_refused(tmp_path: Path, content: str) -> None:
    """A later version, another kind of JSON, or none at all: nothing is guessed."""
    write_folder(make_empty_result(), tmp_path / "hunt")
    (tmp_path / "hunt/evidence/run.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError):
        read_folder(tmp_path / "hunt")


@pytest.mark.parametrize("file", ["evidence/links.parquet", "verdicts.parquet"])
def test_a_damaged_frame_is_named(tmp_path: Path, file: str) -> None:
    """Bytes that are no Parquet, and columns that are not ours."""
    write_folder(make_empty_result(), tmp_path / "hunt")
    for damage in (b"PAR1", b""):
        (tmp_path / "hunt" / file).write_bytes(damage)
        with pytest.raises(InputError, match="damaged"):
            read_folder(tmp_path / "hunt")
    pl.DataFrame({"other": [1]}).write_parquet(tmp_path / "hunt" / file)
    with pytest.raises(InputError, match="other: Int64"):
        read_folder(tmp_path / "hunt")


def test_a_field_that_is_gone_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    """A file cut by hand is the input's fault."""
    write_folder(make_result(), tmp_path / "hunt")
    path = tmp_path / "hunt" / "campaigns.json"
    document = json.loads(path.read_text())
    del document["campaigns"][0]["innocent"]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="innocent"):
        read_folder(tmp_path / "hunt")
