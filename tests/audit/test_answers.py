"""What answers are is recognised, said, overruled, or asked for; it is not guessed from a shape."""

import numpy as np
import pytest

from gamekeeper.audit.answers import (
    Access,
    labels_of,
    probabilities_of,
    recognise,
    values_of,
)
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import UsageError

RNG = np.random.default_rng(0)
SOFT = RNG.dirichlet(np.ones(4), 200)
UNIT = RNG.standard_normal((200, 32))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)


def column(values: object) -> Array:
    return np.asarray(values, np.float64).reshape(-1, 1)


@pytest.mark.parametrize(
    ("answers", "access"),
    [
        (column(RNG.integers(0, 3, 200)), Access.LABELS),
        (column(RNG.choice([-1, 1], 200)), Access.LABELS),
        (column(RNG.choice([3, 7], 200)), Access.LABELS),
        (column(RNG.random(200)), Access.PROBABILITY),
        (column(RNG.normal(0, 5, 200)), Access.VALUES),
        (column(RNG.integers(20_000, 900_000, 400)), Access.VALUES),
        (SOFT, Access.PROBABILITIES),
        (SOFT.round(2), Access.PROBABILITIES),
        (SOFT.round(1), Access.PROBABILITIES),
        ((100 * SOFT).round(1), Access.PROBABILITIES),
        (np.log(SOFT), Access.LOGITS),
        (RNG.choice([0.02, 0.9, 0.97], (200, 3)), Access.MULTILABEL),
        (RNG.integers(0, 2, (200, 5)).astype(float), Access.MULTILABEL),
        (UNIT, Access.VECTORS),
        (np.abs(UNIT), Access.VECTORS),
    ],
)
def test_answers_are_recognised(answers: Array, access: Access) -> None:
    """By what they can be, and the sentence says from what."""
    form = recognise(answers)
    assert form.access is access
    assert form.because in form.said


@pytest.mark.parametrize(
    "answers",
    [
        RNG.normal(0, 3, (200, 4)),
        column(np.arange(200) % 60),
        column(RNG.integers(0, 100, 300)),
        column(RNG.integers(300, 850, 400)),
        column(RNG.choice([1011, 1207, 2454, *range(3_000, 3_060)], 400)),
        RNG.uniform(0.2, 0.8, (200, 2)),
    ],
    ids=["several numbers", "from 0", "counts or labels", "a score", "codes", "two shares"],
)
def test_answers_that_do_not_tell_are_asked_for(answers: Array) -> None:
    """With what they may be."""
    with pytest.raises(UsageError, match="--answers"):
        recognise(answers)


def test_what_is_stated_overrules_what_is_seen_and_what_the_source_knows() -> None:
    """Nobody knows better than the owner; then the model's own description."""
    whole = column(RNG.integers(0, 3, 200))
    assert recognise(whole, source=AnswerKind.VALUES).access is Access.VALUES
    stated = recognise(whole, stated=AnswerKind.LABELS, source=AnswerKind.VALUES)
    assert stated.access is Access.LABELS and "--answers" in stated.said
    numbers = RNG.normal(0, 3, (200, 4))
    assert recognise(numbers, stated=AnswerKind.SCORES).access is Access.LOGITS
    assert recognise(numbers, stated=AnswerKind.EMBEDDINGS).access is Access.VECTORS


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (SOFT, AnswerKind.LABELS),
        (SOFT, AnswerKind.SCORE),
        (column(RNG.random(20)), AnswerKind.SCORES),
        (column(RNG.random(20)), AnswerKind.EMBEDDINGS),
        (RNG.normal(0, 3, (20, 4)), AnswerKind.MULTILABEL),
    ],
)
def test_what_cannot_be_is_refused(answers: Array, kind: AnswerKind) -> None:
    """With what was found and what was expected."""
    with pytest.raises(UsageError, match=f"--answers {kind} does not fit"):
        recognise(answers, kind)


def test_decision_belongs_to_one_number() -> None:
    """A probability is moved so that it falls at a half; a score keeps its scale."""
    shares = column([0.01, 0.03, 0.5, 0.9])
    form = recognise(shares, AnswerKind.SCORE, decision_at=0.02)
    assert probabilities_of(shares, form).argmax(axis=1).tolist() == [0, 1, 1, 1]
    whole = column(RNG.integers(300, 850, 400))
    assert recognise(whole, decision_at=620.0).access is Access.SCORE
    with pytest.raises(UsageError, match="--decision-at"):
        recognise(SOFT, decision_at=0.5)


def test_labels_are_numbered_whatever_their_values() -> None:
    """From 0; one that no test input was given counts as a known one."""
    form = recognise(column([3, 7, 7, 3, 3, 7, 7, 7]))
    assert form.classes == 3  # the third for all others
    assert labels_of(column([7, 3, 9, 5]), form).tolist() == [1, 0, 2, 2]


def test_labels_as_text_are_never_numbers() -> None:
    """Nor can they be stated to be."""
    codes = column([0, 1, 2, 1, 0, 2])
    form = recognise(codes, names=("ship", "hold", "reject"))
    assert form.access is Access.LABELS and "ship, hold, reject" in form.said
    with pytest.raises(UsageError, match="text"):
        recognise(codes, AnswerKind.VALUES, names=("ship", "hold", "reject"))


def test_rounded_probabilities_are_brought_back_to_one() -> None:
    """Also percentages, and a row that was rounded to nothing."""
    rounded = np.array([[33.3, 33.3, 33.3], [100.0, 0.0, 0.0], [50.0, 50.0, 0.0]])
    form = recognise(rounded)
    assert np.allclose(probabilities_of(rounded, form).sum(axis=1), 1)
    stated = recognise(RNG.random((50, 3)), AnswerKind.SCORES)
    assert stated.access is Access.PROBABILITIES


def test_probabilities_become_values_that_are_linear_in_a_linear_model() -> None:
    """Log-odds, of several classes with their mean taken off."""
    one = recognise(column([0.5, 0.9]))
    assert np.allclose(values_of(column([0.5, 0.9]), one)[:, 0], [0, np.log(9)])
    several = recognise(SOFT)
    assert np.allclose(values_of(SOFT, several).sum(axis=1), 0)
