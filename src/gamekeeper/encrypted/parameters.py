"""The primes and scales of a model, on which client and server must agree before encryption.

A model with h hidden layers needs one prime for each multiplication, and one for its answer:

    [last, mask, (square, layer) * h | keys]        in bits; `keys` is used for switching keys and
                                                    not in ciphertexts

An answer has the prime `last`. The product of the last layer is divided by `mask`, which reduces
the noise that depends on the weights to below one unit. Scales are powers of two:

    input * weights / layer = hidden,  hidden^2 / square = squared,  squared * weights / mask =
    answer
"""

from dataclasses import dataclass
from math import log2
from typing import Any

from gamekeeper.base.errors import input_error
from gamekeeper.encrypted.security import MIN_SECURITY_BITS, require_secure

WEIGHT_BITS = 34
"""log2 of the scale of weights: their rounding changes scores by about 2^-20."""
_PRIME_BITS = range(24, 61)
_PRIMES = range(3, 13)
_SPARE_BITS = 2
# Bits by which the scale of weights exceeds the prime of their layer: the rounding of weights
# matters more than fresh noise.
_FIRST_BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of the encryption; insecure ones raise `InputError`.

    Args:
        degree: Dimension of the ring, N; a ciphertext has N / 2 slots.
        primes: Bits of each prime, in SEAL's order: first the prime of an answer, last the prime
            for switching keys.
        security: Security in bits, by the table of the standard.
    """

    degree: int
    primes: tuple[int, ...]
    security: int = MIN_SECURITY_BITS

    def __post_init__(self) -> None:
        bits = self.primes
        if len(bits) not in _PRIMES or not all(one in _PRIME_BITS for one in bits):
            expected = "3 to 12 primes of 24 to 60 bits"
            raise input_error("parameters", "unsupported primes", str(bits)[:80], expected)
        require_secure(self.degree, sum(bits), self.security)
        # With an invalid public key, each number of an answer reveals at most one equation about
        # the mask of `c1`, N / 2 at most. The remaining problem must be hard by itself; see
        # `answering`.
        require_secure(self.degree // 2, bits[0] + bits[1], self.security, "the mask of an answer")

    @property
    def slots(self) -> int:
        """Number of slots of a ciphertext."""
        return self.degree // 2

    @property
    def levels(self) -> int:
        """Number of primes of a fresh ciphertext."""
        return len(self.primes) - 1

    @property
    def hidden(self) -> int:
        """Number of hidden layers for which there are primes."""
        return (self.levels - 2) // 2

    def to_dict(self) -> dict[str, Any]:
        """Returns the parameters as a JSON object."""
        return {"degree": self.degree, "primes": list(self.primes), "security": self.security}


def read_parameters(fields: Any, where: str = "parameters") -> Parameters:
    """Reads untrusted parameters.

    Raises:
        InputError: They are malformed or not secure.
    """
    try:
        degree = fields["degree"]
        primes = tuple(fields["primes"])
        security = fields["security"]
        are_integers = all(type(n) is int for n in (degree, security, *primes))
    except (TypeError, KeyError):
        are_integers = False
    if not are_integers:
        expected = "degree, primes and security, whole numbers"
        raise input_error(where, "not parameters", str(fields)[:80], expected)
    return Parameters(degree=degree, primes=primes, security=security)


def parameters_for(hidden: int, *, strong: bool = False) -> Parameters:
    """Returns parameters for a model.

    Args:
        hidden: Number of hidden layers, 0 to 3.
        strong: Whether to use a larger ring: more bits of noise hide the weights in an answer, at
            about three times the computing time.

    Raises:
        InputError: There are too many layers.
    """
    if hidden == 0:
        return Parameters(degree=8192, primes=(48, 60, 30))
    if hidden == 1 and not strong:
        return Parameters(degree=8192, primes=(45, 41, 47, 38, 47))
    if hidden == 1:
        return Parameters(degree=16384, primes=(55, 60, 60, 60, 60))
    if hidden == 2:
        return Parameters(degree=16384, primes=(50, 50, *(56, 46) * 2, 58))
    if hidden == 3 and not strong:
        return Parameters(degree=16384, primes=(48, 44, *(50, 46) * 3, 56))
    raise input_error(
        "model", "too deep", f"{hidden} hidden layers", "at most 3; 2 where `strong` is asked for"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """log2 of the scales of a model.

    Args:
        input: Of the inputs that the client encrypts.
        weights: Of the weights of each layer.
    """

    input: int
    weights: tuple[int, ...]


def scales_for(parameters: Parameters, bound: float, gain: int) -> Scales:
    """Returns the largest scales at which a score up to `bound` fits.

    Args:
        parameters: Parameters of the model.
        bound: Largest absolute score.
        gain: Number of slots that the client adds up to a score, see `slot_layout`.
    """
    last, mask = parameters.primes[:2]
    room = last - _SPARE_BITS - max(0, int(log2(max(bound, 1.0)) + 1)) + int(log2(gain))
    if parameters.hidden == 0:
        answer = min(room + mask, last + mask - _SPARE_BITS)
        return Scales(input=answer - WEIGHT_BITS, weights=(WEIGHT_BITS,))
    squares = parameters.primes[2:-1:2]
    layers = parameters.primes[3:-1:2]
    hidden = squares[-1]  # hidden^2 / square = hidden: the same scale in all hidden layers
    inner = [hidden + layer - hidden for layer in layers[:-1]]
    first = hidden - _FIRST_BITS
    outer = min(room + mask, last + mask - _SPARE_BITS) - hidden
    return Scales(input=first, weights=(layers[-1] + _FIRST_BITS, *reversed(inner), outer))
