"""Compiles models of scikit-learn and torch, and measures what is lost.

Scores are the values before softmax or the sign: they are monotone in the probabilities, and are
what is needed to rank classes. A binary classifier of scikit-learn with one score z has the scores
-z and z. Which models can be compiled: `originals`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.encrypted.answering import FRESH_DEVIATION, flood_bits, flood_deviation
from gamekeeper.encrypted.compiled_model import (
    CompiledModel,
    ModelDescription,
    centre_and_half_width,
    read_description,
)
from gamekeeper.encrypted.fitting import (
    FittedNetwork,
    Loss,
    Training,
    fit_network,
    one_hot,
    sigmoid,
    softmax,
    train_network,
)
from gamekeeper.encrypted.named_rows import rows_of
from gamekeeper.encrypted.originals import (
    OriginalModel,
    Outputs,
    matched_classes,
    read_original,
    require_same_answers,
)
from gamekeeper.encrypted.parameters import parameters_for, scales_for
from gamekeeper.encrypted.quality import Truth, best_constant, compared, stretched
from gamekeeper.encrypted.slot_layout import Packing, layout_for
from gamekeeper.encrypted.square_network import (
    Array,
    SquareNetwork,
    balance,
    fold_standardisation,
)
from gamekeeper.encrypted.truth import classes_of, stated_outputs, true_outputs

ERROR = 1e-3
_HEADROOM = 4.0
_TAIL = 6.0
_MIN_DEVIATION = 16.0
_MIN_ROWS = 20
_MIN_FLOOD_BITS = 5
_MIN_BITS_LOST = 2  # of noise, from which on a stretched range is reported
_EXACT = 1e-9  # error of a fit from which on training has nothing to gain


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
        outputs: What the outputs are; None to take it from the model and the labels.
    """

    name: str = "model"
    packing: Packing = "latency"
    rows: int | None = None
    error: float = ERROR
    strong: bool = False
    features: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    training: Training | None = field(default_factory=Training)
    outputs: Outputs | None = None


def compile_model(
    model: Any, inputs: Any, options: CompileOptions, labels: Any = None
) -> CompiledModel:
    """Compiles a model.

    Args:
        model: A fitted model of scikit-learn or torch.
        inputs: Inputs like those of future queries, shape (n, d), an array or a DataFrame, whose
            columns are then taken by name: the range is taken from them, and activations are fitted
            on them.
        options: Options.
        labels: The truth for the inputs, for training and to report accuracy: classes as the
            estimator names them (in torch their positions), or 0 and 1 for each label, or values.

    Raises:
        InputError: The model, the inputs or the labels are not supported.
    """
    origin = read_original(model)
    rows = _required(rows_of(inputs, origin.features, "the model"))
    require_same_answers(model, origin, rows)
    is_assumed = options.outputs is None and origin.outputs == "values" and not origin.is_regressor
    origin = stated_outputs(origin, options.outputs, labels)
    truth = None if labels is None else true_outputs(labels, origin, len(rows))
    if origin.features:
        options = replace(options, features=origin.features)
    network, errors = _network(origin, rows, options, truth)
    report = _report(origin, network, rows, truth) | {"activation_errors": list(errors)}
    report["outputs_assumed"] = is_assumed and origin.outputs == "values"
    try:
        made = assemble_model(network, rows, options, origin.labels, report)
    except InputError as error:
        raise InputError([*error.faults, *_stretch_faults(rows, options)]) from error
    if options.range is not None:
        return made
    return _with_stretched(made, origin, network, rows, truth)


def train_model(
    inputs: Any,
    labels: Any,
    hidden: Sequence[int],
    options: CompileOptions,
) -> CompiledModel:
    """Trains a network of squares from random weights, and compiles it.

    Args:
        inputs: Shape (n, d), an array or a DataFrame.
        labels: Classes, shape (n,): whole numbers or texts, of any value.
        hidden: Number of units of each hidden layer.
        options: Options.
    """
    values = _required(rows_of(inputs, options.features, "the model"))
    classes = classes_of(labels, len(values))
    numbers = matched_classes(list(labels), classes)
    learnt, kept = _split(len(values))
    targets = one_hot(numbers, len(classes))
    network = train_network(values[learnt], targets[learnt], hidden, options.training or Training())
    correct = network.scores(values[kept]).argmax(axis=1) == numbers[kept]
    report = {
        "rows": len(kept),
        "rows_of_inputs": len(values),
        "outputs": "classes",
        "accuracy": float(correct.mean()),
        "accuracy_constant": best_constant(numbers[kept]),
    }
    return assemble_model(network, values, options, tuple(map(str, classes)), report)


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
    read_description(description.to_dict(), "model")  # clients refuse names that it refuses
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
    origin: OriginalModel, inputs: Array, options: CompileOptions, truth: Truth | None
) -> tuple[SquareNetwork, tuple[float, ...]]:
    if len(origin.layers) == 1:
        return SquareNetwork(origin.layers), ()
    learnt, _ = _split(len(inputs))
    found: FittedNetwork = fit_network(origin.layers, origin.activations, inputs[learnt])
    if options.training is None or max(found.errors) < _EXACT:
        return found.network, found.errors
    targets, loss = _targets(origin, inputs, truth)
    hidden = [layer.weights.shape[0] for layer in origin.layers[:-1]]
    network = train_network(
        inputs[learnt], targets[learnt], hidden, options.training, found.network, loss
    )
    return network, found.errors


