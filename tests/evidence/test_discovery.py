import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.evidence import discoveries, rank_p_values

p_values = st.lists(st.floats(0, 1), max_size=40)


def test_none_stand_where_none_were_made() -> None:
    """A log with no claim is no error."""
    assert discoveries(np.zeros(0), 0.05).shape == (0,)


@pytest.mark.parametrize(
    ("p", "stand"),
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
def test_steps_of_benjamini_and_hochberg(p: list[float], stand: list[bool]) -> None:
    """The largest i with p(i) <= rate * i / n, and all below it."""
    assert discoveries(np.array(p), 0.05).tolist() == stand


@given(p=p_values, rate=st.floats(0, 1), seed=st.integers(0, 9))
def test_order_of_claims_changes_nothing(p: list[float], rate: float, seed: int) -> None:
    """A claim stands by its p-value and the others', not by its place."""
    order = np.random.default_rng(seed).permutation(len(p))
    values = np.array(p)
    assert (discoveries(values[order], rate) == discoveries(values, rate)[order]).all()


@given(p=p_values, rate=st.floats(0, 0.5))
def test_laxer_rate_keeps_what_stood(p: list[float], rate: float) -> None:
    """And a smaller p-value never falls where a larger one stands."""
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
    stand = discoveries(rank_p_values(values, decoys), rate)
    return float(stand[:null].sum() / max(stand.sum(), 1))


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
