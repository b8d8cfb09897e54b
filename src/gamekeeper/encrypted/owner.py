"""The reverse setting: encrypted weights of an owner, evaluated on an untrusted host.

One key encrypts the weights and, if they are to be hidden too, the inputs; it stays with the owner.
**Any holder of this key can decrypt the weights**, so it is never given to the users of a model: it
protects the model from the host, not from the clients that the owner serves. The owner sends
inputs, or forwards those of users; decrypts answers; and passes on rounded scores (see
`inference_client` on publishing decryptions).

The host learns the shape of the model, and inputs that are sent in plain. It may compute anything:
the owner cannot verify that an answer is correct. Biases are represented as weights of an
additional input, and of an additional hidden unit, that are 1 (`square_network.fold_biases`). Only
latency packings are supported.
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
    """The owner of a model: encrypts weights and inputs, and decrypts answers of the host.

    Args:
        model: The model, compiled for a latency packing.
        secret: The key; None for a new one.
        backend: Backend with the model's parameters; None for SEAL.
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
        """Returns the encrypted weights: one ciphertext for each part, and one for the last layer
        if there is a hidden layer.
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
        """Returns encrypted rows, if the host must not see the inputs either."""
        slots = self.layout.pack(self.prepare(inputs), self.layout.rows)
        return b"".join(
            self._backend.encrypt(self._secret, part, 2.0**self._scales.input) for part in slots
        )

    def prepare(self, inputs: Array) -> Array:
        """Returns plain rows for the host: mapped to -1 .. 1, with a 1 at the end of each."""
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
                "answer", "not an answer", "invalid residues or scale", "an answer of `Host`"
            )
        product = self._backend.multiply_by_secret(self._secret, words[finished:])
        sums = answering.read_finished(words[:finished], product, q) * (
            self.layout.gain(rows) / scale
        )
        return self.layout.unpack([sums], count, rows)


class Host:
    """The host: evaluates a model whose weights it cannot read.

    Args:
        parameters: Parameters of the encryption.
        layout: Layout of the slots, `Owner.layout`.
        scales: Scales of inputs and weights.
        weights: Encrypted weights from `Owner.weights`.
        keys: Public keys from `Owner.keys`.
        backend: Backend with these parameters; None for SEAL.

    Raises:
        InputError: Weights or keys do not have these parameters.
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
        self._weights = _EncryptedWeights(
            self._backend, self._keys, ciphers[: layout.parts], ciphers[layout.parts :]
        )

    def answer(self, rows: Array) -> bytes:
        """Returns the answer to plain rows from `Owner.prepare`."""
        level = len(self._scales.weights) * 2
        scale = 2.0**self._scales.input
        slots = self._layout.pack(rows, self._layout.rows)
        return self._answered([self._backend.encode(part, level, scale) for part in slots])

    def answer_encrypted(self, rows: bytes) -> bytes:
        """Returns the answer to encrypted rows from `Owner.encrypt`."""
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
    """Marks an input as a ciphertext rather than an encoded plaintext."""

    def __init__(self, cipher: Cipher) -> None:
        self.cipher = cipher


class _EncryptedWeights:
    """Encrypted weights, an implementation of `Weights`; biases are among the weights."""

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
    # Here a linear layer is a product of ciphertexts too, and so needs relinearisation.
    return RequiredKeys(True, layout.required_keys.steps)


def _seal(parameters: Parameters) -> Backend:
    from gamekeeper.encrypted.seal_backend import SealBackend

    return SealBackend(parameters)
