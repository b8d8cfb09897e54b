"""Compiles models of scikit-learn and torch, and measures the loss of accuracy.

    linear          LogisticRegression, LinearSVC, SGDClassifier and all others with `coef_` and
                    `intercept_`
    networks        MLPClassifier; torch.nn.Sequential of Linear and activations
    preprocessing   a Pipeline of StandardScaler, MinMaxScaler or MaxAbsScaler is folded into the
                    first layer

Scores are the values before softmax or the sign: they are monotone in the probabilities, and are
what is needed to rank classes. A binary classifier with one score z has the scores -z and z.
Nothing is unpickled here: the caller passes an estimator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import input_error
from gamekeeper.encrypted.answering import FRESH_DEVIATION, flood_bits, flood_deviation
from gamekeeper.encrypted.compiled_model import (
    CompiledModel,
    ModelDescription,
    centre_and_half_width,
)
from gamekeeper.encrypted.fitting import (
    Activation,
    FittedNetwork,
    Training,
    fit_network,
    one_hot,
    softmax,
    train_network,
)
from gamekeeper.encrypted.parameters import parameters_for, scales_for
from gamekeeper.encrypted.slot_layout import Packing, layout_for
from gamekeeper.encrypted.square_network import (
    Array,
    Layer,
    SquareNetwork,
    balance,
    fold_standardisation,
)

ERROR = 1e-3
_HEADROOM = 4.0
_TAIL = 6.0
_MIN_DEVIATION = 16.0
_MIN_ROWS = 20
_MIN_FLOOD_BITS = 5

_ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda t: t,
    "relu": lambda t: np.maximum(t, 0),
    "tanh": np.tanh,
    "logistic": lambda t: 1 / (1 + np.exp(-t)),
}
_IGNORED = ("Dropout", "Flatten", "Identity")
_FINAL = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalModel:
    """A model before compilation, as layers.

    Args:
        layers: Layers of weights, for raw inputs.
        activations: Activations between them.
        labels: Labels of the classes.
    """

    layers: tuple[Layer, ...]
    activations: tuple[Activation, ...]
    labels: tuple[str, ...] = ()

    def scores(self, inputs: Array) -> Array:
        """Returns its scores."""
        values = np.asarray(inputs, np.float64)
        for layer, activation in zip(self.layers, self.activations, strict=False):
            values = activation(values @ layer.weights.T + layer.bias)
        return values @ self.layers[-1].weights.T + self.layers[-1].bias


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """Options of compilation.

    Args:
        name: Name of the model.
        packing: `latency` or `batched`.
        rows: Capacity of a request, a power of two; None for a default that fits.
        error: Largest error of a score that the flooding may cause.
        strong: Whether to use a larger ring, with more noise to hide the weights.
        features: Names of the features.
        range: Smallest and largest value of every input; None to take them from `inputs` for each
            feature.
        training: How to train if the activations are not squares; None only fits.
    """

    name: str = "model"
    packing: Packing = "latency"
    rows: int | None = None
    error: float = ERROR
    strong: bool = False
    features: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    training: Training | None = field(default_factory=Training)


def read_original(model: Any) -> OriginalModel:
    """Returns the layers of a model of scikit-learn or torch.

    Raises:
        InputError: The kind of model is not supported.
    """
    if hasattr(model, "steps"):
        return _pipeline(model)
    if hasattr(model, "coefs_") and hasattr(model, "intercepts_"):
        return _perceptron(model)
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        return _linear(model)
    if hasattr(model, "children") and hasattr(model, "state_dict"):
        return _sequential(model)
    found = type(model).__name__
    raise input_error(
        "model", "an unsupported model", found, "a linear model, MLPClassifier, nn.Sequential"
    )


def compile_model(
    model: Any, inputs: Array, options: CompileOptions, labels: NDArray[np.int64] | None = None
) -> CompiledModel:
    """Compiles a model.

    Args:
        model: A fitted model of scikit-learn or torch.
        inputs: Inputs like those of future queries, shape (n, d): the range is taken from them, and
            activations are fitted on them.
        options: Options.
        labels: True classes of the inputs, as numbers; for training, and to report accuracy.

    Raises:
        InputError: The model or the inputs are not supported.
    """
    origin = read_original(model)
    values = _required(inputs, labels)
    network, errors = _network(origin, values, options, labels)
    report = _report(origin, network, values, labels) | {"activation_errors": list(errors)}
    return assemble_model(network, values, options, origin.labels, report)


def train_model(
    inputs: Array,
    labels: NDArray[np.int64],
    hidden: Sequence[int],
    options: CompileOptions,
    names: Sequence[str] = (),
) -> CompiledModel:
    """Trains a network of squares from random weights, and compiles it.

    Args:
        inputs: Shape (n, d).
        labels: Class numbers, shape (n,).
        hidden: Number of units of each hidden layer.
        options: Options.
        names: Labels of the classes.
    """
    values = _required(inputs, labels)
    learnt, kept = _split(len(values))
    targets = one_hot(labels, int(labels.max()) + 1)
    network = train_network(values[learnt], targets[learnt], hidden, options.training or Training())
    accuracy = float((network.scores(values[kept]).argmax(axis=1) == labels[kept]).mean())
    report = {"rows": len(kept), "accuracy": accuracy}
    return assemble_model(network, values, options, tuple(names), report)


def assemble_model(
    network: SquareNetwork,
    inputs: Array,
    options: CompileOptions,
    labels: tuple[str, ...],
    report: dict[str, Any],
) -> CompiledModel:
    """Returns the compiled model of a network of squares.

    Args:
        network: The network, for raw inputs.
        inputs: Inputs like those of future queries, shape (n, d).
        options: Options.
        labels: Labels of the classes.
        report: Loss of accuracy, for the file of the model.

    Raises:
        InputError: The noise would not hide the weights, or scores are too large.
    """
    low, high = _range(inputs, options)
    centre, half = centre_and_half_width(low, high)
    mapped = (np.clip(inputs, low, high) - centre) / half
    network = balance(
        SquareNetwork(fold_standardisation(network.layers, -centre / half, 1 / half)), mapped
    )
    parameters = parameters_for(network.hidden, strong=options.strong)
    layout = layout_for(network, options.packing, parameters.slots, options.rows)
    scales = scales_for(parameters, _bound(network, mapped), layout.gain(layout.rows))
    description = ModelDescription(
        name=options.name,
        parameters=parameters,
        layout=layout,
        input_scale=scales.input,
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        labels=labels,
        features=options.features,
        error=options.error,
        determining_rows=network.determining_rows,
    )
    model = CompiledModel(
        description=description, network=network, scales=scales, flood_bits=0.0, report=report
    )
    noise = _linear_noise(model) if network.hidden == 0 else measured_noise(model, inputs)
    bits = _flood_bits(model, noise)
    if bits < _MIN_FLOOD_BITS:
        found = f"{bits:.1f} bits above the noise of the weights"
        expected = f"{_MIN_FLOOD_BITS} bits for one answer"
        raise input_error(
            "model",
            "the noise would not hide the weights",
            found,
            expected,
            "use --strong, or a larger --error",
        )
    return replace(model, flood_bits=bits)


def measured_noise(model: CompiledModel, inputs: Array) -> float:
    """Returns the root mean square difference between scores computed under encryption without
    flooding and plain scores, measured with one request.
    """
    from gamekeeper.encrypted.inference_client import EncryptingClient
    from gamekeeper.encrypted.inference_server import InferenceServer

    bare = replace(model, description=replace(model.description, error=1e-15))
    server = InferenceServer(bare)
    client = EncryptingClient(bare.description)
    rows = np.resize(inputs, (min(bare.description.layout.rows, 64), inputs.shape[1]))
    asked = client.encrypt(rows)
    scores = client.decrypt(server.answer(asked.message, client.keys()), asked)
    return float(np.sqrt(np.mean((scores - bare.scores(rows)) ** 2)))


def _linear_noise(model: CompiledModel) -> float:
    """Returns the standard deviation of a linear model's scores caused by the client's fresh noise:
    multiplied by the weights, and divided by the input's scale.

    The rounding error of the division is hidden by the fresh encryption of zero and does not count.
    """
    layout = model.description.layout
    layer = model.network.layers[0]
    finished = layout.finished(layout.rows)
    gain = layout.gain(layout.rows)
    if layout.is_batched:
        size = float(np.sqrt((layer.weights**2).sum(axis=1).max()))
    else:
        size = float(
            np.sqrt(
                sum(
                    np.mean(layout.first_weights(layer.weights, p) ** 2)
                    for p in range(layout.parts)
                )
            )
        )
    return gain * sqrt(finished) * FRESH_DEVIATION * size / 2.0**model.scales.input


def _flood_bits(model: CompiledModel, noise: float) -> float:
    description = model.description
    layout = model.description.layout
    finished = layout.finished(layout.rows)
    gain = layout.gain(layout.rows)
    deviation = flood_deviation(description.error, finished, gain, _answer_scale(model))
    if deviation < _MIN_DEVIATION:
        min_error = description.error * _MIN_DEVIATION / deviation
        expected = f"an error of at least {min_error:.1g}, or smaller scores"
        raise input_error(
            "model", "scores are too large for that error", f"{description.error:g}", expected
        )
    return flood_bits(description.error / _TAIL, noise, finished * layout.answers)


def _answer_scale(model: CompiledModel) -> float:
    primes = model.description.parameters.primes
    scales = model.scales
    entering = scales.input if not model.network.hidden else primes[2]
    return 2.0 ** (entering + scales.weights[-1] - primes[1])


def _bound(network: SquareNetwork, mapped: Array) -> float:
    """Returns a bound of the scores: exact for a linear model in its range, otherwise the largest
    score on the calibration inputs with some headroom.
    """
    if network.hidden:
        return float(np.abs(network.scores(mapped)).max()) * _HEADROOM
    layer = network.layers[0]
    return float((np.abs(layer.weights).sum(axis=1) + np.abs(layer.bias)).max())


def _range(inputs: Array, options: CompileOptions) -> tuple[Array, Array]:
    """Returns the range of each input, rounded outwards to two digits, because it is public."""
    count = inputs.shape[1]
    if options.range is not None:
        return np.full(count, options.range[0]), np.full(count, options.range[1])
    low = inputs.min(axis=0)
    high = inputs.max(axis=0)
    unit = 10.0 ** np.floor(np.log10(np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-6)) - 1)
    return np.floor(low / unit) * unit, np.ceil(high / unit) * unit


def _network(
    origin: OriginalModel, inputs: Array, options: CompileOptions, labels: NDArray[np.int64] | None
) -> tuple[SquareNetwork, tuple[float, ...]]:
    if len(origin.layers) == 1:
        return SquareNetwork(origin.layers), ()
    learnt, _ = _split(len(inputs))
    found: FittedNetwork = fit_network(origin.layers, origin.activations, inputs[learnt])
    if options.training is None or max(found.errors) < 1e-9 or found.network.classes < 2:
        return found.network, found.errors
    shares = softmax(origin.scores(inputs))
    targets = shares if labels is None else (shares + one_hot(labels, shares.shape[1])) / 2
    hidden = [layer.weights.shape[0] for layer in origin.layers[:-1]]
    return (
        train_network(inputs[learnt], targets[learnt], hidden, options.training, found.network),
        found.errors,
    )


def _report(
    origin: OriginalModel, network: SquareNetwork, inputs: Array, labels: NDArray[np.int64] | None
) -> dict[str, int | float]:
    """Returns the loss of accuracy by compiling, on held-out rows."""
    _, kept = _split(len(inputs))
    theirs = _classes(origin.scores(inputs[kept]))
    ours = _classes(network.scores(inputs[kept]))
    report: dict[str, int | float] = {
        "rows": len(kept),
        "agreement": float((theirs == ours).mean()),
    }
    if labels is not None:
        report["accuracy_original"] = float((theirs == labels[kept]).mean())
        report["accuracy"] = float((ours == labels[kept]).mean())
    return report


def _classes(scores: Array) -> NDArray[np.int64]:
    result: NDArray[np.int64] = scores.argmax(axis=1)
    return result


def _split(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows to fit on, and the held-out rows: every fifth."""
    rows = np.arange(count)
    return rows[rows % 5 != 0], rows[rows % 5 == 0]


