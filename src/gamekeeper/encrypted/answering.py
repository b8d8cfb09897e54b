"""What leaves: the finished numbers and no more, flooded; and how a client reads them.

A ciphertext (c0, c1) decrypts to c0 + c1 s. Of c0 the server sends only what the finished numbers
need: with Y = X^(N / 2n), the coefficients y_k of 1, Y, ... Y^(2n - 1), and of these only y_0 and
y_k - y_(2n - k), which is the real part. All else of the plaintext is masked by c1 s and stays with
the server: products before their sum, slots that hold nothing, hidden units, imaginary parts. So an
answer carries n numbers a ciphertext, whatever was packed how.

c1 itself must tell nothing: a client knows the c1 that he sent, and c1 * w / c1 is the weights. So
a fresh encryption of zero under his public key is added before the last division: c1 becomes a u +
e beside what it was, where `a` comes from a seed and u is the server's, another one for each
ciphertext.

What is left is the noise in the numbers that are sent, which depends on the weights. Gaussian noise
of deviation sigma on each floods it. By Pinsker's inequality q answers of n numbers, whose own
noise has deviation nu, differ from answers that were made from f(x) alone, with fresh noise, by a
total variation of at most

    sqrt(q n) nu / (2 sigma)                      as bits: 1 + log2(sigma / nu) - log2(q n) / 2

which is a bound for whoever averages over repeats, too. Limits: nu is what honest inputs in their
range give, and inputs beyond raise it; it hides f(x) no better than sigma, which is what the owner
allows as error. That bits of noise are needed for bits of security, and that less does not do:
Klucznik and Santato, 2025.

A client whose keys are no keys: c0 then may tell n numbers about u, and n <= N / 2. Were u ternary,
as in SEAL's zeros, a number of 23 bits would hold a dozen of its coefficients, and one answer all
of them. So u is that and a wide part, of deviation 2^(mask - 7), whose coefficients have more bits
than a number has above the flood (36 to 55; 18 to 29 at an error of 10^-3): a number is worth one
coefficient at most. What is left of u is as hard as a ring of N / 2 at the modulus at which zero
was added, if hints cost a dimension each, which is heuristic; `Parameters` refuses primes for which
that is not secure. His answers are still n numbers each, of other functions than f.

n is more than the scores that are charged: rounded up to a power of two, and in the latency packing
of a hidden layer the slots a unit. What is over reads as 0 only while nothing wraps modulo the
primes. Inputs some 2^8 times beyond their range make all n numbers functions of the weights, of
some 23 bits each.
"""

from functools import lru_cache
from math import log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from gamekeeper.encrypted.residues import Words, centred, minus, modulo, plus
from gamekeeper.encrypted.square_network import Array

_TAIL = 6.0
FRESH_DEVIATION = 3.2
"""Of the noise of a fresh ciphertext, a coefficient: SEAL's."""


def flood_deviation(error: float, finished: int, gain: int, scale: float) -> float:
    """Returns the deviation of the noise on each sent number, in units of the ring.

    Args:
        error: Largest error of a score that is allowed; it is reached once in 10^9 scores, at six
            deviations.
        finished: Numbers sent, n.
        gain: What the client multiplies by.
        scale: Of the answer.
    """
    return error / _TAIL * scale / (gain * sqrt((finished + 1) / 2))


def flood_bits(deviation: float, noise: float, numbers: int, answers: int = 1) -> float:
    """Returns the statistical security of the flooding, in bits; see the module.

    Args:
        deviation: Of the flood, in scores.
        noise: Deviation of the noise that depends on weights, in scores.
        numbers: Sent in an answer.
        answers: That one client gets.
    """
    return 1 + log2(deviation / noise) - log2(numbers * answers) / 2


def gaussian(deviation: float, count: int, entropy: bytes) -> NDArray[np.int64]:
    """Returns rounded Gaussian numbers, by Box and Muller.

    Args:
        deviation: Of each.
        count: How many.
        entropy: 16 random bytes for each.
    """
    uniform = (np.frombuffer(entropy, "<u8").reshape(2, count) >> np.uint64(11)).astype(
        np.float64
    ) + 0.5
    uniform /= 2.0**53
    drawn = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * pi * uniform[1])
    result: NDArray[np.int64] = np.rint(deviation * drawn).astype(np.int64)
    return result


def finished_numbers(c0: Words, finished: int, q: int) -> Words:
    """Returns what the finished numbers need of a polynomial, shape (finished,)."""
    kept = c0[:: len(c0) // (2 * finished)]
    result = kept[:finished].copy()
    result[1:] = minus(kept[1:finished], kept[:finished:-1], q)
    return result


def add_flood(numbers: Words, deviation: float, entropy: bytes, q: int) -> Words:
    """Returns the numbers with noise of that deviation."""
    return plus(numbers, modulo(gaussian(deviation, len(numbers), entropy), q), q)


def noise_for_unscored(scored: NDArray[np.bool_], entropy: bytes, q: int) -> Words:
    """Returns numbers that read as 0 where scores stand, and as noise of a 64th of the prime
    elsewhere.

    What stands there is 0 times what was asked, as long as nothing wraps modulo the primes: beyond
    their range inputs would be answered with as many numbers more.

    Args:
        scored: Which finished numbers hold a score, shape (finished,).
        entropy: 16 random bytes for each.
        q: The prime.
    """
    n = len(scored)
    noise = np.where(scored, 0, gaussian(q / 64 * sqrt(n / 2), n, entropy)).astype(np.float64)
    return modulo(np.rint(_interpolated(noise)).astype(np.int64), q)


def _interpolated(values: Array) -> Array:
    """The inverse of `evaluate_at_slots`."""
    n = len(values)
    places = _places(len(values))
    whole = np.zeros(2 * n)
    whole[places] = whole[2 * n - 1 - places] = values
    turned = np.fft.fft(whole)[:n] * np.exp(-1j * pi * np.arange(n) / (2 * n)) / n
    turned[0] /= 2
    return np.ascontiguousarray(turned.real)


def read_finished(numbers: Words, product: Words, q: int) -> Array:
    """Returns the finished numbers of an answer, in units of the ring.

    Args:
        numbers: As sent.
        product: c1 s, by coefficients.
        q: The prime.
    """
    return evaluate_at_slots(
        centred(plus(numbers, finished_numbers(product, len(numbers), q), q), q).astype(np.float64)
    )


def evaluate_at_slots(numbers: Array) -> Array:
    """Returns the real part at each slot of the polynomial that `finished_numbers` is of; SEAL's slot j is at
    the root's 3^j.
    """
    n = len(numbers)
    halves = np.zeros(2 * n)
    halves[:n] = numbers
    values = np.fft.ifft(halves * np.exp(1j * pi * np.arange(2 * n) / (2 * n))) * (2 * n)
    return np.ascontiguousarray(values[_places(n)].real)


@lru_cache(maxsize=16)
def _places(n: int) -> NDArray[np.int64]:
    """Where the value at slot j stands among those at all odd powers of the root."""
    exponents = np.empty(n, np.int64)
    power = 1
    for j in range(n):
        exponents[j], power = power, power * 3 % (4 * n)
    return (exponents - 1) // 2
