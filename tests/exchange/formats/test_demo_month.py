"""The demo month, written as other software writes it, is the same month."""

from pathlib import Path

import polars as pl
import pytest

from exchange.builders import read, write
from exchange.writers import HELD, WRITERS
from gamekeeper.campaigns import HuntResult
from gamekeeper.hunt import hunt
from gamekeeper.simulate import simulate


@pytest.fixture(scope="module")
def exchanges() -> pl.DataFrame:
    """Some exchanges of the month, each once; templates of models strip a prompt."""
    made = simulate(seed=1, scale=0.02).exchanges.unique(["time", "account"], maintain_order=True)
    stripped = made.filter(pl.col("prompt") == pl.col("prompt").str.strip_chars())
    return stripped.sample(500, seed=1)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_exchanges(
    exchanges: pl.DataFrame, tmp_path: Path, name: str
) -> None:
    """In every column that the format holds."""
    writer = WRITERS[name]
    found = read(write(tmp_path, "log.jsonl", writer.lines(exchanges)), **(writer.options or {}))
    found = found.with_columns(pl.col("account").str.strip_prefix(writer.prefix))
    columns = list(writer.columns)
    order = ["time", "account"]
    expected = exchanges.select(columns).sort(order)
    assert found.select(columns).sort(order).equals(expected, null_equal=True)


@pytest.fixture(scope="module")
def month() -> pl.DataFrame:
    """A twentieth of the month with one of its campaigns, in the columns that all formats hold."""
    made = simulate(seed=1, scale=0.05)
    campaign = pl.col("campaign")
    kept = made.labels.filter(campaign.is_null() | (campaign == "judge-de"))
    exchanges = made.exchanges.join(kept, on="account", how="semi", maintain_order="left")
    return exchanges.unique(["time", "account"], maintain_order=True)


@pytest.fixture(scope="module")
def campaigns(month: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The accounts of the campaigns that a hunt finds in our own columns."""
    path = tmp_path_factory.mktemp("own") / "log.parquet"
    month.select(HELD).write_parquet(path)
    return _campaigns(hunt([str(path)]), "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["databricks", "bedrock"])
def test_a_hunt_finds_the_same_campaigns_in_another_format(
    month: pl.DataFrame, campaigns: list[list[str]], tmp_path: Path, name: str
) -> None:
    """As in our own columns."""
    writer = WRITERS[name]
    other = write(tmp_path, "log.jsonl", writer.lines(month))
    assert campaigns and _campaigns(hunt([other]), writer.prefix) == campaigns


def _campaigns(result: HuntResult, prefix: str) -> list[list[str]]:
    return sorted(
        sorted(account.removeprefix(prefix) for account in campaign.accounts)
        for campaign in result.campaigns
    )
