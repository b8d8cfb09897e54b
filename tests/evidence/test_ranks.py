import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.evidence import rank_p_value, rank_p_values

# the last: ties
statistic = st.floats(-10, 10) | st.just(float("nan")) | st.integers(-3, 3).map(float)


@pytest.mark.parametrize(
    ("value", "p"),
    [(5.0, 1 / 5), (4.0, 2 / 5), (3.5, 2 / 5), (1.0, 1.0), (0.0, 1.0), (float("nan"), 1.0)],
)
def test_p_value_is_one_plus_the_decoys_at_least_as_extreme(value: float, p: float) -> None:
    """Over one plus all decoys; a tie counts against the claim."""
    assert rank_p_value(value, np.array([1.0, 2.0, 3.0, 4.0])) == p


def test_no_claim_is_surer_than_its_decoys_allow() -> None:
    """Ninety-nine decoys give a hundredth at best, and none give nothing."""
    assert rank_p_value(1e9, np.zeros(99)) == 0.01
    assert rank_p_value(1e9, np.zeros(0)) == 1.0


def test_decoy_that_was_not_measured_counts_as_not_extreme() -> None:
    """It is still one of the decoys."""
    assert rank_p_value(1.0, np.array([np.nan, 2.0, np.nan])) == 0.5


@given(values=st.lists(statistic, max_size=30), decoys=st.lists(statistic, max_size=30))
def test_many_values_are_ranked_as_each_by_itself(values: list[float], decoys: list[float]) -> None:
    """The fast way gives the same numbers, with ties, NaN, no values and no decoys."""
    one_by_one = [rank_p_value(value, np.array(decoys)) for value in values]
    assert rank_p_values(np.array(values), np.array(decoys)).tolist() == pytest.approx(one_by_one)


@given(value=st.floats(-10, 10), more=st.floats(0, 5), decoys=st.lists(statistic, max_size=30))
def test_more_extreme_is_never_less_sure(value: float, more: float, decoys: list[float]) -> None:
    """The p-value falls with the statistic."""
    assert rank_p_value(value + more, np.array(decoys)) <= rank_p_value(value, np.array(decoys))


def test_p_values_are_exact_where_nothing_is_going_on() -> None:
    """A claim drawn like its 19 decoys has p at most k/20 in k of 20 runs, at every k: uniform, not
    just valid.
    """
    rng = np.random.default_rng(1)
    runs = 20_000
    p = np.array([rank_p_value(draw[0], draw[1:]) for draw in rng.standard_cauchy((runs, 20))])
    for k in range(1, 20):
        expected = k / 20
        assert abs((p <= expected + 1e-12).mean() - expected) < 4 * np.sqrt(
            expected * (1 - expected) / runs
        )


def test_ties_make_p_values_cautious_and_never_bold() -> None:
    """Where statistics repeat, the level is kept from below."""
    rng = np.random.default_rng(2)
    p = np.array(
        [rank_p_value(draw[0], draw[1:]) for draw in rng.poisson(0.3, (5_000, 40)).astype(float)]
    )
    assert all((p <= level).mean() <= level + 0.01 for level in (0.05, 0.1, 0.3))
