"""Counts over seeds, and hours until a verdict."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from .conftest import Module


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twenty thieves, of whom fifteen are found, and a hundred others: two watched, one slowed."""
    traffic, found = tmp_path / "traffic", tmp_path / "found"
    traffic.mkdir()
    found.mkdir()
    names = [f"t{i:02d}" for i in range(20)] + [f"o{i:02d}" for i in range(100)]
    pl.DataFrame(
        {
            "account": names,
            "kind": ["campaign"] * 20 + ["person"] * 90 + ["app"] * 10,
            "campaign": ["deck"] * 20 + [None] * 100,
            "victim": [False] * 20 + [True] * 4 + [False] * 96,
        }
    ).write_parquet(traffic / "labels.parquet")
    said = ["limit"] * 10 + ["watch"] * 5 + ["allow"] * 5
    said += ["slow", "watch", "watch"] + ["allow"] * 97
    p_benign = [0.001] * 10 + [0.01] * 5 + [1.0] * 5 + [0.002, 0.01, 0.01] + [1.0] * 97
    group = ["C1"] * 15 + [None] * 5 + ["C1", "C2", "C2"] + [None] * 97
    pl.DataFrame(
        {"account": names, "verdict": said, "p_benign": p_benign, "campaign": group}
    ).write_parquet(found / "verdicts.parquet")
    return traffic, found


def test_counts_are_those_of_the_labels(module: Module, folders: tuple[Path, Path]) -> None:
    """Two seeds of the same are counted twice."""
    score = module("score")
    tally = score.Tally.of([score.judged(*folders, seed) for seed in (1, 2)])
    assert (tally.found(), tally.found(2)) == ((30, 40), (20, 40))
    assert (tally.accused(), tally.accused(2)) == ((6, 200), (2, 200))
    assert tally.victims() == (2, 8)
    assert tally.precision() == (30, 36)
    assert tally.campaigns() == (2, 2) and tally.reported() == (2, 4)
    assert tally.strict() == (20, 40)  # none of 200 may exceed it, and one has .002
    assert tally.worst_kind() == ("person", pytest.approx(3 / 90))
    assert not tally.holds()
    assert score.row("x", "y", tally).count("|") == score.HEAD.splitlines()[1].count("|")


def test_an_account_without_a_verdict_is_not_taken_for_innocent(
    module: Module, folders: tuple[Path, Path]
) -> None:
    """A detector that lost accounts is not scored."""
    score = module("score")
    traffic, found = folders
    verdicts = pl.read_parquet(found / "verdicts.parquet")
    verdicts.head(100).write_parquet(found / "verdicts.parquet")
    with pytest.raises(SystemExit, match="20 accounts have no verdict"):
        score.judged(traffic, found)


def test_thresholds_flag_at_most_the_share_asked_for(module: Module) -> None:
    """Ties are not flagged."""
    threshold = module("score").threshold
    scores = pl.Series(range(1_000)).to_numpy().astype(float)
    assert (scores > threshold(scores, 1e-3)).sum() == 1
    assert (scores > threshold(scores, 1e-4)).sum() == 0
    tied = scores.clip(max=990)
    assert (tied > threshold(tied, 1e-3)).sum() == 0


def test_hours_run_to_the_end_of_the_prefix(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two accounts is found with the second day, the other never; its deck is all out."""
    live = module("live")
    start = datetime(2026, 4, 1, tzinfo=UTC)
    times = [start + timedelta(hours=hour) for hour in (12, 36, 60, 12, 60)]
    log = pl.DataFrame({"account": list("aaabb"), "time": times})
    log.write_parquet(tmp_path / "exchanges.parquet")
    log.write_parquet(tmp_path / "stolen.parquet")
    pl.DataFrame({"account": ["a", "b"], "campaign": ["c", "c"]}).write_parquet(
        tmp_path / "labels.parquet"
    )
    second = (start + timedelta(days=2)).timestamp()
    monkeypatch.setattr(live, "_flagged", lambda log, end, work: {"a"} if end >= second else set())
    lived = live.live(tmp_path, tmp_path, [1, 2, 4])
    assert lived.found == [0, 0.5, 0.5]
    assert lived.out == pytest.approx(4 / 5)
    assert lived.hours == float("inf")
    assert "0.50" in live.row("x", lived)
