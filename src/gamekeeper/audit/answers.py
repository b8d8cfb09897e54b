"""What a target answers, recognised rather than guessed: from the source where that knows it, then
from the answers themselves.

    labels       one of a few classes
    scores       of several classes: probabilities, or logits
    score        one number: the probability of the positive class where all are from 0 to 1,
                 otherwise a score of any scale
    values       one or several numbers that are predicted: a regression
    multilabel   several probabilities, or yes and no, that do not depend on each other
    embeddings   a vector

Several numbers without bounds may be logits, values or embeddings. Nothing in them tells, so that
the caller has to say. One number without bounds is taken as a value, which is never wrong: a copy
of the number is a copy of everything that is decided by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.base.errors import UsageError

Array = np.ndarray

_SHOWN = 8  # names of labels
_FEW = 20  # different whole numbers, up to which they are labels
_ROWS_A_LABEL = 2  # so many answers for each, at least, to be sure of it
# of whole numbers that are amounts rather than labels: nearly all differ, far apart
_DIFFERENT = 0.9
_APART = 100
_SUM = 1e-3  # by which the sum of a row of probabilities is off, at most, beside their rounding
_WHOLES = (1.0, 100.0)  # what the probabilities of a row sum to
# of that: by which rounding may change the sum of a row at most, and the mean of all sums
_ROUNDED = 0.3
_MEAN = 0.05
_MOST_DECIMALS = 6  # of rounded probabilities
_NEAR_AN_END = 0.2  # of a probability that is sure of a label or of its absence
_SURE_ONES = 0.5  # share of such probabilities among those of labels
_UNIT = 1e-3  # by which the length of a normalised vector is off, at most
_SHORTEST_VECTOR = 16  # numbers; shorter ones of unit length are not taken for embeddings


class Access(StrEnum):
    """What an interface gives out."""

    LABELS = "labels"
    PROBABILITIES = "probabilities"
    PROBABILITY = "the probability of one class"
    LOGITS = "logits"
    SCORE = "one score"
    VALUES = "values"
    MULTILABEL = "several labels"
    VECTORS = "embeddings"
    TEXT = "text"
    TRACES = "text and reasoning"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What the answers of a target are.

    Args:
        access: What the interface gives out.
        width: Numbers in an answer.
        because: From what that was recognised, part of a sentence.
        labels: Different labels, ascending, shape (classes,); None where it gives scores.
        decision_at: From this on one score means the positive class; None where nothing says so.
        by_rank: Whether scores of classes are compared as numbers, because all of them name one
            class.
    """

    access: Access
    width: int
    because: str
    labels: Array | None = None
    decision_at: float | None = None
    by_rank: bool = False

    @property
    def are_numbers(self) -> bool:
        """Whether answers are copied and compared as numbers rather than as classes."""
        return self.by_rank or self.access in _NUMBERS

    @property
    def classes(self) -> int:
        """Labels are 0 to this, exclusive; the last one is any label that no test input has."""
        if self.labels is not None:
            return len(self.labels) + 1
        return 2 if self.access is Access.PROBABILITY else self.width

    @property
    def said(self) -> str:
        """What was recognised, a sentence."""
        return f"answers are taken as {self.what}: {self.because}"

    @property
    def what(self) -> str:
        """What answers are, in a few words."""
        if self.access is Access.VALUES and self.width == 1:
            return "one predicted value an input"
        return _WORDS[self.access].format(self.width)


_WORDS = {
    Access.LABELS: "labels",
    Access.PROBABILITIES: "probabilities of {} classes",
    Access.PROBABILITY: "the probability of one of two classes",
    Access.LOGITS: "logits, or log-probabilities, of {} classes",
    Access.SCORE: "one score an input",
    Access.VALUES: "{} predicted values an input",
    Access.MULTILABEL: "{} labels that do not depend on each other",
    Access.VECTORS: "embeddings of {} numbers",
    Access.TEXT: "text",
    Access.TRACES: "text and reasoning",
}
_STATED = "--answers says so"
_NUMBERS = {Access.SCORE, Access.VALUES, Access.MULTILABEL, Access.VECTORS}
_FLOOR = 1e-300  # of a probability, before its logarithm: small ones are exact
_CEILING = 1 - 2.0**-53  # of a probability, before the logarithm of its rest
_MIDDLE = 0.5  # from which on a probability means its class


