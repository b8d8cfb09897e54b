"""What must not matter to a hunt."""

import functools
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.exchange import LogReader
from gamekeeper.hunt import HuntResult, driver, hunt
from gamekeeper.simulate import LabelledTraffic

FRAMES = ("accounts", "readings", "links", "examples", "timeline", "map")


def test_batch_equals_stream(
    month: LabelledTraffic, result: HuntResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log in five files, its rows in any order, read in small batches: to the last digit the
    same result.
    """
    monkeypatch.setattr(driver, "LogReader", functools.partial(LogReader, batch_rows=700))
    mixed = month.exchanges.sample(fraction=1.0, shuffle=True, seed=5)
    for number, part in enumerate(mixed.iter_slices(-(-len(mixed) // 5))):
        part.write_parquet(tmp_path / f"{number}.parquet")
    again = hunt([str(tmp_path)])
    assert again.read.kept_rows == result.read.kept_rows and len(again.read.files) == 5
    assert again.campaigns == result.campaigns
    for name in FRAMES:
        assert getattr(again, name).equals(getattr(result, name)), name


@pytest.mark.slow
def test_renaming_accounts_changes_only_their_names(
    month: LabelledTraffic, result: HuntResult, tmp_path: Path
) -> None:
    """Other names in another order of the alphabet: the same campaigns, figures and reasons."""
    names = month.labels["account"]
    new = dict(zip(names, [f"n{i:04d}" for i in range(len(names), 0, -1)], strict=True))
    renamed = month.exchanges.with_columns(pl.col("account").replace_strict(new))
    renamed.write_parquet(tmp_path / "log.parquet")
    other = hunt([str(tmp_path)])
    expected = result.accounts.with_columns(pl.col("account").replace_strict(new)).sort(
        "p_benign", "account"
    )
    assert other.accounts.equals(expected)
    subject = pl.col("subject").replace(new)
    order = ["subject", "signal"]
    assert other.readings.sort(order).equals(result.readings.with_columns(subject).sort(order))
    assert other.timeline.equals(result.timeline)
    for ours, theirs in zip(result.campaigns, other.campaigns, strict=True):
        assert sorted(new[account] for account in ours.accounts) == list(theirs.accounts)
        assert (ours.reasons, ours.p_benign, ours.links) == (
            theirs.reasons,
            theirs.p_benign,
            theirs.links,
        )
