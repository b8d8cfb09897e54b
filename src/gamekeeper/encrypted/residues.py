"""Vectors modulo a prime below 2^60: arithmetic, expansion from a seed, packing into bytes.

Half of every key and fresh ciphertext is uniform: the sender derives it from a seed of 32 bytes and
sends the seed. The seed is expanded by AES-256 in counter mode under SHA-256(domain, seed); words
at or above the prime are skipped. The other half is adapted to it: (b, a) and (b + (a - a') s, a')
are encryptions of the same plaintext under s.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

SEED_BYTES = 32
Words = NDArray[np.uint64]
_LOW = np.uint64(30)
_LOW_MASK = np.uint64((1 << 30) - 1)
_SPARE_WORDS = 64


def times(a: Words, b: Words, q: int) -> Words:
    """Returns a * b modulo q, element by element; both below q < 2^60."""
    high = b >> _LOW
    low = b & _LOW_MASK
    shifted = _times_small(_times_small(a, high, q), np.uint64(1 << 30), q)
    return plus(shifted, _times_small(a, low, q), q)


def _times_small(a: Words, b: "Words | np.uint64", q: int) -> Words:
    """Returns a * b modulo q for b below 2^31.

    The quotient is computed in floating point, and so is wrong by one at most.
    """
    quotient = (a.astype(np.float64) * np.float64(1 / q) * np.asarray(b, np.float64)).astype(
        np.uint64
    )
    rest = (a * b - quotient * np.uint64(q)).view(np.int64)
    rest = np.where(rest < 0, rest + q, rest)
    return np.where(rest >= q, rest - q, rest).view(np.uint64)


def plus(a: Words, b: Words, q: int) -> Words:
    """Returns a + b modulo q."""
    total = a + b
    return np.where(total >= q, total - np.uint64(q), total)


def minus(a: Words, b: Words, q: int) -> Words:
    """Returns a - b modulo q."""
    return plus(a, np.where(b == 0, b, np.uint64(q) - b), q)


def modulo(numbers: NDArray[np.int64], q: int) -> Words:
    """Returns signed integers modulo q."""
    return np.mod(numbers, np.int64(q)).astype(np.uint64)


def centred(words: Words, q: int) -> NDArray[np.int64]:
    """Returns the representatives of residues in -q/2 .. q/2."""
    signed = words.astype(np.int64)
    return np.where(signed > q // 2, signed - q, signed)


def expand_seed(seed: bytes, domain: bytes, primes: Sequence[int], count: int) -> Words:
    """Returns the uniform residues derived from a seed, shape (primes, count).

    Args:
        seed: 32 bytes.
        domain: Separates different uses of one seed.
        primes: The primes.
        count: Number of residues for each prime.
    """
    return np.stack(
        [_expand(seed, domain + at.to_bytes(2, "big"), q, count) for at, q in enumerate(primes)]
    )


def _expand(seed: bytes, domain: bytes, q: int, count: int) -> Words:
    key = hashlib.sha256(len(domain).to_bytes(2, "big") + domain + seed).digest()
    stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    mask = np.uint64((1 << q.bit_length()) - 1)
    kept = np.empty(0, np.uint64)
    while kept.size < count:
        keystream = stream.update(bytes(8 * (count - kept.size + _SPARE_WORDS)))
        words = np.frombuffer(keystream, "<u8") & mask
        kept = np.concatenate([kept, words[words < q]])
    return kept[:count].astype(np.uint64)


def width(q: int) -> int:
    """Returns the number of bytes of a packed residue."""
    return (q.bit_length() + 7) // 8


def pack(words: Words, q: int) -> bytes:
    """Returns residues as bytes, little-endian, `width(q)` each."""
    wide = np.ascontiguousarray(words, "<u8").reshape(-1, 1).view(np.uint8)
    return wide[:, : width(q)].tobytes()


def unpack(raw: bytes, q: int) -> Words | None:
    """Returns the residues that `pack` wrote, or None if the bytes are not a list of residues."""
    if len(raw) % width(q):
        return None
    wide = np.zeros((len(raw) // width(q), 8), np.uint8)
    wide[:, : width(q)] = np.frombuffer(raw, np.uint8).reshape(-1, width(q))
    words = wide.view("<u8").reshape(-1).astype(np.uint64)
    return words if bool(np.all(words < q)) else None
