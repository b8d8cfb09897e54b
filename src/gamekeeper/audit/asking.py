"""What one attack sees: the target's answers through a defence, each of its queries counted.

The audit pays for a raw answer once; how many queries an attacker would have made is counted here,
for each run separately.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm, labels_of, probabilities_of, values_of
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.restoring import Restore
from gamekeeper.audit.targets import Array
from gamekeeper.defences import Scores, number_bytes

Change = Callable[[Array], Array]
"""What a defence does to answers that are numbers, shape (n, width)."""


class Source(Protocol):
    """What is asked: a `Meter`, or something before one."""

    def ask(self, inputs: Array, turn: int = 0) -> Array:
        """See `Meter.ask`."""
        ...


class Renamed:
    """A meter whose labels are numbered as another target numbers its own.

    Args:
        meter: What is asked.
        names: Of the labels in the other target's order.
    """

    def __init__(self, meter: Meter, names: Sequence[str]) -> None:
        self._meter = meter
        self._places = {name: float(place) for place, name in enumerate(names)}

    def ask(self, inputs: Array, turn: int = 0) -> Array:
        """See `Meter.ask`; a label that the other target does not have comes after all others."""
        raw = self._meter.ask(inputs, turn)
        texts = self._meter.texts
        named = [texts[int(each)] if texts else f"{each:g}" for each in np.nan_to_num(raw[:, 0])]
        places = [self._places.get(name, float(len(self._places))) for name in named]
        return np.where(np.isnan(raw), np.nan, np.array(places).reshape(raw.shape))


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to n inputs.

    Args:
        labels: int64, shape (n,); all 0 where answers are numbers.
        probabilities: float64, shape (n, classes); None where only labels are given.
        values: float64, shape (n, width), where answers are copied as numbers; None for classes.
    """

    labels: Array
    probabilities: Array | None = None
    values: Array | None = None


class Asking:
    """One run of an attack's access to the target: answers through a defence, each query counted.

    Args:
        meter: The target.
        form: What it answers.
        defence: What is done to its probabilities; None for nothing.
        most: Queries that this run may make.
        change: What a defence does to answers that are numbers; None for nothing.
        restore: What the attacker does to probabilities to undo it; None for nothing.
        on_inputs: Called with the inputs that are asked.
        explainer: What gives counterfactuals; None for nothing.
        times: That each input is asked, to average the answers.
        again: Whether the target must be asked again for that, because it answers otherwise each
            time.
    """

    def __init__(
        self,
        meter: Source,
        form: AnswerForm,
        defence: Scores | None,
        most: int,
        *,
        change: Change | None = None,
        restore: Restore | None = None,
        on_inputs: Callable[[Array], object] = lambda inputs: None,
        explainer: Meter | None = None,
        times: int = 1,
        again: bool = False,
    ) -> None:
        self._meter = meter
        self._form = form
        self._defence = defence
        self._most = most
        self._change = change
        self._restore = restore
        self._on_inputs = on_inputs
        self._explainer = explainer
        self._times = times
        self._again = again
        self.queries = 0
        self.unseen = 0

    def ask(self, inputs: Array) -> Answers:
        """Returns what the attacker is given.

        Raises:
            SpentError: This run may not make so many queries, or the audit may not.
            TargetError: As `Meter.ask`.
        """
        self._count(inputs, self._times)
        answers = _averaged([self._seen(inputs, turn) for turn in range(self._times)])
        self._on_inputs(np.repeat(inputs, self._times, axis=0))
        if self._form.labels is not None:
            self.unseen += int((answers.labels == len(self._form.labels)).sum())
        if self._restore is None or answers.probabilities is None or not len(inputs):
            return answers
        return Answers(answers.labels, self._restore(answers.probabilities))

    def explain(self, inputs: Array) -> Array:
        """Returns counterfactuals, shape (n, width); each is a query.

        Raises:
            SpentError: As `ask`.
            TargetError: As `Meter.ask`.
        """
        assert self._explainer is not None
        self._count(inputs)
        self._on_inputs(inputs)
        return self._explainer.ask(inputs)

    def _seen(self, inputs: Array, turn: int) -> Answers:
        raw = self._meter.ask(inputs, turn if self._again else 0)
        return seen(_filled(raw, inputs), inputs, self._form, self._defence, self._change)

    def _count(self, inputs: Array, times: int = 1) -> None:
        if self.queries + times * len(inputs) > self._most:
            raise SpentError(f"this run may make {self._most} queries")
        self.queries += times * len(inputs)


def _filled(raw: Array, inputs: Array) -> Array:
    """A query that failed is given what the nearest one of the same batch was answered: the
    attacker has to do without it, and attacks need not know.
    """
    failed = np.isnan(raw).any(axis=1)
    if not failed.any() or failed.all():
        return np.asarray(np.nan_to_num(raw))
    rows = np.nan_to_num(inputs)
    answered = np.flatnonzero(~failed)
    filled = raw.copy()
    for row in np.flatnonzero(failed):
        far = ((rows[answered] - rows[row]) ** 2).sum(axis=1)
        filled[row] = raw[answered[far.argmin()]]
    return filled


def _averaged(answers: list[Answers]) -> Answers:
    """Answers to the same queries as one."""
    if len(answers) < 2:
        return answers[0]
    if answers[0].values is not None:
        values = np.stack([each.values for each in answers if each.values is not None])
        return Answers(answers[0].labels, values=values.mean(axis=0))
    rows = [each.probabilities for each in answers if each.probabilities is not None]
    if not rows:
        return answers[0]
    mean = np.stack(rows).mean(axis=0)
    return Answers(mean.argmax(axis=1), mean)


def seen(
    raw: Array,
    inputs: Array,
    form: AnswerForm,
    defence: Scores | None = None,
    change: Change | None = None,
) -> Answers:
    """Returns raw answers as they come through a defence."""
    if form.are_numbers:
        values = values_of(raw if change is None else change(raw), form)
        return Answers(np.zeros(len(raw), np.int64), values=values)
    if form.access is Access.LABELS:
        return Answers(labels_of(raw, form))
    probabilities = probabilities_of(raw, form)
    if defence is not None:
        probabilities = defence(probabilities, [number_bytes(row) for row in inputs])
    return Answers(probabilities.argmax(axis=1), probabilities)


Ask = Callable[[Array], Answers]
"""How attacks ask."""
