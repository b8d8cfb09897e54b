"""The other way round: an owner's weights, encrypted, on a host that is not trusted.

One key encrypts weights and, where they are to be hidden too, inputs; it stays with the owner.
**Whoever holds that key can decrypt the weights**, so it is never handed to the users of a model:
it protects the model from the host, not from whom the owner lets ask. The owner sends inputs, or
passes on what users send; reads answers; and passes on scores, rounded (see `client` on showing
decryptions).

The host learns the shape of the model, and inputs that come in the open. It computes as it likes:
nothing shows the owner that an answer is right. Biases are weights of an input, and of a hidden
unit, that are 1 (`network.fold_biases`). Latency packings only.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from gamekeeper.base.errors import input_error
from gamekeeper.base.secret import Secret
from gamekeeper.encrypted import answering
from gamekeeper.encrypted.backend import Backend, Cipher, Keys, RequiredKeys
from gamekeeper.encrypted.compiled_model import CompiledModel
from gamekeeper.encrypted.evaluation import latency_product, slots_of
from gamekeeper.encrypted.parameters import Parameters, Scales
from gamekeeper.encrypted.residues import pack, unpack, width
from gamekeeper.encrypted.slot_layout import Layout, layout_for
from gamekeeper.encrypted.square_network import Array, fold_biases

_HEAD = struct.Struct("<d")


class Owner:
    """See the module.

    Args:
        model: Compiled for a latency packing.
        secret: The key; a new one if none is given.
        backend: Of the model's parameters; SEAL if none is given.
    """

    def __init__(
        self,
        model: CompiledModel,
        secret: Secret[bytes] | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.description = model.description
        self._network = fold_biases(model.network)
        self._scales = model.scales
        self._backend = backend or _seal(model.description.parameters)
        self._secret = secret or self._backend.make_secret()
        self.layout = layout_for(self._network, "latency", self.description.layout.slots)

    def keys(self) -> bytes:
        """Returns the public keys that the host needs."""
        return self._backend.bundle(self._secret, _required_keys(self.layout))

    def weights(self) -> bytes:
        """Returns the encrypted weights: a ciphertext for each part, and one of the last layer if
        one is hidden.
        """
        layout = self.layout
        layers = self._network.layers
        scales = self._scales
        made = [("first", part, scales.weights[0]) for part in range(layout.parts)]
        made += [("last", layout.rows, scales.weights[1])] if layout.units else []
        return b"".join(
            self._backend.encrypt(self._secret, slots_of(layout, layers, what, which), 2.0**scale)
            for what, which, scale in made
        )

    def encrypt(self, inputs: Array) -> bytes:
        """Returns encrypted rows, for a host that is not to see them either."""
        slots = self.layout.pack(self.prepare(inputs), self.layout.rows)
        return b"".join(
            self._backend.encrypt(self._secret, part, 2.0**self._scales.input) for part in slots
        )

    def prepare(self, inputs: Array) -> Array:
        """Returns rows as the host takes them in the open: mapped to -1 .. 1, and a 1
        behind each.
        """
        if not 1 <= len(inputs) <= self.layout.rows:
            raise input_error(
                "inputs", "do not fit", f"{len(inputs)} rows", f"1 to {self.layout.rows} rows"
            )
        return np.column_stack([self.description.normalise(inputs), np.ones(len(inputs))])

    def read(self, answer: bytes, count: int) -> Array:
        """Returns the scores in an answer, shape (count, classes)."""
        q = self._backend.last_prime
        rows = self.layout.rows
        degree = self.description.parameters.degree
        finished = self.layout.finished(rows)
        expected = _HEAD.size + (finished + degree) * width(q)
        if len(answer) != expected:
            raise input_error(
                "answer", "of another length", f"{len(answer):,} bytes", f"{expected:,} bytes"
            )
        (scale,) = _HEAD.unpack_from(answer)
        words = unpack(answer[_HEAD.size :], q)
        if words is None or not 1 < scale < 2.0**200:
            raise input_error(
                "answer", "no answer", "no residues, or no scale", "what `Host.answer` gave"
            )
        product = self._backend.multiply_by_secret(self._secret, words[finished:])
        sums = answering.read_finished(words[:finished], product, q) * (
            self.layout.gain(rows) / scale
        )
        return self.layout.unpack([sums], count, rows)


class Host:
    """Answers with weights that it cannot read.

    Args:
        parameters: Of the encryption.
        layout: Of slots: `Owner.layout`.
        scales: Of inputs and weights.
        weights: What `Owner.weights` gave.
        keys: What `Owner.keys` gave.
        backend: Of the parameters; SEAL if none is given.

    Raises:
        InputError: Weights or keys are not of these parameters.
    """

    def __init__(
        self,
        parameters: Parameters,
        layout: Layout,
        scales: Scales,
        weights: bytes,
        keys: bytes,
        backend: Backend | None = None,
    ) -> None:
        self._backend = backend or _seal(parameters)
        self._layout = layout
        self._scales = scales
        self._keys = self._backend.load_keys(keys, _required_keys(layout))
        bits = [scales.weights[0]] * layout.parts + [scales.weights[-1]] * (layout.units > 0)
        ciphers = self._loaded(weights, bits)
        self._weights = _Hidden(
            self._backend, self._keys, ciphers[: layout.parts], ciphers[layout.parts :]
        )

    def answer(self, rows: Array) -> bytes:
        """Answers rows in the open, as `Owner.prepare` gives them."""
        level = len(self._scales.weights) * 2
        scale = 2.0**self._scales.input
        slots = self._layout.pack(rows, self._layout.rows)
        return self._answered([self._backend.encode(part, level, scale) for part in slots])

    def answer_encrypted(self, rows: bytes) -> bytes:
        """Answers rows as `Owner.encrypt` gives them."""
        ciphers = self._loaded(rows, [self._scales.input] * self._layout.parts)
        return self._answered([_Encrypted(cipher) for cipher in ciphers])

    def _loaded(self, raw: bytes, bits: Sequence[int]) -> list[Cipher]:
        size = self._backend.cipher_bytes
        if len(raw) != size * len(bits):
            raise input_error(
                "ciphertexts",
                "of another length",
                f"{len(raw):,} bytes",
                f"{size * len(bits):,} bytes",
            )
        return [
            self._backend.load_cipher(raw[at * size : (at + 1) * size], 2.0**b)
            for at, b in enumerate(bits)
        ]

    def _answered(self, inputs: Sequence[Any]) -> bytes:
        backend = self._backend
        layout = self._layout
        product = latency_product(backend, layout, self._weights, inputs, layout.rows, self._keys)
        answer = backend.rescale(product)
        c0, c1 = backend.coefficients(answer)
        q = backend.last_prime
        numbers = answering.finished_numbers(c0, layout.finished(layout.rows), q)
        return _HEAD.pack(backend.scale(answer)) + pack(numbers, q) + pack(c1, q)


class _Encrypted:
    """A ciphertext where an encoded input could stand."""

    def __init__(self, cipher: Cipher) -> None:
        self.cipher = cipher


class _Hidden:
    """See `Weights`; biases are weights."""

    def __init__(
        self, backend: Backend, keys: Keys, first: Sequence[Cipher], last: Sequence[Cipher]
    ) -> None:
        self._backend = backend
        self._keys = keys
        self._first = first
        self._last = last

    def first(self, part: int, cipher: Any) -> Cipher:
        """See `Weights`; the input is encrypted, or encoded."""
        if isinstance(cipher, _Encrypted):
            return self._backend.multiply(self._first[part], cipher.cipher, self._keys)
        return self._backend.multiply_plain(self._first[part], cipher)

    def hidden_bias(self, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        return cipher

    def last(self, rows: int, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        weights = self._backend.lower(self._last[0], self._backend.level(cipher))
        return self._backend.multiply(weights, cipher, self._keys)

    def last_bias(self, rows: int, cipher: Cipher) -> Cipher:
        """See `Weights`."""
        return cipher


def _required_keys(layout: Layout) -> RequiredKeys:
    # a linear layer, too, is a product of ciphertexts here
    return RequiredKeys(True, layout.required_keys.steps)


def _seal(parameters: Parameters) -> Backend:
    from gamekeeper.encrypted.seal_backend import SealBackend

    return SealBackend(parameters)
