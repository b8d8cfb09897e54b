"""What one attack sees: the target's answers through a defence, each of its queries counted.

The audit pays for a raw answer once; how many queries a thief would have made is counted here, for
each thief separately.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.restoring import Restore
from gamekeeper.audit.targets import Array
from gamekeeper.defences import Scores, number_bytes


class Access(StrEnum):
    """What an interface gives out."""

    LABELS = "labels"
    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    TEXT = "text"
    TRACES = "text and reasoning"
    VECTORS = "embeddings"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to n inputs.

    Args:
        labels: int64, shape (n,).
        probabilities: float64, shape (n, classes); None where only labels are given.
    """

    labels: Array
    probabilities: Array | None


def access_of(answers: Array) -> Access:
    """Returns what raw answers are, shape (n, width)."""
    if answers.shape[1] == 1:
        return Access.LABELS
    is_probable = (answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
    return Access.PROBABILITIES if is_probable else Access.LOGITS


def probabilities_of(answers: Array, access: Access) -> Array:
    """Returns scores as probabilities: of logits, their softmax."""
    if access is Access.PROBABILITIES:
        return answers
    likely = np.exp(answers - answers.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


class Asking:
    """One run of an attack's access to the target: answers through a defence, each query counted.

    Args:
        meter: The target.
        access: What it gives out.
        defence: What is done to its probabilities; None for nothing.
        most: Queries that this thief may make.
        restore: What he does to probabilities to undo it; None for nothing.
        on_inputs: Called with the inputs that are asked.
        explainer: What gives counterfactuals; None for nothing.
        times: That he asks each input, to average the answers.
        anew: Whether the target must be asked anew for that, because it answers otherwise each
            time.
    """

    def __init__(
        self,
        meter: Meter,
        access: Access,
        defence: Scores | None,
        most: int,
        *,
        restore: Restore | None = None,
        on_inputs: Callable[[Array], object] = lambda inputs: None,
        explainer: Meter | None = None,
        times: int = 1,
        anew: bool = False,
    ) -> None:
        self._meter = meter
        self._access = access
        self._defence = defence
        self._most = most
        self._restore = restore
        self._on_inputs = on_inputs
        self._explainer = explainer
        self._times = times
        self._anew = anew
        self.queries = 0

    def ask(self, inputs: Array) -> Answers:
        """Returns what the thief is given.

        Raises:
            SpentError: He may not make so many queries, or the audit may not.
            TargetError: As `Meter.ask`.
        """
        self._count(inputs, self._times)
        answers = _averaged([self._seen(inputs, turn) for turn in range(self._times)])
        self._on_inputs(np.repeat(inputs, self._times, axis=0))
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
        return seen(
            self._meter.ask(inputs, turn if self._anew else 0), inputs, self._access, self._defence
        )

    def _count(self, inputs: Array, times: int = 1) -> None:
        if self.queries + times * len(inputs) > self._most:
            raise SpentError(f"this run may make {self._most} queries")
        self.queries += times * len(inputs)


def _averaged(answers: list[Answers]) -> Answers:
    """Answers to the same queries as one."""
    rows = [each.probabilities for each in answers if each.probabilities is not None]
    if len(rows) < 2:
        return answers[0]
    mean = np.stack(rows).mean(axis=0)
    return Answers(mean.argmax(axis=1), mean)


def seen(answers: Array, inputs: Array, access: Access, defence: Scores | None) -> Answers:
    """Returns raw answers as they come through a defence."""
    if access is Access.LABELS:
        return Answers(answers[:, 0].astype(np.int64), None)
    probabilities = probabilities_of(answers, access)
    if defence is not None:
        probabilities = defence(probabilities, [number_bytes(row) for row in inputs])
    return Answers(probabilities.argmax(axis=1), probabilities)


Ask = Callable[[Array], Answers]
"""How attacks ask."""
