"""The defences without noise, each by what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from defences.builders import answers, scores_of
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.defences import fit_codebook
from gamekeeper.defences.modelguard import costliest


def test_labels_only_gives_the_label_of_every_row_of_a_batch() -> None:
    """Each row by itself: a batch must not mix its labels."""
    rows = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.4, 0.2, 0.4]])
    assert answers("labels-only", rows).tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_top_k_keeps_the_ratio_of_what_it_keeps() -> None:
    """The others are 0, and the rest is scaled."""
    given_ = answers("top-k", np.array([[0.1, 0.4, 0.3, 0.2]]), k=2)
    assert given_[0] == pytest.approx([0, 4 / 7, 3 / 7, 0])


def test_top_k_beyond_the_classes_changes_nothing() -> None:
    """More than there are is all of them."""
    rows = scores_of(5)
    assert answers("top-k", rows, k=50) == pytest.approx(rows)


@pytest.mark.parametrize("decimals", [1, 2, 4])
def test_rounded_scores_are_whole_units_that_sum_to_one(decimals: int) -> None:
    """And near the true ones: within two units, which only a tie for the first place takes."""
    rows = scores_of(400)
    given_ = answers("rounding", rows, decimals=decimals)
    units = given_ * 10**decimals
    assert units == pytest.approx(np.rint(units), abs=1e-9)
    assert np.abs(given_ - rows).max() < 2 / 10**decimals


def test_rounding_does_not_let_a_tie_turn_the_label() -> None:
    """.497 and .503 are both .5; the label stays with the second."""
    assert answers("rounding", np.array([[0.497, 0.503]]), decimals=1)[0].tolist() == [0.4, 0.6]


def test_rounding_of_more_classes_than_units_has_a_first_place() -> None:
    """A hundred nearly equal classes and ten units."""
    row = np.full((1, 100), 0.01)
    row[0, 70] += 1e-6
    given_ = answers("rounding", row, decimals=1)
    assert given_.argmax() == 70 and given_.sum() == pytest.approx(1)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_reverse_sigmoid_takes_certainty_away(beta: float) -> None:
    """0 and 1 are met without logarithms of 0, and a sure answer becomes less sure."""
    given_ = answers("reverse-sigmoid", np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]]), beta=beta)
    assert np.isfinite(given_).all() and (given_[:, 0] < [1.0, 0.9]).all()


def loss_of_program(row: np.ndarray, half: float) -> float | None:
    """The loss that a linear program reaches; None if nothing will do."""
    k = len(row)
    one = np.eye(len(row))
    lead = np.hstack([one[1:] - (1 - 1e-4) * one[0], np.zeros((k - 1, k))])
    bounds = np.vstack(
        [np.hstack([one, -one]), np.hstack([-one, -one]), np.repeat([0.0, 1.0], k)[None], lead]
    )
    most = np.concatenate([row, -row, [2 * half], np.zeros(k - 1)])
    sums = np.repeat([1.0, 0.0], k)[None]
    found = linprog(
        np.concatenate([np.log(np.maximum(row, 1e-6)), np.zeros(k)]), bounds, most, sums, [1.0]
    )
    return None if found.status else -float(found.fun)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 8),
    spread=st.sampled_from([0.2, 1, 5]),
    half=st.floats(0.02, 1),
)
def test_modelguard_comes_close_to_the_linear_program(
    seed: int, classes: int, spread: float, half: float
) -> None:
    """Within 5 % of what the program gains, never beyond the budget."""
    row = np.sort(scores_of(1, classes, spread=spread, seed=seed), axis=1)[:, ::-1]
    cost = -np.log(np.maximum(row[0], 1e-6))
    found = costliest(row, half)[0]
    wanted = loss_of_program(row[0], half)
    assert np.abs(found - row[0]).sum() <= 2 * half + 1e-9
    if wanted is not None:
        gain = float(cost @ (found - row[0]))
        possible = wanted - float(cost @ row[0])
        assert gain >= 0.95 * possible - 1e-3


@pytest.mark.parametrize("budget", [0.0, 0.2, 1.0])
def test_modelguard_keeps_its_budget(budget: float) -> None:
    """L1 of every row, give or take the millionth by which a first place leads."""
    rows = np.concatenate([scores_of(300), scores_of(300, spread=10)])
    assert np.abs(answers("modelguard", rows, budget=budget) - rows).sum(1).max() <= budget + 4e-6


def test_codebook_covers_what_it_was_made_from() -> None:
    """Every row has an answer with its own label within the budget, and there are fewer answers
    than rows.
    """
    rows = scores_of(400, 5)
    book = fit_codebook(rows, 0.4)
    given_ = answers("modelguard-s", rows, codebook=book, budget=0.4)
    assert np.abs(given_ - rows).sum(1).max() <= 0.4 + 4e-6
    assert len(np.unique(given_, axis=0)) <= len(book) < 200


def test_answers_of_a_codebook_are_few_for_rows_it_never_saw() -> None:
    """Whatever is asked, no answer beyond the codebook: that bounds what an answer tells."""
    book = fit_codebook(scores_of(200, 5), 0.4)
    given_ = answers(
        "modelguard-s", scores_of(2000, 5, spread=3, seed=1), codebook=book, budget=0.4
    )
    assert len(np.unique(given_, axis=0)) <= len(book)


def test_commonest_answers_are_preferred() -> None:
    """The first that fits, not the nearest: that keeps the answers' entropy below that of the
    nearest.
    """
    rows = scores_of(2000, 4)
    book = fit_codebook(rows, 0.3)
    given_ = answers("modelguard-s", rows, codebook=book, budget=0.3)
    nearest = np.abs(rows[:, None] - book).sum(2)
    nearest[book.argmax(1) != rows.argmax(1)[:, None]] = np.inf
    shares = [
        np.unique(a, axis=0, return_counts=True)[1] / 2000
        for a in (given_, book[nearest.argmin(1)])
    ]
    used, of_nearest = (-(s * np.log2(s)).sum() for s in shares)
    assert used < of_nearest - 0.05


def test_class_without_calibration_rows_has_an_answer() -> None:
    """1 for itself; a codebook made from no rows at all is labels only."""
    book = fit_codebook(np.array([[0.7, 0.2, 0.1]]), 0.5)
    assert sorted(book.argmax(1).tolist()) == [0, 1, 2]
    assert fit_codebook(np.zeros((0, 3)), 0.5).tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    "codebook", [[[0.9, 0.1]], np.zeros((0, 2))], ids=["a class is missing", "empty"]
)
def test_codebook_that_cannot_answer_is_refused(codebook: object) -> None:
    """At once, not when the first row of the missing class comes."""
    with pytest.raises(UsageError, match="an answer for each class"):
        answers("modelguard-s", scores_of(1, 2), codebook=codebook)


def test_codebook_of_other_classes_is_refused() -> None:
    """Scores of three classes and a codebook of two."""
    with pytest.raises(UsageError, match="2 classes and the scores 3"):
        answers("modelguard-s", scores_of(1, 3), codebook=np.eye(2))


def test_codebook_wants_scores_and_a_budget() -> None:
    """Neither logits nor a budget of 0, which would make every row an answer."""
    with pytest.raises(InputError):
        fit_codebook(np.array([[1.0, -2.0]]), 0.5)
    with pytest.raises(UsageError, match="above 0"):
        fit_codebook(scores_of(3), 0.0)
