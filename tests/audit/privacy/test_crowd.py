import numpy as np
import pytest

from gamekeeper.audit.privacy import Shadows, leaks
from gamekeeper.audit.privacy.crowd import Crowd, without_pull


def test_each_row_is_left_out_of_what_is_foretold_of_it() -> None:
    """As if the regression had been trained without it."""
    rng = np.random.default_rng(0)
    crowd = Crowd(rng.standard_normal((60, 4)), rng.integers(3, size=60))
    weights = rng.uniform(0, 1, 60)
    whole = crowd.pull(weights)
    for row in (0, 7):
        alone = weights.copy()
        alone[row] = 0
        assert crowd.pull(alone)[row] == pytest.approx(whole[row], abs=1e-4)


def test_neighbours_of_the_same_label_pull_a_row_up() -> None:
    """And those of another label down."""
    rng = np.random.default_rng(1)
    inputs = np.repeat(rng.standard_normal((1, 5)), 30, axis=0) + 0.1 * rng.standard_normal((30, 5))
    labels = np.arange(30) % 2
    crowd = Crowd(inputs, labels)
    same, other = (crowd.pull((labels == each).astype(float))[0] for each in (0, 1))
    assert same > 0 > other


def test_what_moves_with_the_crowd_is_taken_out() -> None:
    """All of it where nothing else moves; a target is corrected as its shadows are."""
    rng = np.random.default_rng(2)
    pulls = rng.standard_normal((6, 40))
    pull = rng.standard_normal(40)
    usual = rng.standard_normal((40, 2))
    shadows = usual + pulls[..., None] * [2.0, 1.0]
    x, rest = without_pull(usual + pull[:, None] * [2.0, 1.0], shadows, pull, pulls)
    assert np.allclose(rest, rest[0]) and np.allclose(x, rest[0])


def test_members_are_told_better_without_what_the_crowd_does() -> None:
    """Where a quarter of what a reading varies by is the other rows, and lira's verdict on them is
    good.
    """
    rng = np.random.default_rng(3)
    n = 600
    models = 10
    labels = rng.integers(3, size=n)
    inputs = 3 * rng.standard_normal((n, 6)) + 2 * rng.standard_normal((3, 6))[labels]
    members = np.stack([rng.permutation(n) % 2 == 0 for _ in range(models // 2)]).repeat(2, axis=0)
    members[1::2] = ~members[1::2]
    crowd = Crowd(inputs, labels)
    pulls = np.stack([crowd.pull(had.astype(float)) for had in members])
    moved = (pulls - pulls.mean(axis=0)) / (pulls - pulls.mean(axis=0)).std()
    readings = np.where(members, 2.0, -2.0) + 0.6 * moved + rng.standard_normal(members.shape)
    shadows = Shadows(
        np.stack([readings, rng.standard_normal(members.shape)], axis=2), members, crowd
    )
    found = {leak.attack: leak for leak in leaks(shadows)}
    assert found["joint"].found[0] > found["lira"].found[0] + 0.03
