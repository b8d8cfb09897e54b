"""A fidelity says above what it counts: a constant answer is not a copy."""

import numpy as np
import pytest

from gamekeeper.audit.answers import recognise
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.learners import ByScores
from gamekeeper.audit.measures import ClassJudge, NumberJudge, are_too_few, rank_correlation
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import UsageError

TESTS = np.zeros((400, 1))
RNG = np.random.default_rng(0)
RARE = (np.arange(400) < 20).astype(np.int64)


def judge_of(labels: Array) -> ClassJudge:
    raw = labels[:, None].astype(float)
    return ClassJudge(labels, recognise(raw), raw)


def test_constant_does_not_copy_a_rare_class() -> None:
    """It agrees on 95 %, and is worth what a constant is."""
    judge = judge_of(RARE)
    assert judge.measure.name == "balanced agreement" and judge.measure.constant == 0.5
    measured = judge.measured(lambda inputs: np.zeros(len(inputs), int), TESTS)
    assert measured.fidelity == 0.5
    assert measured.beside["agreement"] == 0.95
    assert measured.beside["agreement on the rarest class"] == 0


def test_even_classes_are_judged_by_plain_agreement() -> None:
    """The best constant is stated beside it."""
    labels = np.arange(400) % 4
    judge = judge_of(labels)
    assert (judge.measure.name, judge.measure.constant) == ("agreement", 0.25)


def test_class_with_few_test_inputs_is_never_sure() -> None:
    """Three rows that all agree leave a wide interval, and the report says how few they are."""
    judge = judge_of((np.arange(400) < 3).astype(np.int64))
    perfect = judge.measured(lambda inputs: (np.arange(400) < 3).astype(int), TESTS)
    assert perfect.fidelity == 1.0 and perfect.error > 0.05
    assert judge.measure.most == 0
    assert "the rarest has 3" in judge.measure.notes[0]
    assert are_too_few(np.arange(400) < 3) and not are_too_few(RARE)


def test_scores_are_compared_by_rank_and_error_where_a_copy_has_them() -> None:
    """Beside the agreement of labels."""
    shares = RNG.dirichlet([1, 1, 1], 400)
    judge = ClassJudge(shares.argmax(axis=1), recognise(shares), shares)
    exact = judge.measured(ByScores(lambda inputs: shares), TESTS).beside
    assert exact["rank correlation"] == pytest.approx(1)
    assert exact["scores within 0.05"] == 1
    off = judge.measured(ByScores(lambda inputs: shares[::-1]), TESTS).beside
    assert off["rank correlation"] < 0.2 and off["scores within 0.05"] < 0.3
    hard = judge.measured(lambda inputs: shares.argmax(axis=1), TESTS).beside
    assert "rank correlation" not in hard


def test_regression_is_judged_by_explained_variance() -> None:
    """The mean of all answers explains nothing."""
    values = RNG.normal(100, 15, (400, 1))
    judge = NumberJudge(values, recognise(values))
    assert (judge.measure.name, judge.measure.constant) == ("R2", 0.0)
    assert judge.measured(lambda inputs: values, TESTS).fidelity == 1.0
    assert judge.measured(lambda inputs: np.full((400, 1), 100.0), TESTS).fidelity < 0.02
    assert judge.measured(lambda inputs: values[::-1], TESTS).fidelity == 0.0


def test_stated_tolerance_is_what_counts() -> None:
    """Its baseline is the constant that is right most often."""
    values = np.concatenate([np.full(100, 50.0), np.linspace(0, 1_000, 300)])[:, None]
    judge = NumberJudge(values, recognise(values, AnswerKind.VALUES), tolerance=5.0)
    assert judge.measure.name == "share of values within 5"
    assert 0.25 <= judge.measure.constant < 0.27
    assert judge.measured(lambda inputs: values + 4.9, TESTS).fidelity == 1.0
    assert judge.measured(lambda inputs: values + 5.1, TESTS).fidelity == 0.0


def test_score_is_judged_by_rank_or_by_its_decision() -> None:
    """Its scale does not matter for the first; the second is balanced."""
    scores = RNG.normal(600, 50, (400, 1))
    by_rank = NumberJudge(scores, recognise(scores, AnswerKind.SCORE))
    assert by_rank.measure.name == "rank correlation"
    assert by_rank.measured(lambda inputs: scores**3, TESTS).fidelity == pytest.approx(1)
    decided = NumberJudge(scores, recognise(scores, AnswerKind.SCORE, decision_at=660.0))
    assert decided.measure.constant == 0.5 and decided.measure.is_balanced
    assert decided.measured(lambda inputs: np.full((400, 1), 600.0), TESTS).fidelity == 0.5


def test_decision_that_no_test_input_crosses_is_refused() -> None:
    """A constant would be a perfect copy; with a few on the other side nothing can be judged."""
    scores = np.linspace(0, 100, 400)[:, None]
    beyond = recognise(scores, AnswerKind.SCORE, decision_at=500.0)
    with pytest.raises(UsageError, match="a constant decides as well"):
        NumberJudge(scores, beyond)
    rare = NumberJudge(scores, recognise(scores, AnswerKind.SCORE, decision_at=99.5))
    assert rare.measure.most == 0 and "fewer than 10" in rare.measure.notes[0]


def test_many_classes_are_judged_by_plain_agreement() -> None:
    """None of two hundred has half of the inputs, however uneven they are."""
    labels = RNG.geometric(0.05, 400)
    raw = labels[:, None].astype(float)
    judge = ClassJudge(labels, recognise(raw, AnswerKind.LABELS), raw)
    assert judge.measure.name == "agreement" and judge.measure.constant < 0.1


def test_labels_that_do_not_depend_on_each_other_count_alike() -> None:
    """A label that nobody has is not counted."""
    labels = np.stack([RARE, np.arange(400) % 2, np.zeros(400)], axis=1)
    judge = NumberJudge(labels, recognise(labels))
    assert judge.measured(lambda inputs: labels * 2 - 1, TESTS).fidelity == 1.0
    assert judge.measured(lambda inputs: np.full((400, 3), -1.0), TESTS).fidelity == 0.5


def test_embeddings_are_judged_by_what_is_nearest() -> None:
    """Turned round together they find the same."""
    vectors = RNG.standard_normal((400, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    judge = NumberJudge(vectors, recognise(vectors))
    turned = vectors @ np.linalg.qr(RNG.standard_normal((32, 32)))[0]
    assert judge.measured(lambda inputs: turned, TESTS).fidelity == 1.0
    assert judge.measured(lambda inputs: vectors[::-1], TESTS).fidelity < 0.1


def test_rank_of_a_constant_is_nothing() -> None:
    """Neither a number that is missing nor an order."""
    assert rank_correlation(np.zeros(10), np.arange(10)) == 0.0
    assert rank_correlation(-np.arange(10), np.arange(10)) == 0.0
