"""The contest: every kind of learner learns from three quarters of the answers and is judged by the last.

What decides how good a copy gets is the recipe, not the choice of queries (E3, 2024), and no learner is best
everywhere; an audit that trains one poorly understates the risk. The winner is trained again on all answers.
"""

import numpy as np

from gamekeeper.audit.learners._lessons import Learn, Lessons, Predict
from gamekeeper.audit.learners.pictures import picture_learners
from gamekeeper.audit.learners.tabular import tabular_learners
from gamekeeper.errors import MissingExtraError

_HELD_OUT = 0.25


def why_no_learners() -> str | None:
    """Returns what is missing for training learners; None if nothing is."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return str(MissingExtraError("the learned copy", "audit"))
    return None


def best_learner(lessons: Lessons, rng: np.random.Generator) -> tuple[str, Predict]:
    """Trains every kind of learner and keeps the best.

    Args:
        lessons: What was answered; at least one.
        rng: Draws what is held out, and the learners' seed.

    Returns:
        Its name, and its labels.
    """
    if len(np.unique(lessons.labels)) == 1:
        return "one label for everything", lambda some: np.full(len(some), lessons.labels[0])
    learners = _learners(lessons, int(rng.integers(1 << 31)))
    best = _winner(learners, lessons, rng)
    return best, learners[best](lessons)


def _learners(lessons: Lessons, seed: int) -> dict[str, Learn]:
    if lessons.picture is not None and (of_pictures := picture_learners(lessons, seed)):
        return of_pictures | tabular_learners(lessons, seed, few=True)
    return tabular_learners(lessons, seed)


def _winner(learners: dict[str, Learn], lessons: Lessons, rng: np.random.Generator) -> str:
    """The name of the learner that agrees most with answers it did not see; the first where none can be judged."""
    order = rng.permutation(min(len(lessons), lessons.real or len(lessons)))
    held, kept = np.split(order, [max(1, int(len(order) * _HELD_OUT))])
    known = lessons.only(np.concatenate([kept, np.arange(len(order), len(lessons))]))
    if len(np.unique(known.labels)) < 2:
        return next(iter(learners))
    inputs, labels = lessons.inputs[held], lessons.labels[held]
    agreed = {name: float((learn(known)(inputs) == labels).mean()) for name, learn in learners.items()}
    return max(agreed, key=agreed.__getitem__)
