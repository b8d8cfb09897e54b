import numpy as np
import polars as pl
import pytest

from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.simulate import LabelledTraffic, simulate_classifier
from gamekeeper.simulate.scoring_traffic import COLUMNS


@pytest.fixture(scope="module")
def scores() -> LabelledTraffic:
    """A month of a small classifier API."""
    return simulate_classifier(seed=5, callers=40, colluders=12, per_account=60)


def _spread(scores: LabelledTraffic, name: str) -> pl.DataFrame:
    """Interquartile range of one column for each account."""
    column = [c.name for c in COLUMNS].index(name)
    value = pl.col("features").list.get(column)
    frame = scores.exchanges.group_by("account").agg(
        (value.quantile(0.75) - value.quantile(0.25)).alias("spread")
    )
    return frame.join(scores.labels, on="account")


def test_rows_stand_in_place_of_prompts(scores: LabelledTraffic) -> None:
    """The log conforms, carries twelve numbers an exchange and no text."""
    assert dict(scores.exchanges.schema) == SCHEMA
    assert scores.exchanges["prompt"].is_null().all()
    assert (scores.exchanges["features"].list.len() == len(COLUMNS)).all()


def test_columns_differ_in_scale(scores: LabelledTraffic) -> None:
    """Ratios and amounts are in one row: a distance without scaling would depend on the amounts alone."""
    rows = np.stack(scores.exchanges["features"].to_numpy())
    spread = rows.std(axis=0)
    assert spread.max() / spread.min() > 1e4


def test_same_seed_scores_the_same_rows() -> None:
    """Two runs with one seed agree."""
    one, two = (
        simulate_classifier(seed=1, callers=5, colluders=3, per_account=20) for _ in range(2)
    )
    assert one.exchanges.equals(two.exchanges)


def test_ordinary_callers_score_a_narrower_portfolio_than_a_sweep(scores: LabelledTraffic) -> None:
    """Each caller's debt ratios lie closer together than those of any colluder."""
    spread = _spread(scores, "debt_ratio")
    widest = spread.filter(kind="app")["spread"].median()
    narrowest = spread.filter(campaign="sweep")["spread"].min()
    assert narrowest > 1.5 * widest


def test_portfolios_repeat_cases_and_sweeps_do_not(scores: LabelledTraffic) -> None:
    """Ordinary callers score a case again; a sweep never pays twice."""
    rows = scores.exchanges.join(scores.labels, on="account").with_columns(
        pl.col("features").cast(pl.List(str)).list.join(" ")
    )
    repeats = rows.group_by("kind", "campaign").agg(
        (1 - pl.col("features").n_unique() / pl.len()).alias("share")
    )
    assert repeats.filter(kind="app")["share"].item() > 0.03
    assert repeats.filter(campaign="sweep")["share"].item() == 0


def test_sweep_is_one_group_and_a_scraper_is_alone(scores: LabelledTraffic) -> None:
    """The labels name both campaigns."""
    counts = dict(scores.labels.drop_nulls("campaign").group_by("campaign").len().iter_rows())
    assert counts == {"sweep": 12, "lone-scraper": 1}
