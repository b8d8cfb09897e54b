"""Learners of pictures: a small convolutional network, trained until it has converged, on pictures
that are moved.

Each time a picture is shown it is shifted, turned and scaled a little, as a picture of the same
class may be; the label or the scores it was given stay. A few hundred answers so teach what
thousands would. Of pictures of another domain that is not so: a stroke that is shifted is another
class, and they are shown as they are.

Source: ordinary augmentation and cosine annealing (Loshchilov & Hutter, ICLR 2017); that the recipe
    decides, E3 (2024).
"""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from gamekeeper.audit.learners._training_set import ByScores, Learn, Predict, Scores, TrainingSet
from gamekeeper.audit.targets import Array

if TYPE_CHECKING:
    import torch

    Show = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

_STEPS = 500
# answers to pictures that are not moved, and times the steps: all of them are new to it
_MANY = 2_500
_LONGEST = 3
_BATCH = 64
_RATE = 4e-3
_CHANNELS = 16
_HIDDEN = 64
_LEAST_SIDE = 8
# of the side, radians, share
_SHIFT = 0.12
_TURN = 0.2
_SCALE = 0.12
_BEGINNING = Lock()  # what a network begins with is drawn from what all threads share
_CHUNK = 512  # pictures at once when it answers


def picture_learners(training: TrainingSet, seed: int) -> dict[str, Learn]:
    """Returns learners by name; none without torch, or for pictures of fewer than 8 pixels a side.

    Args:
        training: What they will learn from.
        seed: Of what they draw.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        return {}
    assert training.picture is not None
    if min(training.picture) < _LEAST_SIDE:
        return {}
    made: dict[str, Learn] = {"convolutional network": lambda some: _learnt(some, seed, soft=False)}
    if training.soft is not None:
        made["convolutional network on scores"] = lambda some: _learnt(some, seed, soft=True)
    return made


def quick_network(training: TrainingSet, seed: int) -> Scores | None:
    """Returns a network of labels that was trained half as long as others; None where there can be
    none.
    """
    return (
        _scored(training, seed, soft=False, steps=_STEPS // 2)
        if picture_learners(training, seed)
        else None
    )


def _learnt(training: TrainingSet, seed: int, *, soft: bool) -> Predict:
    longer = 1.0 if training.moves else float(np.clip(len(training) / _MANY, 1, _LONGEST))
    score = _scored(training, seed, soft=soft, steps=int(_STEPS * longer))
    return ByScores(score)


def _scored(training: TrainingSet, seed: int, *, soft: bool, steps: int) -> Scores:
    import torch

    middle = training.inputs.mean()
    spread = training.inputs.std() + 1e-12
    classes = (
        training.soft.shape[1] if training.soft is not None else int(training.labels.max()) + 1
    )
    wanted = torch.nn.functional.one_hot(torch.as_tensor(training.labels), classes).float()
    if soft:
        wanted = torch.as_tensor(training.soft, dtype=torch.float32)
    pictures = _pictures(training, (training.inputs - middle) / spread)
    network = _trained(pictures, wanted, seed, steps, _moved if training.moves else _as_it_is)

    def scores(inputs: Array) -> Array:
        with torch.no_grad():
            parts = _pictures(training, (inputs - middle) / spread).split(_CHUNK)
            return np.asarray(torch.cat([network(part).softmax(1) for part in parts]).numpy())

    return scores


def _pictures(training: TrainingSet, inputs: Array) -> "torch.Tensor":
    import torch

    assert training.picture is not None
    return torch.as_tensor(inputs, dtype=torch.float32).reshape(len(inputs), 1, *training.picture)


def _trained(
    pictures: "torch.Tensor", wanted: "torch.Tensor", seed: int, steps: int, show: "Show"
) -> Any:
    """A network after a fixed number of steps, its rate annealed to nothing: it has converged, not
    been cut off.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    with _BEGINNING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(tuple(pictures.shape[2:]), wanted.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.01)
    annealed = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(pictures), (_BATCH,), generator=draw)
        loss = torch.nn.functional.cross_entropy(network(show(pictures[rows], draw)), wanted[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        annealed.step()
    return network.eval()


def _network(sides: tuple[int, ...], classes: int) -> Any:
    import torch
    from torch import nn

    def block(before: int, after: int) -> list[Any]:
        return [
            nn.Conv2d(before, after, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]

    left = 2 * _CHANNELS * (sides[0] // 4) * (sides[1] // 4)
    head = [nn.Flatten(), nn.Linear(left, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes)]
    made = nn.Sequential(*block(1, _CHANNELS), *block(_CHANNELS, 2 * _CHANNELS), *head)
    return made.to(memory_format=torch.channels_last)


def _moved(pictures: "torch.Tensor", draw: "torch.Generator") -> "torch.Tensor":
    """Each picture shifted, turned and scaled a little; what comes in at the border is the
    border.
    """
    import torch

    n = len(pictures)
    turn, grow, right, down = (
        (torch.rand(n, generator=draw) * 2 - 1) * most
        for most in (_TURN, _SCALE, 2 * _SHIFT, 2 * _SHIFT)
    )
    cos = (1 + grow) * torch.cos(turn)
    sin = (1 + grow) * torch.sin(turn)
    maps = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)
    grid = torch.nn.functional.affine_grid(maps, list(pictures.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        pictures, grid, padding_mode="border", align_corners=False
    )


def _as_it_is(pictures: "torch.Tensor", draw: "torch.Generator") -> "torch.Tensor":
    return pictures
