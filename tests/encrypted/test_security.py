from dataclasses import replace
from typing import Any

import pytest

from encrypted.builders import make_model
from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.compiled_model import read_description
from gamekeeper.encrypted.parameters import Parameters, parameters_for
from gamekeeper.encrypted.security import MAX_MODULUS_BITS, require_secure


@pytest.mark.parametrize(("degree", "bits"), MAX_MODULUS_BITS[128].items())
def test_the_standards_table_is_the_limit(degree: int, bits: int) -> None:
    """At the limit, and one bit above it."""
    require_secure(degree, bits, 128)
    with pytest.raises(InputError, match="not secure"):
        require_secure(degree, bits + 1, 128)


@pytest.mark.parametrize(
    ("degree", "bits", "security"),
    [(8192, 100, 127), (8192, 100, 0), (8191, 10, 128), (512, 9, 128)],
)
def test_nothing_below_128_bits_and_nothing_outside_the_table(
    degree: int, bits: int, security: int
) -> None:
    """A weaker level, or a ring that the standard does not speak of."""
    with pytest.raises(InputError, match="not secure"):
        require_secure(degree, bits, security)


@pytest.mark.parametrize("bits", [(60, 60, 60, 60), (60, 40, 60, 60), (49, 61, 30)])
def test_parameters_that_are_too_weak_cannot_be_made(bits: tuple[int, ...]) -> None:
    """For any caller: the table cannot be bypassed."""
    with pytest.raises(InputError):
        Parameters(degree=8192, primes=bits)


def test_the_mask_of_an_answer_is_secure_with_half_the_ring() -> None:
    """Two primes of 60 bits are fine for N = 8192, and not for what malformed keys may
    leave of it.
    """
    with pytest.raises(InputError, match="mask of an answer"):
        Parameters(degree=8192, primes=(60, 60, 30))


@pytest.mark.parametrize(
    ("hidden", "strong"), [(0, False), (1, False), (1, True), (2, False), (3, False)]
)
def test_all_parameters_of_ours_are_secure(hidden: int, strong: bool) -> None:
    """By the standard's table, with the prime for keys counted."""
    parameters = parameters_for(hidden, strong=strong)
    assert sum(parameters.primes) <= MAX_MODULUS_BITS[128][parameters.degree]
    assert parameters.hidden == hidden


@pytest.mark.extra
@pytest.mark.parametrize(
    ("hidden", "strong"), [(0, False), (1, False), (1, True), (2, False), (3, False)]
)
def test_seal_agrees(hidden: int, strong: bool) -> None:
    """Its own table for 128 bits is asked too."""
    pytest.importorskip("tenseal")
    from gamekeeper.encrypted.seal_backend import SealBackend

    assert SealBackend(parameters_for(hidden, strong=strong)).last_prime.bit_length() >= 45


@pytest.mark.parametrize(
    "change",
    [
        {"degree": 4096},
        {"degree": 1024},
        {"security": 100},
        {"primes": [60, 60, 60, 60]},
        {"primes": [48, 60]},
        {"primes": "48"},
        {"degree": 8192.0},
        {"degree": None},
    ],
)
def test_a_client_refuses_weak_parameters_of_a_server(change: dict[str, Any]) -> None:
    """Before it makes keys."""
    fields = make_model(8, 3).description.to_dict()
    with pytest.raises(InputError):
        read_description(fields | {"parameters": fields["parameters"] | change})


@pytest.mark.extra
def test_a_server_refuses_a_client_with_parameters_of_his_own() -> None:
    """Keys and requests name the description that they are for; there is nothing to negotiate."""
    pytest.importorskip("tenseal")
    from gamekeeper.encrypted.inference_client import EncryptingClient
    from gamekeeper.encrypted.inference_server import InferenceServer

    model = make_model(8, 3)
    other = replace(model.description, parameters=Parameters(degree=8192, primes=(48, 60, 31)))
    client = EncryptingClient(other)
    with pytest.raises(InputError, match="another description"):
        InferenceServer(model).add_keys(client.keys())
    with pytest.raises(InputError):
        InferenceServer(model).rows(client.encrypt(make_rows_of(other.layout.inputs)).message)


def make_rows_of(width: int) -> Any:
    from encrypted.builders import make_rows

    return make_rows(1, width)
