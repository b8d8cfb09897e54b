"""Reads models of scikit-learn and torch as layers, and checks the layers against the model.

    linear          LogisticRegression, LinearSVC, Ridge and all others whose answers are
                    `coef_ x + intercept_`
    networks        MLPClassifier, MLPRegressor; torch.nn.Sequential of Linear, BatchNorm1d and
                    activations
    preprocessing   scalers, PCA, selectors and imputers of a Pipeline, folded into the first layer
    around it       GridSearchCV; CalibratedClassifierCV where its probabilities are monotone in one
                    score

What a model has as attributes does not tell what it computes: a Poisson regression has `coef_` too,
and applies exp; a subclass may have a threshold of its own in `predict`. So the answers of the
layers are compared with those of the model, its decisions too, and a model that differs is refused.
Nothing is unpickled here: the caller passes an estimator.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.encrypted.fitting import Activation
from gamekeeper.encrypted.square_network import MAX_INPUTS, Array, Layer

Outputs = Literal["classes", "score", "labels", "values"]
"""What the outputs are: scores of classes, of which the largest names the class; one score, which
is above 0 for the second of two classes; scores of labels that do not exclude each other, each
above 0 if it applies; values of a regression.
"""

_ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda t: t,
    "relu": lambda t: np.maximum(t, 0),
    "tanh": np.tanh,
    "logistic": lambda t: 1 / (1 + np.exp(-t)),
}
_IGNORED = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "Dropout1d", "Flatten", "Identity")
_FINAL = ("Softmax", "LogSoftmax", "Sigmoid", "LogSigmoid")
_STEPS = "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, a selector, SimpleImputer"
_TOLERANCE = 1e-3  # of an answer; networks of torch compute in 32 bits
_TIE = 1e-6  # of the largest score: of two classes that close either may be answered


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalModel:
    """A model before compilation, as layers.

    Args:
        layers: Layers of weights, for raw inputs.
        activations: Activations between them.
        outputs: What its outputs are; None if the model does not say.
        classes: Its classes, as the estimator has them; empty if it names none.
        features: Names of its inputs; empty if it names none.
        is_regressor: Whether the model itself says that its outputs are values.
    """

    layers: tuple[Layer, ...]
    activations: tuple[Activation, ...] = ()
    outputs: Outputs | None = None
    classes: tuple[Any, ...] = ()
    features: tuple[str, ...] = ()
    is_regressor: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the classes, one for each score; empty if scores are not of classes."""
        return tuple(map(str, self.classes)) if self.outputs == "classes" else ()

    @property
    def width(self) -> int:
        """Number of outputs."""
        return len(self.layers[-1].bias)

    def scores(self, inputs: Array) -> Array:
        """Returns its scores."""
        values = np.asarray(inputs, np.float64)
        for layer, activation in zip(self.layers, self.activations, strict=False):
            values = activation(values @ layer.weights.T + layer.bias)
        return values @ self.layers[-1].weights.T + self.layers[-1].bias


def read_original(model: Any) -> OriginalModel:
    """Returns the layers of a model of scikit-learn or torch.

    Raises:
        InputError: The kind of model is not supported.
    """
    if hasattr(model, "best_estimator_"):
        return read_original(model.best_estimator_)
    if hasattr(model, "steps"):
        return _pipeline(model)
    if hasattr(model, "calibrated_classifiers_"):
        return _calibrated(model)
    if hasattr(model, "coefs_") and hasattr(model, "intercepts_"):
        return _perceptron(model)
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        return _linear(model)
    if hasattr(model, "children") and hasattr(model, "state_dict"):
        return _sequential(model)
    found = type(model).__name__
    expected = "a linear model, MLPClassifier, MLPRegressor or nn.Sequential, fitted"
    raise input_error("model", "an unsupported model", found, expected)


