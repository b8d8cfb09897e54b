"""Randomness that is the same for the same question: a keyed hash of the input, stretched.

Noise that is drawn afresh is averaged away by asking again. Drawn from a keyed hash of what was
asked, it is the same each time, and without the key nobody can compute it. Two ways to say what
"the same" is:

    input    the input itself, its numbers rounded to a grid, so that jitter in the last bits asks
             nothing new. A step across the grid in any one of many numbers asks something new.
    scores   the true scores, rounded. Whatever is done to the input, as long as the model answers
             alike the noise is the same; and since like inputs share it, training does not average
             it away either. At the border of two rounded rows there are two noises.

Construction: seed = BLAKE2b(input, key=SHA-256(key), person=name of the defence); stream =
    SHAKE-256(seed).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gamekeeper.base.errors import input_error

_NUMBERS = b"numbers:"
_TEXT = b"text:"

Uniform = Callable[[Iterable[bytes], int], np.ndarray]
"""What was asked, n of them, and k -> float64 (n, k), uniform in [0, 1)."""


def number_bytes(row: Sequence[float]) -> bytes:
    """Returns a row of numbers as the bytes that a defence takes for its input."""
    return _NUMBERS + np.asarray(row, "<f8").tobytes()


def text_bytes(text: str) -> bytes:
    """Returns a text as the bytes that a defence takes for its input."""
    return _TEXT + text.encode("utf-8", "surrogatepass")


def keyed_uniform(key: bytes, name: str) -> Uniform:
    """Returns the generator of a key.

    Args:
        key: Secret.
        name: Of the defence, at most 16 bytes: two defences with one key draw differently.
    """
    secret = hashlib.sha256(key).digest()
    person = name.encode()[:16]

    def draw(asked: Iterable[bytes], k: int) -> np.ndarray:
        seeds = (hashlib.blake2b(a, key=secret, person=person).digest() for a in asked)
        stream = b"".join(hashlib.shake_256(seed).digest(8 * k) for seed in seeds)
        bits = np.frombuffer(stream, "<u8").reshape(-1, k)
        return np.asarray((bits >> 11) * 2.0**-53, np.float64)

    return draw


def on_grid(inputs: Sequence[bytes], grid: float) -> list[bytes]:
    """Rounds the numbers of inputs, so that jitter below the grid asks nothing new.

    Args:
        inputs: As `number_bytes` or `text_bytes` made them; others are taken as they are.
        grid: In units of the features.

    Raises:
        InputError: An input with numbers that are not finite: each NaN has many spellings in bytes.
    """
    return [_rounded(i, grid) if i.startswith(_NUMBERS) and len(i) % 8 == 0 else i for i in inputs]


def _rounded(given: bytes, grid: float) -> bytes:
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.frombuffer(given, "<f8", offset=len(_NUMBERS)) / grid
    if not np.isfinite(numbers).all():
        raise input_error(
            "inputs",
            "a number is not finite, or has no place on the grid",
            str(numbers[:8]),
            "finite numbers",
        )
    return _NUMBERS + (np.rint(numbers) + 0.0).tobytes()  # + 0.0: -0.0 and 0.0 are one number


def random_simplex(uniform: np.ndarray) -> np.ndarray:
    """Turns uniform numbers, shape (n, k), into points spread evenly over the simplex."""
    waits = -np.log1p(-uniform) + 1e-300  # not all zero
    return np.asarray(waits / waits.sum(1, keepdims=True), np.float64)
