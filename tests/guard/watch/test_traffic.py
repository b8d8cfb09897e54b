import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.guard.watch.traffic import TrafficLog, mend
from guard.builders import NOW

DAY = 86_400


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (b"", b""),
        (b"torn", b""),
        (b"a\n", b"a\n"),
        (b"a\ntorn", b"a\n"),
        (b"a\n" + b"t" * 200_000, b"a\n"),
    ],
)
def test_line_that_was_cut_short_is_cut_off(tmp_path: Path, content: bytes, left: bytes) -> None:
    """What `kill -9` leaves behind does not spoil the file."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    mend(path)
    assert path.read_bytes() == left


@given(
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda b: b"\n" not in b), max_size=8),
    st.integers(0, 200),
)
def test_cut_anywhere_leaves_whole_lines_only(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cut: int
) -> None:
    """And all of those that were whole."""
    path = tmp_path_factory.mktemp("log") / "x.jsonl"
    whole = b"".join(line + b"\n" for line in lines)
    path.write_bytes(whole[:cut])
    mend(path)
    assert path.read_bytes() == whole[: whole[:cut].rfind(b"\n") + 1]


def test_a_file_a_day_and_old_ones_go(tmp_path: Path) -> None:
    """Traffic is kept as long as the policy says, and no longer."""
    log = TrafficLog(tmp_path / "traffic", keep_days=3)
    for day in range(6):
        log.append([b'{"day":%d}' % day], NOW + day * DAY)
    log.close()
    kept = sorted(path.read_text() for path in (tmp_path / "traffic").iterdir())
    assert kept == ['{"day":3}\n', '{"day":4}\n', '{"day":5}\n']
    assert len(log.files(NOW + 5 * DAY, 2)) == 2


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    """Prompts at rest are a choice."""
    TrafficLog(tmp_path / "traffic", keep_days=0).append([b"{}"], NOW)
    assert not (tmp_path / "traffic").exists()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """It holds what people asked."""
    log = TrafficLog(tmp_path / "traffic", keep_days=1)
    log.append([b"{}"], NOW)
    [path] = (tmp_path / "traffic").iterdir()
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0


def kept(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in sorted(folder.iterdir())}


def test_oldest_days_give_way_to_the_cap_of_bytes(tmp_path: Path) -> None:
    """Also those of an earlier run; the day's own lines stay whole."""
    log = TrafficLog(tmp_path / "traffic", keep_days=30)
    for day in range(3):
        log.append([b"x" * 399], NOW + day * DAY)
    log.close()
    capped = TrafficLog(tmp_path / "traffic", keep_days=30, keep_bytes=1_000)
    assert capped.append([b"y" * 399], NOW + 2 * DAY) == 0
    assert list(kept(tmp_path / "traffic").values()) == [800]
    assert capped.append([b"z" * 99], NOW + 3 * DAY) == 0
    assert list(kept(tmp_path / "traffic").values()) == [800, 100]


def test_day_that_takes_all_bytes_by_itself_is_not_written_further(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, counted by lines; the next day is written again."""
    log = TrafficLog(tmp_path / "traffic", keep_days=30, keep_bytes=1_000)
    missed = [log.append([b"x" * 199, b"y" * 199], NOW) for _ in range(4)]
    assert missed == [0, 0, 2, 2]
    assert [r.levelname for r in caplog.records] == ["ERROR"] and "keep_bytes" in caplog.text
    assert log.append([b"z"], NOW + DAY) == 0


def test_full_disk_costs_the_lines_of_that_second_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written in part is cut off, and lines that follow are whole."""
    log = TrafficLog(tmp_path / "traffic", keep_days=30)
    log.append([b"first"], NOW)

    def half(content: bytes) -> None:
        os.write(log._file, content[:3])
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as full:
        full.setattr(log, "_write", half)
        assert log.append([b"second"], NOW) == 1
    assert log.append([b"third"], NOW) == 0
    log.close()
    [path] = (tmp_path / "traffic").iterdir()
    assert path.read_bytes() == b"first\nthird\n"


def test_one_account_cannot_displace_what_others_asked(tmp_path: Path) -> None:
    """It has a share of the day; the days before stay, and others are still written."""
    log = TrafficLog(tmp_path, keep_days=9, keep_bytes=50_000)
    day = 86_400.0
    assert log.append([b"y" * 900] * 20, day, ["honest"] * 20) == 19
    assert log.append([b"x" * 900] * 200, 2 * day, ["greedy"] * 200) == 199
    assert log.append([b"z" * 900], 2 * day, ["other"]) == 0
    assert len(log.files(2 * day, 9)) == 2
    log.close()


def test_batch_that_cannot_fit_deletes_nothing(tmp_path: Path) -> None:
    """The days before are worth more than nothing."""
    log = TrafficLog(tmp_path, keep_days=9, keep_bytes=2_000)
    assert log.append([b"y" * 900], 86_400.0) == 0
    assert log.append([b"x" * 5_000], 2 * 86_400.0) == 1
    assert (log.files(2 * 86_400.0, 9)[0]).stat().st_size == 901
    log.close()
