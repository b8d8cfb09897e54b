"""The few operations that packing needs of a library; SEAL has them (`seal`), another library can.

Ciphertexts and encoded numbers are the library's own objects: whoever calls only hands them on.
What crosses the wire is ours: residues, in one order, of lengths that the parameters fix
(`residues`), so that a library never parses what a stranger sent. Each backend is of one set of
parameters.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.secret import Secret
from gamekeeper.encrypted.parameters import Parameters
from gamekeeper.encrypted.residues import Words

Cipher = Any
Plain = Any
Keys = Any
Slots = NDArray[np.float64]


class RequiredKeys(NamedTuple):
    """Which keys a server needs of a client.

    Args:
        relinearise: Whether ciphertexts are multiplied with each other.
        steps: Rotations, in slots to the left.
    """

    relinearise: bool
    steps: tuple[int, ...]


class Backend(Protocol):
    """See the module. Levels count primes: a fresh ciphertext has `parameters.levels`, an
    answer 1.
    """

    @property
    def parameters(self) -> Parameters:
        """What it was made for."""
        ...

    def make_secret(self) -> Secret[bytes]:
        """Returns a new secret key."""
        ...

    def bundle(self, secret: Secret[bytes], required: RequiredKeys) -> bytes:
        """Returns the public keys that a server needs, of `bundle_bytes` bytes."""
        ...

    def bundle_bytes(self, required: RequiredKeys) -> int:
        """Returns the exact length of a bundle."""
        ...

    def load_keys(self, raw: bytes, required: RequiredKeys) -> Keys:
        """Reads a bundle that a stranger sent.

        Raises:
            InputError: It is none.
        """
        ...

    def encrypt(
        self, secret: Secret[bytes], slots: "Slots | Sequence[complex]", scale: float
    ) -> bytes:
        """Returns a fresh ciphertext, of `cipher_bytes` bytes."""
        ...

    @property
    def cipher_bytes(self) -> int:
        """Exact length of a fresh ciphertext."""
        ...

    def load_cipher(self, raw: bytes, scale: float) -> Cipher:
        """Reads a fresh ciphertext that a stranger sent.

        Raises:
            InputError: It is none.
        """
        ...

    def encode(self, slots: "Slots | float", level: int, scale: float) -> Plain:
        """Encodes numbers: one for each slot, or one for all."""
        ...

    def scale(self, cipher: Cipher) -> float:
        """Returns by how much a ciphertext's numbers are scaled up."""
        ...

    def level(self, cipher: Cipher) -> int:
        """Returns how many primes a ciphertext has."""
        ...

    def add(self, one: Cipher, other: Cipher) -> Cipher:
        """Returns the sum."""
        ...

    def add_to(self, total: Cipher, cipher: Cipher) -> Cipher:
        """Returns the sum; `total` is not to be used any more."""
        ...

    def add_plain(self, cipher: Cipher, plain: Plain) -> Cipher:
        """Returns the sum."""
        ...

    def multiply_plain(self, cipher: Cipher, plain: Plain) -> Cipher:
        """Returns the product."""
        ...

    def multiply(self, one: Cipher, other: Cipher, keys: Keys) -> Cipher:
        """Returns the product, relinearised."""
        ...

    def square_and_rescale(self, cipher: Cipher, keys: Keys) -> Cipher:
        """Returns the square, rescaled and relinearised."""
        ...

    def rotate(self, cipher: Cipher, step: int, keys: Keys) -> Cipher:
        """Returns it with its slots moved to the left."""
        ...

    def rescale(self, cipher: Cipher) -> Cipher:
        """Returns it divided by its last prime."""
        ...

    def lower(self, cipher: Cipher, level: int) -> Cipher:
        """Returns it without the primes above a level."""
        ...

    def add_zero(self, cipher: Cipher, keys: Keys) -> Cipher:
        """Returns the sum with a fresh encryption of zero under the client's public key."""
        ...

    def coefficients(self, cipher: Cipher) -> tuple[Words, Words]:
        """Returns both polynomials of a ciphertext of level 1, by coefficients."""
        ...

    @property
    def last_prime(self) -> int:
        """The prime of level 1."""
        ...

    def multiply_by_secret(self, secret: Secret[bytes], c1: Words) -> Words:
        """Returns c1 * s modulo the last prime, by coefficients."""
        ...
