"""The primes and scales of one model: what client and server must agree on before anything is
encrypted.

A model of h hidden layers takes one prime for each multiplication, and one above which its answer
leaves:

    [last, mask, (square, layer) * h | keys]        in bits; `keys` switches keys and carries no
                                                    ciphertext

`last` is what an answer has; the last layer's product is divided by `mask`, which pushes noise that
depends on the weights below one unit. Scales are powers of two:

    input * weights / layer = hidden,  hidden^2 / square = squared,  squared * weights / mask =
    answer
"""

from dataclasses import dataclass
from math import log2
from typing import Any

from gamekeeper.base.errors import input_error
from gamekeeper.encrypted.security import LEAST_BITS, require_secure

WEIGHT_BITS = 34
"""Scale of weights: their rounding shows in scores as about 2^-20."""
_LEAST_PRIME_BITS = 24
_MOST_PRIME_BITS = 60
_MOST_PRIMES = 12
_SPARE_BITS = 2
# by which weights stand above the prime of their layer: their rounding counts, fresh noise less
_FIRST_BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """See the module.

    Args:
        degree: Dimension of the ring, N; a ciphertext has N / 2 slots.
        primes: Bits of each prime, in SEAL's order: the one that an answer has first, the one of
            keys last.
        security: Bits, by the standard's table.
    """

    degree: int
    primes: tuple[int, ...]
    security: int = LEAST_BITS

    def __post_init__(self) -> None:
        bits = self.primes
        if not 3 <= len(bits) <= _MOST_PRIMES or not all(
            _LEAST_PRIME_BITS <= b <= _MOST_PRIME_BITS for b in bits
        ):
            raise input_error(
                "parameters", "no primes of ours", str(bits)[:80], "3 to 12 primes of 24 to 60 bits"
            )
        require_secure(self.degree, sum(bits), self.security)
        # A public key that is no key tells at most one equation an answered number about what masks
        # `c1`, N / 2 of them at most: what is left must be hard by itself. See `answering`.
        require_secure(self.degree // 2, bits[0] + bits[1], self.security, "the mask of an answer")

    @property
    def slots(self) -> int:
        """Numbers in a ciphertext."""
        return self.degree // 2

    @property
    def levels(self) -> int:
        """Primes of a fresh ciphertext."""
        return len(self.primes) - 1

    @property
    def hidden(self) -> int:
        """Hidden layers that there are primes for."""
        return (self.levels - 2) // 2

    def to_dict(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {"degree": self.degree, "primes": list(self.primes), "security": self.security}


def read_parameters(fields: Any, where: str = "parameters") -> Parameters:
    """Reads what somebody else proposes.

    Raises:
        InputError: It is no such object, or not secure.
    """
    try:
        degree = fields["degree"]
        primes = tuple(fields["primes"])
        security = fields["security"]
        whole = all(type(n) is int for n in (degree, security, *primes))
    except (TypeError, KeyError):
        whole = False
    if not whole:
        raise input_error(
            where, "no parameters", str(fields)[:80], "degree, primes and security, whole numbers"
        )
    return Parameters(degree=degree, primes=primes, security=security)


def parameters_for(hidden: int, *, strong: bool = False) -> Parameters:
    """Returns parameters for a model.

    Args:
        hidden: Hidden layers, 0 to 3.
        strong: Larger ring: more bits of noise between an answer and the weights, at about three
            times the time.

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
    """log2 of the scales; see the module.

    Args:
        input: Of what the client encrypts.
        weights: Of each layer's weights.
    """

    input: int
    weights: tuple[int, ...]


def scales_for(parameters: Parameters, bound: float, gain: int) -> Scales:
    """Returns the largest scales at which a score up to `bound` fits.

    Args:
        parameters: Of the model.
        bound: Largest score, of either sign.
        gain: Slots that the client adds up to a score, see `layout`.
    """
    last, mask = parameters.primes[:2]
    room = last - _SPARE_BITS - max(0, int(log2(max(bound, 1.0)) + 1)) + int(log2(gain))
    if parameters.hidden == 0:
        answer = min(room + mask, last + mask - _SPARE_BITS)
        return Scales(input=answer - WEIGHT_BITS, weights=(WEIGHT_BITS,))
    squares = parameters.primes[2:-1:2]
    layers = parameters.primes[3:-1:2]
    hidden = squares[-1]  # hidden^2 / square = hidden: the same scale all the way
    inner = [hidden + layer - hidden for layer in layers[:-1]]
    first = hidden - _FIRST_BITS
    outer = min(room + mask, last + mask - _SPARE_BITS) - hidden
    return Scales(input=first, weights=(layers[-1] + _FIRST_BITS, *reversed(inner), outer))
