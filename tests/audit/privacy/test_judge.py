import numpy as np

from gamekeeper.audit.privacy import Judge
from gamekeeper.audit.privacy.judge import UNDECIDED
from gamekeeper.audit.targets import Array


def clouds(n: int = 240, seed: int = 0) -> tuple[Array, Array]:
    """Two clouds around -2 and 2 in each of four numbers."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return rng.standard_normal((n, 4)) + np.where(labels, 2, -2)[:, None], labels


def test_judge_says_how_often_he_is_right_on_rows_that_he_did_not_learn() -> None:
    """Nearly always on clouds apart, as chance has it where labels mean nothing."""
    inputs, labels = clouds()
    assert Judge(inputs, labels, 0).accuracy > 0.95
    drawn = np.random.default_rng(1).integers(2, size=len(labels))
    assert Judge(inputs, drawn, 0).accuracy < 0.6


def test_input_that_fools_one_kind_alone_shows_nothing() -> None:
    """A regression is sure of what lies far out; a forest goes by the one number that it asks
    about.
    """
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((400, 2))
    judge = Judge(inputs, ((np.abs(inputs[:, 0]) > 1) | (inputs[:, 1] > 1.5)).astype(int), 0)
    inner = np.zeros((1, 2))
    outer = np.array([[3.0, -2.0]])
    assert judge.names(inner)[0] == 0
    assert judge.names(outer)[0] == UNDECIDED