def require_same_answers(model: Any, origin: OriginalModel, inputs: Array) -> None:
    """Checks that the layers answer as the model does.

    Args:
        model: The model.
        origin: Its layers.
        inputs: Rows to compare on, shape (n, d).

    Raises:
        InputError: They do not, or the model does not take these rows or gives no answers.
    """
    scores = origin.scores(_of_width(origin, inputs))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows are arrays here, also where names were fitted
            comparison = _compared(model, origin, inputs, scores)
    except InputError:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {error}"[:200]
        problem = "the model does not answer these inputs"
        raise input_error("model", problem, found, "answers to the rows of --inputs") from error
    if not comparison.is_same:
        raise input_error(
            "model",
            "its answers are not those of its layers",
            f"{type(model).__name__}: {comparison.found}",
            "scores that are linear in the inputs, or in the last layer of a network",
            "compile a model of another kind that was trained on its answers",
        )


class _Comparison(NamedTuple):
    """Whether answers agree, and by how much they differ."""

    is_same: bool
    found: str


def _compared(model: Any, origin: OriginalModel, inputs: Array, scores: Array) -> _Comparison:
    """Compares scores and decisions: `predict` may decide otherwise than by the largest score."""
    if hasattr(model, "state_dict"):
        return _near(_torch_answers(model, inputs), _finished(model, scores))
    if not hasattr(model, "predict"):
        return _Comparison(False, "it has no predict to compare with")
    own = np.asarray(model.predict(inputs))
    if origin.outputs == "values":
        return _near(own.astype(np.float64), scores)
    decisions = _same_decisions(own, origin, scores)
    if decisions.is_same and hasattr(model, "decision_function"):
        own = np.asarray(model.decision_function(inputs), np.float64)
        return _near(own, scores[:, 1] if own.ndim == 1 and scores.shape[1] == 2 else scores)
    return decisions


def _same_decisions(own: NDArray[Any], origin: OriginalModel, scores: Array) -> _Comparison:
    """Compares what `predict` answers with the class of the largest score, or with the labels whose
    scores are above 0, wherever the scores are not tied.
    """
    if origin.outputs == "labels":
        is_same = (own > 0) == (scores > 0)
        margins = np.abs(scores)
    else:
        places = {_key(each): at for at, each in enumerate(origin.classes)}
        answered = np.array([places.get(_key(each), -1) for each in own.reshape(len(own)).tolist()])
        is_same = answered == scores.argmax(axis=1)
        best = np.sort(scores, axis=1)
        margins = best[:, -1] - best[:, -2] if scores.shape[1] > 1 else best[:, -1]
    is_tied = margins <= _TIE * np.abs(scores).max()
    found = f"predict decides otherwise than the scores on {1 - is_same.mean():.2%} of --inputs"
    return _Comparison(bool((is_same | is_tied).all()), found)


def _near(own: Array, scores: Array) -> _Comparison:
    """Compares numbers, each with its own size and the usual one: one large answer hides none."""
    flat = scores.reshape(len(scores), -1)
    theirs = own.reshape(len(own), -1)
    if theirs.shape != flat.shape:
        return _Comparison(False, f"answers of shape {own.shape}, scores of shape {scores.shape}")
    differences = np.abs(theirs - flat)
    sizes = np.abs(theirs)
    allowed = _TOLERANCE * np.maximum(sizes + np.median(sizes), 1e-9)
    found = f"they differ by up to {differences.max():.3g}, where the largest is {sizes.max():.3g}"
    return _Comparison(bool((differences <= allowed).all()), found)


def _of_width(origin: OriginalModel, inputs: Array) -> Array:
    width = origin.layers[0].weights.shape[1]
    if inputs.shape[1] != width:
        found = f"{inputs.shape[1]} columns"
        raise input_error("inputs", "do not fit the model", found, f"{width} columns")
    return inputs


def _features(model: Any) -> tuple[str, ...]:
    return tuple(map(str, getattr(model, "feature_names_in_", ())))


# scikit-learn


def _linear(model: Any) -> OriginalModel:
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    bias = np.broadcast_to(np.asarray(model.intercept_, np.float64), (len(weights),))
    return _with_classes(model, (Layer(weights, bias.copy()),), ())


