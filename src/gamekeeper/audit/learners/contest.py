"""The contest: every kind of learner learns from three quarters of the answers and is judged by the
last.

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

from gamekeeper.audit.learners._lessons import Learn, Lessons, Predict
from gamekeeper.audit.learners.cores import one_core_each
from gamekeeper.audit.learners.pictures import picture_learners
from gamekeeper.audit.learners.tabular import tabular_learners
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


class Contest:
    """Trains every kind of learner and keeps the best. It remembers which were best before.

    Args:
        rng: Draws what is held out, and the learners' seeds.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._ahead: list[str] = []

    def best(self, lessons: Lessons) -> tuple[str, Predict]:
        """Trains learners and keeps the best.

        Args:
            lessons: What was answered; at least one.

        Returns:
            Its name, and its labels.
        """
        if len(np.unique(lessons.labels)) == 1:
            return "one label for everything", lambda some: np.full(len(some), lessons.labels[0])
        learners = self._learners(lessons)
        with _contest() as workers:
            ranked = _ranked(learners, lessons, self._rng, workers)
            self._ahead = ranked[:_AHEAD]
            return ranked[0], learners[ranked[0]](lessons)

    def _learners(self, lessons: Lessons) -> dict[str, Learn]:
        learners = _learners(lessons, int(self._rng.integers(1 << 31)))
        kept = {name: learn for name, learn in learners.items() if name in self._ahead}
        return kept if kept and len(lessons) >= _MANY else learners


def best_learner(lessons: Lessons, rng: np.random.Generator) -> tuple[str, Predict]:
    """Returns the winner of one contest, with its name; see `Contest.best`."""
    return Contest(rng).best(lessons)


def _learners(lessons: Lessons, seed: int) -> dict[str, Learn]:
    if lessons.picture is not None and (of_pictures := picture_learners(lessons, seed)):
        return of_pictures | tabular_learners(lessons, seed, few=lessons.moves)
    return tabular_learners(lessons, seed)


def _ranked(
    learners: dict[str, Learn],
    lessons: Lessons,
    rng: np.random.Generator,
    workers: ThreadPoolExecutor,
) -> list[str]:
    """Names of learners by how much they agree with answers that they did not see."""
    order = rng.permutation(min(len(lessons), lessons.real or len(lessons)))
    held, kept = np.split(order, [max(1, int(len(order) * _HELD_OUT))])
    known = lessons.only(np.concatenate([kept, np.arange(len(order), len(lessons))]))
    if len(learners) == 1 or len(np.unique(known.labels)) < 2:
        return list(learners)
    inputs = lessons.inputs[held]
    labels = lessons.labels[held]

    def agreed(learn: Learn) -> float:
        return float((learn(known)(inputs) == labels).mean())

    agreements = dict(zip(learners, workers.map(agreed, learners.values()), strict=True))
    return sorted(learners, key=agreements.__getitem__, reverse=True)


@contextmanager
def _contest() -> Iterator[ThreadPoolExecutor]:
    """Each learner on one core, for they learn side by side; without warnings of those that have
    not converged.
    """
    from sklearn.exceptions import ConvergenceWarning

    with one_core_each() as workers, warnings.catch_warnings():
        # held-out answers judge them, converged or not
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield workers