def _targets(origin: OriginalModel, inputs: Array, truth: Truth | None) -> tuple[Array, Loss]:
    """Returns what to train towards: the original's answers, halfway to the truth if that is
    known.
    """
    scores = origin.scores(inputs)
    if origin.outputs == "values":
        return scores, "values"
    if origin.outputs == "classes":
        shares = softmax(scores)
        known = None if truth is None else one_hot(truth, shares.shape[1])
        return (shares if known is None else (shares + known) / 2), "classes"
    shares = sigmoid(scores)
    return (shares if truth is None else (shares + truth.reshape(shares.shape)) / 2), "labels"


def _report(
    origin: OriginalModel, network: SquareNetwork, inputs: Array, truth: Truth | None
) -> dict[str, Any]:
    """Returns the loss of accuracy by compiling, on held-out rows."""
    _, kept = _split(len(inputs))
    figures = _figures(origin, network, inputs, truth, kept)
    return {"rows": len(kept), "rows_of_inputs": len(inputs), "outputs": origin.outputs, **figures}


def _figures(
    origin: OriginalModel,
    network: SquareNetwork,
    inputs: Array,
    truth: Truth | None,
    rows: NDArray[np.int64],
) -> dict[str, float | None]:
    assert origin.outputs is not None
    return compared(
        origin.scores(inputs[rows]),
        network.scores(inputs[rows]),
        origin.outputs,
        None if truth is None else truth[rows],
    )


def _with_stretched(
    made: CompiledModel,
    origin: OriginalModel,
    network: SquareNetwork,
    inputs: Array,
    truth: Truth | None,
) -> CompiledModel:
    """Returns the model with a report of what few rows that stretch the range cost."""
    found, rows = stretched(inputs)
    if not found:
        return made
    bits = _flood_bits_of(made, network, inputs[~rows])
    if bits is not None and bits < made.flood_bits + _MIN_BITS_LOST:
        return made
    _, kept = _split(len(inputs))
    ordinary = kept[~rows[kept]]
    names = made.description.features
    report = {
        "features": [
            asdict(each) | {"name": names[each.feature] if names else f"column {each.feature + 1}"}
            for each in found
        ],
        "rows": int(rows.sum()),
        "without": {
            "rows": len(ordinary),
            **(_figures(origin, network, inputs, truth, ordinary) if len(ordinary) else {}),
            "flood_bits": bits,
        },
    }
    return replace(made, report=made.report | {"stretched": report})


def _stretch_faults(inputs: Array, options: CompileOptions) -> list[Fault]:
    """Returns what may be the cause where a model cannot be assembled: few rows far from others."""
    found, _ = stretched(inputs)
    if not found or options.range is not None:
        return []
    each = found[0]
    name = options.features[each.feature] if options.features else f"column {each.feature + 1}"
    usual = f"{each.usual_low:.4g} to {each.usual_high:.4g}"
    fault = Fault(
        where="inputs",
        problem="few rows stretch the range of features, which may be the cause",
        found=f"{name}: {each.low:.4g} to {each.high:.4g}; without {each.rows} rows {usual}",
        expected="inputs like those of queries",
        try_="leave these rows out, or state --low and --high",
    )
    return [fault]


def _flood_bits_of(made: CompiledModel, network: SquareNetwork, inputs: Array) -> float | None:
    """Returns the bits of noise over weights with the range of these rows; None if too few."""
    description = made.description
    options = CompileOptions(
        packing=description.layout.packing,
        rows=description.layout.rows,
        error=description.error,
        strong=description.parameters.degree > parameters_for(network.hidden).degree,
    )
    try:
        return assemble_model(network, inputs, options, (), {}).flood_bits
    except InputError:
        return None


def _split(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows to fit on, and the held-out rows: every fifth."""
    rows = np.arange(count)
    return rows[rows % 5 != 0], rows[rows % 5 == 0]


def _required(values: Array) -> Array:
    if values.ndim != 2 or len(values) < _MIN_ROWS or not np.isfinite(values).all():
        found = f"shape {values.shape}"
        expected = f"at least {_MIN_ROWS} rows of finite numbers"
        raise input_error("inputs", "not enough rows to calibrate on", found, expected)
    return values
