"""Networks of squares: fitted to a network with other activations, or trained.

A fit takes, layer by layer, the quadratic that is nearest by least squares to the activation at the
pre-activations that the calibration inputs give there, with the fitted layers below. It loses
accuracy, the more the wider they range. Training (Adam, cross-entropy, on standardised inputs) gets
most of it back: towards true labels, or towards what the original says (distillation). The best
epoch by the rows kept apart is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gamekeeper.encrypted.square_network import (
    Array,
    Layer,
    SquareNetwork,
    fold_standardisation,
    with_quadratic,
)

Activation = Callable[[Array], Array]
_LEAST_CURVATURE = 1e-2
_HELD_BACK = 5
_LARGEST_STEP = 1.0


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A fitted network.

    Args:
        network: Of squares.
        errors: Root mean square of activation minus quadratic at each hidden layer, over its
            deviation there.
    """

    network: SquareNetwork
    errors: tuple[float, ...]


def fit_network(
    layers: Sequence[Layer], activations: Sequence[Activation], inputs: Array
) -> FittedNetwork:
    """Returns the network of squares nearest to one with other activations."""
    quadratics = []
    errors = []
    values = np.asarray(inputs, np.float64)
    for layer, activation in zip(layers, activations, strict=False):
        before = values @ layer.weights.T + layer.bias
        wanted = activation(before)
        a, b, c = _quadratic(before.ravel(), wanted.ravel())
        values = a * before**2 + b * before + c
        errors.append(
            float(np.sqrt(np.mean((values - wanted) ** 2)) / max(float(wanted.std()), 1e-12))
        )
        quadratics.append((a, b, c))
    return FittedNetwork(with_quadratic(layers, quadratics), tuple(errors))


def _quadratic(t: Array, wanted: Array) -> tuple[float, float, float]:
    """Least squares; one that is all but straight is bent a little, for a square has to
    carry it.
    """
    a, b, c = np.polynomial.polynomial.Polynomial.fit(t, wanted, 2).convert().coef[::-1]
    if abs(a) < _LEAST_CURVATURE:
        a = _LEAST_CURVATURE if a >= 0 else -_LEAST_CURVATURE
        c, b = np.polynomial.polynomial.Polynomial.fit(t, wanted - a * t**2, 1).convert().coef
    return float(a), float(b), float(c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a network is trained.

    Args:
        epochs: Passes over the rows.
        batch: Rows a step.
        rate: Of learning, at first; it falls to zero.
        seed: Of first weights and order.
    """

    epochs: int = 60
    batch: int = 128
    rate: float = 3e-3
    seed: int = 0


def train_network(
    inputs: Array,
    targets: Array,
    hidden: Sequence[int],
    training: Training,
    start: SquareNetwork | None = None,
) -> SquareNetwork:
    """Trains a network of squares.

    Args:
        inputs: Shape (n, d).
        targets: Shares of the classes, shape (n, classes): one-hot labels, or another model's
            probabilities.
        hidden: Units of each hidden layer; of the start's, where there is one.
        training: How.
        start: Where it begins; else at random.
    """
    rng = np.random.default_rng(training.seed)
    mean = inputs.mean(axis=0)
    scale = inputs.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    values = (inputs - mean) / scale
    sizes = [inputs.shape[1], *hidden, targets.shape[1]]
    weights = _unstandardised(start, mean, scale) if start else _random(sizes, rng)
    best = _descended(weights, values, targets, training, rng)
    layers = [Layer(best[at], best[at + 1]) for at in range(0, len(best), 2)]
    return SquareNetwork(fold_standardisation(layers, mean, scale))


def one_hot(labels: NDArray[np.int64], classes: int) -> Array:
    """Returns labels as shares."""
    return np.eye(classes)[labels]


def softmax(scores: Array) -> Array:
    """Returns shares of classes."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _random(sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    made: list[Array] = []
    for inputs, outputs in pairwise(sizes):
        made += [rng.normal(size=(outputs, inputs)) / np.sqrt(2 * inputs), np.zeros(outputs)]
    return made


def _unstandardised(start: SquareNetwork, mean: Array, scale: Array) -> list[Array]:
    """The start's weights for standardised inputs: x = scale * z + mean."""
    first = start.layers[0]
    made = [first.weights * scale, first.bias + first.weights @ mean]
    for layer in start.layers[1:]:
        made += [layer.weights.copy(), layer.bias.copy()]
    return made


def _descended(
    weights: list[Array],
    values: Array,
    targets: Array,
    training: Training,
    rng: np.random.Generator,
) -> list[Array]:
    held = np.arange(len(values)) % _HELD_BACK == _HELD_BACK - 1
    learnt = np.flatnonzero(~held)
    kept = np.flatnonzero(held)
    moments = [np.zeros_like(w) for w in weights]
    squares = [np.zeros_like(w) for w in weights]
    best = [w.copy() for w in weights]
    least = _loss(weights, values[kept], targets[kept])
    step = 0
    total = training.epochs * max(1, len(learnt) // training.batch)
    for _ in range(training.epochs):
        for rows in np.array_split(rng.permutation(learnt), max(1, len(learnt) // training.batch)):
            step += 1
            slopes = _clipped(_slopes(weights, values[rows], targets[rows]))
            rate = training.rate * (1 - (step - 1) / total)
            for at, slope in enumerate(slopes):
                moments[at] += 0.1 * (slope - moments[at])
                squares[at] += 0.001 * (slope**2 - squares[at])
                change = (
                    moments[at]
                    / (1 - 0.9**step)
                    / (np.sqrt(squares[at] / (1 - 0.999**step)) + 1e-8)
                )
                weights[at] = weights[at] - rate * change
        if (loss := _loss(weights, values[kept], targets[kept])) < least:
            best = [w.copy() for w in weights]
            least = loss
    return best


def _forward(weights: list[Array], values: Array) -> tuple[list[Array], list[Array]]:
    """Inputs and outputs of each layer, before squares."""
    entering = [values]
    leaving = []
    for at in range(0, len(weights), 2):
        leaving.append(entering[-1] @ weights[at].T + weights[at + 1])
        entering.append(leaving[-1] ** 2)
    return entering, leaving


def _slopes(weights: list[Array], values: Array, targets: Array) -> list[Array]:
    entering, leaving = _forward(weights, values)
    slope = (softmax(leaving[-1]) - targets) / len(values)
    made: list[Array] = []
    for at in range(len(weights) - 2, -1, -2):
        layer = at // 2
        made = [slope.T @ entering[layer], slope.sum(axis=0), *made]
        if layer:
            slope = (slope @ weights[at]) * 2 * leaving[layer - 1]
    return made


def _clipped(slopes: list[Array]) -> list[Array]:
    size = float(np.sqrt(sum(float((slope**2).sum()) for slope in slopes)))
    return [slope * (_LARGEST_STEP / size) for slope in slopes] if size > _LARGEST_STEP else slopes


def _loss(weights: list[Array], values: Array, targets: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        shares = softmax(_forward(weights, values)[1][-1])
    loss = (
        float(-(targets * np.log(np.maximum(shares, 1e-300))).sum(axis=1).mean())
        if len(values)
        else np.inf
    )
    return loss if np.isfinite(loss) else np.inf