def _perceptron(model: Any) -> OriginalModel:
    layers = [
        Layer(np.asarray(w, np.float64).T, np.asarray(b, np.float64))
        for w, b in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    activations = (_ACTIVATIONS[model.activation],) * (len(layers) - 1)
    return _with_classes(model, layers, activations)


def _with_classes(
    model: Any, layers: Sequence[Layer], activations: tuple[Activation, ...]
) -> OriginalModel:
    """Returns the model with what its outputs are, as it says itself."""
    origin = OriginalModel(layers=tuple(layers), activations=activations, features=_features(model))
    classes = getattr(model, "classes_", None)
    if classes is None:
        return replace(origin, outputs="values", is_regressor=True)
    if _is_multilabel(model):
        return replace(origin, outputs="labels")
    listed = tuple(np.asarray(classes).tolist())
    if len(listed) == 2 and origin.width == 1:
        origin = replace(origin, layers=(*layers[:-1], _two_sided(layers[-1])))
    if origin.width != len(listed):
        found = f"{type(model).__name__}: {origin.width} scores of {len(listed)} classes"
        raise input_error("model", "scores are not of classes", found, "a score for each class")
    return replace(origin, outputs="classes", classes=listed)


def _is_multilabel(model: Any) -> bool:
    """Whether several labels may apply to a row: scikit-learn keeps that in its binarizer."""
    kind = getattr(getattr(model, "_label_binarizer", None), "y_type_", "")
    return str(kind).startswith("multilabel")


def _two_sided(layer: Layer) -> Layer:
    """Returns a layer with the scores -z and z of two classes for one with the score z."""
    return Layer(
        np.vstack([-layer.weights, layer.weights]), np.concatenate([-layer.bias, layer.bias])
    )


def _calibrated(model: Any) -> OriginalModel:
    """Reads a calibrated classifier whose probability is a sigmoid of one linear score.

    Then its log odds are linear in that score: -(a z + b). The mean of several sigmoids, isotonic
    steps and probabilities of more than two classes are not.
    """
    fitted = model.calibrated_classifiers_
    calibrators = fitted[0].calibrators
    if len(fitted) > 1:
        raise _not_monotone(f"the mean of {len(fitted)} calibrated models")
    if len(calibrators) > 1 or len(model.classes_) != 2:
        raise _not_monotone(f"probabilities of {len(model.classes_)} classes")
    if not hasattr(calibrators[0], "a_") or not hasattr(fitted[0].estimator, "decision_function"):
        raise _not_monotone(f"method {model.method!r} on {type(fitted[0].estimator).__name__}")
    origin = read_original(fitted[0].estimator)
    last = origin.layers[-1]
    slope = -float(calibrators[0].a_)
    shift = -float(calibrators[0].b_)
    scaled = Layer(last.weights * slope, last.bias * slope + np.array([-shift, shift]))
    features = _features(model) or origin.features
    return replace(origin, layers=(*origin.layers[:-1], scaled), features=features)


def _not_monotone(found: str) -> InputError:
    return input_error(
        "model",
        "calibrated probabilities that no linear score gives",
        found,
        "two classes, method='sigmoid' and ensemble=False",
        "compile the estimator inside it; its scores are not calibrated",
    )


def _pipeline(model: Any) -> OriginalModel:
    *before, (_, last) = model.steps
    origin = read_original(last)
    layers = origin.layers
    for _, step in reversed(before):
        if step is not None and step != "passthrough":
            layers = _folded(layers, _step(step))
    return replace(origin, layers=layers, features=_features(model))


class _Affine(NamedTuple):
    """The map x -> weights x + shift."""

    weights: Array
    shift: Array


def _folded(layers: tuple[Layer, ...], step: _Affine) -> tuple[Layer, ...]:
    """Returns layers for x that are equal to these layers for the step's output of x."""
    first = layers[0]
    folded = Layer(first.weights @ step.weights, first.bias + first.weights @ step.shift)
    return (folded, *layers[1:])


def _step(step: Any) -> _Affine:
    """Returns what a step of a pipeline computes, for finite inputs."""
    kind = type(step).__name__
    count = int(getattr(step, "n_features_in_", 0))
    if count > MAX_INPUTS:
        raise input_error(
            "pipeline", "too large", f"{count} inputs of {kind}", f"at most {MAX_INPUTS} inputs"
        )
    if kind in ("StandardScaler", "RobustScaler"):
        centre = getattr(step, "mean_" if kind == "StandardScaler" else "center_", None)
        is_centred = step.with_mean if kind == "StandardScaler" else step.with_centering
        return _scaled(count, centre if is_centred else None, getattr(step, "scale_", None))
    if kind == "MinMaxScaler" and not step.clip:
        return _Affine(np.diag(step.scale_), np.asarray(step.min_, np.float64))
    if kind == "MaxAbsScaler" and not getattr(step, "clip", False):
        return _scaled(count, None, step.scale_)
    if kind == "PCA":
        return _principal(step)
    if kind == "TruncatedSVD":
        weights = np.asarray(step.components_, np.float64)
        return _Affine(weights, np.zeros(len(weights)))
    if kind == "SimpleImputer" and not step.add_indicator and _keeps_all(step):
        return _scaled(count, None, None)  # nothing is missing: encrypted inputs are finite
    if hasattr(step, "get_support"):
        weights = np.eye(count)[np.asarray(step.get_support(), bool)]
        return _Affine(weights, np.zeros(len(weights)))
    clips = " with clip=True" if getattr(step, "clip", False) else ""
    raise input_error("pipeline", "a step that cannot be folded", f"{kind}{clips}", _STEPS)


def _scaled(count: int, centre: Array | None, scale: Array | None) -> _Affine:
    mean = np.zeros(count) if centre is None else np.asarray(centre, np.float64)
    divisor = np.ones(count) if scale is None else np.asarray(scale, np.float64)
    return _Affine(np.diag(1 / divisor), -mean / divisor)


def _principal(step: Any) -> _Affine:
    weights = np.asarray(step.components_, np.float64)
    if step.whiten:
        deviations = np.sqrt(step.explained_variance_)
        weights = weights / np.maximum(deviations, np.finfo(np.float64).eps)[:, None]
    return _Affine(weights, -weights @ step.mean_)


def _keeps_all(step: Any) -> bool:
    """Whether an imputer leaves out no column: one without any value has no statistic."""
    return bool(np.isfinite(np.asarray(step.statistics_, np.float64)).all())


# torch


def _sequential(model: Any) -> OriginalModel:
    """Reads a torch model, as it is for inference: without dropout, with stored averages.

    Linear maps that follow each other are multiplied; an activation is any module without weights
    that works element by element.
    """
    modules, final = _modules(model)
    layers: list[Layer] = []
    activations: list[Activation] = []
    for module in modules:
        if (activation := _torch_activation(module)) is not None:
            _require_layer(layers, activations, module)
            activations.append(activation)
        elif len(layers) == len(activations):
            layers.append(_torch_layer(module))
        else:
            layers[-1] = _after(layers[-1], _torch_layer(module))
    if len(layers) != len(activations) + 1 or not layers:
        found = type(modules[-1]).__name__ if modules else "no layer"
        expected = f"Linear, then at most {', '.join(_FINAL)}"
        raise input_error("model", "an unsupported last layer", found, expected)
    origin = OriginalModel(layers=tuple(layers), activations=tuple(activations))
    return replace(origin, outputs=_torch_outputs(final, origin.width))


def _modules(model: Any) -> tuple[list[Any], list[Any]]:
    """Returns the modules in their order, and those of the end that scores are taken before."""
    modules = [each for each in _flat(model) if type(each).__name__ not in _IGNORED]
    final: list[Any] = []
    while modules and type(modules[-1]).__name__ in _FINAL:
        final.insert(0, modules.pop())
    return modules, final


def _flat(model: Any) -> list[Any]:
    children = list(model.children())
    if not children:
        return [model]
    return [inner for child in children for inner in _flat(child)]


def _torch_outputs(final: list[Any], width: int) -> Outputs | None:
    """Returns what the last module makes of the outputs; a Linear layer alone does not tell."""
    if not final:
        return "values" if width == 1 else None
    if "Sigmoid" not in type(final[0]).__name__:
        return "classes"
    return "score" if width == 1 else "labels"


def _require_layer(layers: list[Layer], activations: list[Activation], module: Any) -> None:
    if len(layers) != len(activations) + 1:
        found = f"{type(module).__name__} as layer {len(layers) + len(activations) + 1}"
        raise input_error(
            "model", "an unsupported order of layers", found, "Linear, activation, Linear, ..."
        )


def _torch_layer(module: Any) -> Layer:
    kind = type(module).__name__
    if kind == "Linear":
        weights = _numbers(module.weight)
        return Layer(
            weights, np.zeros(len(weights)) if module.bias is None else _numbers(module.bias)
        )
    if kind == "BatchNorm1d" and module.running_mean is not None:
        factor = 1 / np.sqrt(_numbers(module.running_var) + module.eps)
        factor = factor if module.weight is None else factor * _numbers(module.weight)
        shift = 0.0 if module.bias is None else _numbers(module.bias)
        return Layer(np.diag(factor), shift - factor * _numbers(module.running_mean))
    expected = "Linear, BatchNorm1d with stored averages, activations without weights"
    raise input_error("model", "an unsupported layer", kind, expected)


def _numbers(tensor: Any) -> Array:
    return np.asarray(tensor.detach().cpu().double().numpy(), np.float64)


def _after(below: Layer, above: Layer) -> Layer:
    """Returns the layer that is equal to two layers without an activation between them."""
    if above.weights.shape[1] != len(below.bias):
        found = f"{len(below.bias)} outputs, then {above.weights.shape[1]} inputs"
        raise input_error("model", "layers do not fit", found, "as many inputs as outputs before")
    return Layer(above.weights @ below.weights, above.bias + above.weights @ below.bias)


def _torch_activation(module: Any) -> Callable[[Array], Array] | None:
    """Returns what a module without weights computes; None for a module that has some."""
    if (
        list(module.parameters())
        or list(module.buffers())
        or type(module).__name__ == "BatchNorm1d"
    ):
        return None
    activation = partial(_applied, module)
    probe = np.linspace(-2, 2, 12).reshape(4, 3)
    try:
        whole = activation(probe)
        apart = np.column_stack([activation(column[:, None]) for column in probe.T])
        is_elementwise = whole.shape == probe.shape and np.allclose(whole, apart)
    except Exception:  # whatever a module raises that wants another shape
        is_elementwise = False
    if not is_elementwise:
        expected = "Linear, BatchNorm1d, and activations that work element by element"
        raise input_error("model", "an unsupported layer", type(module).__name__, expected)
    return activation


def _applied(module: Any, values: Array) -> Array:
    import torch

    was_training = module.training
    module.eval()
    with torch.no_grad():
        result: Array = module(torch.from_numpy(np.ascontiguousarray(values))).cpu().numpy()
    module.train(was_training)
    return result


def _torch_answers(model: Any, inputs: Array) -> Array:
    import torch

    kind = next(model.parameters()).dtype
    was_training = model.training
    model.eval()
    with torch.no_grad():
        answers = model(torch.from_numpy(np.ascontiguousarray(inputs)).to(kind)).double()
    model.train(was_training)
    result: Array = answers.cpu().numpy()
    return result


def _finished(model: Any, scores: Array) -> Array:
    """Returns scores after the modules of the end, which the network of layers leaves out."""
    values = scores
    for module in _modules(model)[1]:
        values = _applied(module, values)
    return values


def matched_classes(labels: Sequence[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Returns the position of each label among classes, by value: 3 and 7, -1 and 1, texts.

    Raises:
        InputError: A label is missing, or is not a class.
    """
    places = {_key(value): at for at, value in enumerate(classes)}
    are_numbers = all(isinstance(key, float) for key in places)
    if not are_numbers and all(_as_float(str(value)) is not None for value in classes):
        places = {float(str(value)): at for at, value in enumerate(classes)}
        are_numbers = True
    keys = [_key(label) if not are_numbers else _number_key(label) for label in labels]
    unknown = sorted(
        {_shown(label) for label, key in zip(labels, keys, strict=True) if key not in places}
    )
    if unknown:
        found = ", ".join(unknown[:5])
        expected = ", ".join(map(str, classes))[:200]
        raise input_error("labels", "not classes of the model", found, expected)
    return np.array([places[key] for key in keys], np.int64)


def _shown(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _key(value: Any) -> float | str:
    is_number = isinstance(value, bool | int | float | np.number | np.bool_)
    return float(value) if is_number else str(value)


def _number_key(value: Any) -> float | str:
    number = _as_float(str(float(value)) if isinstance(value, bool | np.bool_) else str(value))
    return str(value) if number is None else number


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
