"""Untrusted messages to a server, and from a server to a client, at random and mutated: an error
each, never a crash.
"""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from encrypted.builders import make_model, make_rows
from gamekeeper.base.errors import GamekeeperError, InputError

pytestmark = pytest.mark.extra
pytest.importorskip("tenseal")

from gamekeeper.encrypted.inference_client import EncryptingClient  # noqa: E402
from gamekeeper.encrypted.inference_server import InferenceServer, UnknownKeysError  # noqa: E402
from gamekeeper.encrypted.residues import pack, width  # noqa: E402

MODEL = make_model(16, 8, 3)


def mutated(raw: bytes, rng: np.random.Generator) -> bytes:
    """One to twenty bytes changed, cut off, put in or taken out."""
    changed = bytearray(raw)
    kind = rng.integers(5)
    at = int(rng.integers(len(raw)))
    if kind == 0:
        return bytes(changed[:at])
    if kind == 1:
        return bytes(changed) + rng.bytes(int(rng.integers(1, 20)))
    if kind == 2:
        del changed[at : at + int(rng.integers(1, 20))]
        return bytes(changed)
    where = rng.integers(120 if kind == 3 else len(raw), size=int(rng.integers(1, 20)))
    for each in where:
        changed[int(each)] = int(rng.integers(256))
    return bytes(changed)


def cases(valid: bytes, count: int, seed: int) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    yield from (b"", valid[:1], valid[: len(valid) // 2], bytes(len(valid)), b"\xff" * len(valid))
    for _ in range(count):
        yield rng.bytes(int(rng.integers(1, 300)))
        yield rng.bytes(len(valid))
        yield valid[:72] + rng.bytes(len(valid) - 72)
        yield mutated(valid, rng)


def survived(call: Callable[[bytes], object], raw: bytes) -> bool:
    """Whether it was taken; the only other thing that may happen is an error of ours."""
    try:
        call(raw)
    except (InputError, UnknownKeysError):
        return False
    except GamekeeperError:
        return False
    return True


def test_keys_of_a_stranger_are_read_or_refused() -> None:
    """Residues that are below their primes are keys like any other: they harm only the client that sent
    them.
    """
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    taken = [survived(server.add_keys, raw) for raw in cases(client.keys(), 12, 0)]
    assert not all(taken)


def test_requests_of_a_stranger_are_answered_or_refused() -> None:
    """Whatever is answered has the length of an answer."""
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    server.add_keys(client.keys())
    asked = client.encrypt(make_rows(2, 16))
    length = len(server.answer(asked.message))

    def answered(raw: bytes) -> None:
        assert len(server.answer(raw)) <= length * 2

    taken = [survived(answered, raw) for raw in cases(asked.message, 12, 1)]
    assert not all(taken)


def test_any_keys_with_any_ciphertext_are_answered_or_refused() -> None:
    """Keys of random residues are answered like others: as many bytes, and nothing in SEAL minds
    what they are.
    """
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    keys = client.keys()
    rng = np.random.default_rng(2)
    degree = MODEL.description.parameters.degree
    primes = server.backend._primes  # type: ignore[attr-defined]
    polynomials = (len(keys) - 72) // (degree * sum(map(width, primes)))
    words = (
        pack(rng.integers(0, q, degree).astype(np.uint64), q)
        for _ in range(polynomials)
        for q in primes
    )
    wrong = keys[:72] + b"".join(words)
    assert len(wrong) == len(keys)
    asked = client.encrypt(make_rows(1, 16))
    message = asked.message[:40] + hashlib.sha256(wrong).digest() + asked.message[72:]
    assert len(server.answer(message, wrong)) == len(server.answer(asked.message, keys))


def test_answers_of_a_stranger_are_read_or_refused() -> None:
    """A client trusts its server's bytes as little."""
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    asked = client.encrypt(make_rows(1, 16))
    answer = server.answer(asked.message, client.keys())
    taken = [survived(lambda raw: client.decrypt(raw, asked), raw) for raw in cases(answer, 12, 3)]
    assert not all(taken)


@pytest.mark.parametrize("change", [("rows", 0), ("rows", 3), ("rows", 2**32 - 1)])
def test_a_request_for_rows_that_there_are_not_is_refused(change: tuple[str, int]) -> None:
    """Neither 0, nor more than the capacity, nor a number that is not a power of two."""
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    message = client.encrypt(make_rows(1, 16)).message
    with pytest.raises(InputError, match="rows"):
        server.rows(message[:72] + change[1].to_bytes(4, "little") + message[76:])


def test_a_residue_at_its_prime_is_refused() -> None:
    """The check that comes before SEAL's."""
    server = InferenceServer(MODEL)
    client = EncryptingClient(MODEL.description)
    message = bytearray(client.encrypt(make_rows(1, 16)).message)
    message[76 + 32 : 76 + 38] = b"\xff" * 6
    with pytest.raises(InputError, match="residues"):
        server.answer(bytes(message), client.keys())
