"""What a defence is: a card, and a function from a batch of scores to the scores that are given
out.

A defence is written for rows that are probabilities. What is common to all is here, once:
values that are not scores are refused, rows that sum to something else are brought to 1 and back,
and where the card says that the first place is kept, it is kept, whatever the arithmetic of the
defence does to near ties.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gamekeeper.base.errors import Fault, InputError, UsageError, input_error

Scores = Callable[[np.ndarray, Sequence[bytes]], np.ndarray]
"""Scores, float64 (n, classes), and the n inputs they answer, as bytes -> scores of the
same shape.
"""

Maturity = Literal["experimental", "tested", "stable", "retired"]

_MIN_KEY_BYTES = 16
_LEAST_SUM = 1e-9
_NEARLY_ONE = (
    1e-6  # float32 softmax sums to 1 give or take this; those digits are part of what is withheld
)
_LEAD = 1e-6  # of a row, by which the first place leads where it would only tie


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a defence.

    Args:
        name: As `make_defence` takes it.
        meaning: What it sets, with its unit.
        default: Its value unless given; None if it must be given.
        low: Least value; None if it is not a number.
        high: Greatest value; None if it is not a number.
        choices: The values that it may have; empty if it is a number.
        whole: Whether only whole numbers are valid.
    """

    name: str
    meaning: str
    default: object
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DefenceCard:
    """The description of a defence.

    Args:
        name: Unique; policies name it so.
        purpose: What it does to the scores, one sentence.
        parameters: What can be set.
        keeps_top1: Whether the class in first place stays there; of equal ones, the first.
        cost_to_users: What honest users lose, measured.
        undone_by: What a thief does about it who knows of it.
        source: Where the idea comes from, and what differs here.
        maturity: `retired` ones are here because people ask for them.
    """

    name: str
    purpose: str
    parameters: tuple[Parameter, ...]
    keeps_top1: bool
    cost_to_users: str
    undone_by: str
    source: str
    maturity: Maturity = "tested"


@dataclass(frozen=True, slots=True)
class Defence:
    """A card and the factory of its function; the factory takes the key, then the card's parameters
    by name.
    """

    card: DefenceCard
    make: Callable[..., Scores]


DEFENCES: dict[str, Defence] = {}
"""Defences by name, in the order in which they registered."""


