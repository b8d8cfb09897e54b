"""Features of tabular APIs, and cells."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.encoding import cells, scale_features
from gamekeeper.encoding.sketch import BITS

# the last: what a hostile client may send
number = st.floats(-1e6, 1e6, width=32) | st.floats(allow_nan=False, allow_infinity=False)
rows_of = st.integers(1, 5).flatmap(
    lambda d: st.lists(st.lists(number, min_size=d, max_size=d), min_size=1, max_size=30)
)


@given(rows=rows_of)
def test_scaled_features_are_finite_and_bounded(rows: list[list[float]]) -> None:
    """Whatever the features hold: one column each, none beyond ten ranges."""
    scaled = scale_features(pl.Series(rows))
    assert scaled.shape == (len(rows), len(rows[0])) and scaled.dtype == np.float32
    assert np.isfinite(scaled).all() and abs(scaled).max() <= 10


def test_units_of_a_feature_do_not_matter() -> None:
    """Metres or millimetres, from sea level or not: the same vectors."""
    raw = np.random.default_rng(1).normal(size=(200, 3))
    moved = raw * [1000.0, 0.01, 1.0] + [5.0, -3.0, 100.0]
    assert np.allclose(
        scale_features(pl.Series(raw.tolist())),
        scale_features(pl.Series(moved.tolist())),
        atol=1e-4,
    )


def test_feature_that_never_varies_is_zero() -> None:
    """It says nothing, and there is no division by zero."""
    assert not scale_features(pl.Series([[7.0, 1.0], [7.0, 2.0], [7.0, 3.0]]))[:, 0].any()


def test_rare_flag_is_kept() -> None:
    """A column that is 0 for all but a few has no interquartile range, and still says who
    is who.
    """
    scaled = scale_features(pl.Series([[float(i == 0)] for i in range(50)]))
    assert scaled[0, 0] > scaled[1, 0]


@given(seed=st.integers(0, 99), n=st.integers(0, 40), d=st.integers(1, 20))
def test_cell_is_the_vectors_own(seed: int, n: int, d: int) -> None:
    """It depends on no other row, and not on the vector's length."""
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    found = cells(vectors)
    assert found.shape == (n,) and found.dtype == np.uint16 and (found < 1 << BITS).all()
    assert np.array_equal(found, cells(vectors * 2)) and np.array_equal(
        found[::-1], cells(vectors[::-1])
    )


def test_neighbours_share_cells_and_strangers_do_not() -> None:
    """Nearly parallel vectors fall together far more often than random ones."""
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((500, 64)).astype(np.float32)
    near = vectors + 0.02 * rng.standard_normal((500, 64)).astype(np.float32)
    assert (
        (cells(vectors) == cells(near)).mean()
        > 0.8
        > 0.05
        > (cells(vectors) == cells(vectors[::-1])).mean()
    )
