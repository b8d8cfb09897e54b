from pathlib import Path

import polars as pl
import pytest

from gamekeeper.hunt import HuntResult, hunt
from gamekeeper.simulate import LabelledTraffic, simulate

CAMPAIGNS = ("judge-de", "tool-hydra")


@pytest.fixture(scope="session")
def month() -> LabelledTraffic:
    """A tenth of a month: about 160 people and two campaigns; times by the minute, so that many are
    equal.
    """
    made = simulate(seed=1, scale=0.1)
    is_pool = pl.col("kind").is_in(["key-pool", "relay"])
    is_kept = pl.col("campaign").is_null() | pl.col("campaign").is_in(CAMPAIGNS)
    kept = made.labels.filter(is_kept & ~is_pool)
    exchanges = made.exchanges.join(kept, on="account", how="semi", maintain_order="left")
    return LabelledTraffic(
        exchanges=exchanges.with_columns(pl.col("time").dt.truncate("1m")).unique(
            maintain_order=True
        ),
        labels=kept,
    )


@pytest.fixture(scope="session")
def log(month: LabelledTraffic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The month as one file."""
    path = tmp_path_factory.mktemp("month") / "log.parquet"
    month.exchanges.write_parquet(path)
    return path


@pytest.fixture(scope="session")
def result(log: Path) -> HuntResult:
    """What a hunt finds in it; made once, changed by none."""
    return hunt([str(log)])
