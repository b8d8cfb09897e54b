"""What is answered: layers of weights with squares between them, and a linear map before the first.

    f(x) = W_n (... (W_1 x + b_1)^2 ...) + b_n

A quadratic activation a t^2 + b t + c is a square: a (t + b / 2a)^2 + (c - b^2 / 4a), whose shift
goes into the bias before it and whose factor into the weights behind it. Whoever standardises
inputs folds that into the first layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import input_error

Array = NDArray[np.float64]
MOST_INPUTS = 4096
MOST_HIDDEN = 512
MOST_CLASSES = 256
_RANK = 1e-6  # below which, of the largest, a singular value is none


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Args:
        weights: Shape (outputs, inputs).
        bias: Shape (outputs,).
    """

    weights: Array = field(repr=False)
    bias: Array = field(repr=False)


@dataclass(frozen=True, slots=True)
class SquareNetwork:
    """See the module.

    Args:
        layers: In their order; a square between each two.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        sizes = [layer.weights.shape for layer in self.layers]
        if not sizes or any(len(size) != 2 for size in sizes):
            raise input_error(
                "model", "no layers", str(sizes)[:80], "matrices of weights, in order"
            )
        for layer, below in zip(self.layers, (None, *self.layers[:-1]), strict=True):
            fits = below is None or layer.weights.shape[1] == below.weights.shape[0]
            if layer.bias.shape != layer.weights.shape[:1] or not fits:
                raise input_error(
                    "model",
                    "layers do not fit",
                    str(sizes)[:80],
                    "as many inputs as outputs before",
                )
        if not all(
            np.isfinite(a).all() for layer in self.layers for a in (layer.weights, layer.bias)
        ):
            raise input_error("model", "a weight is no number", "NaN or infinity", "finite weights")
        hidden = [layer.weights.shape[0] for layer in self.layers[:-1]]
        if (
            self.inputs > MOST_INPUTS
            or self.classes > MOST_CLASSES
            or max(hidden, default=0) > MOST_HIDDEN
        ):
            limits = (
                f"at most {MOST_INPUTS} inputs, {MOST_HIDDEN} units a hidden layer, {MOST_CLASSES}"
                " scores"
            )
            raise input_error("model", "too large", str(sizes)[:80], limits)

    @property
    def inputs(self) -> int:
        """Numbers that it takes."""
        return int(self.layers[0].weights.shape[1])

    @property
    def classes(self) -> int:
        """Numbers that it gives."""
        return int(self.layers[-1].weights.shape[0])

    @property
    def hidden(self) -> int:
        """Hidden layers."""
        return len(self.layers) - 1

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)

    @property
    def determining_rows(self) -> int:
        """Answers with as many numbers as f has freedom: for a linear model with as many ranks as
        classes inputs + 1.

        That is its parameters, or the coefficients of the polynomials of degree 2^hidden that its
        scores are, whichever are fewer. Scores of rank r count as c by m matrices of that rank do,
        r (m + c - r): two scores z and -z, or scores that add up to 0, have less to be found, and
        where a class may see a row of its own, fewer rows find it.
        """
        last = self.layers[-1]
        degree = 1 << self.hidden
        sizes = np.linalg.svd(np.column_stack([last.weights, last.bias]), compute_uv=False)
        rank = max(1, int((sizes > _RANK * sizes[0]).sum()))
        below = self.parameters - last.weights.size - last.bias.size
        weights = below + rank * (last.weights.shape[1] + 1 + self.classes - rank)
        polynomials = rank * (comb(self.inputs + degree, degree) + self.classes - rank)
        return int(-(-min(weights, polynomials) // self.classes))

    def scores(self, inputs: Array) -> Array:
        """Returns f of each row, in the open."""
        values = np.asarray(inputs, np.float64)
        for layer in self.layers[:-1]:
            values = (values @ layer.weights.T + layer.bias) ** 2
        return values @ self.layers[-1].weights.T + self.layers[-1].bias


def with_quadratic(
    layers: Sequence[Layer], activations: Sequence[tuple[float, float, float]]
) -> SquareNetwork:
    """Returns the network of squares that layers with quadratic activations are.

    Args:
        layers: With the weights that they have beside those activations.
        activations: a, b, c of each: a t^2 + b t + c, a not 0.
    """
    made = list(layers)
    for at, (a, b, c) in enumerate(activations):
        below = made[at]
        above = made[at + 1]
        made[at] = Layer(below.weights, below.bias + b / (2 * a))
        constant = above.weights.sum(axis=1) * (c - b * b / (4 * a))
        made[at + 1] = Layer(above.weights * a, above.bias + constant)
    return SquareNetwork(tuple(made))


def fold_standardisation(layers: Sequence[Layer], mean: Array, scale: Array) -> tuple[Layer, ...]:
    """Returns layers that take raw inputs where these take (x - mean) / scale."""
    first = layers[0]
    weights = first.weights / scale
    return (Layer(weights, first.bias - weights @ mean), *layers[1:])


def balance(network: SquareNetwork, inputs: Array) -> SquareNetwork:
    """Returns the same function with hidden units that reach 1 on these inputs, which rounds
    weights least.

    Args:
        network: Of squares.
        inputs: As it takes them, shape (n, inputs).
    """
    layers = list(network.layers)
    values = np.asarray(inputs, np.float64)
    for at in range(network.hidden):
        below = layers[at]
        above = layers[at + 1]
        reach = np.abs(values @ below.weights.T + below.bias).max(axis=0)
        factor = 1 / np.where(reach > 0, reach, 1.0)
        layers[at] = Layer(below.weights * factor[:, None], below.bias * factor)
        layers[at + 1] = Layer(above.weights / factor**2, above.bias)
        values = (values @ layers[at].weights.T + layers[at].bias) ** 2
    return SquareNetwork(tuple(layers))


def fold_biases(network: SquareNetwork) -> SquareNetwork:
    """Returns the same function without biases, of one input more, which is 1; and of one hidden
    unit more, also 1.
    """
    layers = []
    for at, layer in enumerate(network.layers):
        weights = np.column_stack([layer.weights, layer.bias])
        if at < network.hidden:
            weights = np.vstack([weights, np.eye(1, weights.shape[1], weights.shape[1] - 1)])
        layers.append(Layer(weights, np.zeros(len(weights))))
    return SquareNetwork(tuple(layers))
