"""A compiled model: what the server keeps, and the description that clients get, which has no
weights.

Both are JSON with a format and a version; nothing of them is run when they are read. The file with
the weights is readable by its owner only.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import write_private
from gamekeeper.encrypted.parameters import Parameters, Scales, read_parameters
from gamekeeper.encrypted.slot_layout import Layout, read_layout
from gamekeeper.encrypted.square_network import Array, Layer, SquareNetwork

MODEL_FORMAT = "gamekeeper/encrypted-model@1"
DESCRIPTION_FORMAT = "gamekeeper/encrypted-description@1"
_MOST_BYTES = 64 << 20
_MOST_ERROR = 1e6
_MOST_SCALE = 120


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What a client must know to ask.

    Args:
        name: Of the model.
        parameters: Of the encryption.
        layout: Of slots.
        input_scale: Bits by which the client scales inputs up.
        low: Smallest value of each feature that it answers for; the client clips to it.
        high: Largest.
        labels: Of the classes; empty where there are none.
        features: Names; empty where there are none.
        error: Largest error of a score against the same model in the open, within the range.
        determining_rows: Answers that have as many numbers as the model has parameters.
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
        """Returns it as a JSON object."""
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
        """Returns inputs clipped to the range and mapped to -1 .. 1, as the network takes them."""
        low = np.asarray(self.low)
        high = np.asarray(self.high)
        centre, half = centre_and_half_width(low, high)
        result: Array = (np.clip(inputs, low, high) - centre) / half
        return result

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of it, 32 bytes: keys and requests are for one description."""
        return hashlib.sha256(orjson.dumps(self.to_dict(), option=orjson.OPT_SORT_KEYS)).digest()


def centre_and_half_width(low: Array, high: Array) -> tuple[Array, Array]:
    """Returns middle and half width of ranges; 1 for the width of what is one value."""
    half = (high - low) / 2
    return (high + low) / 2, np.where(half > 0, half, 1.0)


@dataclass(frozen=True, kw_only=True)
class CompiledModel:
    """What the server keeps.

    Args:
        description: What clients get.
        network: With the weights; takes inputs mapped to -1 .. 1.
        scales: Of inputs and weights.
        flood_bits: How far an answer's noise hides the weights' own, for one answer; see
            `answering`.
        report: What compiling cost in accuracy.
    """

    description: ModelDescription
    network: SquareNetwork = field(repr=False)
    scales: Scales
    flood_bits: float
    report: dict[str, Any]

    def scores(self, inputs: Array) -> Array:
        """Returns the scores of rows, in the open."""
        return self.network.scores(self.description.normalise(np.asarray(inputs, np.float64)))

    def to_dict(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
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


def read_model(path: Path) -> CompiledModel:
    """Reads what `write_model` wrote.

    Raises:
        InputError: It cannot be read, or is of another format.
    """
    fields = _parsed(path)
    if fields.get("format") != MODEL_FORMAT:
        raise input_error(
            path, "no compiled model", str(fields.get("format"))[:80], MODEL_FORMAT, _COMPILE
        )
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


_COMPILE = "gamekeeper encrypted compile"


def read_description(fields: Any, where: str = "description") -> ModelDescription:
    """Reads a description, which a server may have written that means ill.

    Raises:
        InputError: It is none, or its parameters are not secure.
    """
    if not isinstance(fields, dict) or fields.get("format") != DESCRIPTION_FORMAT:
        raise input_error(where, "no description of a model", str(fields)[:80], DESCRIPTION_FORMAT)
    parameters = read_parameters(fields.get("parameters"), where)
    layout = read_layout(fields.get("layout"), parameters.slots, where)
    low = _numbers(fields.get("low"), layout.inputs, where)
    high = _numbers(fields.get("high"), layout.inputs, where)
    scale = fields.get("input_scale")
    error = fields.get("error")
    rows = fields.get("determining_rows")
    top = sum(parameters.primes[:-1])
    if (
        type(scale) is not int
        or not 20 <= scale < top
        or any(a > b for a, b in zip(low, high, strict=True))
    ):
        raise input_error(
            where,
            "numbers that do not fit",
            f"input_scale {scale!r:.20}",
            f"20 to {top}; low <= high",
        )
    if (
        not isinstance(error, float | int)
        or type(rows) is not int
        or parameters.hidden != layout.hidden
    ):
        raise input_error(where, "a damaged description", "fields missing", DESCRIPTION_FORMAT)
    if isinstance(error, bool) or not 0 < error < _MOST_ERROR or rows < 1:
        raise input_error(
            where, "numbers that do not fit", f"error {error}, {rows} rows", "each above 0"
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
    ours = (
        network.inputs,
        network.classes,
        network.hidden,
        model.scales.input,
        len(model.scales.weights),
    )
    theirs = (
        layout.inputs,
        layout.classes,
        layout.hidden,
        model.description.input_scale,
        network.hidden + 1,
    )
    if ours != theirs:
        raise input_error(path, "weights and description differ", str(ours), str(theirs), _COMPILE)
    width = len(network.layers[0].bias)
    if layout.units and not layout.units // 2 < width <= layout.units:
        raise input_error(
            path,
            "weights and description differ",
            f"{width} units",
            f"{layout.units} places",
            _COMPILE,
        )
    if not all(type(bits) is int and 0 < bits <= _MOST_SCALE for bits in model.scales.weights):
        found = str(model.scales.weights)[:80]
        raise input_error(path, "no scales", found, f"whole numbers, 1 to {_MOST_SCALE}", _COMPILE)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise input_error(
                path, "too large", f"{path.stat().st_size:,} bytes", f"at most {_MOST_BYTES:,}"
            )
        fields = orjson.loads(path.read_bytes())
    except OSError as error:
        raise input_error(
            path, "cannot be read", error.strerror or str(error), "a compiled model", _COMPILE
        ) from error
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise input_error(path, "no compiled model", "no JSON object", MODEL_FORMAT, _COMPILE)
    return fields


def _array(value: Any) -> Array:
    return np.asarray(value, np.float64)


def _numbers(value: Any, count: int, where: str) -> tuple[float, ...]:
    ok = isinstance(value, list) and len(value) == count
    if not ok or not all(type(n) in (int, float) and np.isfinite(n) for n in value):
        raise input_error(where, "no range", str(value)[:80], f"{count} finite numbers")
    return tuple(map(float, value))


def _names(value: Any, count: int, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) not in (0, count):
        raise input_error(where, "no names", str(value)[:80], f"{count} texts, or none")
    return tuple(_text(name, where) for name in value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise input_error(where, "no name", repr(value)[:80], "1 to 256 printable characters")
    return value
