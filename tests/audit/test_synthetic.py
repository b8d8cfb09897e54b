import numpy as np
import pytest

from gamekeeper.audit import synthetic
from gamekeeper.audit.targets import Array


def made(n: int = 1_200, seed: int = 0) -> Array:
    return synthetic.pictures(n, (8, 12), np.random.default_rng(seed))


def test_pictures_are_flat_and_within_their_range() -> None:
    """Also where they are not square, and more than a chunk."""
    pictures = made()
    assert pictures.shape == (1_200, 96)
    assert pictures.min() >= 0 and pictures.max() <= 1 and len(np.unique(pictures, axis=0)) > 1_150


def test_pictures_are_smooth_where_noise_is_not() -> None:
    """Neighbours are alike: that is what makes them pictures."""

    def step(pictures: Array) -> float:
        return float(np.abs(np.diff(pictures.reshape(-1, 8, 12), axis=2)).mean() / pictures.std())

    assert step(made()) < 0.5 < step(np.random.default_rng(0).random((1_200, 96)))


def test_many_pictures_have_nothing_at_the_border() -> None:
    """As where somebody has centred what they are of."""
    shown = made().reshape(-1, 8, 12)
    corners = shown[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert 0.3 < (corners.max(axis=1) < 0.05).mean() < 0.95


def test_rows_are_low_or_high_as_a_whole() -> None:
    """Their means spread more widely than those of uniform noise."""
    rng = np.random.default_rng(0)
    rows = synthetic.rows(500, 30, rng)
    assert rows.min() >= 0 and rows.max() <= 1
    assert rows.mean(axis=1).std() > 3 * rng.random((500, 30)).mean(axis=1).std()


@pytest.mark.parametrize("n", [0, 1])
def test_few_pictures_are_made_as_well(n: int) -> None:
    """None, and one."""
    assert made(n).shape == (n, 96)


def test_same_seed_makes_the_same_pictures() -> None:
    """Audits can be run again without paying."""
    assert (made(50) == made(50)).all() and (made(50) != made(50, seed=1)).any()
