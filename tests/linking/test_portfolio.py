"""Single accounts of a tabular API: portfolios, and what is none."""

import numpy as np
import pytest

from gamekeeper.encoding import Payloads
from gamekeeper.evidence import rank_p_value
from gamekeeper.linking import LinkSample, PortfolioClaim, portfolio_claims
from gamekeeper.linking.portfolio import normal_scores, tail_p_value
from linking.builders import NO_TEXT

WIDTH = 8
ROWS = 70
_DAY_S = 86_400


class Api:
    """A tabular API with portfolios: each a part of one population whose columns depend on two
    factors.
    """

    def __init__(self, seed: int, portfolios: int = 40) -> None:
        self.rng = np.random.default_rng(seed)
        self._loadings = self.rng.normal(size=(2, WIDTH))
        self._accounts = [
            self._rows(self.rng.normal(size=2) + self.rng.normal(0, 0.3, (ROWS, 2)))
            for _ in range(portfolios)
        ]
        self._days = [20] * portfolios

    def _rows(self, factors: np.ndarray) -> np.ndarray:
        return factors @ self._loadings + self.rng.normal(0, 0.3, (len(factors), WIDTH))

    def everybody(self, count: int) -> np.ndarray:
        return self._rows(self.rng.normal(0, 1.04, (count, 2)))

    def add(self, rows: np.ndarray, days: int = 20) -> int:
        self._accounts.append(rows)
        self._days.append(days)
        return len(self._accounts) - 1

    def claims(self) -> list[PortfolioClaim]:
        accounts = np.repeat(np.arange(len(self._accounts)), [len(a) for a in self._accounts])
        vectors = np.concatenate(self._accounts).astype(np.float32)
        times = [
            np.sort(self.rng.integers(0, days * _DAY_S, len(rows)))
            for rows, days in zip(self._accounts, self._days, strict=True)
        ]
        sample = LinkSample(
            accounts=accounts,
            account_count=len(self._accounts),
            time_s=np.concatenate(times),
            vectors=vectors,
            prompts=np.arange(len(accounts)),
            without_text=np.zeros(len(accounts), bool),
            fragments=NO_TEXT,
            payloads=Payloads(NO_TEXT, accounts, None, vectors),
        )
        everyone = np.arange(len(self._accounts))
        return portfolio_claims(sample, np.zeros(0, int), everyone, 0.01, seed=1)


def named(claims: list[PortfolioClaim]) -> list[tuple[int, str]]:
    return [(claim.account, claim.card.name) for claim in claims]


@pytest.mark.parametrize("seed", [1, 2])
def test_portfolios_alone_are_not_named(seed: int) -> None:
    assert Api(seed).claims() == []


@pytest.mark.slow
def test_rows_with_columns_drawn_one_by_one_are_named() -> None:
    api = Api(3)
    sweep = api.add(api.rng.permuted(api.everybody(130), axis=0))
    (claim,) = api.claims()
    assert claim.account == sweep
    assert claim.card.name in ("made-up-rows", "nobody-near")
    assert claim.p_value < 1e-3


def test_five_accounts_that_share_a_sweep_are_named() -> None:
    api = Api(4)
    sweep = [api.add(api.rng.permuted(api.everybody(ROWS), axis=0)) for _ in range(5)]
    assert [claim.account for claim in api.claims()] == sweep


@pytest.mark.slow
def test_rows_of_everybody_that_never_return_are_named() -> None:
    api = Api(5)
    collector = api.add(api.everybody(300))
    assert named(api.claims()) == [(collector, "no-regulars")]


def test_a_book_that_is_moved_within_a_day_is_not_named() -> None:
    api = Api(5)
    api.add(api.everybody(300), days=1)
    assert api.claims() == []


def test_a_broker_whose_customers_return_is_not_named() -> None:
    api = Api(6)
    rows = api.everybody(300)
    again = api.rng.integers(0, 240, 60)
    rows[240:] = rows[again] + api.rng.normal(0, 0.02, (60, WIDTH))
    api.add(api.rng.permutation(rows))
    assert api.claims() == []


def test_an_account_with_too_few_rows_is_not_judged() -> None:
    api = Api(7)
    api.add(api.rng.permuted(api.everybody(31), axis=0))
    assert api.claims() == []


def test_too_few_ordinary_accounts_are_no_ground_for_a_claim() -> None:
    api = Api(8, portfolios=12)
    api.add(api.rng.permuted(api.everybody(300), axis=0))
    assert api.claims() == []


def test_columns_that_never_vary_say_nothing() -> None:
    scores = normal_scores(np.ones((50, 3), np.float32))
    assert not scores.any()


def test_a_p_value_is_the_rank_as_long_as_ten_decoys_can_be_counted() -> None:
    decoys = np.random.default_rng(1).normal(size=999)
    value = float(np.sort(decoys)[-20])
    assert tail_p_value(value, decoys) == rank_p_value(value, decoys)


def test_beyond_the_decoys_p_values_fall_with_the_excess() -> None:
    decoys = np.random.default_rng(1).normal(size=999)
    near, far = (tail_p_value(value, decoys) for value in (4.0, 6.0))
    assert far < near < 1e-3


def test_p_values_beyond_the_decoys_are_too_large_for_a_light_tail() -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    bounds = [tail_p_value(4.0, rng.normal(size=999)) for _ in range(50)]
    assert np.quantile(bounds, 0.05) > norm.sf(4.0)


def test_equal_decoys_give_the_rank() -> None:
    assert tail_p_value(1.0, np.zeros(99)) == pytest.approx(0.01)
