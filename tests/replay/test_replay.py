"""Recorded traffic through the command line: each folder holds what goes in and what must come out.

`recipe.json` is what to simulate (or `traffic.jsonl` the log itself), `expected.json` what a hunt
says of it.
"""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.simulate import simulate

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.json"))


def laid_out(folder: Path, room: Path) -> Path:
    if (folder / "traffic.jsonl").exists():
        return folder / "traffic.jsonl"
    recipe = json.loads((folder / "recipe.json").read_text())
    made = simulate(seed=recipe["seed"], scale=recipe["scale"])
    kept = pl.col("campaign").is_null() | pl.col("campaign").is_in(recipe["campaigns"])
    path = room / "traffic.parquet"
    made.exchanges.join(made.labels.filter(kept), on="account", how="semi").write_parquet(path)
    return path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_replay_gives_what_is_expected(folder: Path, tmp_path: Path) -> None:
    """The same campaigns, verdicts and exit code as when the folder was made."""
    expected = json.loads((folder / "expected.json").read_text())
    words = ["hunt", str(laid_out(folder, tmp_path)), "--out", str(tmp_path / "found"), "--quiet"]
    done = subprocess.run([sys.executable, "-m", "gamekeeper", *words], capture_output=True)
    campaigns = json.loads((tmp_path / "found" / "campaigns.json").read_text())["campaigns"]
    assert done.returncode == expected["exit"]
    assert sorted(campaign["verdict"] for campaign in campaigns) == expected["verdicts"]
    for campaign, size in zip(
        sorted(len(c["accounts"]) for c in campaigns), expected["accounts"], strict=True
    ):
        assert abs(campaign - size) <= 2
