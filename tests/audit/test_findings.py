import numpy as np

from audit.builders import linear_scores, make_inputs
from gamekeeper.audit.answers import recognise
from gamekeeper.audit.findings import findings
from gamekeeper.audit.hidden_width import hidden_width, projection, unexplained
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets import Array

RAW = linear_scores(make_inputs(40))
SHARES = recognise(RAW)


def logits(n: int, classes: int, width: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, width)) @ rng.standard_normal((width, classes))


def test_decimals_are_told() -> None:
    """All of them, or how many there are left."""
    assert "probabilities of 3 classes, with all their digits" in next(
        findings(RAW, RAW[:5], SHARES)
    )
    rounded = RAW.round(2)
    assert "rounded to 2 decimals" in next(findings(rounded, rounded[:5], SHARES))


def test_different_answers_to_one_query_are_told() -> None:
    """How many of those asked again."""
    again = RAW[:5].copy()
    again[:2] += 0.01
    assert any("differently in 2 of 5 cases" in said for said in findings(RAW, again, SHARES))
    assert len(list(findings(RAW, RAW[:5], SHARES))) == 1


def test_arithmetic_of_another_batch_is_no_noise() -> None:
    """Networks in float32 answer a little otherwise in batches of another size."""
    again = RAW[:5] * (1 + 1e-6) + 1e-7
    assert len(list(findings(RAW, again, SHARES))) == 1


def test_width_is_read_off_logits() -> None:
    """Exactly; also of log-probabilities, and after rounding to one decimal."""
    for seed, (n, classes, width) in enumerate([(100, 300, 40), (300, 100, 17), (200, 2_000, 128)]):
        raw = logits(n, classes, width, seed)
        assert hidden_width(raw) == width
        assert hidden_width(raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))) == width
        assert hidden_width(raw.round(1)) == width


def test_width_is_not_claimed_where_nothing_shows_it() -> None:
    """Too few answers, or as many numbers as classes."""
    assert hidden_width(logits(30, 300, 40)) is None
    assert hidden_width(np.random.default_rng(0).standard_normal((200, 50))) is None


def test_last_layer_is_read_off_up_to_a_change_of_basis() -> None:
    """What is read explains answers that it was not read from, and lies in the span of the true
    layer.
    """
    rng = np.random.default_rng(4)
    true = rng.standard_normal((60, 9))
    raw, others = (rng.standard_normal((n, 9)) @ true.T for n in (50, 30))
    layer = projection(raw, 9)
    assert unexplained(layer, others) < 1e-9
    centred = true - true.mean(axis=0)
    basis = np.linalg.qr(layer)[0]
    assert np.allclose(basis @ (basis.T @ centred), centred)
    assert unexplained(rng.standard_normal((60, 9)), others) > 0.5
    said = [*findings(raw, raw[:5], recognise(raw, AnswerKind.SCORES))]
    assert any("depend on 9 numbers" in each for each in said) and any(
        "last layer itself" in each for each in said
    )


def test_finding_names_the_width() -> None:
    """Of a model that gives its logits."""
    raw = logits(100, 80, 12)
    assert any(
        "depend on 12 numbers" in said
        for said in findings(raw, raw[:5], recognise(raw, AnswerKind.SCORES))
    )
