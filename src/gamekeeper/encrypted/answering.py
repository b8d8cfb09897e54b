"""The content of an answer: the finished numbers only, with flooding noise; and how a client reads
them.

A ciphertext (c0, c1) decrypts to c0 + c1 s. Of c0 the server sends only what the finished numbers
need: with Y = X^(N / 2n), the coefficients y_k of 1, Y, ... Y^(2n - 1), and of these only y_0 and
y_k - y_(2n - k), which give the real part. The rest of the plaintext is masked by c1 s and is not
sent: products before their sum, unused slots, hidden units, imaginary parts. An answer therefore
carries n numbers for each ciphertext, in every packing.

c1 itself must not reveal anything: the client knows the c1 that it sent, and c1 * w / c1 gives the
weights. Therefore a fresh encryption of zero under the client's public key is added before the last
division. This adds a u + e to c1, where `a` comes from a seed and u is chosen by the server
and differs for each ciphertext.

The remaining leak is the noise in the numbers that are sent, which depends on the weights. Gaussian
noise of standard deviation sigma on each number floods it. Consider q answers of n numbers each,
whose own noise has standard deviation nu. By Pinsker's inequality their total variation distance
from answers that are made from f(x) alone, with fresh noise, is at most

    sqrt(q n) nu / (2 sigma)                      as bits: 1 + log2(sigma / nu) - log2(q n) / 2

The bound also holds for a client that averages over repeated queries. Its limits: nu is the noise
for honest inputs in their range, and inputs beyond the range raise it; f(x) itself is hidden no
better than by sigma, which is the error that the owner allows. Klucznik and Santato, 2025, show
that as many bits of noise are needed as bits of security, and that fewer are not enough.

A client may send keys that are not keys. c0 then may reveal n numbers about u, and n <= N / 2. If u
were ternary, as in SEAL's encryptions of zero, a number of 23 bits would contain a dozen of its
coefficients, and one answer all of them. Therefore u is the sum of a ternary part and a wide part,
of standard deviation 2^(mask - 7). Its coefficients have more bits than a number has above the
flood (36 to 55; a number has 18 to 29 at an error of 10^-3), so that a number reveals one
coefficient at most. To find the rest of u is as hard as for a ring of N / 2 at the modulus at which
zero was added, if each hint costs one dimension, which is heuristic; `Parameters` refuses primes
for which this is not secure. The answers to such a client are still n numbers each, but of other
functions than f.

n is larger than the number of scores that are charged: it is rounded up to a power of two, and in
the latency packing with a hidden layer it is the number of slots for each unit. The additional
numbers are 0 only as long as nothing wraps around modulo the primes. Inputs about 2^8 times beyond
their range make all n numbers functions of the weights, of about 23 bits each.
"""

from functools import lru_cache
from math import log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from gamekeeper.encrypted.residues import Words, centred, minus, modulo, plus
from gamekeeper.encrypted.square_network import Array

_TAIL = 6.0
FRESH_DEVIATION = 3.2
"""Standard deviation of the noise of a fresh ciphertext, for each coefficient, in SEAL."""


def flood_deviation(error: float, finished: int, gain: int, scale: float) -> float:
    """Returns the standard deviation of the noise on each number sent, in units of the ring.

    Args:
        error: Largest error of a score that is allowed; it is exceeded once in 10^9 scores, at six
            standard deviations.
        finished: Number of numbers sent, n.
        gain: Factor by which the client multiplies.
        scale: Scale of the answer.
    """
    return error / _TAIL * scale / (gain * sqrt((finished + 1) / 2))


def flood_bits(deviation: float, noise: float, numbers: int, answers: int = 1) -> float:
    """Returns the statistical security of the flooding in bits, by the formula of this module.

    Args:
        deviation: Standard deviation of the flooding noise, in units of scores.
        noise: Standard deviation of the noise that depends on the weights, in units of scores.
        numbers: Number of numbers in an answer.
        answers: Number of answers that one client gets.
    """
    return 1 + log2(deviation / noise) - log2(numbers * answers) / 2


