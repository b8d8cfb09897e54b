"""The contest: every kind of student learns from most of the answers and is judged by the rest.

As for classifiers: the recipe decides, no student is best at everything, and an audit that trains
one understates the risk. The winner is trained again on all answers, unless training it costs
minutes.
"""

import warnings
from functools import partial

import numpy as np

from gamekeeper.audit.language.answers import Likeness
from gamekeeper.audit.language.students._lessons import Learn, Lessons, Write
from gamekeeper.audit.language.students.simple import chooser, has_choices, rememberer
from gamekeeper.audit.language.students.writer import why_no_writer, writer

__all__ = ["best_student", "why_no_writer"]

_HELD_OUT = 0.15
_MOST_HELD_OUT = 200


def best_student(
    lessons: Lessons, likeness: Likeness, rng: np.random.Generator
) -> tuple[str, Write]:
    """Trains students and keeps the best.

    Args:
        lessons: What was answered; at least two.
        likeness: By which held-out answers judge.
        rng: Draws what is held out, and the students' seeds.

    Returns:
        Its name, and what it answers.
    """
    order = rng.permutation(len(lessons)).tolist()
    held = min(_MOST_HELD_OUT, max(1, int(_HELD_OUT * len(lessons))))
    judges = lessons.only(order[:held])
    known = lessons.only(order[held:])
    best: tuple[float, str, Learn, Write] | None = None
    for name, learn in _students(lessons, int(rng.integers(1 << 31))).items():
        write = _quietly(learn, known)
        agreed = float(likeness.all(write(judges.prompts), judges.answers).mean())
        if best is None or agreed > best[0]:
            best = agreed, name, learn, write
    assert best is not None
    _, name, learn, write = best
    return name, write if name == "writer" else _quietly(learn, lessons)


def _students(lessons: Lessons, seed: int) -> dict[str, Learn]:
    made: dict[str, Learn] = {"nearest question": rememberer}
    if has_choices(lessons):
        made["linear choice"] = chooser
    if why_no_writer(lessons) is None:
        made["writer"] = partial(writer, seed=seed)
    return made


def _quietly(learn: Learn, lessons: Lessons) -> Write:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # held-out answers judge it, converged or not
        return learn(lessons)
