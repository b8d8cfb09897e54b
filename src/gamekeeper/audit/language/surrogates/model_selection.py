"""Model selection: every kind of surrogate learns from most of the answers and is judged by the
rest.

As for classifiers: the recipe decides, no surrogate is best at everything, and an audit that trains
one understates the risk. The winner is trained again on all answers, unless training it costs
minutes.
"""

import warnings
from functools import partial

import numpy as np

from gamekeeper.audit.language.answers import Likeness
from gamekeeper.audit.language.surrogates._training_set import Learn, TrainingSet, Write
from gamekeeper.audit.language.surrogates.simple import chooser, has_choices, rememberer
from gamekeeper.audit.language.surrogates.writer import why_no_writer, writer

__all__ = ["best_surrogate", "why_no_writer"]

_HELD_OUT = 0.15
_MOST_HELD_OUT = 200


def best_surrogate(
    training: TrainingSet, likeness: Likeness, rng: np.random.Generator
) -> tuple[str, Write]:
    """Trains surrogates and keeps the best.

    Args:
        training: What was answered; at least two.
        likeness: By which held-out answers judge.
        rng: Draws what is held out, and the surrogates' seeds.

    Returns:
        Its name, and what it answers.
    """
    order = rng.permutation(len(training)).tolist()
    held = min(_MOST_HELD_OUT, max(1, int(_HELD_OUT * len(training))))
    judges = training.only(order[:held])
    known = training.only(order[held:])
    best: tuple[float, str, Learn, Write] | None = None
    for name, learn in _surrogates(training, int(rng.integers(1 << 31))).items():
        write = _quietly(learn, known)
        agreed = float(likeness.all(write(judges.prompts), judges.answers).mean())
        if best is None or agreed > best[0]:
            best = agreed, name, learn, write
    assert best is not None
    _, name, learn, write = best
    return name, write if name == "writer" else _quietly(learn, training)


def _surrogates(training: TrainingSet, seed: int) -> dict[str, Learn]:
    made: dict[str, Learn] = {"nearest question": rememberer}
    if has_choices(training):
        made["linear choice"] = chooser
    if why_no_writer(training) is None:
        made["writer"] = partial(writer, seed=seed)
    return made


def _quietly(learn: Learn, training: TrainingSet) -> Write:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # held-out answers judge it, converged or not
        return learn(training)
