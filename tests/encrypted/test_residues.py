import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.encrypted.residues import (
    centred,
    expand_seed,
    minus,
    modulo,
    pack,
    plus,
    times,
    unpack,
    width,
)

PRIMES = (1073692673, 281474976546817, 1152921504606830593)  # of 30, 48 and 60 bits


@pytest.mark.parametrize("q", PRIMES)
@given(st.lists(st.tuples(st.integers(0, 2**60), st.integers(0, 2**60)), min_size=1, max_size=20))
def test_arithmetic_is_that_of_whole_numbers(q: int, pairs: list[tuple[int, int]]) -> None:
    """Products, sums and differences, at the edges too."""
    pairs = [(a % q, b % q) for a, b in [*pairs, (q - 1, q - 1), (0, q - 1), (0, 0)]]
    a, b = (np.array(each, np.uint64) for each in zip(*pairs, strict=True))
    assert times(a, b, q).tolist() == [x * y % q for x, y in pairs]
    assert plus(a, b, q).tolist() == [(x + y) % q for x, y in pairs]
    assert minus(a, b, q).tolist() == [(x - y) % q for x, y in pairs]


@pytest.mark.parametrize("q", PRIMES)
def test_residues_survive_packing(q: int) -> None:
    """In whole bytes, as few as hold a prime; a number at or above the prime is refused."""
    words = np.array([0, 1, q - 1], np.uint64)
    raw = pack(words, q)
    assert len(raw) == 3 * width(q)
    found = unpack(raw, q)
    assert found is not None and found.tolist() == words.tolist()
    assert unpack(raw[:-1], q) is None
    assert unpack(q.to_bytes(width(q), "little"), q) is None


def test_signs_come_back() -> None:
    """Small numbers of either sign are themselves after a round through residues."""
    numbers = np.array([-5, 0, 7, -(2**40)], np.int64)
    assert centred(modulo(numbers, PRIMES[1]), PRIMES[1]).tolist() == numbers.tolist()


def test_a_seed_expands_to_uniform_residues() -> None:
    """The same ones each time; others for another use; spread evenly."""
    one = expand_seed(b"s" * 32, b"a", PRIMES, 4096)
    assert (one == expand_seed(b"s" * 32, b"a", PRIMES, 4096)).all()
    assert not (one == expand_seed(b"s" * 32, b"b", PRIMES, 4096)).any()
    assert not (one[0] == expand_seed(b"t" * 32, b"a", PRIMES, 4096)[0]).any()
    for row, q in zip(one, PRIMES, strict=True):
        assert row.max() < q
        assert abs(row.astype(float).mean() / q - 0.5) < 0.02
