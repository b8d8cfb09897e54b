"""Model inversion: an input that the model is sure of, from answers alone; does it show what the
class looks like?

Evolution strategies: around the present input, steps in random directions, each both ways; what
raises the log-odds of the class, less the roughness of the picture, says where to go. Steps are
smooth where inputs are pictures. Nothing of the domain is used but its range and its middle.
Whether the class shows is for another classifier to say, one trained
apart: a model's own sureness proves nothing.

Source: Fredrikson et al., CCS 2015 (inversion); Salimans et al., Evolution Strategies, 2017 (the
    gradient without
gradients); judged by an independent classifier as in Zhang et al., CVPR 2020.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.targets import Array

_PAIRS = 20
QUERIES_A_ROUND = 2 * _PAIRS
"""Of which queries are a multiple; what is left over is not asked."""
# of the range
_STEP = 0.15
_RATE = 0.12
_ROUGHNESS = 2.0
_SMOOTH = 0.08  # of a picture's side
_FLOOR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What a thief knows of inputs.

    Args:
        low: Least value of each, shape (width,).
        high: Greatest, shape (width,).
        start: Where it begins, shape (width,).
        picture: Height and width, if they are pictures in one channel.
    """

    low: Array
    high: Array
    start: Array
    picture: tuple[int, int] | None = None


def invert(ask: Ask, domain: Domain, label: int, queries: int, rng: np.random.Generator) -> Array:
    """Returns an input, shape (width,), of which the model is sure.

    Args:
        ask: The model; it must give scores.
        domain: What is known of inputs.
        label: That it is to have.
        queries: That may be made.
        rng: Draws the steps.
    """
    at = domain.start.copy()
    span = domain.high - domain.low
    velocity = np.zeros_like(at)
    rounds = queries // QUERIES_A_ROUND
    for number in range(rounds):
        steps = _steps(domain, rng)
        tried = np.clip(
            np.vstack([at + _STEP * span * steps, at - _STEP * span * steps]),
            domain.low,
            domain.high,
        )
        worth = _worth(ask, tried, label, domain)
        gains = (worth[:_PAIRS] - worth[_PAIRS:]) / (worth.std() + 1e-12)
        velocity = 0.8 * velocity + (gains @ steps) / _PAIRS
        at = np.clip(at + _RATE * (1 - number / rounds) * span * velocity, domain.low, domain.high)
    return at


def _steps(domain: Domain, rng: np.random.Generator) -> Array:
    """Random directions, smooth in pictures, shape (pairs, width)."""
    steps = rng.standard_normal((_PAIRS, len(domain.start)))
    if domain.picture is not None:
        pictures = steps.reshape(_PAIRS, *domain.picture)
        steps = gaussian_filter(
            pictures, (0, *(_SMOOTH * side for side in domain.picture))
        ).reshape(_PAIRS, -1)
        steps /= steps.std()
    return np.asarray(steps)


def _worth(ask: Ask, inputs: Array, label: int, domain: Domain) -> Array:
    given = ask(inputs).probabilities
    assert given is not None
    own = given[:, label]
    worth = np.log(own + _FLOOR) - np.log(1 - own + _FLOOR)
    if domain.picture is None:
        return np.asarray(worth)
    pictures = ((inputs - domain.low.min()) / (domain.high.max() - domain.low.min())).reshape(
        -1, *domain.picture
    )
    rough = np.abs(np.diff(pictures, axis=1)).mean(axis=(1, 2)) + np.abs(
        np.diff(pictures, axis=2)
    ).mean(axis=(1, 2))
    return np.asarray(worth - _ROUGHNESS * rough)