def _required(inputs: Array, labels: NDArray[np.int64] | None) -> Array:
    values = np.asarray(inputs, np.float64)
    if values.ndim != 2 or len(values) < _MIN_ROWS or not np.isfinite(values).all():
        found = f"shape {values.shape}"
        expected = f"at least {_MIN_ROWS} rows of finite numbers"
        raise input_error("inputs", "not enough rows to calibrate on", found, expected)
    if labels is not None and (labels.shape != (len(values),) or labels.min() < 0):
        raise input_error(
            "labels",
            "do not fit the inputs",
            f"shape {labels.shape}",
            f"{len(values)} class numbers",
        )
    return values


def _labels(model: Any) -> tuple[str, ...]:
    return tuple(str(label) for label in getattr(model, "classes_", ()))


def _two_sided(layer: Layer, labels: tuple[str, ...]) -> Layer:
    """Returns a layer with one score for each of two classes, if it has a single score."""
    if len(labels) != 2 or len(layer.bias) != 1:
        return layer
    return Layer(
        np.vstack([-layer.weights, layer.weights]), np.concatenate([-layer.bias, layer.bias])
    )


def _linear(model: Any) -> OriginalModel:
    labels = _labels(model)
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    bias = np.broadcast_to(np.asarray(model.intercept_, np.float64), (len(weights),))
    return OriginalModel(
        layers=(_two_sided(Layer(weights, bias.copy()), labels),), activations=(), labels=labels
    )


