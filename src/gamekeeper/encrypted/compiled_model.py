"""Compiled models: the server's file, and the description for clients, which has no weights.

Both are JSON with a format and a version, and contain no code. The file with the weights is
readable by its owner only.
"""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.files import write_private
from gamekeeper.encrypted.named_rows import rows_of
from gamekeeper.encrypted.parameters import Parameters, Scales, read_parameters
from gamekeeper.encrypted.slot_layout import Layout, read_layout
from gamekeeper.encrypted.square_network import Array, Layer, SquareNetwork

MODEL_FORMAT = "gamekeeper/encrypted-model@1"
DESCRIPTION_FORMAT = "gamekeeper/encrypted-description@1"
_MAX_BYTES = 64 << 20
_MAX_ERROR = 1e6
_MAX_SCALE_BITS = 120
_COMPILE = "gamekeeper encrypted compile"


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The public description of a model, which a client needs to query it.

    Args:
        name: Name of the model.
        parameters: Parameters of the encryption.
        layout: Layout of the slots.
        input_scale: log2 of the scale of encrypted inputs.
        low: Smallest supported value of each feature; the client clips inputs to it.
        high: Largest supported value of each feature.
        labels: Labels of the classes; may be empty.
        features: Names of the features; may be empty.
        error: Largest error of a score compared with evaluation without encryption, for inputs in
            the range.
        determining_rows: Number of rows whose scores are as many numbers as the model has free
            parameters; see `SquareNetwork.determining_rows`.
    """

    name: str
    parameters: Parameters
    layout: Layout
    input_scale: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    labels: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    error: float
    determining_rows: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the description as a JSON object."""
        return {
            "format": DESCRIPTION_FORMAT,
            "name": self.name,
            "parameters": self.parameters.to_dict(),
            "layout": self.layout.to_dict(),
            "input_scale": self.input_scale,
            "low": list(self.low),
            "high": list(self.high),
            "labels": list(self.labels),
            "features": list(self.features),
            "error": self.error,
            "determining_rows": self.determining_rows,
        }

    def normalise(self, inputs: Array) -> Array:
        """Returns inputs clipped to the range and mapped to -1 .. 1, for the network."""
        low = np.asarray(self.low)
        high = np.asarray(self.high)
        centre, half = centre_and_half_width(low, high)
        result: Array = (np.clip(inputs, low, high) - centre) / half
        return result

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the description, 32 bytes; keys and requests contain it."""
        return hashlib.sha256(orjson.dumps(self.to_dict(), option=orjson.OPT_SORT_KEYS)).digest()


def centre_and_half_width(low: Array, high: Array) -> tuple[Array, Array]:
    """Returns centre and half width of ranges; the half width of an empty range is 1."""
    half = (high - low) / 2
    return (high + low) / 2, np.where(half > 0, half, 1.0)


@dataclass(frozen=True, kw_only=True)
class CompiledModel:
    """A model as the server has it, with weights.

    Args:
        description: The description for clients.
        network: The network with its weights; its inputs are mapped to -1 .. 1.
        scales: Scales of inputs and weights.
        flood_bits: Statistical security, in bits, with which the noise of one answer hides the
            noise that depends on the weights; see `answering`.
        report: Loss of accuracy by compiling.
    """

    description: ModelDescription
    network: SquareNetwork = field(repr=False)
    scales: Scales
    flood_bits: float
    report: dict[str, Any]

    def scores(self, inputs: Any) -> Array:
        """Returns the scores of rows, computed without encryption; of a DataFrame by name."""
        rows = rows_of(inputs, self.description.features, "the model")
        return self.network.scores(self.description.normalise(rows))

    def to_dict(self) -> dict[str, Any]:
        """Returns the model as a JSON object."""
        return {
            "format": MODEL_FORMAT,
            "description": self.description.to_dict(),
            "layers": [
                {"weights": layer.weights.tolist(), "bias": layer.bias.tolist()}
                for layer in self.network.layers
            ],
            "scales": {"input": self.scales.input, "weights": list(self.scales.weights)},
            "flood_bits": self.flood_bits,
            "report": self.report,
        }


def write_model(model: CompiledModel, path: Path) -> None:
    """Writes the file with the weights, whole or not at all, mode 0600."""
    write_private(path, orjson.dumps(model.to_dict()))


def require_replaceable(path: Path) -> None:
    """Checks that a compiled model would replace nothing but an earlier one.

    Raises:
        InputError: There is something else of that name.
    """
    if not os.path.lexists(path):
        return
    try:
        is_model = _read_json(path).get("format") == MODEL_FORMAT
    except InputError:
        is_model = False
    if not is_model:
        raise input_error(
            path,
            "this name is already in use",
            "something that is not a compiled model",
            "a new name, or an earlier compiled model",
            "name another file with --out, or remove this one",
        )


def read_model(path: Path) -> CompiledModel:
    """Reads a file that `write_model` wrote.

    Raises:
        InputError: It cannot be read, or has another format.
    """
    fields = _read_json(path)
    if fields.get("format") != MODEL_FORMAT:
        found = str(fields.get("format"))[:80]
        raise input_error(path, "not a compiled model", found, MODEL_FORMAT, _COMPILE)
    try:
        layers = [Layer(_array(each["weights"]), _array(each["bias"])) for each in fields["layers"]]
        scales = Scales(input=fields["scales"]["input"], weights=tuple(fields["scales"]["weights"]))
        model = CompiledModel(
            description=read_description(fields["description"], str(path)),
            network=SquareNetwork(tuple(layers)),
            scales=scales,
            flood_bits=float(fields["flood_bits"]),
            report=dict(fields["report"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise input_error(
            path, "a damaged model", type(error).__name__, MODEL_FORMAT, _COMPILE
        ) from None
    _require_agreement(model, path)
    return model


def read_description(fields: Any, where: str = "description") -> ModelDescription:
    """Reads a description; the server that wrote it may be hostile.

    Raises:
        InputError: It is not a description, or its parameters are not secure.
    """
    if not isinstance(fields, dict) or fields.get("format") != DESCRIPTION_FORMAT:
        raise input_error(where, "not a model description", str(fields)[:80], DESCRIPTION_FORMAT)
    parameters = read_parameters(fields.get("parameters"), where)
    layout = read_layout(fields.get("layout"), parameters.slots, where)
    low = _numbers(fields.get("low"), layout.inputs, where)
    high = _numbers(fields.get("high"), layout.inputs, where)
    scale = fields.get("input_scale")
    error = fields.get("error")
    rows = fields.get("determining_rows")
    max_scale = sum(parameters.primes[:-1])
    is_ordered = all(a <= b for a, b in zip(low, high, strict=True))
    if type(scale) is not int or not 20 <= scale < max_scale or not is_ordered:
        found = f"input_scale {scale!r:.20}"
        raise input_error(where, "numbers out of range", found, f"20 to {max_scale}; low <= high")
    is_consistent = parameters.hidden == layout.hidden
    if not isinstance(error, float | int) or type(rows) is not int or not is_consistent:
        raise input_error(where, "a damaged description", "fields missing", DESCRIPTION_FORMAT)
    if isinstance(error, bool) or not 0 < error < _MAX_ERROR or rows < 1:
        raise input_error(
            where, "numbers out of range", f"error {error}, {rows} rows", "each above 0"
        )
    return ModelDescription(
        name=_text(fields.get("name"), where),
        parameters=parameters,
        layout=layout,
        input_scale=scale,
        low=low,
        high=high,
        labels=_names(fields.get("labels"), layout.classes, where),
        features=_names(fields.get("features"), layout.inputs, where),
        error=float(error),
        determining_rows=rows,
    )


def _require_agreement(model: CompiledModel, path: Path) -> None:
    layout = model.description.layout
    network = model.network
    found = (
        network.inputs,
        network.classes,
        network.hidden,
        model.scales.input,
        len(model.scales.weights),
    )
    described = (
        layout.inputs,
        layout.classes,
        layout.hidden,
        model.description.input_scale,
        network.hidden + 1,
    )
    if found != described:
        problem = "weights and description differ"
        raise input_error(path, problem, str(found), str(described), _COMPILE)
    width = len(network.layers[0].bias)
    if layout.units and not layout.units // 2 < width <= layout.units:
        raise input_error(
            path,
            "weights and description differ",
            f"{width} units",
            f"{layout.units} places",
            _COMPILE,
        )
    bits_of_weights = model.scales.weights
    if not all(type(bits) is int and 0 < bits <= _MAX_SCALE_BITS for bits in bits_of_weights):
        expected = f"whole numbers, 1 to {_MAX_SCALE_BITS}"
        raise input_error(path, "invalid scales", str(bits_of_weights)[:80], expected, _COMPILE)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise input_error(path, "too large", f"{size:,} bytes", f"at most {_MAX_BYTES:,}")
        fields = orjson.loads(path.read_bytes())
    except OSError as error:
        raise input_error(
            path, "cannot be read", error.strerror or str(error), "a compiled model", _COMPILE
        ) from error
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise input_error(path, "not a compiled model", "no JSON object", MODEL_FORMAT, _COMPILE)
    return fields


def _array(value: Any) -> Array:
    return np.asarray(value, np.float64)


def _numbers(value: Any, count: int, where: str) -> tuple[float, ...]:
    has_length = isinstance(value, list) and len(value) == count
    if not has_length or not all(type(n) in (int, float) and np.isfinite(n) for n in value):
        raise input_error(where, "not a range", str(value)[:80], f"{count} finite numbers")
    return tuple(map(float, value))


def _names(value: Any, count: int, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) not in (0, count):
        raise input_error(where, "not a list of names", str(value)[:80], f"{count} texts, or none")
    return tuple(_text(name, where) for name in value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise input_error(where, "not a name", repr(value)[:80], "1 to 256 printable characters")
    return value
