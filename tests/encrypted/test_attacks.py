"""Plays the client that wants the weights: it has the secret key, and reads all that an answer
has.

First against the textbook's server, where it works; then against ours.
"""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from encrypted.builders import Array, make_model, make_network, make_rows

pytestmark = pytest.mark.extra
pytest.importorskip("tenseal")

from gamekeeper.encrypted import answering  # noqa: E402
from gamekeeper.encrypted.compiled_model import CompiledModel  # noqa: E402
from gamekeeper.encrypted.inference_client import EncryptingClient  # noqa: E402
from gamekeeper.encrypted.inference_server import InferenceServer  # noqa: E402
from gamekeeper.encrypted.parameters import parameters_for  # noqa: E402
from gamekeeper.encrypted.residues import Words, centred, pack, plus, width  # noqa: E402
from gamekeeper.encrypted.seal_backend import SealBackend  # noqa: E402
from gamekeeper.encrypted.square_network import Layer, SquareNetwork  # noqa: E402
from gamekeeper.encrypted.wire import read_answer, request_message  # noqa: E402

FEATURES = 64
ONES = np.ones((1, FEATURES))


class Thief(EncryptingClient):
    """A client that packs in any way, and reads all it can."""

    def ask(self, slots: list[Any], rows: int) -> Any:
        """A request with slots of its own choice."""
        scale = 2.0**self.description.input_scale
        ciphers = [self._backend.encrypt(self._secret, each, scale) for each in slots]
        honest = self.encrypt(np.zeros((rows, self.description.layout.inputs)))
        return honest._replace(
            message=request_message(self.description, self._digest or b"", rows, ciphers),
            rows=rows,
            given=rows,
        )

    def parts(self, answer: bytes, asked: Any) -> tuple[float, list[tuple[Words, Words]]]:
        degree = self.description.parameters.degree
        q = self._backend.last_prime
        return read_answer(answer, asked.message, asked.rows, self.description.layout, degree, q)

    def all_slots(self, answer: bytes, asked: Any) -> Array:
        """Every slot, as if what was not sent of c0 were 0: there is nothing better to put
        there.
        """
        scale, ((numbers, c1), *_) = self.parts(answer, asked)
        q = self._backend.last_prime
        degree = self.description.parameters.degree
        c0 = np.zeros(degree, np.uint64)
        c0[: degree // 2 : degree // (2 * len(numbers))] = numbers
        whole = centred(plus(c0, self._backend.multiply_by_secret(self._secret, c1), q), q)
        return evaluated_all(whole.astype(np.float64)) / scale


def evaluated_all(polynomial: Array) -> Array:
    """The real part at every slot of a polynomial: what the holder of the key sees in a
    ciphertext.
    """
    degree = len(polynomial)
    values = np.fft.ifft(polynomial * np.exp(1j * np.pi * np.arange(degree) / degree)) * degree
    return np.ascontiguousarray(values[answering._slot_positions(degree // 2)].real)


def textbook_slots(weights: Array, row: Array) -> Array:
    """All slots of the answer of a server that multiplies, rotates and sums, and returns the
    ciphertext.
    """
    backend = SealBackend(parameters_for(1))
    secret = backend.make_secret()
    from gamekeeper.encrypted.backend import RequiredKeys

    required = RequiredKeys(False, (1, 2, 4, 8, 16, 32))
    keys = backend.load_keys(backend.bundle(secret, required), required)
    padded = np.zeros(backend.parameters.slots)
    padded[:FEATURES] = row
    cipher = backend.load_cipher(backend.encrypt(secret, padded, 2.0**40), 2.0**40)
    padded[:FEATURES] = weights
    total = backend.rescale(backend.multiply_plain(cipher, backend.encode(padded, 4, 2.0**38)))
    for step in required.steps:
        total = backend.add(total, backend.rotate(total, step, keys))
    while backend.level(total) > 1:
        total = backend.lower(total, backend.level(total) - 1)
    c0, c1 = backend.coefficients(total)
    q = backend.last_prime
    whole = centred(plus(c0, backend.multiply_by_secret(secret, c1), q), q).astype(np.float64)
    return evaluated_all(whole) / backend.scale(total)


def from_suffix_sums(slots: Array) -> Array:
    """Weights, where slot t holds the sum of weights from t on."""
    return -np.diff(np.append(slots[:FEATURES], 0.0))


def test_one_answer_of_the_textbooks_server_gives_all_weights_away() -> None:
    """Rotate-and-sum leaves suffix sums in the slots that nobody looks at."""
    weights = make_network(FEATURES, 1).layers[0].weights[0]
    recovered = from_suffix_sums(textbook_slots(weights, ONES[0]))
    assert np.abs(recovered - weights).max() < 1e-5


@pytest.mark.parametrize("repeats", [1, 20])
def test_our_answer_gives_no_weight_away(repeats: int) -> None:
    """The same reading, of all slots, averaged over repeats: errors as large as the prime, and no
    correlation.
    """
    model = make_model(FEATURES, 10)
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    slots = np.zeros(model.description.parameters.slots)
    for _ in range(repeats):
        asked = thief.encrypt(ONES)
        slots += thief.all_slots(server.answer(asked.message), asked) / repeats
    weights = model.network.layers[0].weights
    for stride in (1, 16, 64):
        recovered = from_suffix_sums(slots[::stride])
        assert np.abs(recovered - weights[0]).max() > 10
        assert max(abs(np.corrcoef(recovered, row)[0, 1]) for row in weights) < 0.5


def test_an_answer_has_rows_times_classes_numbers_and_random_words() -> None:
    """For one row of ten classes: sixteen numbers, six of them noise as large as fits, and c1."""
    model = make_model(FEATURES, 10)
    thief = Thief(model.description)
    server = InferenceServer(model)
    asked = thief.encrypt(make_rows(1, FEATURES))
    scale, ((numbers, c1),) = thief.parts(server.answer(asked.message, thief.keys()), asked)
    assert len(numbers) == 16
    q = thief._backend.last_prime
    sums = answering.read_finished(numbers, thief._backend.multiply_by_secret(thief._secret, c1), q)
    assert np.abs(sums[10:]).min() > q / 2**20
    row_scores = sums[:10] * model.description.layout.gain(1) / scale
    assert np.abs(row_scores - model.scores(make_rows(1, FEATURES))).max() < 1e-3
    assert abs(c1.astype(float).mean() / q - 0.5) < 0.02


def guessed_c1(model: CompiledModel, keys: bytes, message: bytes, *, masked: bool) -> Words:
    """c1 of the answer of a server with these weights; without the fresh zero if not `masked`."""
    server = InferenceServer(model)
    if not masked:
        server.backend.add_zero = lambda cipher, keys: cipher  # type: ignore[method-assign]
    server.add_keys(keys)
    request = server._read(message)
    (cipher,) = server._finished(request, server._held[request.keys])
    return server.backend.coefficients(cipher)[1]


def test_the_second_polynomial_confirms_no_guess_of_the_weights() -> None:
    """Without a fresh zero it is what was sent times the weights: the client computes it from a
    guess, bit for bit.
    """
    model = make_model(FEATURES, 10)
    wrong = replace(model, network=make_network(FEATURES, 10, seed=9))
    client = EncryptingClient(model.description)
    message = client.encrypt(ONES).message
    keys = client.keys()
    guessed = guessed_c1(model, keys, message, masked=False)
    assert (guessed == guessed_c1(model, keys, message, masked=False)).all()
    assert not (guessed == guessed_c1(wrong, keys, message, masked=False)).any()
    ours = guessed_c1(model, keys, message, masked=True)
    assert not (ours == guessed).any()
    assert not (ours == guessed_c1(model, keys, message, masked=True)).any()


def test_hidden_units_do_not_leave() -> None:
    """No slot, and no mean over repeats, holds a hidden unit's value."""
    model = make_model(16, 8, 3)
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    row = make_rows(1, 16)
    first = model.network.layers[0]
    hidden = (row @ first.weights.T + first.bias)[0]
    slots = np.zeros(model.description.parameters.slots)
    for _ in range(5):
        asked = thief.encrypt(row)
        slots += thief.all_slots(server.answer(asked.message), asked) / 5
    for values in (hidden, hidden**2):
        nearest = np.abs(slots[:, None] - values).min(axis=0)
        chance = np.abs(slots[:, None] - (values + 0.37)).min(axis=0)
        assert np.median(nearest) > 0.05 * np.median(chance)
    assert np.abs(slots).mean() > 100


def test_complex_slots_give_real_parts_only() -> None:
    """One number a class: the imaginary half of the plaintext does not leave."""
    model = make_model(6, 3, rows=1)
    layout = model.description.layout
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    real = make_rows(1, 6, seed=3)
    imaginary = make_rows(1, 6, seed=4)
    ((a,), (b,)) = layout.pack(real, 1), layout.pack(imaginary, 1)
    asked = thief.ask([list(a + 1j * b)], 1)
    scores = thief.decrypt(server.answer(asked.message), asked)
    assert np.abs(scores - model.network.scores(real)).max() < 1e-3


def test_a_row_for_each_class_gives_no_more_numbers() -> None:
    """Not replicated as meant: each class sees a row of its own, and answers its own score
    of it.
    """
    model = make_model(6, 3, rows=1)
    layout = model.description.layout
    network = model.network
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    rows = make_rows(4, 6, seed=5)
    slots = np.zeros((layout.slots // 4, 4))
    slots[:6] = rows.T
    asked = thief.ask([slots.reshape(-1)], 1)
    scores = thief.decrypt(server.answer(asked.message), asked)
    assert scores.shape == (1, 3)
    assert np.abs(scores[0] - np.diag(network.scores(rows)[:3])).max() < 1e-3


def test_garbage_in_unused_slots_does_not_come_back() -> None:
    """Rows that were not asked for are added to those that were: what leaves stays so many
    numbers.
    """
    model = make_model(16, 8, 3)
    layout = model.description.layout
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    row = make_rows(1, 16)
    garbage = np.random.default_rng(6).normal(size=(layout.parts, layout.slots))
    honest = layout.pack(row, 1)
    used = layout.pack(np.ones((1, 16)), 1)
    slots = [
        mine + noise * (mask == 0) for mine, noise, mask in zip(honest, garbage, used, strict=True)
    ]
    asked = thief.ask(slots, 1)
    scores = thief.decrypt(server.answer(asked.message), asked)
    assert np.abs(scores - model.network.scores(row)).max() < 1e-3


def test_a_hidden_unit_can_be_asked_alone_and_is_charged_as_a_row() -> None:
    """The limit of the latency packing, stated in `server`: V (w x + b)^2 + c of one unit, for one
    row's price.
    """
    model = make_model(16, 8, 3)
    layout = model.description.layout
    (first, last) = model.network.layers
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    row = make_rows(1, 16)[0]
    slots = np.stack(layout.pack(row[None, :], 1)).reshape(layout.parts, layout.units, -1)
    slots[:, 1:] = 0
    asked = thief.ask(list(slots.reshape(layout.parts, -1)), 1)
    (scores,) = thief.decrypt(server.answer(asked.message), asked)
    units = first.bias.copy()
    units[0] += first.weights[0] @ row
    assert np.abs(scores - (last.weights @ units**2 + last.bias)).max() < 1e-3
    assert server.rows(asked.message) == 1


@pytest.mark.parametrize("sizes", [(64, 10), (64, 32, 10)])
def test_inputs_far_beyond_the_range_get_no_more_numbers_than_scores(
    sizes: tuple[int, ...],
) -> None:
    """Products that wrap modulo the primes are 0 nowhere: of 128 numbers, ten repeat, and 118 do
    not.
    """
    model = make_model(*sizes)
    layout = model.description.layout
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    size = 2.0**12 if layout.units else 2.0**30
    slots = [part * size for part in layout.pack(ONES, 1)]
    read = []
    q = thief._backend.last_prime
    for _ in range(2):
        asked = thief.ask(slots, 1)
        _, ((numbers, c1),) = thief.parts(server.answer(asked.message), asked)
        read.append(
            answering.read_finished(
                numbers, thief._backend.multiply_by_secret(thief._secret, c1), q
            )
        )
    beside = ~layout.is_scored(1)
    assert beside.sum() == layout.finished(1) - 10
    assert np.abs(read[0][beside] - read[1][beside]).min() > q / 2**20


def test_two_scores_that_are_one_fall_to_half_as_many_rows() -> None:
    """-z and z, each of a row of its own: a thief needs (d + 1) / 2 rows, which is the stated
    number.
    """
    score = make_network(5, 1).layers[0]
    both = SquareNetwork(
        (Layer(np.vstack([-score.weights, score.weights]), np.append(-score.bias, score.bias)),)
    )
    model = make_model(5, 2, rows=1, network=both)
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    asked_rows = np.vstack([np.zeros(5), np.eye(5)])
    found = np.zeros(6)
    for at in range(0, 6, 2):
        slots = np.zeros((model.description.layout.slots // 2, 2))
        slots[:5] = asked_rows[at : at + 2].T
        asked = thief.ask([slots.reshape(-1)], 1)
        found[at : at + 2] = thief.decrypt(server.answer(asked.message), asked)[0] * (-1, 1)
    assert np.abs(found[1:] - found[0] - score.weights[0]).max() < 2e-3
    assert model.description.determining_rows <= 4


def sent_under(client: EncryptingClient, server: InferenceServer, asked: Any, constant: int) -> Any:
    """The numbers of an answer to a thief whose public key is a constant, and whose other keys are
    0.
    """
    # type: ignore[attr-defined]
    primes = server.backend._primes
    degree = client.description.parameters.degree
    honest = client.keys()
    size = degree * sum(map(width, primes))
    public = b"".join(pack(np.full(degree, constant % q, np.uint64), q) for q in primes)
    keys = honest[:72] + public + bytes(len(honest) - 72 - size)
    message = asked.message[:40] + hashlib.sha256(keys).digest() + asked.message[72:]
    layout = client.description.layout
    q = primes[0]
    _, ((numbers, _),) = read_answer(
        server.answer(message, keys), message, asked.rows, layout, degree, q
    )
    return centred(numbers, q)


def test_an_invalid_public_key_does_not_reveal_randomness_of_the_server() -> None:
    """Were it ternary alone, a dozen of its coefficients would fit into one number, and all into
    one answer.

    A coefficient has more bits than a number that is sent, so that a number tells of one at most.
    """
    model = make_model(16, 1, 3)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    asked = client.encrypt(make_rows(1, 16))
    primes = server.backend._primes  # type: ignore[attr-defined]
    unit = 1 << 26  # well above the noise
    difference = sent_under(client, server, asked, unit * primes[1] * primes[2]) - sent_under(
        client, server, asked, 0
    )
    assert np.abs(np.rint(difference / unit)).max() > 1000  # ternary: -2 .. 2


@pytest.mark.slow
def test_averaging_reveals_the_score_and_not_the_noise_of_the_weights() -> None:
    """The noise falls with the root of the repeats: f(x) gets sharper, by design, and nothing else
    appears.
    """
    model = make_model(FEATURES, 10)
    thief = Thief(model.description)
    server = InferenceServer(model)
    server.add_keys(thief.keys())
    row = make_rows(1, FEATURES)
    sums = []
    for _ in range(100):
        asked = thief.encrypt(row)
        sums.append(thief.decrypt(server.answer(asked.message), asked))
    errors = np.array(sums) - model.scores(row)
    assert errors.std() == pytest.approx(1e-3 / 6, rel=0.1)
    assert np.abs(errors.mean(axis=0)).max() < 4e-3 / 6 / 10
