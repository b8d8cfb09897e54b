"""Networks with squares as activations, the functions that can be evaluated on encrypted input.

    f(x) = W_n (... (W_1 x + b_1)^2 ...) + b_n

A quadratic activation a t^2 + b t + c is a square, a (t + b / 2a)^2 + (c - b^2 / 4a): the shift is
folded into the bias before it, and the factor into the weights after it. A standardisation of the
inputs is folded into the first layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import input_error

Array = NDArray[np.float64]
MAX_INPUTS = 4096
MAX_HIDDEN = 512
MAX_CLASSES = 256
_RANK_TOLERANCE = 1e-6  # smaller singular values, relative to the largest, count as 0


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer.

    Args:
        weights: Shape (outputs, inputs).
        bias: Shape (outputs,).
    """

    weights: Array = field(repr=False)
    bias: Array = field(repr=False)


@dataclass(frozen=True, slots=True)
class SquareNetwork:
    """A network of linear layers with a square between each two.

    Args:
        layers: The layers in their order.

    Raises:
        InputError: The layers do not fit together, or are too large.
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
        arrays = [array for layer in self.layers for array in (layer.weights, layer.bias)]
        if not all(np.isfinite(array).all() for array in arrays):
            problem = "a weight is not a number"
            raise input_error("model", problem, "NaN or infinity", "finite weights")
        hidden = max((layer.weights.shape[0] for layer in self.layers[:-1]), default=0)
        if self.inputs > MAX_INPUTS or self.classes > MAX_CLASSES or hidden > MAX_HIDDEN:
            limits = (
                f"at most {MAX_INPUTS} inputs, {MAX_HIDDEN} units in a hidden layer, {MAX_CLASSES}"
                " scores"
            )
            raise input_error("model", "too large", str(sizes)[:80], limits)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.layers[0].weights.shape[1])

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return int(self.layers[-1].weights.shape[0])

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.layers) - 1

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)

    @property
    def determining_rows(self) -> int:
        """Number of rows whose scores are as many numbers as f has degrees of freedom.

        For a linear model of full rank it is inputs + 1. The degrees of freedom are the parameters
        of the network, or the coefficients of its scores, which are polynomials of degree 2^hidden,
        whichever are fewer. Scores of rank r count like c by m matrices of that rank,
        r (m + c - r): two scores z and -z, or scores that add up to 0, have fewer unknowns, and
        where each class may get a row of its own, fewer rows determine them.
        """
        last = self.layers[-1]
        degree = 1 << self.hidden
        sizes = np.linalg.svd(np.column_stack([last.weights, last.bias]), compute_uv=False)
        rank = max(1, int((sizes > _RANK_TOLERANCE * sizes[0]).sum()))
        below = self.parameters - last.weights.size - last.bias.size
        weights = below + rank * (last.weights.shape[1] + 1 + self.classes - rank)
        polynomials = rank * (comb(self.inputs + degree, degree) + self.classes - rank)
        return int(-(-min(weights, polynomials) // self.classes))

    def scores(self, inputs: Array) -> Array:
        """Returns f of each row, computed without encryption."""
        values = np.asarray(inputs, np.float64)
        for layer in self.layers[:-1]:
            values = (values @ layer.weights.T + layer.bias) ** 2
        return values @ self.layers[-1].weights.T + self.layers[-1].bias


def with_quadratic(
    layers: Sequence[Layer], activations: Sequence[tuple[float, float, float]]
) -> SquareNetwork:
    """Returns the network of squares that is equal to layers with quadratic activations.

    Args:
        layers: The layers.
        activations: a, b, c of each activation a t^2 + b t + c; a is not 0.
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
    """Returns layers for raw inputs x that are equal to these layers for (x - mean) / scale."""
    first = layers[0]
    weights = first.weights / scale
    return (Layer(weights, first.bias - weights @ mean), *layers[1:])


def balance(network: SquareNetwork, inputs: Array) -> SquareNetwork:
    """Returns the same function with hidden units whose largest value on these inputs is 1, which
    minimises the rounding of weights.

    Args:
        network: The network.
        inputs: Inputs of the network, shape (n, inputs).
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
    """Returns the same function without biases, with an additional input and an additional unit in
    each hidden layer, which are 1.
    """
    layers = []
    for at, layer in enumerate(network.layers):
        weights = np.column_stack([layer.weights, layer.bias])
        if at < network.hidden:
            weights = np.vstack([weights, np.eye(1, weights.shape[1], weights.shape[1] - 1)])
        layers.append(Layer(weights, np.zeros(len(weights))))
    return SquareNetwork(tuple(layers))