def _perceptron(model: Any) -> OriginalModel:
    labels = _labels(model)
    activation = _ACTIVATIONS[model.activation]
    layers = [
        Layer(np.asarray(w, np.float64).T, np.asarray(b, np.float64))
        for w, b in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    layers[-1] = _two_sided(layers[-1], labels)
    return OriginalModel(
        layers=tuple(layers), activations=(activation,) * (len(layers) - 1), labels=labels
    )


def _pipeline(model: Any) -> OriginalModel:
    *before, (_, last) = model.steps
    origin = read_original(last)
    layers = origin.layers
    for _, step in reversed(before):
        if step is not None and step != "passthrough":
            layers = fold_standardisation(
                layers, *_mean_and_scale(step, layers[0].weights.shape[1])
            )
    return replace(origin, layers=layers)


def _mean_and_scale(step: Any, count: int) -> tuple[Array, Array]:
    kind = type(step).__name__
    zero = np.zeros(count)
    one = np.ones(count)
    if kind == "StandardScaler":
        mean = getattr(step, "mean_", None)
        scale = getattr(step, "scale_", None)
        return zero if mean is None or not step.with_mean else mean, one if scale is None else scale
    if kind == "MinMaxScaler" and not step.clip:
        return -step.min_ / step.scale_, 1 / step.scale_
    if kind == "MaxAbsScaler":
        return zero, step.scale_
    raise input_error(
        "pipeline",
        "a step that cannot be folded",
        kind,
        "StandardScaler, MinMaxScaler, MaxAbsScaler",
    )


def _sequential(model: Any) -> OriginalModel:
    """Reads a torch model; an activation is any module without weights that works element by
    element.
    """
    modules = [each for each in model.children() if type(each).__name__ not in _IGNORED]
    while modules and type(modules[-1]).__name__ in _FINAL:
        modules.pop()
    layers = [_torch_layer(each) for each in modules[::2]]
    activations = [_torch_activation(each) for each in modules[1::2]]
    if not layers or len(layers) != len(activations) + 1:
        found = ", ".join(type(each).__name__ for each in modules)
        raise input_error(
            "model", "an unsupported order of layers", found, "Linear, activation, Linear, ..."
        )
    return OriginalModel(layers=tuple(layers), activations=tuple(activations))


def _torch_layer(module: Any) -> Layer:
    if type(module).__name__ != "Linear":
        raise input_error("model", "an unsupported layer", type(module).__name__, "Linear")
    weights = module.weight.detach().cpu().numpy().astype(np.float64)
    bias = (
        np.zeros(len(weights))
        if module.bias is None
        else module.bias.detach().cpu().numpy().astype(np.float64)
    )
    return Layer(weights, bias)


def _torch_activation(module: Any) -> Callable[[Array], Array]:
    if list(module.parameters()) or list(module.buffers()):
        raise input_error(
            "model", "not an activation", type(module).__name__, "one without weights, such as ReLU"
        )

    def applied(values: Array) -> Array:
        import torch

        with torch.no_grad():
            result: Array = module(torch.from_numpy(values)).numpy()
        return result

    return applied
