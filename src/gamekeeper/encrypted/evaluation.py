"""Evaluates a network on encrypted input, in either packing; weights may be plain or encrypted, see
`Weights`.

The computation does not depend on the encrypted values: no branch, length or time is a function of
a client's numbers.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from gamekeeper.encrypted.backend import Backend, Cipher, Keys, Plain, Slots
from gamekeeper.encrypted.parameters import Scales
from gamekeeper.encrypted.slot_layout import Layout
from gamekeeper.encrypted.square_network import Array, SquareNetwork

# Cached encodings of a latency packing: one for each part, one last layer for each number of rows.
_CACHE_SIZE = 64


class Weights(Protocol):
    """The weights of a latency packing, applied to ciphertexts."""

    def first(self, part: int, cipher: Cipher) -> Cipher:
        """Returns the product with the first layer's weights of a part."""
        ...

    def hidden_bias(self, cipher: Cipher) -> Cipher:
        """Returns the sum with the hidden layer's bias."""
        ...

    def last(self, rows: int, cipher: Cipher) -> Cipher:
        """Returns the product with the last layer's weights."""
        ...

    def last_bias(self, rows: int, cipher: Cipher) -> Cipher:
        """Returns the sum with the last bias."""
        ...


class OpenWeights:
    """Plain weights, encoded once and cached.

    Args:
        backend: The backend that encodes them.
        layout: Their layout in slots.
        network: The network with the weights.
        scales: Scales of the weights.
    """

    def __init__(
        self, backend: Backend, layout: Layout, network: SquareNetwork, scales: Scales
    ) -> None:
        self._backend = backend
        self._layout = layout
        self._layers = network.layers
        self._scales = scales
        self._encoded = lru_cache(_CACHE_SIZE)(self._encode)

    def first(self, part: int, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        return self._backend.multiply_plain(
            cipher, self._encoded("first", part, *self._at(cipher, 0))
        )

    def hidden_bias(self, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        plain = self._encoded(
            "hidden_bias", 0, self._backend.level(cipher), self._backend.scale(cipher)
        )
        return self._backend.add_plain(cipher, plain)

    def last(self, rows: int, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        return self._backend.multiply_plain(
            cipher, self._encoded("last", rows, *self._at(cipher, 1))
        )

    def last_bias(self, rows: int, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        plain = self._encoded(
            "last_bias", rows, self._backend.level(cipher), self._backend.scale(cipher)
        )
        return self._backend.add_plain(cipher, plain)

    def _at(self, cipher: Cipher, layer: int) -> tuple[int, float]:
        return self._backend.level(cipher), 2.0 ** self._scales.weights[layer]

    def _encode(self, what: str, which: int, level: int, scale: float) -> Plain:
        slots = slots_of(self._layout, self._layers, what, which)
        if what in ("first", "last") and np.abs(slots).max() < 2 / scale:
            # SEAL refuses products by 0; the smallest number that can be encoded changes nothing.
            slots = np.full_like(slots, 2 / scale)
        return self._backend.encode(slots, level, scale)


def slots_of(layout: Layout, layers: Sequence[object], what: str, which: int) -> Slots:
    """Returns the slots of one group of weights.

    Args:
        layout: Their layout.
        layers: Layers of the network.
        what: `first`, `hidden_bias`, `last` or `last_bias`.
        which: Number of the part for `first`; number of rows for `last` and `last_bias`.
    """
    first = layers[0]
    last = layers[-1]
    made = {
        "first": lambda: layout.first_weights(first.weights, which),  # type: ignore[attr-defined]
        "hidden_bias": lambda: layout.hidden_bias(first.bias),  # type: ignore[attr-defined]
        "last": lambda: layout.last_weights(last.weights, which),  # type: ignore[attr-defined]
        "last_bias": lambda: layout.last_bias(last.bias, which),  # type: ignore[attr-defined]
    }
    return made[what]()


def latency_product(
    backend: Backend,
    layout: Layout,
    weights: Weights,
    ciphers: Sequence[Cipher],
    rows: int,
    keys: Keys,
) -> Cipher:
    """Returns the product of the last layer, before its division by the prime `mask`."""
    total = weights.first(0, ciphers[0])
    for part in range(1, layout.parts):
        total = backend.add_to(total, weights.first(part, ciphers[part]))
    if not layout.units:
        return total
    total = backend.rescale(total)
    for step in layout.steps:
        total = backend.add(total, backend.rotate(total, step, keys))
    hidden = backend.square_and_rescale(weights.hidden_bias(total), keys)
    return weights.last(rows, hidden)


def batched_products(
    backend: Backend, network: SquareNetwork, scales: Scales, ciphers: Sequence[Cipher], keys: Keys
) -> list[Cipher]:
    """Returns the products of the last layer, one ciphertext for each class, before their division
    by the prime `mask`.
    """
    values = list(ciphers)
    for layer, scale in zip(network.layers[:-1], scales.weights, strict=False):
        sums = (backend.rescale(_weighted(backend, values, row, scale)) for row in layer.weights)
        values = [
            backend.square_and_rescale(_plus(backend, total, bias), keys)
            for total, bias in zip(sums, layer.bias, strict=True)
        ]
    return [
        _weighted(backend, values, row, scales.weights[-1]) for row in network.layers[-1].weights
    ]


def batched_bias(backend: Backend, cipher: Cipher, bias: float) -> Cipher:
    """Returns the sum with a bias."""
    return _plus(backend, cipher, bias)


def _plus(backend: Backend, cipher: Cipher, number: float) -> Cipher:
    return backend.add_plain(
        cipher, backend.encode(float(number), backend.level(cipher), backend.scale(cipher))
    )


def _weighted(backend: Backend, values: Sequence[Cipher], weights: Array, scale: int) -> Cipher:
    """Returns the weighted sum of ciphertexts.

    Weights near 0 become the smallest number that can be encoded: SEAL refuses products by 0.
    """
    least = 2.0**-scale
    level = backend.level(values[0])
    total = None
    for value, weight in zip(
        values, np.where(np.abs(weights) < least, least, weights), strict=True
    ):
        product = backend.multiply_plain(value, backend.encode(float(weight), level, 2.0**scale))
        total = product if total is None else backend.add_to(total, product)
    return total
