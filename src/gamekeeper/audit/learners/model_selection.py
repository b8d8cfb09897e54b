"""Model selection: every kind of learner learns from three quarters of the answers and is judged
by the last.

What decides how good a copy gets is the recipe, not the choice of queries (E3, 2024), and no
learner is best everywhere; an audit that trains one poorly understates the risk. The winner is
trained again on all answers. From five hundred answers on, only those take part that came out ahead
on fewer: they have shown what they can.
"""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from gamekeeper.audit.learners._training_set import Learn, Predict, TrainingSet
from gamekeeper.audit.learners.cores import one_core_each
from gamekeeper.audit.learners.numbers import number_learners
from gamekeeper.audit.learners.pictures import picture_learners
from gamekeeper.audit.learners.tabular import tabular_learners
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import MissingExtraError

_HELD_OUT = 0.25
_MANY = 500  # answers
_AHEAD = 3  # learners that take part from then on


def why_no_learners() -> str | None:
    """Returns what is missing for training learners; None if nothing is."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return str(MissingExtraError("the learned copy", "audit"))
    return None


class ModelSelection:
    """Trains every kind of learner and keeps the best. It remembers which were best before.

    Args:
        rng: Draws what is held out, and the learners' seeds.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._ahead: list[str] = []

    def best(self, training: TrainingSet) -> tuple[str, Predict]:
        """Trains learners and keeps the best.

        Args:
            training: What was answered; at least one.

        Returns:
            Its name, and its labels.
        """
        if training.values is None and len(np.unique(training.labels)) == 1:
            return "one label for everything", lambda some: np.full(len(some), training.labels[0])
        learners = self._learners(training)
        with _selecting() as workers:
            ranked = _ranked(learners, training, self._rng, workers)
            self._ahead = ranked[:_AHEAD]
            return ranked[0], learners[ranked[0]](training)

    def _learners(self, training: TrainingSet) -> dict[str, Learn]:
        learners = _learners(training, int(self._rng.integers(1 << 31)))
        kept = {name: learn for name, learn in learners.items() if name in self._ahead}
        return kept if kept and len(training) >= _MANY else learners


def best_learner(training: TrainingSet, rng: np.random.Generator) -> tuple[str, Predict]:
    """Returns the winner of one selection, with its name; see `ModelSelection.best`."""
    return ModelSelection(rng).best(training)


def _learners(training: TrainingSet, seed: int) -> dict[str, Learn]:
    if training.values is not None:
        return number_learners(training, seed)
    if training.picture is not None and (of_pictures := picture_learners(training, seed)):
        return of_pictures | tabular_learners(training, seed, few=training.moves)
    return tabular_learners(training, seed)


def _ranked(
    learners: dict[str, Learn],
    training: TrainingSet,
    rng: np.random.Generator,
    workers: ThreadPoolExecutor,
) -> list[str]:
    """Names of learners by how much they agree with answers that they did not see."""
    order = rng.permutation(min(len(training), training.real or len(training)))
    held, kept = np.split(order, [max(1, int(len(order) * _HELD_OUT))])
    known = training.only(np.concatenate([kept, np.arange(len(order), len(training))]))
    if len(learners) == 1 or (known.values is None and len(np.unique(known.labels)) < 2):
        return list(learners)
    judges = training.only(held)

    def agreed(learn: Learn) -> float:
        return _agreement(learn(known)(judges.inputs), judges)

    agreements = dict(zip(learners, workers.map(agreed, learners.values()), strict=True))
    return sorted(learners, key=agreements.__getitem__, reverse=True)


def _agreement(given: Array, judges: TrainingSet) -> float:
    """Of a learner with held-out answers: by labels, each class alike if they are balanced; by the
    squared error of numbers, each in units of its spread.
    """
    if judges.values is not None:
        spread = judges.values.std(axis=0) + 1e-12
        return -float((((given.reshape(judges.values.shape) - judges.values) / spread) ** 2).mean())
    agreed = given == judges.labels
    if not judges.is_balanced:
        return float(agreed.mean())
    return float(np.mean([agreed[judges.labels == each].mean() for each in set(judges.labels)]))


@contextmanager
def _selecting() -> Iterator[ThreadPoolExecutor]:
    """Each learner on one core, for they learn side by side; without warnings of those that have
    not converged.
    """
    from sklearn.exceptions import ConvergenceWarning

    with one_core_each() as workers, warnings.catch_warnings():
        # held-out answers judge them, converged or not
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield workers