def gaussian(deviation: float, count: int, entropy: bytes) -> NDArray[np.int64]:
    """Returns rounded Gaussian numbers, by the Box-Muller transform.

    Args:
        deviation: Their standard deviation.
        count: Number of numbers.
        entropy: 16 random bytes for each number.
    """
    words = np.frombuffer(entropy, "<u8").reshape(2, count) >> np.uint64(11)
    uniform = (words.astype(np.float64) + 0.5) / 2.0**53  # never 0 or 1
    drawn = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * pi * uniform[1])
    result: NDArray[np.int64] = np.rint(deviation * drawn).astype(np.int64)
    return result


def finished_numbers(c0: Words, finished: int, q: int) -> Words:
    """Returns the coefficients of a polynomial that determine the finished numbers, shape
    (finished,).
    """
    kept = c0[:: len(c0) // (2 * finished)]
    result = kept[:finished].copy()
    result[1:] = minus(kept[1:finished], kept[:finished:-1], q)
    return result


def add_flood(numbers: Words, deviation: float, entropy: bytes, q: int) -> Words:
    """Returns the numbers plus Gaussian noise of this standard deviation."""
    return plus(numbers, modulo(gaussian(deviation, len(numbers), entropy), q), q)


def noise_for_unscored(scored: NDArray[np.bool_], entropy: bytes, q: int) -> Words:
    """Returns numbers that a client reads as 0 at scores, and as noise of a 64th of the prime
    elsewhere.

    The numbers elsewhere are 0 times the input as long as nothing wraps around modulo the primes.
    Without this noise, inputs beyond their range would be answered with that many more numbers.

    Args:
        scored: Which finished numbers are scores, shape (finished,).
        entropy: 16 random bytes for each number.
        q: The prime.
    """
    n = len(scored)
    noise = np.where(scored, 0, gaussian(q / 64 * sqrt(n / 2), n, entropy)).astype(np.float64)
    return modulo(np.rint(_interpolated(noise)).astype(np.int64), q)


def _interpolated(values: Array) -> Array:
    """Returns the numbers of which `evaluate_at_slots` gives these values: its inverse."""
    n = len(values)
    positions = _slot_positions(len(values))
    whole = np.zeros(2 * n)
    whole[positions] = values
    whole[2 * n - 1 - positions] = values
    turned = np.fft.fft(whole)[:n] * np.exp(-1j * pi * np.arange(n) / (2 * n)) / n
    turned[0] /= 2
    return np.ascontiguousarray(turned.real)


def read_finished(numbers: Words, product: Words, q: int) -> Array:
    """Returns the finished numbers of an answer, in units of the ring.

    Args:
        numbers: The numbers in the answer.
        product: Coefficients of c1 s.
        q: The prime.
    """
    return evaluate_at_slots(
        centred(plus(numbers, finished_numbers(product, len(numbers), q), q), q).astype(np.float64)
    )


def evaluate_at_slots(numbers: Array) -> Array:
    """Returns the real part at each slot of the polynomial with these `finished_numbers`.

    SEAL's slot j is the value at the power 3^j of the root.
    """
    n = len(numbers)
    halves = np.zeros(2 * n)
    halves[:n] = numbers
    values = np.fft.ifft(halves * np.exp(1j * pi * np.arange(2 * n) / (2 * n))) * (2 * n)
    return np.ascontiguousarray(values[_slot_positions(n)].real)


@lru_cache(maxsize=16)
def _slot_positions(n: int) -> NDArray[np.int64]:
    """Returns the position of the value at slot j among those at all odd powers of the root."""
    exponents = np.empty(n, np.int64)
    power = 1
    for j in range(n):
        exponents[j] = power
        power = power * 3 % (4 * n)
    return (exponents - 1) // 2