def recognise(
    answers: Array,
    stated: AnswerKind | None = None,
    source: AnswerKind | None = None,
    decision_at: float | None = None,
    names: Sequence[str] = (),
) -> AnswerForm:
    """Returns what raw answers are.

    Args:
        answers: Finite, shape (n, width).
        stated: What the caller says; it overrules everything.
        source: What the target itself knows, such as an estimator with classes.
        decision_at: From this on one score means the positive class; None if not stated.
        names: Of labels that came as text, by their numbers; empty where answers are numbers.

    Raises:
        UsageError: Nothing tells what they are, or they cannot be what was stated.
    """
    if names:
        return _of_text(answers, stated, names)
    kind = stated or source
    because = _STATED if stated else "the model's own description says so"
    if kind is None and decision_at is not None and answers.shape[1] == 1:
        kind, because = AnswerKind.SCORE, "--decision-at says from which score a decision falls"
    if kind is None:
        kind, because = _from_answers(answers)
    return _form(answers, kind, because, decision_at)


def _of_text(answers: Array, stated: AnswerKind | None, names: Sequence[str]) -> AnswerForm:
    if stated not in (None, AnswerKind.LABELS):
        raise _unfit(stated, "text", "numbers")
    listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    because = f"they are text: {listed}"
    return _form(answers, AnswerKind.LABELS, because, None)


def _from_answers(answers: Array) -> tuple[AnswerKind, str]:
    width = answers.shape[1]
    return _of_one(answers[:, 0]) if width == 1 else _of_several(answers)


def _of_one(answers: Array) -> tuple[AnswerKind, str]:
    different = np.unique(answers)
    spread = f"from {different[0]:g} to {different[-1]:g}"
    if (answers != np.round(answers)).any():
        if different[0] >= 0 and different[-1] <= 1:
            return AnswerKind.SCORE, f"one number an input, {spread}"
        return AnswerKind.VALUES, f"one number an input, {spread}, not a whole number"
    count = f"{len(different):,} different whole numbers {spread}"
    if len(different) <= _FEW and len(different) * _ROWS_A_LABEL <= len(answers):
        return AnswerKind.LABELS, count
    is_amount = len(different) >= _DIFFERENT * len(answers)
    if is_amount and np.ptp(different) >= _APART * len(answers):
        return AnswerKind.VALUES, f"{count}, nearly all of them different and far apart"
    raise _ask(f"{count} in {len(answers):,} answers", "labels, score or values")


def _of_several(answers: Array) -> tuple[AnswerKind, str]:
    width = answers.shape[1]
    whole = _whole(answers)
    if whole is not None:
        return AnswerKind.SCORES, f"{width} numbers an input that sum to {whole:g}"
    if width >= _SHORTEST_VECTOR and np.allclose((answers**2).sum(axis=1), 1, atol=_UNIT):
        return AnswerKind.EMBEDDINGS, f"{width} numbers an input, of length 1 as a vector"
    if np.allclose(np.exp(np.minimum(answers, 1.0)).sum(axis=1), 1, atol=_SUM):
        return AnswerKind.SCORES, f"{width} logarithms an input of probabilities that sum to 1"
    if _are_shares(answers) and (np.abs(answers - _MIDDLE) >= _MIDDLE - _NEAR_AN_END).mean() >= (
        _SURE_ONES
    ):
        return AnswerKind.MULTILABEL, f"{width} numbers an input from 0 to 1 that do not sum to 1"
    found = f"{width} numbers an input from {answers.min():.3g} to {answers.max():.3g}"
    either = "scores (of classes), values (a regression), multilabel or embeddings"
    raise _ask(found, either)


def _form(answers: Array, kind: AnswerKind, because: str, decision_at: float | None) -> AnswerForm:
    width = answers.shape[1]
    if kind in (AnswerKind.LABELS, AnswerKind.SCORE) and width != 1:
        raise _unfit(kind, f"{width} numbers", "one number")
    if kind in (AnswerKind.SCORES, AnswerKind.MULTILABEL, AnswerKind.EMBEDDINGS) and width == 1:
        raise _unfit(kind, "one number", "several numbers")
    if kind is AnswerKind.MULTILABEL and not _are_shares(answers):
        raise _unfit(kind, f"{answers.min():.3g} to {answers.max():.3g}", "numbers from 0 to 1")
    access = _access(answers, kind)
    labels = np.unique(answers[:, 0]) if access is Access.LABELS else None
    if decision_at is not None and access not in (Access.PROBABILITY, Access.SCORE, Access.VALUES):
        raise UsageError("--decision-at is for a target that answers one number")
    if decision_at is not None and access is Access.VALUES:
        access = Access.SCORE
    return AnswerForm(
        access=access, width=width, because=because, labels=labels, decision_at=decision_at
    )


