"""The client: generates keys, encrypts rows and decrypts answers. The secret key never leaves it.

Decrypted scores are for the holder of the key only. Exact CKKS decryptions contain the noise, which
reveals the secret key (Li and Micciancio, Eurocrypt 2021): round or threshold scores before passing
them on, and never pass them to the server.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import write_private
from gamekeeper.base.private_files import require_private_file
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.encrypted import answering
from gamekeeper.encrypted.backend import Backend
from gamekeeper.encrypted.compiled_model import ModelDescription
from gamekeeper.encrypted.named_rows import rows_of
from gamekeeper.encrypted.square_network import Array
from gamekeeper.encrypted.wire import keys_digest, keys_message, read_answer, request_message

_SECRET = b"GKHESEC1"
MOST_NAMED = 5
"""Clipped inputs of which a request says where they are."""


class PreparedRequest(NamedTuple):
    """A request, with the values that are needed to read its answer.

    Args:
        message: The message to send.
        given: Number of rows in it.
        rows: Number of rows that are requested and charged: the next power of two.
        clipped: Number of inputs outside the range, which were clipped.
        first_clipped: Row and feature of the first of them, from 0.
    """

    message: bytes
    given: int
    rows: int
    clipped: int
    first_clipped: tuple[tuple[int, int], ...] = ()


class EncryptingClient:
    """A client of one model: encrypts inputs and decrypts scores.

    Args:
        description: Description of the model, from `read_description`, which refuses weak
            parameters.
        secret: The secret key; None for a new one.
        backend: Backend with the description's parameters; None for SEAL.
    """

    def __init__(
        self,
        description: ModelDescription,
        secret: Secret[bytes] | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.description = description
        self._backend = backend or _seal(description)
        self._secret = secret or self._backend.make_secret()
        self._keys: bytes | None = None
        self._digest: bytes | None = None

    def keys(self) -> bytes:
        """Returns the message with the public keys; every call returns the same message."""
        if self._keys is None:
            bundle = self._backend.bundle(self._secret, self.description.layout.required_keys)
            self._keys = keys_message(self.description, bundle)
        return self._keys

    def save(self, folder: Path) -> None:
        """Writes `secret.key` and `public.keys`, each whole or not at all; mode 0600.

        Raises:
            InputError: There are keys in the folder, which are never replaced.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret, public = key_files(folder)
        for path in (secret, public):
            if os.path.lexists(path):
                raise input_error(folder, "there are keys in it", path.name, "another folder")
        write_private(secret, _SECRET + self.description.digest + self._secret.reveal())
        write_private(public, self.keys())

    @classmethod
    def load(cls, description: ModelDescription, folder: Path) -> "EncryptingClient":
        """Reads the keys that `save` wrote.

        Raises:
            InputError: They are missing, readable by other users, or for another description.
        """
        secret, public = key_files(folder)
        client = cls(description, _read_secret(secret, description))
        client._keys = _read_public(public)
        return client

    def encrypt(self, inputs: Any) -> PreparedRequest:
        """Returns a request.

        Args:
            inputs: Shape (1 to capacity, features), clipped to the range of the description; an
                array, or a DataFrame of pandas or polars, whose columns are taken by name.

        Raises:
            InputError: The shape or the names are wrong, or a number is NaN or infinite.
        """
        layout = self.description.layout
        scale = 2.0**self.description.input_scale
        values = self._required(inputs)
        clipped = (values < self.description.low) | (values > self.description.high)
        mapped = self.description.normalise(values)
        rows = charged_rows(len(values))
        ciphers = [
            self._backend.encrypt(self._secret, slots, scale) for slots in layout.pack(mapped, rows)
        ]
        if self._digest is None:
            self._digest = keys_digest(self.keys())
        message = request_message(self.description, self._digest, rows, ciphers)
        first = tuple((int(row), int(at)) for row, at in np.argwhere(clipped)[:MOST_NAMED])
        count = int(np.count_nonzero(clipped))
        return PreparedRequest(message, len(values), rows, count, first)

    def decrypt(self, answer: bytes, asked: PreparedRequest) -> Array:
        """Returns the scores, shape (given rows, classes).

        Raises:
            InputError: It is not an answer to this request.
        """
        layout = self.description.layout
        backend = self._backend
        q = backend.last_prime
        degree = self.description.parameters.degree
        rows = asked.rows
        scale, parts = read_answer(answer, asked.message, rows, layout, degree, q)
        factor = layout.gain(rows) / scale
        sums = [
            answering.read_finished(numbers, backend.multiply_by_secret(self._secret, c1), q)
            * factor
            for numbers, c1 in parts
        ]
        return layout.unpack(sums, asked.given, rows)

    def _required(self, inputs: Any) -> Array:
        values = rows_of(inputs, self.description.features, "the model")
        layout = self.description.layout
        if (
            values.ndim != 2
            or not 1 <= len(values) <= layout.rows
            or values.shape[1] != layout.inputs
        ):
            expected = f"1 to {layout.rows} rows of {layout.inputs} numbers"
            raise input_error("inputs", "do not fit the model", f"shape {values.shape}", expected)
        if not np.isfinite(values).all():
            raise input_error("inputs", "not a number", "NaN or infinity", "finite numbers")
        return values


def charged_rows(rows: int) -> int:
    """Returns the rows that a request is charged: the next power of two."""
    return 1 << (rows - 1).bit_length()


def key_files(folder: Path) -> tuple[Path, Path]:
    """Returns the paths of the secret key and the public keys in a client's folder."""
    return folder / "secret.key", folder / "public.keys"


def _read_secret(path: Path, description: ModelDescription) -> Secret[bytes]:
    try:
        raw = path.read_bytes()
        if raw.startswith(_SECRET):
            require_private_file(path)
    except OSError as error:
        found = error.strerror or str(error)
        raise input_error(
            path, "cannot be read", found, "a secret key", "gamekeeper encrypted keys"
        ) from error
    if raw[:8] != _SECRET or not is_same_secret(raw[8:40], description.digest):
        raise input_error(
            path,
            "not a key for this model",
            "another kind, or model",
            "a key made for its description",
        )
    return Secret(raw[40:])


def _read_public(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        raise input_error(
            path, "cannot be read", found, "public keys", "gamekeeper encrypted keys"
        ) from error


def _seal(description: ModelDescription) -> Backend:
    from gamekeeper.encrypted.seal_backend import SealBackend

    return SealBackend(description.parameters)
