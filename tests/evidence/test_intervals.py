import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.evidence import wilson_interval


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
    hits = np.random.default_rng(1).binomial(300, 0.01, 4_000)
    covered = [low <= 0.01 <= high for low, high in (wilson_interval(int(h), 300) for h in hits)]
    assert 0.93 < np.mean(covered) < 0.985
