"""Packings without encryption: a backend whose ciphertexts are slots in the open."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encrypted.builders import Array, make_network, make_rows
from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.evaluation import (
    OpenWeights,
    batched_bias,
    batched_products,
    latency_product,
)
from gamekeeper.encrypted.parameters import Scales
from gamekeeper.encrypted.slot_layout import Layout, layout_for, read_layout
from gamekeeper.encrypted.square_network import SquareNetwork

SLOTS = 4096


class ClearBackend:
    """Slots in the open; counts what is dear."""

    def __init__(self) -> None:
        self.rotations = 0

    def encode(self, slots: Any, level: int, scale: float) -> Any:
        return slots

    def scale(self, cipher: Any) -> float:
        return 1.0

    def level(self, cipher: Any) -> int:
        return 1

    def add(self, one: Any, other: Any) -> Any:
        return one + other

    add_to = add_plain = add

    def multiply_plain(self, cipher: Any, plain: Any) -> Any:
        return cipher * plain

    def square_and_rescale(self, cipher: Any, keys: Any) -> Any:
        return cipher**2

    def rotate(self, cipher: Any, step: int, keys: Any) -> Any:
        self.rotations += 1
        return np.roll(cipher, -step)

    def rescale(self, cipher: Any) -> Any:
        return cipher


def finished(
    layout: Layout, network: SquareNetwork, ciphers: list[Array], rows: int
) -> list[Array]:
    """What the client would read: the sum over each orbit, or the mean where the gain is 1."""
    backend = ClearBackend()
    scales = Scales(input=40, weights=(40,) * len(network.layers))
    weights = OpenWeights(backend, layout, network, scales)  # type: ignore[arg-type]
    if layout.is_batched:
        products = batched_products(backend, network, scales, ciphers, None)  # type: ignore[arg-type]
        biases = network.layers[-1].bias
        products = [batched_bias(backend, p, b) for p, b in zip(products, biases, strict=True)]  # type: ignore[arg-type]
        return [p.reshape(-1, rows).mean(axis=0) for p in products]
    product = latency_product(backend, layout, weights, ciphers, rows, None)  # type: ignore[arg-type]
    assert backend.rotations == len(layout.steps)
    whole = weights.last_bias(rows, product)
    return [whole.reshape(layout.gain(rows), layout.finished(rows)).sum(axis=0)]


@settings(deadline=None, max_examples=40)
@given(
    inputs=st.integers(1, 130),
    hidden=st.integers(1, 33),
    classes=st.integers(1, 17),
    packing=st.sampled_from(["latency", "batched"]),
    is_linear=st.booleans(),
    data=st.data(),
)
def test_slots_add_up_to_scores(
    inputs: int, hidden: int, classes: int, packing: Any, is_linear: bool, data: st.DataObject
) -> None:
    """Of every row, whatever the sizes, for every number of rows that may be asked for."""
    network = make_network(inputs, classes) if is_linear else make_network(inputs, hidden, classes)
    layout = layout_for(network, packing, SLOTS)
    rows = 1 << data.draw(st.integers(0, layout.rows.bit_length() - 1))
    given_rows = make_rows(max(1, rows - data.draw(st.integers(0, rows // 2))), inputs)
    ciphers = layout.pack(given_rows, rows)
    assert len(ciphers) == layout.parts and all(len(cipher) == SLOTS for cipher in ciphers)
    scores = layout.unpack(finished(layout, network, ciphers, rows), len(given_rows), rows)
    assert np.allclose(scores, network.scores(given_rows))


def test_slots_that_hold_no_score_are_zero_whatever_is_sent() -> None:
    """Garbage in all slots: of 128 finished numbers, all but the scores of the rows asked for are
    0.
    """
    network = make_network(64, 32, 10)
    layout = layout_for(network, "latency", SLOTS)
    garbage = list(np.random.default_rng(0).normal(size=(layout.parts, SLOTS)) * 100)
    (sums,) = finished(layout, network, garbage, 2)
    places = sums.reshape(layout.rows, -1)
    assert np.abs(places[:2, :10]).min() > 0
    assert not places[2:].any() and not places[:, 10:].any()


def test_a_linear_layer_takes_no_rotation_and_a_hidden_one_four() -> None:
    """The last layer's sum is left to the client's reading."""
    assert layout_for(make_network(64, 10), "latency", SLOTS).steps == ()
    assert layout_for(make_network(64, 32, 10), "latency", SLOTS).steps == (1, 2, 4, 8)
    assert layout_for(make_network(64, 32, 10), "batched", SLOTS).steps == ()


@pytest.mark.parametrize("sizes", [(8, 4, 4, 3), (8, 256, 200)])
def test_what_does_not_fit_is_said(sizes: tuple[int, ...]) -> None:
    """Two hidden layers, or more units and classes than there are slots."""
    with pytest.raises(InputError):
        layout_for(make_network(*sizes), "latency", SLOTS)


@pytest.mark.parametrize("rows", [0, 3, 8, -1, 4097])
def test_rows_are_powers_of_two_up_to_the_capacity(rows: int) -> None:
    """What is asked for is what is charged."""
    with pytest.raises(InputError, match="rows"):
        layout_for(make_network(64, 10), "latency", SLOTS).require_rows(rows)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 3},
        {"rows": 0},
        {"features": 4096},
        {"packing": "other"},
        {"classes": 4097},
        {"units": 3},
        {"inputs": True},
        {"hidden": 1},
    ],
)
def test_a_layout_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    """A description comes from a server that may mean ill."""
    fields = layout_for(make_network(64, 10), "latency", SLOTS).to_dict()
    assert read_layout(fields, SLOTS, "here").to_dict() == fields
    with pytest.raises(InputError):
        read_layout(fields | change, SLOTS, "here")
