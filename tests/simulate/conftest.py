import polars as pl
import pytest

from gamekeeper.simulate import Traffic, simulate


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    """A sixth of a month's accounts: made once, changed by none."""
    return simulate(seed=3, scale=1 / 6)


@pytest.fixture(scope="session")
def labelled(traffic: Traffic) -> pl.DataFrame:
    """The exchanges with what is true of them."""
    return traffic.exchanges.join(traffic.labels, on="account", maintain_order="left")