def defence(card: DefenceCard) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Registers a factory under its card."""

    def register(make: Callable[..., Scores]) -> Callable[..., Scores]:
        DEFENCES[card.name] = Defence(card, make)
        return make

    return register


def make_defence(name: str, key: bytes, **parameters: object) -> Scores:
    """Makes the function that a policy names.

    The function has no state and may be shared by threads; replicas with the same key give the same
    answers.

    Args:
        name: One of `DEFENCES`.
        key: Secret of at least 16 bytes. Anyone who has it can undo what is keyed.
        **parameters: As the card lists them.

    Returns:
        A function of scores, float64 (n, classes), none below 0, and the n inputs as bytes
        (`number_bytes` and `text_bytes` make them). Its rows sum to what they summed to; a sum
        within 1e-6 of 1 becomes 1. It raises `InputError` for invalid scores, so that nothing
        unprotected is given out.

    Raises:
        UsageError: No such defence or parameter, or a value out of range.
    """
    if name not in DEFENCES:
        raise UsageError(f'"{name}" is not a defence; known are {", ".join(sorted(DEFENCES))}')
    if len(key) < _MIN_KEY_BYTES:
        raise UsageError(
            f"the key of a defence must have at least {_MIN_KEY_BYTES} bytes; found {len(key)}"
        )
    made = DEFENCES[name]
    return _Whole(made.card, made.make(key, **_settings(made.card, parameters)))


def _settings(card: DefenceCard, given: Mapping[str, object]) -> dict[str, object]:
    known = {p.name: p for p in card.parameters}
    for name in given.keys() - known.keys():
        raise UsageError(
            f'{card.name} has no parameter "{name}"; it has {", ".join(known) or "none"}'
        )
    return {name: _setting(card.name, p, given.get(name, p.default)) for name, p in known.items()}


def _setting(name: str, parameter: Parameter, value: object) -> object:
    if value is None:
        raise UsageError(f"{name} needs {parameter.name}: {parameter.meaning}")
    if parameter.choices and value not in parameter.choices:
        raise UsageError(
            f"{parameter.name} of {name} must be one of {', '.join(parameter.choices)};"
            f" found {value!r}"
        )
    if parameter.low is None or parameter.high is None:
        return value
    kinds = (int,) if parameter.whole else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, kinds)
        or not parameter.low <= value <= parameter.high
    ):
        kind = "a whole number" if parameter.whole else "a number"
        raise UsageError(
            f"{parameter.name} of {name} must be {kind} from {parameter.low:g} to"
            f" {parameter.high:g}; found {value!r}"
        )
    return value


class _Whole:
    """A defence with what is common to all: checks before it, sums and first places after it."""

    def __init__(self, card: DefenceCard, change: Scores) -> None:
        self.card = card
        self._change = change

    def __call__(self, scores: np.ndarray, inputs: Sequence[bytes]) -> np.ndarray:
        scores = require_scores(scores)
        _require_inputs(inputs, len(scores))
        if not len(scores):
            return scores.copy()
        sums = scores.sum(1, keepdims=True)
        given = self._change(scores / sums, inputs)
        sums[np.abs(sums - 1.0) <= _NEARLY_ONE] = 1.0
        given = given * sums
        return keep_top1(scores, given) if self.card.keeps_top1 else given


def require_scores(scores: np.ndarray) -> np.ndarray:
    """Returns scores as float64, or refuses them.

    Args:
        scores: Shape (n, classes).

    Raises:
        InputError: Not a table of numbers, or a row with one that is below 0 or not finite, or a
            sum of 0.
    """
    try:
        scores = np.asarray(scores, np.float64)
    except (TypeError, ValueError):
        raise _refused("scores", "not a table of numbers", repr(scores)[:80]) from None
    if scores.ndim != 2:
        raise _refused("scores", "not a table of rows and classes", f"shape {scores.shape}")
    if not len(scores):
        return scores
    # NaN compares false, so that it fails here as well
    with np.errstate(over="ignore", invalid="ignore"):
        sums = scores.sum(1)
        good = (scores.min(1, initial=np.inf) >= 0) & (sums >= _LEAST_SUM) & (sums < np.inf)
    if not good.all():
        row = int(np.argmin(good))
        raise _refused(
            f"scores, row {row + 1}",
            "a row does not hold scores",
            str(scores[row, :8].tolist()),
            int((~good).sum()),
        )
    return scores


def _refused(where: str, problem: str, found: str, count: int = 1) -> InputError:
    expected = (
        "numbers of at least 0, one for each class, that sum to more than 0 (1 for probabilities)"
    )
    try_ = "give probabilities: apply a softmax to logits first"
    return InputError(
        [
            Fault(
                where=where, problem=problem, found=found, expected=expected, try_=try_, count=count
            )
        ]
    )


def _require_inputs(inputs: Sequence[bytes], rows: int) -> None:
    if len(inputs) != rows:
        expected = f"one input for each of {rows} rows of scores"
        raise input_error(
            "inputs", "inputs and scores differ in number", str(len(inputs)), expected
        )


def keep_top1(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Puts the class that was first back in first place, ahead of all others.

    Its score changes places with the highest one. Where that still ties, every class yields a
    millionth to it, so that picking the last of equal ones gives the same class as picking
    the first.

    Args:
        before: Scores, shape (n, classes), n >= 1. Of equal ones the first is in first place.
        after: Scores of the same shape, changed in place.

    Returns:
        `after`.
    """
    rows = np.arange(len(after))
    top = before.argmax(1)
    best = after.argmax(1)
    most = after[rows, best]
    after[rows, best] = after[rows, top]
    after[rows, top] = most
    tied = (after == most[:, None]).sum(1) > 1
    if tied.any():
        total = after[tied].sum(1)
        after[tied] *= 1.0 - _LEAD
        after[rows[tied], top[tied]] += _LEAD * total
    return after
