import numpy as np
import pytest
from scipy.stats import norm

from gamekeeper.audit.privacy.likelihood import log_likelihood


def shadows(
    count: int, *, rows: int = 3_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of rows, shape (rows, 1), and what shadows read of them, on both sides."""
    rng = np.random.default_rng(seed)
    mean = rng.standard_normal((rows, 1))
    inside = mean + 0.5 * rng.standard_normal((count, rows, 1))
    return mean, inside, mean - 4 + 2 * rng.standard_normal((count, rows, 1))


def test_many_shadows_give_the_normal_that_they_are_of() -> None:
    """Up to a constant."""
    mean, inside, outside = shadows(200)
    near = log_likelihood(mean + 1, inside, outside) - log_likelihood(mean, inside, outside)
    assert near.mean() == pytest.approx(
        norm.logpdf(1, scale=0.5) - norm.logpdf(0, scale=0.5), abs=0.1
    )


def test_few_shadows_are_helped_by_all_rows() -> None:
    """Of a row with two shadows that happen to agree, a reading a little off is not taken for a
    wonder.
    """
    mean, inside, outside = shadows(2)
    inside[:, 0] = mean[0]
    off = log_likelihood(mean + 1, inside, outside)[0] - log_likelihood(mean, inside, outside)[0]
    assert -5 < off < 0


def test_mean_is_drawn_towards_what_the_other_side_foretells() -> None:
    """One shadow that lies far off says less than a hundred readings of the other side."""
    mean, inside, _ = shadows(1)
    _, _, outside = shadows(100)
    inside[0, 0] = mean[0] + 2
    at = mean + np.array([[0.0], [2.0]])[:, :, None]
    right, wrong = (log_likelihood(x, inside, outside)[0] for x in at)
    assert right > wrong


def test_readings_that_never_differ_are_no_fault() -> None:
    """A recipe that always answers the same."""
    same = np.zeros((3, 50, 2))
    assert np.isfinite(log_likelihood(same[0], same, same)).all()
