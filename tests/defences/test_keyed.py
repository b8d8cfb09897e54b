"""Noise that is drawn from a key: it is even, it stays the same, and averaging gains nothing."""

import numpy as np
import pytest
from scipy.stats import kstest

from defences.builders import KEY, OTHER_KEY, answers, made_of, scores_of
from gamekeeper.base.errors import InputError
from gamekeeper.defences import number_bytes, text_bytes
from gamekeeper.defences.keyed import keyed_uniform, on_grid, random_simplex


def uniform(asked: list[bytes], k: int, *, key: bytes = KEY, name: str = "tests") -> np.ndarray:
    return keyed_uniform(key, name)(asked, k)


def averaging_gain(jitter: float, **parameters: object) -> float:
    """Share of the error of one answer that the mean of 25 answers to jittered inputs takes away.

    The model answers smoothly: a softmax of a linear map, so that jitter moves the true scores as
    well.
    """
    rng = np.random.default_rng(3)
    w = rng.normal(size=(6, 4))
    x = rng.normal(size=(60, 6))

    def ask(x: np.ndarray) -> np.ndarray:
        z = np.exp(x @ w)
        return made_of("keyed-noise", 4, **parameters)(
            z / z.sum(1, keepdims=True), [number_bytes(r) for r in x]
        )

    z = np.exp(x @ w)
    true = z / z.sum(1, keepdims=True)
    many = np.mean([ask(x + rng.normal(0, jitter, x.shape)) for _ in range(25)], axis=0)
    # the noise has a mean, a quarter each, that everybody may subtract
    amount = 0.4
    once, mean = ((given - amount / 4) / (1 - amount) for given in (ask(x), many))
    return float(1 - np.abs(mean - true).mean() / np.abs(once - true).mean())


@pytest.mark.parametrize("by", ["scores", "input"])
@pytest.mark.parametrize("jitter", [0.0, 1e-12, 1e-6])
def test_asking_again_gains_nothing(by: str, jitter: float) -> None:
    """25 answers, jittered in the last digits: their mean is no nearer to the truth than
    the first.
    """
    assert averaging_gain(jitter, amount=0.4, by=by, grid=1e-2) == pytest.approx(0, abs=0.02)


def test_jitter_wider_than_the_grid_undoes_noise_by_input() -> None:
    """What the card admits, and the check that the attack in these tests does work where it can."""
    assert averaging_gain(0.02, amount=0.4, by="input", grid=1e-2) > 0.5


def test_jitter_that_leaves_the_answer_alone_gains_little_by_scores() -> None:
    """The same jitter against noise by scores: only rows near the border of a cell have two noises
    to average.
    """
    assert averaging_gain(0.02, amount=0.4, by="scores") < 0.15


def test_numbers_are_even() -> None:
    """A keyed hash, stretched, is uniform."""
    drawn = uniform([str(i).encode() for i in range(500)], 8)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert kstest(drawn.ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    "other",
    [{"key": OTHER_KEY}, {"name": "others"}, {"key": KEY + b"\0"}],
    ids=["key", "defence", "longer key"],
)
def test_key_and_defence_tell_draws_apart(other: dict[str, object]) -> None:
    """Noise of one defence says nothing of another's under the same key."""
    asked = [str(i).encode() for i in range(200)]
    # type: ignore[arg-type]
    ours = uniform(asked, 1).ravel()
    others = uniform(asked, 1, **other).ravel()
    assert abs(np.corrcoef(ours, others)[0, 1]) < 0.25


def test_inputs_within_a_grid_cell_are_one() -> None:
    """Jitter, the sign of zero, and nothing else."""
    one = on_grid([number_bytes([0.0, 0.5])], 1e-3)
    assert on_grid([number_bytes([-0.0, 0.5000004])], 1e-3) == one
    assert on_grid([number_bytes([0.001, 0.5])], 1e-3) != one


def test_text_is_not_taken_for_numbers() -> None:
    """Text that spells the mark of numbers stays text; so does any other input."""
    odd = [text_bytes("numbers:" + "x" * 8), b"as it stands", text_bytes("\ud800")]
    assert on_grid(odd, 1.0) == odd


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_input_that_is_not_finite_is_refused(bad: float) -> None:
    """NaN has many spellings in bytes: each would draw anew, and the noise could be
    averaged away.
    """
    with pytest.raises(InputError, match="not finite"):
        answers("keyed-noise", scores_of(1), [number_bytes([bad])], by="input")


def test_large_numbers_on_a_fine_grid_are_refused_rather_than_overflow() -> None:
    """A number so large that its cell has no number is refused like infinity."""
    with pytest.raises(InputError, match="no place on the grid"):
        on_grid([number_bytes([1e300])], 1e-12)


def test_simplex_points_are_spread_evenly() -> None:
    """Each class gets the same on the average, and the first coordinate of three is Beta(1, 2)."""
    points = random_simplex(uniform([str(i).encode() for i in range(800)], 3))
    assert points.sum(1) == pytest.approx(np.ones(800))
    assert kstest(points[:, 0], "beta", args=(1, 2)).pvalue > 1e-3


def test_simplex_point_of_zeros_is_valid() -> None:
    """The draw that is all zeros, however unlikely, is a point too."""
    assert random_simplex(np.zeros((1, 4))).sum() == pytest.approx(1)


def test_rows_that_round_alike_get_the_very_same_answer() -> None:
    """Were the truth given plus the same noise, the difference of two answers would be that of the
    truth, exact.
    """
    given = answers(
        "keyed-noise", np.array([[0.52, 0.40, 0.08], [0.51, 0.41, 0.08], [0.08, 0.51, 0.41]])
    )
    assert (given[0] == given[1]).all() and (given[0] != given[2]).all()


def test_noise_by_input_leaves_differences_on_one_point_of_the_grid() -> None:
    """What the card admits of it, and why it is not the default."""
    rows = np.array([[0.62, 0.38], [0.61, 0.39]])
    given = answers(
        "keyed-noise",
        rows,
        [number_bytes([0.5]), number_bytes([0.5 + 1e-6])],
        by="input",
        amount=0.25,
    )
    assert (given[0] - given[1]) / 0.75 == pytest.approx(rows[0] - rows[1])


def test_misinformation_is_wrong_where_the_model_is_unsure_and_absent_where_it_is_sure() -> None:
    """Every unsure row gets another class; a sure one moves by less than a thousandth."""
    unsure = scores_of(100, spread=20)
    sure = np.full((1, 10), 0.005) + 0.95 * np.eye(10)
    assert (answers("adaptive-misinformation", unsure).argmax(1) != unsure.argmax(1)).all()
    assert np.abs(answers("adaptive-misinformation", sure) - sure).sum(1).max() < 1e-3


def test_misinformation_is_spread_over_all_other_classes() -> None:
    """A fixed wrong class would be undone by a table of ten rows."""
    unsure = np.full((300, 10), 0.1)
    unsure[:, 0] += 1e-6
    given = answers("adaptive-misinformation", unsure, [str(i).encode() for i in range(300)])
    assert set(given.argmax(1).tolist()) == set(range(1, 10))
