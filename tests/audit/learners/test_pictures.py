from dataclasses import replace

import numpy as np
import pytest

from gamekeeper.audit.learners import TrainingSet, best_learner
from gamekeeper.audit.learners.pictures import picture_learners
from gamekeeper.audit.targets import Array

pytestmark = pytest.mark.extra
pytest.importorskip("torch")


def bars(n: int, seed: int) -> tuple[Array, Array]:
    """Pictures of 8 x 8 with a bar that stands or lies, somewhere, in noise."""
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(0, 0.3, (n, 8, 8))
    labels = rng.integers(2, size=n)
    for picture, label, at in zip(pictures, labels, rng.integers(1, 7, size=n), strict=True):
        picture[(slice(None), at) if label else (at, slice(None))] += 0.7
    return pictures.reshape(n, -1), labels


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def test_network_learns_pictures_from_few_labels() -> None:
    """Where a bar lies does not matter: a network sees that from sixty."""
    name, predict = best_learner(
        TrainingSet(*bars(60, 0), picture=(8, 8)), np.random.default_rng(0)
    )
    tests, truth = bars(300, 1)
    assert name == "convolutional network"
    assert (predict(tests) == truth).mean() > 0.95


def test_same_seed_gives_the_same_network() -> None:
    """Reports can be made again."""
    inputs, labels = bars(60, 0)
    soft = np.eye(2)[labels] * 0.8 + 0.1
    tests = bars(100, 2)[0]
    one, other = (
        best_learner(TrainingSet(inputs, labels, soft, picture=(8, 8)), np.random.default_rng(1))[
            1
        ](tests)
        for _ in range(2)
    )
    assert (one == other).all()


def test_network_is_shown_pictures_as_they_are_where_moving_them_would_change_the_answer() -> None:
    """Bars in the left half and in the right half: who moves them learns what is not so."""
    rng = np.random.default_rng(0)
    places = rng.integers(8, size=300)
    noise = rng.uniform(0, 0.3, (300, 8, 8))
    noise[np.arange(300), :, places] += 0.7
    training = TrainingSet(
        noise.reshape(300, -1)[:200], (places > 3).astype(int)[:200], picture=(8, 8)
    )
    near = np.isin(places[200:], (3, 4))

    def agreed(moves: bool) -> float:
        predict = picture_learners(replace(training, moves=moves), 0)["convolutional network"](
            replace(training, moves=moves)
        )
        return float((predict(noise.reshape(300, -1)[200:]) == (places > 3)[200:])[near].mean())

    assert agreed(moves=False) == 1 > agreed(moves=True)
