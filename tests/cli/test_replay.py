import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.simulate import simulate


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A few ordinary accounts of a simulated month."""
    traffic = simulate(seed=2, scale=0.3)
    ordinary = traffic.labels.filter(pl.col("campaign").is_null())["account"][:3].to_list()
    path = tmp_path / "log.parquet"
    traffic.exchanges.filter(pl.col("account").is_in(ordinary)).write_parquet(path)
    traffic.labels.filter(pl.col("account").is_in(ordinary)).write_parquet(
        tmp_path / "labels.parquet"
    )
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["replay", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_replay_says_what_would_have_been_done(log: Path) -> None:
    """Nothing, and with labels what that means for whom; code 5, as there was too little to search."""
    code, printed = run(
        str(log), "--labels", str(log.parent / "labels.parquet"), "--every-hours", "9999"
    )
    assert code == 5 and "nothing was searched" in printed
    assert "would have slowed no accounts of 3" in printed
    assert "of 3 ordinary accounts 0 would have been slowed" in printed


def test_policy_says_what_is_done(log: Path, tmp_path: Path) -> None:
    """A budget that is used up is in the JSON, which is also what is on disk."""
    policy = tmp_path / "guard.toml"
    policy.write_text("[identity.budget]\nrequests = 1\n")
    words = [
        "--policy",
        str(policy),
        "--every-hours",
        "9999",
        "--json",
        "--out",
        str(tmp_path / "out"),
    ]
    _, printed = run(str(log), *words)
    document = json.loads(printed)
    assert document["schema"] == "gamekeeper/replay@1" and document["actions"]["budget"] > 0
    assert document == json.loads((tmp_path / "out/replay.json").read_bytes())
    exchanges = pl.read_parquet(tmp_path / "out/exchanges.parquet")
    assert (exchanges["action"] == "budget").sum() == document["actions"]["budget"]


def test_log_and_state_are_left_alone(log: Path, tmp_path: Path) -> None:
    """It changes nothing: no folder of state, no casebook."""
    before = sorted(tmp_path.rglob("*"))
    run(str(log), "--every-hours", "9999", "--quiet")
    assert sorted(tmp_path.rglob("*")) == before


def test_labels_that_cannot_be_read_are_named(log: Path, tmp_path: Path) -> None:
    """Before the log is played."""
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"labels\.csv"):
        run(str(log), "--labels", str(tmp_path / "labels.csv"))


def test_the_log_is_not_replaced_by_the_report(log: Path) -> None:
    """Also where it is found by its folder."""
    named = log.rename(log.parent / "exchanges.parquet")
    (log.parent / "labels.parquet").unlink()
    before = named.read_bytes()
    for source in (named, named.parent):
        with pytest.raises(UsageError, match="this is the input itself"):
            run(str(source), "--out", str(named.parent))
    assert named.read_bytes() == before
