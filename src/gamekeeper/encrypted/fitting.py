"""Fits networks of squares to networks with other activations, and trains them.

A fit replaces, layer by layer, the activation by the quadratic with the least squared error at the
pre-activations of the calibration inputs, computed with the fitted layers below. It loses accuracy,
more for a wider range of pre-activations. Training (Adam, standardised inputs) recovers most of it,
with true labels or with the original's answers (distillation) as targets. The loss is the
cross-entropy of classes or labels, or the squared error of values. The epoch with the lowest loss
on held-out rows is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

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
Loss = Literal["classes", "labels", "values"]
_MIN_CURVATURE = 1e-2
_HOLDOUT_EVERY = 5
_MAX_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network of squares that was fitted to another network.

    Args:
        network: The network of squares.
        errors: For each hidden layer, the root mean square of activation minus quadratic, divided
            by the standard deviation of the activation.
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
        target = activation(before)
        a, b, c = _fit_quadratic(before.ravel(), target.ravel())
        values = a * before**2 + b * before + c
        rms = float(np.sqrt(np.mean((values - target) ** 2)))
        errors.append(rms / max(float(target.std()), 1e-12))
        quadratics.append((a, b, c))
    return FittedNetwork(with_quadratic(layers, quadratics), tuple(errors))


def _fit_quadratic(t: Array, target: Array) -> tuple[float, float, float]:
    """Returns the least-squares quadratic.

    A fit that is almost linear is given some curvature, since it has to be written as a square.
    """
    a, b, c = np.polynomial.polynomial.Polynomial.fit(t, target, 2).convert().coef[::-1]
    if abs(a) < _MIN_CURVATURE:
        a = _MIN_CURVATURE if a >= 0 else -_MIN_CURVATURE
        c, b = np.polynomial.polynomial.Polynomial.fit(t, target - a * t**2, 1).convert().coef
    return float(a), float(b), float(c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The hyperparameters of training.

    Args:
        epochs: Number of passes over the rows.
        batch: Number of rows in each step.
        rate: Initial learning rate; it decreases linearly to zero.
        seed: Seed of the initial weights and of the order of rows.
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
    loss: Loss = "classes",
) -> SquareNetwork:
    """Trains a network of squares.

    Args:
        inputs: Shape (n, d).
        targets: Shape (n, outputs): probabilities of classes, which add up to 1, or of labels, or
            values; true ones, or those of another model.
        hidden: Number of units of each hidden layer; the same as in `start` if that is given.
        training: Hyperparameters.
        start: Initial network; None for random weights.
        loss: What the targets are.
    """
    rng = np.random.default_rng(training.seed)
    mean = inputs.mean(axis=0)
    scale = inputs.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    values = (inputs - mean) / scale
    sizes = [inputs.shape[1], *hidden, targets.shape[1]]
    weights = _unstandardised(start, mean, scale) if start else _random(sizes, rng)
    centre, spread = _unit_of(targets, loss)
    if start:
        weights[-2:] = [weights[-2] / spread[:, None], (weights[-1] - centre) / spread]
    aims = (targets - centre) / spread
    best = _descended(weights, values, aims, training, rng, _LOSSES[loss])
    best[-2:] = [best[-2] * spread[:, None], best[-1] * spread + centre]
    layers = [Layer(best[at], best[at + 1]) for at in range(0, len(best), 2)]
    return SquareNetwork(fold_standardisation(layers, mean, scale))


def _unit_of(targets: Array, loss: Loss) -> tuple[Array, Array]:
    """Returns centre and spread of values, which are trained in units of their deviation."""
    if loss != "values":
        return np.zeros(targets.shape[1]), np.ones(targets.shape[1])
    spread = targets.std(axis=0)
    return targets.mean(axis=0), np.where(spread > 0, spread, 1.0)


def one_hot(labels: NDArray[np.int64], classes: int) -> Array:
    """Returns labels as probabilities."""
    return np.eye(classes)[labels]


def softmax(scores: Array) -> Array:
    """Returns the probabilities of classes."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def sigmoid(scores: Array) -> Array:
    """Returns the probabilities of labels that do not exclude each other."""
    probabilities: Array = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    return probabilities


