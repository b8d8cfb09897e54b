"""The server: a request in, an answer out, of which it can read neither.

What a client gets of an answer is in `answering`: n numbers, whatever he sent. Sent as meant, rows
* classes of these are the scores of his rows, and the others 0. Sent otherwise, they are of
functions that f is made of:

- a complex number in a slot: the real part of f there, one number still.
- batched: each slot is a row by itself; nothing else can be asked.
- latency, linear: each class may see a row of its own. For a linear f that is a score of f all the
  same.
- latency, hidden: each hidden unit, and in part each class, may see a row of its own, so that a
  client can ask for V_ch (w_h x + b_h)^2 + c alone. An f of squares then falls to about as many
  answers as it has parameters over classes, where honest inputs need (d + 1)(d + 2) / 2 to pin the
  quadratic form down; `determining_rows` is the less.
- inputs far beyond the range: f there, modulo what fits; and where n is more than rows * classes,
  the others too.

So a row is a unit of what leaves, `classes` numbers, and a request is charged the rows that it asks
for. Budgets are to be set well below `determining_rows`: so many scores fix all parameters,
whatever the packing, and a copy that is merely good takes fewer.
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
    Request,
    answer_message,
    keys_bytes,
    keys_digest,
    read_keys_message,
    read_request,
    request_bytes,
)

_MOST_KEYS = 16
_MOST_OF_ONE = 2


class UnknownKeysError(GamekeeperError):
    """A request is under keys that the server does not hold, or holds no more: send them again."""

    exit_code = 1


class InferenceServer:
    """See the module.

    Args:
        model: What it answers with.
        backend: Of the model's parameters; SEAL if none is given.
        most_keys: Clients whose keys are held in memory; the longest idle give way. About 13 MB
            each for a hidden layer (26 where strong), 0.4 MB for none.
        entropy: Draws n random bytes.
    """

    def __init__(
        self,
        model: CompiledModel,
        backend: Backend | None = None,
        most_keys: int = _MOST_KEYS,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.model = model
        self.description = model.description
        self.backend = backend or _seal(model)
        self._most_keys = most_keys
        self._entropy = entropy
        self._held: OrderedDict[bytes, Keys] = OrderedDict()
        self._owners: dict[bytes, str] = {}
        self._weights = OpenWeights(
            self.backend, self.description.layout, model.network, model.scales
        )
        self._lock = Lock()  # one answer at a time: what SEAL shares, and the cores, are not more

    @property
    def keys_bytes(self) -> int:
        """Exact length of a message with keys."""
        return keys_bytes(self.description, self.backend)

    @property
    def request_bytes(self) -> int:
        """Exact length of a request."""
        return request_bytes(self.description.layout, self.backend)

    def rows(self, raw: bytes) -> int:
        """Returns how many rows a request is charged, before anything is computed.

        Raises:
            InputError: It is no request of this model.
        """
        return self._read(raw).rows

    def add_keys(self, message: bytes, owner: str = "") -> bytes:
        """Takes a client's keys; returns their digest, by which requests name them.

        Args:
            message: With the keys.
            owner: Whose they are. He has room for two: more push out his own and nobody else's.

        Raises:
            InputError: They are none, or not for this description.
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
        """Lets the longest idle keys go: of an owner of too many, then of all."""
        own = [held for held in self._held if self._owners[held] == owner]
        gone = own[:-_MOST_OF_ONE] if owner else []
        left = [held for held in self._held if held not in gone]
        gone += left[: max(0, len(left) - self._most_keys)]
        for digest in gone:
            del self._held[digest], self._owners[digest]

    def has_keys(self, digest: bytes) -> bool:
        """Whether it holds a client's keys."""
        return digest in self._held

    def answer(self, raw: bytes, keys_message: bytes | None = None) -> bytes:
        """Answers a request.

        Args:
            raw: The request.
            keys_message: The client's keys, where they were not added before.

        Raises:
            InputError: It is no request of this model.
            UnknownKeysError: It is under keys that are not held.
        """
        request = self._read(raw)
        if keys_message is not None:
            self.add_keys(keys_message)
        with self._lock:
            keys = self._held.get(request.keys)
            if keys is None:
                raise UnknownKeysError(
                    f"no keys {request.keys.hex()[:16]} are held: send them again, then ask again"
                )
            self._held.move_to_end(request.keys)
            return self._answered(raw, request, keys)

    def _read(self, raw: bytes) -> Request:
        return read_request(raw, self.description, self.backend)

    def _answered(self, raw: bytes, request: Request, keys: Keys) -> bytes:
        scale = 0.0
        parts = []
        for cipher in self._finished(request, keys):
            scale = self.backend.scale(cipher)
            parts.append(self._flooded(cipher, request.rows, scale))
        return answer_message(raw, request.rows, scale, parts, self.backend.last_prime)

    def _finished(self, request: Request, keys: Keys) -> list[Cipher]:
        """The ciphertexts of the answer, which hold more than may leave."""
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
        """Zero is added before the division, so that what the division rounds off is random too."""
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
