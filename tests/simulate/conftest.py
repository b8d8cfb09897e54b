import polars as pl
import pytest

from gamekeeper.simulate import LabelledTraffic, simulate


@pytest.fixture(scope="session")
def traffic() -> LabelledTraffic:
    """A sixth of a month's accounts: made once, changed by none."""
    return simulate(seed=3, scale=1 / 6)


@pytest.fixture(scope="session")
def labelled(traffic: LabelledTraffic) -> pl.DataFrame:
    """The exchanges with what is true of them."""
    return traffic.exchanges.join(traffic.labels, on="account", maintain_order="left")
