"""The interface to a library of CKKS encryption; `seal_backend` implements it with SEAL.

Ciphertexts and encoded numbers are the library's own objects, which callers only pass on. Messages
have our own format: residues in a fixed order, of lengths that follow from the parameters
(`residues`), so that a library never parses untrusted bytes. Each backend is for one set of
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
    """The keys that a server needs from a client.

    Args:
        relinearise: Whether ciphertexts are multiplied with each other.
        steps: Rotations that are used, in slots to the left.
    """

    relinearise: bool
    steps: tuple[int, ...]


class Backend(Protocol):
    """The operations of a CKKS library for one set of parameters.

    The level of a ciphertext is its number of primes: a fresh one has `parameters.levels`, an
    answer 1.
    """

    @property
    def parameters(self) -> Parameters:
        """The parameters of this backend."""
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
        """Reads an untrusted bundle.

        Raises:
            InputError: It is not a bundle.
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
        """Reads an untrusted fresh ciphertext.

        Raises:
            InputError: It is not a ciphertext.
        """
        ...

    def encode(self, slots: "Slots | float", level: int, scale: float) -> Plain:
        """Encodes numbers: one for each slot, or one for all."""
        ...

    def scale(self, cipher: Cipher) -> float:
        """Returns the scale of a ciphertext's numbers."""
        ...

    def level(self, cipher: Cipher) -> int:
        """Returns the number of primes of a ciphertext."""
        ...

    def add(self, one: Cipher, other: Cipher) -> Cipher:
        """Returns the sum."""
        ...

    def add_to(self, total: Cipher, cipher: Cipher) -> Cipher:
        """Returns the sum; it may overwrite `total`, which must not be used afterwards."""
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
        """Returns the ciphertext with its slots rotated to the left."""
        ...

    def rescale(self, cipher: Cipher) -> Cipher:
        """Returns the ciphertext divided by its last prime."""
        ...

    def lower(self, cipher: Cipher, level: int) -> Cipher:
        """Returns the ciphertext without the primes above a level."""
        ...

    def add_zero(self, cipher: Cipher, keys: Keys) -> Cipher:
        """Returns the sum with a fresh encryption of zero under the client's public key."""
        ...

    def coefficients(self, cipher: Cipher) -> tuple[Words, Words]:
        """Returns the coefficients of both polynomials of a ciphertext of level 1."""
        ...

    @property
    def last_prime(self) -> int:
        """The prime of level 1."""
        ...

    def multiply_by_secret(self, secret: Secret[bytes], c1: Words) -> Words:
        """Returns the coefficients of c1 * s modulo the last prime."""
        ...