def _access(answers: Array, kind: AnswerKind) -> Access:
    if kind is AnswerKind.SCORES:
        is_share = _whole(answers) is not None or _are_shares(answers)
        return Access.PROBABILITIES if is_share else Access.LOGITS
    if kind is AnswerKind.SCORE:
        return Access.PROBABILITY if _are_shares(answers) else Access.SCORE
    return {
        AnswerKind.LABELS: Access.LABELS,
        AnswerKind.VALUES: Access.VALUES,
        AnswerKind.MULTILABEL: Access.MULTILABEL,
        AnswerKind.EMBEDDINGS: Access.VECTORS,
    }[kind]


def _are_shares(answers: Array) -> bool:
    return bool(((answers >= 0) & (answers <= 1)).all())


def _whole(answers: Array) -> float | None:
    """What each row sums to, 1 or 100, as far as rounding lets it; None if it does not."""
    if (answers < 0).any():
        return None
    sums = answers.sum(axis=1)
    decimals = _decimals(answers)
    rounding = 0.5 * 10.0**-decimals * answers.shape[1]
    for whole in _WHOLES:
        # 0 and 1 are whole numbers rather than rounded probabilities
        allowed = _SUM + (0 if decimals == 0 and whole == 1 else min(rounding, _ROUNDED * whole))
        is_mean = abs(sums.mean() - whole) <= _MEAN * whole
        if is_mean and (answers <= whole + _SUM).all() and (np.abs(sums - whole) <= allowed).all():
            return whole
    return None


def _decimals(answers: Array) -> int:
    """Decimals that all answers keep to."""
    return next(
        (
            d
            for d in range(_MOST_DECIMALS)
            if np.allclose(answers, answers.round(d), rtol=0, atol=1e-9)
        ),
        _MOST_DECIMALS,
    )


def _ask(found: str, either: str) -> UsageError:
    return UsageError(
        f"the answers do not tell what they are: {found}. Say it with --answers: {either}"
    )


def _unfit(kind: AnswerKind, found: str, expected: str) -> UsageError:
    return UsageError(
        f"--answers {kind} does not fit: the target answers {found}; expected {expected} an input"
    )


def labels_of(answers: Array, form: AnswerForm) -> Array:
    """Returns raw labels, shape (n, 1), as numbers from 0, shape (n,); those that no test input was
    given are one further label.
    """
    assert form.labels is not None
    positions = np.searchsorted(form.labels, answers[:, 0])
    inside = np.minimum(positions, len(form.labels) - 1)
    is_known = form.labels[inside] == answers[:, 0]
    return np.where(is_known, inside, len(form.labels)).astype(np.int64)


def probabilities_of(answers: Array, form: AnswerForm) -> Array:
    """Returns raw scores of classes as probabilities, shape (n, classes), that sum to 1: of logits,
    their softmax.

    The probability of one class is moved so that the decision falls at a half.
    """
    if form.access is Access.PROBABILITIES:
        sums = answers.sum(axis=1, keepdims=True)
        return np.asarray(np.where(sums > 0, answers / np.where(sums > 0, sums, 1), 1 / form.width))
    if form.access is Access.LOGITS:
        likely = np.exp(answers - answers.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))
    positive = answers[:, 0]
    if form.decision_at not in (None, _MIDDLE):
        positive = 1 / (1 + np.exp(_logit(np.array([form.decision_at])) - _logit(positive)))
    return np.stack([1 - positive, positive], axis=1)


def values_of(answers: Array, form: AnswerForm) -> Array:
    """Returns raw answers as numbers that a linear model can be linear in, shape (n, width):
    probabilities by their log-odds.
    """
    if form.access is Access.PROBABILITIES:
        logs = np.log(np.maximum(probabilities_of(answers, form), _FLOOR))
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))
    if form.access in (Access.PROBABILITY, Access.MULTILABEL):
        return _logit(answers)
    return answers


def _logit(shares: Array) -> Array:
    inside = np.clip(shares, _FLOOR, _CEILING)
    return np.asarray(np.log(inside) - np.log1p(-inside))
