"""Models of scikit-learn and torch -> compiled models, with what that costs said in numbers.

    linear      LogisticRegression, LinearSVC, SGDClassifier and whatever else has `coef_` and
                `intercept_`
    networks    MLPClassifier; torch.nn.Sequential of Linear and activations
    before it   a Pipeline of StandardScaler, MinMaxScaler or MaxAbsScaler is folded into the first
                layer

Scores are what stands before softmax or the sign: monotone in the probabilities, and what is needed
to rank classes. A classifier of two classes with one score z gives -z and z. Nothing here
unpickles: whoever has an estimator hands it in.
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
_LEAST_DEVIATION = 16.0
_FEWEST_ROWS = 20
_LEAST_FLOOD_BITS = 5

_ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda t: t,
    "relu": lambda t: np.maximum(t, 0),
    "tanh": np.tanh,
    "logistic": lambda t: 1 / (1 + np.exp(-t)),
}
_PASSED = ("Dropout", "Flatten", "Identity")
_ENDS = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalModel:
    """A model as it came.

    Args:
        layers: Of weights, for raw inputs.
        activations: Between them.
        labels: Of the classes.
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
    """How to compile.

    Args:
        name: Of the model.
        packing: `latency` or `batched`.
        rows: Capacity of a request, a power of two; None for what fits.
        error: Largest error of a score that the flooding may make.
        strong: Larger ring, more noise before weights.
        features: Names of inputs.
        range: Lowest and highest value of every input; None for what `inputs` show, feature by
            feature.
        training: How to train where activations are no squares; None only fits.
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
    """Returns what a model of scikit-learn or torch does, as layers.

    Raises:
        InputError: It is none that is known.
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
        "model", "of no kind that is known", found, "a linear model, MLPClassifier, nn.Sequential"
    )


def compile_model(
    model: Any, inputs: Array, options: CompileOptions, labels: NDArray[np.int64] | None = None
) -> CompiledModel:
    """Compiles a model.

    Args:
        model: Of scikit-learn or torch, fitted.
        inputs: Such as it will be asked, shape (n, d): the range is taken from them, activations
            are fitted on them.
        options: How.
        labels: True classes of the inputs, by their number; to train towards, and to say accuracy.

    Raises:
        InputError: It does not fit.
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
    """Trains a network of squares from nothing, and compiles it.

    Args:
        inputs: Shape (n, d).
        labels: Numbers of classes, shape (n,).
        hidden: Units of each hidden layer.
        options: How.
        names: Of the classes.
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
    """Returns a network of squares with what is needed to answer with it."""
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
    bits = _bits(model, noise)
    if bits < _LEAST_FLOOD_BITS:
        found = f"{bits:.1f} bits over the weights' own"
        expected = f"{_LEAST_FLOOD_BITS} bits for one answer"
        raise input_error(
            "model",
            "noise would not hide the weights",
            found,
            expected,
            "--strong, or a larger --error",
        )
    return replace(model, flood_bits=bits)


def measured_noise(model: CompiledModel, inputs: Array) -> float:
    """Returns the deviation of scores without flooding from scores in the open; answers one
    request.
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
    """Deviation of a score by what the client's fresh noise becomes: times weights, and divided by
    the input's scale.

    What the division rounds off is hidden by the fresh zero, and does not count.
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


def _bits(model: CompiledModel, noise: float) -> float:
    description = model.description
    layout = model.description.layout
    finished = layout.finished(layout.rows)
    gain = layout.gain(layout.rows)
    deviation = flood_deviation(description.error, finished, gain, _answer_scale(model))
    if deviation < _LEAST_DEVIATION:
        expected = (
            f"an error of at least {description.error * _LEAST_DEVIATION / deviation:.1g}, or"
            " smaller scores"
        )
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
    """The largest score: of a linear model in its range, of another what calibration shows and some
    more.
    """
    if network.hidden:
        return float(np.abs(network.scores(mapped)).max()) * _HEADROOM
    layer = network.layers[0]
    return float((np.abs(layer.weights).sum(axis=1) + np.abs(layer.bias)).max())


def _range(inputs: Array, options: CompileOptions) -> tuple[Array, Array]:
    """Range of each input, rounded outwards to two digits: it is public."""
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
    """What compiling lost, on rows that nothing was fitted to."""
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
    """Rows to learn from, and rows to say how well: every fifth."""
    rows = np.arange(count)
    return rows[rows % 5 != 0], rows[rows % 5 == 0]


def _required(inputs: Array, labels: NDArray[np.int64] | None) -> Array:
    values = np.asarray(inputs, np.float64)
    if values.ndim != 2 or len(values) < _FEWEST_ROWS or not np.isfinite(values).all():
        found = f"shape {values.shape}"
        raise input_error(
            "inputs",
            "no rows to calibrate on",
            found,
            f"at least {_FEWEST_ROWS} rows of finite numbers",
        )
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
    """One score of two classes as a score of each."""
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
    """Layers of torch; an activation is any module without weights that works on each number by
    itself.
    """
    modules = [each for each in model.children() if type(each).__name__ not in _PASSED]
    while modules and type(modules[-1]).__name__ in _ENDS:
        modules.pop()
    layers = [_torch_layer(each) for each in modules[::2]]
    activations = [_torch_activation(each) for each in modules[1::2]]
    if not layers or len(layers) != len(activations) + 1:
        found = ", ".join(type(each).__name__ for each in modules)
        raise input_error(
            "model", "layers in no order that is known", found, "Linear, activation, Linear, ..."
        )
    return OriginalModel(layers=tuple(layers), activations=tuple(activations))


def _torch_layer(module: Any) -> Layer:
    if type(module).__name__ != "Linear":
        raise input_error("model", "a layer that is not known", type(module).__name__, "Linear")
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
            "model", "no activation", type(module).__name__, "one without weights, such as ReLU"
        )

    def applied(values: Array) -> Array:
        import torch

        with torch.no_grad():
            result: Array = module(torch.from_numpy(values)).numpy()
        return result

    return applied
