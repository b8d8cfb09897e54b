import numpy as np
import pytest

from gamekeeper.encrypted.answering import (
    add_flood,
    evaluate_at_slots,
    finished_numbers,
    flood_bits,
    flood_deviation,
    gaussian,
    noise_for_unscored,
    read_finished,
)
from gamekeeper.encrypted.residues import centred, modulo, plus

Q = 281474976546817
DEGREE = 1024


def values_of(polynomial: np.ndarray) -> np.ndarray:
    """A polynomial at each slot, by definition: at the root's 3^j."""
    exponents = np.array([pow(3, j, 2 * DEGREE) for j in range(DEGREE // 2)])
    powers = np.exp(1j * np.pi * np.outer(exponents, np.arange(DEGREE)) / DEGREE)
    return powers @ polynomial


@pytest.mark.parametrize("finished", [1, 2, 16, 128, DEGREE // 2])
def test_what_is_sent_is_the_mean_over_orbits_of_real_parts(finished: int) -> None:
    """And nothing but that many numbers, of a random polynomial."""
    polynomial = np.random.default_rng(0).integers(-1000, 1000, DEGREE)
    numbers = finished_numbers(modulo(polynomial, Q), finished, Q)
    assert numbers.shape == (finished,)
    means = values_of(polynomial).real.reshape(-1, finished).mean(axis=0)
    assert np.allclose(read_finished(numbers, np.zeros(DEGREE, np.uint64), Q), means)


def test_reading_adds_what_the_key_hides() -> None:
    """c0 + c1 s, modulo the prime, though either half alone is anything."""
    rng = np.random.default_rng(1)
    message = rng.integers(-1000, 1000, DEGREE)
    product = rng.integers(0, Q, DEGREE).astype(np.uint64)
    hidden = plus(modulo(message, Q), np.uint64(Q) - product, Q)
    read = read_finished(finished_numbers(hidden, 16, Q), product, Q)
    assert np.allclose(
        read,
        read_finished(finished_numbers(modulo(message, Q), 16, Q), np.zeros(DEGREE, np.uint64), Q),
    )


def test_imaginary_parts_do_not_leave() -> None:
    """A polynomial that is imaginary at every slot gives zeros."""
    half = np.random.default_rng(2).integers(-1000, 1000, DEGREE)
    half[0] = 0
    imaginary = half + np.concatenate([[0], half[:0:-1]])
    assert np.abs(values_of(imaginary).imag).max() > 1
    assert not finished_numbers(modulo(imaginary, Q), DEGREE // 2, Q)[1:].any()


@pytest.mark.parametrize(("finished", "gain"), [(16, 256), (128, 32), (512, 1)])
def test_the_flood_makes_the_error_that_is_allowed(finished: int, gain: int) -> None:
    """Six deviations are the error; scores are what it is measured in."""
    scale = 2.0**40
    rng = np.random.default_rng(3)
    errors = []
    deviation = flood_deviation(1e-3, finished, gain, scale)
    for _ in range(200):
        noise = add_flood(np.zeros(finished, np.uint64), deviation, rng.bytes(16 * finished), Q)
        errors.append(read_finished(noise, np.zeros(2 * finished, np.uint64), Q) * gain / scale)
    assert np.std(errors) == pytest.approx(1e-3 / 6, rel=0.05)


def test_gaussian_numbers_have_the_moments_of_gaussian_numbers() -> None:
    """Mean, deviation and tail, from given bytes."""
    drawn = gaussian(1e6, 100_000, np.random.default_rng(4).bytes(1_600_000)) / 1e6
    assert abs(drawn.mean()) < 0.02
    assert drawn.std() == pytest.approx(1, rel=0.01)
    assert np.mean(np.abs(drawn) > 1.96) == pytest.approx(0.05, rel=0.1)


def test_bits_of_flooding_fall_with_answers_as_the_formula_says() -> None:
    """Half a bit for twice as many answers; a bit for half the noise."""
    one = flood_bits(1e-4, 1e-9, 16)
    assert flood_bits(1e-4, 1e-9, 16, answers=4) == pytest.approx(one - 1)
    assert flood_bits(1e-4, 5e-10, 16) == pytest.approx(one + 1)


@pytest.mark.parametrize(("finished", "scores"), [(8, 1), (16, 10), (128, 10), (512, 3)])
def test_what_is_filled_up_reads_as_nothing_where_scores_stand(finished: int, scores: int) -> None:
    """And as noise elsewhere, that neither wraps nor is small."""
    scored = np.arange(finished) < scores
    noise = noise_for_unscored(scored, np.random.default_rng(5).bytes(16 * finished), Q)
    read = read_finished(noise, np.zeros(2 * finished, np.uint64), Q)
    assert np.abs(read[scored]).max() < 4 * np.sqrt(finished)
    assert np.abs(read[~scored]).mean() > Q / 128
    assert np.abs(centred(noise, Q)).max() < Q / 8


def test_evaluation_of_one_number_is_itself() -> None:
    """A constant is the same at every slot."""
    assert evaluate_at_slots(np.array([3.0])).tolist() == [3.0]
