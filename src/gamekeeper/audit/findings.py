"""What the interface reveals before any attack: how much, how exactly, and how consistently."""

from collections.abc import Iterator

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm
from gamekeeper.audit.hidden_width import hidden_width, projection, unexplained
from gamekeeper.audit.targets import Array

_ALL_DIGITS = 7  # decimals from which a softmax keeps enough for equations
_SAME = 1e-5  # of an answer: float32 sums differ so much between batches of other sizes
_EXPLAINED = 0.1  # of the spread of other answers, which the last layer leaves at most


def findings(raw: Array, again: Array, form: AnswerForm) -> Iterator[str]:
    """Yields sentences.

    Args:
        raw: Answers, shape (n, width).
        again: Answers to the first inputs once more, shape (k, width).
        form: What answers are.
    """
    yield _said(raw, form)
    differ = int(answered_otherwise(raw, again).sum())
    if differ:
        yield (
            f"the same query was answered differently in {differ} of {len(again)} cases: noise"
            " that is drawn again for each answer is averaged away by asking again"
        )
    if (
        form.access is Access.LOGITS
        and (width := hidden_width(raw)) is not None
        and width < raw.shape[1] - 1
    ):
        yield f"its logits depend on {width} numbers: that is the width of its last hidden layer"
        yield from _of_projection(raw, width)


def answered_otherwise(raw: Array, again: Array) -> Array:
    """Returns which of the first inputs were answered otherwise when they were asked again, shape
    (k,).
    """
    return np.asarray(~np.isclose(raw[: len(again)], again, rtol=_SAME, atol=_SAME).all(axis=1))


def _of_projection(raw: Array, width: int) -> Iterator[str]:
    """What half of the answers reveal about the last layer, judged by the other half."""
    half = len(raw) // 2
    if half < width:
        return
    wrong = unexplained(projection(raw[:half], width), raw[half:])
    if wrong < _EXPLAINED:
        yield (
            f"the last layer itself follows from {half} answers, up to a change of basis: it"
            f" predicts the others to within {wrong:.1e} of their spread"
        )


def _said(raw: Array, form: AnswerForm) -> str:
    if form.access is Access.LABELS:
        return "the interface gives only labels"
    decimals = _decimals(raw)
    digits = (
        "with all their digits" if decimals >= _ALL_DIGITS else f"rounded to {decimals} decimals"
    )
    return f"the interface gives {form.what}, {digits}"


def _decimals(raw: Array) -> int:
    """Decimals that all answers keep to."""
    return next(
        (d for d in range(_ALL_DIGITS) if np.allclose(raw, raw.round(d), rtol=0, atol=10.0**-9)),
        _ALL_DIGITS,
    )
