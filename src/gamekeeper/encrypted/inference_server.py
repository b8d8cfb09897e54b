"""The server: answers encrypted requests; it can read neither the request nor the answer.

An answer contains n numbers, whatever the client sent (see `answering`). For a request as intended,
rows * classes of them are the scores of the rows, and the others are 0. A client that deviates gets
values of functions of which f is composed:

- A complex number in a slot gives the real part of f there, which is still one number.
- Batched: each slot is a row by itself; nothing else can be queried.
- Latency, linear: each class may get a row of its own. For a linear f the result is a score of f
  all the same.
- Latency, hidden: each hidden unit, and in part each class, may get a row of its own, so that a
  client can query V_ch (w_h x + b_h)^2 + c alone. A network of squares can then be extracted with
  about as many answers as it has parameters divided by classes, while honest inputs need
  (d + 1)(d + 2) / 2 to determine the quadratic form; `determining_rows` is the smaller number.
- Inputs far beyond the range give f there, modulo the primes; and if n is larger than
  rows * classes, the other numbers, too.

A row is therefore the unit of what an answer reveals, `classes` numbers, and a request is charged
for the rows that it requests. Set budgets well below `determining_rows`: that many scores determine
all parameters in any packing, and an approximate copy needs fewer.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.encrypted import answering
from gamekeeper.encrypted.backend import Backend, Cipher, Keys
from gamekeeper.encrypted.compiled_model import CompiledModel
from gamekeeper.encrypted.evaluation import (
    OpenWeights,
    batched_bias,
    batched_products,
    latency_product,
)
from gamekeeper.encrypted.residues import Words, plus
from gamekeeper.encrypted.wire import (
    EncryptedRequest,
    answer_message,
    keys_bytes,
    keys_digest,
    read_keys_message,
    read_request,
    request_bytes,
)

_MAX_KEYS = 16
_MAX_KEYS_OF_OWNER = 2


class UnknownKeysError(GamekeeperError):
    """The server does not have the keys of a request, or not any more: send them again."""

    exit_code = 1


class InferenceServer:
    """A server of one model: keeps the public keys of clients, and answers requests.

    Args:
        model: The model.
        backend: Backend with the model's parameters; None for SEAL.
        max_keys: Number of clients whose keys are kept in memory; the least recently used are
            removed. About 13 MB each with a hidden layer (26 MB with `strong`), 0.4 MB without.
        entropy: Returns n random bytes.
    """

    def __init__(
        self,
        model: CompiledModel,
        backend: Backend | None = None,
        max_keys: int = _MAX_KEYS,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.model = model
        self.description = model.description
        self.backend = backend or _seal(model)
        self._max_keys = max_keys
        self._entropy = entropy
        self._held: OrderedDict[bytes, Keys] = OrderedDict()
        self._owners: dict[bytes, str] = {}
        self._weights = OpenWeights(
            self.backend, self.description.layout, model.network, model.scales
        )
        # One answer at a time: SEAL's shared objects and the cores do not allow more.
        self._lock = Lock()

    @property
    def keys_bytes(self) -> int:
        """Exact length of a message with keys."""
        return keys_bytes(self.description, self.backend)

    @property
    def request_bytes(self) -> int:
        """Exact length of a request."""
        return request_bytes(self.description.layout, self.backend)

    def rows(self, raw: bytes) -> int:
        """Returns the number of rows that a request is charged, before anything is computed.

        Raises:
            InputError: It is not a request for this model.
        """
        return self._read(raw).rows

    def add_keys(self, message: bytes, owner: str = "") -> bytes:
        """Adds a client's keys; returns their digest, by which requests name them.

        Args:
            message: The message with the keys.
            owner: Account of the client. Two keys of an account are kept; further ones replace its
                own and never those of others.

        Raises:
            InputError: They are malformed, or not for this description.
        """
        digest = keys_digest(message)
        with self._lock:
            if digest not in self._held:
                bundle = read_keys_message(message, self.description, self.backend)
                self._held[digest] = self.backend.load_keys(
                    bundle, self.description.layout.required_keys
                )
                self._owners[digest] = owner
            self._held.move_to_end(digest)
            self._make_room(owner)
        return digest

    def _make_room(self, owner: str) -> None:
        """Removes the least recently used keys: first of an owner with too many, then of all."""
        own = [digest for digest in self._held if self._owners[digest] == owner]
        removed = own[:-_MAX_KEYS_OF_OWNER] if owner else []
        left = [digest for digest in self._held if digest not in removed]
        removed += left[: max(0, len(left) - self._max_keys)]
        for digest in removed:
            del self._held[digest]
            del self._owners[digest]

    def has_keys(self, digest: bytes) -> bool:
        """Returns whether the server has the keys with this digest."""
        return digest in self._held

    def answer(self, raw: bytes, keys_message: bytes | None = None) -> bytes:
        """Returns the answer to a request.

        Args:
            raw: The request.
            keys_message: The client's keys, if they were not added before.

        Raises:
            InputError: It is not a request for this model.
            UnknownKeysError: The server does not have its keys.
        """
        request = self._read(raw)
        if keys_message is not None:
            self.add_keys(keys_message)
        with self._lock:
            keys = self._held.get(request.keys)
            if keys is None:
                raise UnknownKeysError(
                    f"keys {request.keys.hex()[:16]} are unknown: send them again, then the request"
                )
            self._held.move_to_end(request.keys)
            return self._answered(raw, request, keys)

    def _read(self, raw: bytes) -> EncryptedRequest:
        return read_request(raw, self.description, self.backend)

    def _answered(self, raw: bytes, request: EncryptedRequest, keys: Keys) -> bytes:
        scale = 0.0
        parts = []
        for cipher in self._finished(request, keys):
            scale = self.backend.scale(cipher)
            parts.append(self._flooded(cipher, request.rows, scale))
        return answer_message(raw, request.rows, scale, parts, self.backend.last_prime)

    def _finished(self, request: EncryptedRequest, keys: Keys) -> list[Cipher]:
        """Returns the ciphertexts of the answer, which contain more than may be sent."""
        backend = self.backend
        model = self.model
        rows = request.rows
        ciphers = [backend.load_cipher(raw, 2.0**model.scales.input) for raw in request.ciphers]
        if self.description.layout.is_batched:
            products = batched_products(backend, model.network, model.scales, ciphers, keys)
            biases = model.network.layers[-1].bias
            return [
                batched_bias(backend, self._masked(product, keys), bias)
                for product, bias in zip(products, biases, strict=True)
            ]
        product = latency_product(
            backend, self.description.layout, self._weights, ciphers, rows, keys
        )
        return [self._weights.last_bias(rows, self._masked(product, keys))]

    def _masked(self, product: Cipher, keys: Keys) -> Cipher:
        """Returns the product with an encryption of zero added, divided by the prime `mask`.

        Zero is added before the division, so that the rounding error of the division is random too.
        """
        return self.backend.rescale(self.backend.add_zero(product, keys))

    def _flooded(self, cipher: Cipher, rows: int, scale: float) -> tuple[Words, Words]:
        layout = self.description.layout
        q = self.backend.last_prime
        finished = layout.finished(rows)
        c0, c1 = self.backend.coefficients(cipher)
        deviation = answering.flood_deviation(
            self.description.error, finished, layout.gain(rows), scale
        )
        filling = answering.noise_for_unscored(
            layout.is_scored(rows), self._entropy(16 * finished), q
        )
        numbers = plus(answering.finished_numbers(c0, finished, q), filling, q)
        return answering.add_flood(numbers, deviation, self._entropy(16 * finished), q), c1


def _seal(model: CompiledModel) -> Backend:
    from gamekeeper.encrypted.seal_backend import SealBackend

    return SealBackend(model.description.parameters)