class _LossFunction(NamedTuple):
    """A loss whose derivative by the scores is answer minus target.

    Args:
        answers: The answers that scores stand for.
        loss: The mean loss of answers, given the targets.
    """

    answers: Callable[[Array], Array]
    loss: Callable[[Array, Array], float]


def _cross_entropy(answers: Array, targets: Array) -> float:
    return float(-(targets * np.log(np.maximum(answers, 1e-300))).sum(axis=1).mean())


def _cross_entropy_of_labels(answers: Array, targets: Array) -> float:
    return _cross_entropy(answers, targets) + _cross_entropy(1 - answers, 1 - targets)


def _squared_error(answers: Array, targets: Array) -> float:
    return float(((answers - targets) ** 2).sum(axis=1).mean() / 2)


_LOSSES: dict[Loss, _LossFunction] = {
    "classes": _LossFunction(softmax, _cross_entropy),
    "labels": _LossFunction(sigmoid, _cross_entropy_of_labels),
    "values": _LossFunction(lambda scores: scores, _squared_error),
}


def _random(sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    made: list[Array] = []
    for inputs, outputs in pairwise(sizes):
        made += [rng.normal(size=(outputs, inputs)) / np.sqrt(2 * inputs), np.zeros(outputs)]
    return made


def _unstandardised(start: SquareNetwork, mean: Array, scale: Array) -> list[Array]:
    """Returns the weights of `start` for standardised inputs z: x = scale * z + mean."""
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
    loss: _LossFunction,
) -> list[Array]:
    held = np.arange(len(values)) % _HOLDOUT_EVERY == _HOLDOUT_EVERY - 1
    learnt = np.flatnonzero(~held)
    kept = np.flatnonzero(held)
    moments = [np.zeros_like(w) for w in weights]
    squares = [np.zeros_like(w) for w in weights]
    best = [w.copy() for w in weights]
    least = _loss(weights, values[kept], targets[kept], loss)
    step = 0
    total = training.epochs * max(1, len(learnt) // training.batch)
    for _ in range(training.epochs):
        for rows in np.array_split(rng.permutation(learnt), max(1, len(learnt) // training.batch)):
            step += 1
            slopes = _clipped(_slopes(weights, values[rows], targets[rows], loss))
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
        reached = _loss(weights, values[kept], targets[kept], loss)
        if reached < least:
            best = [w.copy() for w in weights]
            least = reached
    return best


def _forward(weights: list[Array], values: Array) -> tuple[list[Array], list[Array]]:
    """Returns the inputs of each layer, and its outputs before the square."""
    entering = [values]
    leaving = []
    for at in range(0, len(weights), 2):
        leaving.append(entering[-1] @ weights[at].T + weights[at + 1])
        entering.append(leaving[-1] ** 2)
    return entering, leaving


def _slopes(
    weights: list[Array], values: Array, targets: Array, loss: _LossFunction
) -> list[Array]:
    entering, leaving = _forward(weights, values)
    slope = (loss.answers(leaving[-1]) - targets) / len(values)
    made: list[Array] = []
    for at in range(len(weights) - 2, -1, -2):
        layer = at // 2
        made = [slope.T @ entering[layer], slope.sum(axis=0), *made]
        if layer:
            slope = (slope @ weights[at]) * 2 * leaving[layer - 1]
    return made


def _clipped(slopes: list[Array]) -> list[Array]:
    norm = float(np.sqrt(sum(float((slope**2).sum()) for slope in slopes)))
    if norm <= _MAX_GRADIENT:
        return slopes
    return [slope * (_MAX_GRADIENT / norm) for slope in slopes]


def _loss(weights: list[Array], values: Array, targets: Array, loss: _LossFunction) -> float:
    if not len(values):
        return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        reached = loss.loss(loss.answers(_forward(weights, values)[1][-1]), targets)
    return reached if np.isfinite(reached) else np.inf
