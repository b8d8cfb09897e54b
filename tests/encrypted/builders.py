"""What the tests of encrypted inference are made of."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamekeeper.encrypted.compiled_model import CompiledModel, ModelDescription
from gamekeeper.encrypted.compiling import CompileOptions, assemble_model
from gamekeeper.encrypted.parameters import parameters_for, scales_for
from gamekeeper.encrypted.slot_layout import Packing, layout_for
from gamekeeper.encrypted.square_network import Layer, SquareNetwork

Array = NDArray[np.float64]
BOUND = 64.0


def make_network(*sizes: int, seed: int = 0) -> SquareNetwork:
    rng = np.random.default_rng(seed)
    layers = [
        Layer(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs), rng.normal(size=outputs) / 4)
        for inputs, outputs in pairwise(sizes)
    ]
    return SquareNetwork(tuple(layers))


def make_model(
    *sizes: int, packing: Packing = "latency", rows: int | None = None, **fields: Any
) -> CompiledModel:
    """A model whose inputs are in -1 .. 1, made without SEAL."""
    network = fields.pop("network", None) or make_network(*sizes)
    parameters = parameters_for(network.hidden)
    layout = layout_for(network, packing, parameters.slots, rows)
    scales = scales_for(parameters, BOUND, layout.gain(layout.rows))
    described = {"name": "m", "labels": (), "features": (), "error": 1e-3} | fields
    description = ModelDescription(
        parameters=parameters,
        layout=layout,
        input_scale=scales.input,
        low=(-1.0,) * network.inputs,
        high=(1.0,) * network.inputs,
        determining_rows=network.determining_rows,
        **described,
    )
    return CompiledModel(
        description=description, network=network, scales=scales, flood_bits=0.0, report={}
    )


def make_rows(count: int, width: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, size=(count, width))


def assembled_model(*sizes: int, packing: Packing = "latency", **fields: Any) -> CompiledModel:
    """A model as `compile` assembles it, noise measured."""
    network = make_network(*sizes)
    return assemble_model(
        network, make_rows(200, sizes[0]), CompileOptions(packing=packing, **fields), (), {}
    )
