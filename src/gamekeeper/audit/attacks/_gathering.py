"""What an attack has asked so far, as what learners learn from."""

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import AttackerKnowledge
from gamekeeper.audit.learners import TrainingSet
from gamekeeper.audit.targets import Array


class Gathering:
    """Asks, and keeps inputs with their answers.

    Args:
        ask: The target.
        knowledge: What the attacker has.
        real: The first so many inputs are of the domain, and judge; None for all.
        moves: As `TrainingSet.moves`.
    """

    def __init__(
        self,
        ask: Ask,
        knowledge: AttackerKnowledge,
        *,
        real: int | None = None,
        moves: bool = True,
    ) -> None:
        self._ask = ask
        self._knowledge = knowledge
        self._real = real
        self._moves = moves
        self._inputs = np.empty((0, knowledge.pool.shape[1]))
        self._labels = np.empty(0, np.int64)
        self._soft: list[Array] = []
        self._values: list[Array] = []

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def labels(self) -> Array:
        """Of what was asked, shape (n,)."""
        return self._labels

    @property
    def training(self) -> TrainingSet:
        """For the learners."""
        knowledge = self._knowledge
        uses_soft = knowledge.uses_scores and self._soft
        return TrainingSet(
            inputs=self._inputs,
            labels=self._labels,
            soft=np.vstack(self._soft) if uses_soft else None,
            values=np.vstack(self._values) if self._values else None,
            real=self._real,
            picture=knowledge.picture,
            moves=self._moves,
            categories=knowledge.categories,
            has_gaps=knowledge.has_gaps,
            is_balanced=knowledge.is_balanced,
        )

    def add(self, inputs: Array) -> None:
        """Asks inputs, shape (n, width).

        Raises:
            SpentError: As `Asking.ask`.
            TargetError: As `Asking.ask`.
        """
        answers = self._ask(inputs)
        self._inputs = np.vstack([self._inputs, inputs])
        self._labels = np.concatenate([self._labels, answers.labels])
        if answers.probabilities is not None:
            self._soft.append(answers.probabilities)
        if answers.values is not None:
            self._values.append(answers.values)
