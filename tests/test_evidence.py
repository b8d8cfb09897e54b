"""Ranks among decoys, false discovery control, and intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.evidence import (
    discoveries,
    exact_interval,
    rank_p_value,
    rank_p_values,
    wilson_interval,
)

# ------------------------------------------------------------------------------------------- ranks

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


# -------------------------------------------------------------------------------- false discoveries

p_values = st.lists(st.floats(0, 1), max_size=40)


def test_no_claim_is_confirmed_where_none_was_made() -> None:
    """A log with no claim is not an error."""
    assert discoveries(np.zeros(0), 0.05).shape == (0,)


@pytest.mark.parametrize(
    ("p", "confirmed"),
    [
        (
            [0.01, 0.02, 0.03, 0.04, 0.05],
            [True] * 5,
        ),  # the last passes, and carries those before it
        ([0.011, 0.5, 0.6, 0.7, 0.8], [False] * 5),  # above a fifth of the rate
        ([0.009, 0.5, 0.6, 0.7, 0.8], [True, False, False, False, False]),
        ([1.0], [False]),
    ],
)
def test_steps_of_benjamini_and_hochberg(p: list[float], confirmed: list[bool]) -> None:
    """The largest i with p(i) <= rate * i / n, and all below it."""
    assert discoveries(np.array(p), 0.05).tolist() == confirmed


@given(p=p_values, rate=st.floats(0, 1), seed=st.integers(0, 9))
def test_order_of_claims_changes_nothing(p: list[float], rate: float, seed: int) -> None:
    """Whether a claim holds depends on the p-values, not on its place."""
    order = np.random.default_rng(seed).permutation(len(p))
    values = np.array(p)
    assert (discoveries(values[order], rate) == discoveries(values, rate)[order]).all()


@given(p=p_values, rate=st.floats(0, 0.5))
def test_laxer_rate_keeps_what_stood(p: list[float], rate: float) -> None:
    """And a smaller p-value never fails where a larger one holds."""
    values = np.array(p)
    strict = discoveries(values, rate)
    lax = discoveries(values, rate * 2)
    assert (lax | ~strict).all()
    if strict.any():
        assert strict[values <= values[strict].max()].all()


def false_share(rng: np.random.Generator, null: int, real: int, rate: float) -> float:
    """Share of false ones among the discoveries of one run whose claims share their 499 decoys."""
    decoys = rng.standard_normal(499)
    values = rng.standard_normal(null + real)
    values[null:] += 4.0
    holds = discoveries(rank_p_values(values, decoys), rate)
    return float(holds[:null].sum() / max(holds.sum(), 1))


def test_false_discoveries_keep_their_rate_when_nothing_is_real() -> None:
    """Under the null every discovery is false, so a run makes one in at most one of ten."""
    rng = np.random.default_rng(3)
    assert np.mean([false_share(rng, 25, 0, 0.1) for _ in range(1_500)]) < 0.1 + 0.025


def test_false_discoveries_keep_their_rate_beside_real_ones() -> None:
    """Mean share of false ones stays below the rate although all claims are ranked among the same
    decoys.
    """
    rng = np.random.default_rng(4)
    assert np.mean([false_share(rng, 20, 10, 0.1) for _ in range(1_500)]) < 0.1 + 0.02


def test_real_ones_are_found() -> None:
    """Control is not bought by silence."""
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.standard_normal(20), 4 + rng.standard_normal(10)])
    assert discoveries(rank_p_values(values, rng.standard_normal(1_999)), 0.05)[20:].mean() >= 0.8


# ---------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998, table I, method 3 (score without continuity
        # correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals_come_out(hits: int, of: int, low: float, high: float) -> None:
    """To the four places of the paper."""
    assert wilson_interval(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_tells_nothing() -> None:
    """The whole range, and no division by zero."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(hits=st.integers(0, 200), misses=st.integers(0, 200))
def test_interval_holds_the_share_and_mirrors(hits: int, misses: int) -> None:
    """Inside 0 to 1, around the share, and the same seen from the misses' side."""
    of = hits + misses
    low, high = wilson_interval(hits, of)
    share = hits / of if of else 0.5
    rounding = 1e-12
    assert 0 <= low <= share + rounding and share - rounding <= high <= 1
    mirrored = wilson_interval(misses, of)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-9)


def test_interval_covers_about_as_often_as_it_says() -> None:
    """Nineteen of twenty at a rare share, where the usual interval fails."""
    hits, runs = np.unique(np.random.default_rng(1).binomial(300, 0.01, 4_000), return_counts=True)
    intervals = np.array([wilson_interval(int(h), 300) for h in hits])
    covered = (intervals[:, 0] <= 0.01) & (intervals[:, 1] >= 0.01)
    assert 0.93 < np.average(covered, weights=runs) < 0.985


@given(hits=st.integers(0, 60), misses=st.integers(0, 60))
def test_exact_interval_holds_the_share_and_reaches_the_ends(hits: int, misses: int) -> None:
    """It is never too narrow: at 0 and at all it reaches the end, and always holds the share."""
    of = hits + misses
    low, high = exact_interval(hits, of)
    share = hits / of if of else 0.5
    assert 0 <= low <= share <= high <= 1
    assert (low == 0) == (hits == 0) and (high == 1) == (misses == 0)


def test_exact_interval_covers_at_least_as_often_as_it_says() -> None:
    """Nineteen of twenty at every share, by summing the binomial distribution over all outcomes."""
    from scipy.stats import binom

    intervals = np.array([exact_interval(hits, 40) for hits in range(41)])
    for share in np.linspace(0.005, 0.995, 67):
        covered = (intervals[:, 0] <= share) & (share <= intervals[:, 1])
        assert binom.pmf(np.arange(41), 40, share)[covered].sum() >= 0.95
