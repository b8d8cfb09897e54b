import numpy as np
import pytest

from audit.builders import make_inputs
from gamekeeper.audit.options import AuditOptions, Prices
from gamekeeper.audit.query_costs import CoverageBudget, ProofOfWork


def told(**fields: object) -> AuditOptions:
    return AuditOptions(**{"budget": 1_000, "honest_queries": 50} | fields)  # type: ignore[arg-type]


def test_honest_accounts_stay_within_the_budget() -> None:
    """All but about one in a hundred need one account alone."""
    pool = make_inputs(2_000)
    query_cost = CoverageBudget(pool, told())
    rng = np.random.default_rng(5)
    needed = [
        query_cost.surcharge(pool[rng.integers(len(pool), size=50)]).accounts for _ in range(500)
    ]
    assert np.mean(np.array(needed) > 1) < 0.03
    assert "50 inputs" in query_cost.users.said


def test_who_covers_the_space_needs_accounts_and_who_stays_in_a_corner_does_not() -> None:
    """By the cells that are touched, not by the number of queries."""
    pool = make_inputs(2_000)
    query_cost = CoverageBudget(pool, told())
    wide = query_cost.surcharge(pool)
    narrow = query_cost.surcharge(np.repeat(pool[:1], 2_000, axis=0))
    assert wide.accounts > 3 and narrow.accounts == 1
    assert query_cost.surcharge(pool[:0]).accounts == 1


def test_work_is_the_least_at_an_honest_pace_and_grows_beyond_it() -> None:
    """One account that asks ten times as much works more than ten times as long."""
    query_cost = ProofOfWork(make_inputs(), told(prices=Prices(per_account=1e9)))
    honest = query_cost.surcharge(make_inputs(50))
    greedy = query_cost.surcharge(make_inputs(500))
    assert (honest.accounts, honest.cpu_s) == (1, 50.0)
    assert greedy.accounts == 1 and greedy.cpu_s == pytest.approx(50 + (500**2 - 50**2) / 100)


def test_thief_takes_accounts_where_they_are_cheaper_than_work() -> None:
    """Then the work is what honest users do."""
    query_cost = ProofOfWork(make_inputs(), told(prices=Prices(per_account=0.0, per_core_hour=1.0)))
    surcharge = query_cost.surcharge(make_inputs(500))
    assert (surcharge.accounts, surcharge.cpu_s) == (10, 500.0)
