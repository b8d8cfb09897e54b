"""What attacks have in common that ask inputs of another domain than the target's.

In rounds: what has quickly learnt the labels so far guesses those of many inputs that could be
asked; what is asked is as even over its guesses as can be, one half where it is least sure, one
half by chance. Left to chance alone, most answers would be one label. Labels choose even where
scores are learnt from, so that both ask the same, paid once.

Nothing of the domain judges the learners: a quarter of all answers does, held out. Those alone of
which the target is sure were tried as judges, and rank learners no better by what they agree on in
the domain (rank correlation .45 to .74 by all answers, .27 to .68 by the sure ones; seven recipes
of a network, five sets of answers to made-up pictures). The agreement itself does not estimate
fidelity: it is lower, for half of what is asked is hard on purpose. Learners are shown pictures as
they are, and learners of rows take part as well, for what the target is made like is not known.
"""

from collections.abc import Callable, Iterator

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import AttackerKnowledge, Surrogate
from gamekeeper.audit.attacks._gathering import Gathering
from gamekeeper.audit.learners import ModelSelection, TrainingSet, quick_guess
from gamekeeper.audit.targets import Array

FEWEST = 250  # answers; fewer of another domain make no copy worth the time
_FIRST, _GROWTH = 100, 1.5  # answers before the first choice; each round has half as many more
Choose = Callable[[TrainingSet, int], Array]
"""What was answered so far, and how many more are wanted, to what is asked next."""


def copies(
    ask: Ask, knowledge: AttackerKnowledge, choose: Choose, rng: np.random.Generator
) -> Iterator[Surrogate]:
    """Yields a surrogate at each size, as long as there is something to ask and the target tells
    inputs apart.
    """
    learning = rng.spawn(1)[0]  # what is asked must not depend on what learners draw
    selection = ModelSelection(learning)
    asked = Gathering(ask, knowledge, moves=False)
    for size in (size for size in knowledge.sizes if size >= FEWEST):
        if not _go_on(asked, choose, size):
            return
        recipe, predict = selection.best(asked.training)
        yield Surrogate(queries=size, predict=predict, recipe=recipe)


def _go_on(asked: Gathering, choose: Choose, size: int) -> bool:
    """Asks in rounds until so many are answered; returns whether that could be done, and labels
    differ.
    """
    while (before := len(asked)) < size:
        wanted = min(size, max(_FIRST, int(_GROWTH * before)))
        chosen = choose(asked.training, wanted - before)
        if before + len(chosen) < wanted:
            return False
        asked.add(chosen)
    return len(np.unique(asked.labels)) > 1


def picked(offered: Array, training: TrainingSet, n: int, rng: np.random.Generator) -> Array:
    """Returns positions of what to ask next, shape (n,); all there are if they are fewer.

    Args:
        offered: What could be asked, shape (m, width).
        training: What was answered so far.
        n: Wanted.
        rng: Draws what is left to chance.
    """
    if len(np.unique(training.labels)) < 2:
        return rng.permutation(len(offered))[:n]
    likely = quick_guess(training, int(rng.integers(1 << 31)))(offered)
    guessed = likely.argmax(axis=1)
    best = np.sort(likely, axis=1)
    unsure = _even(guessed, best[:, -1] - best[:, -2])[: n // 2]
    rest = np.setdiff1d(np.arange(len(offered)), unsure)
    by_chance = rest[_even(guessed[rest], rng.random(len(rest)))]
    return np.concatenate([unsure, by_chance[: n - len(unsure)]])


def _even(guessed: Array, order: Array) -> Array:
    """Positions: of each class the one that comes first, then of each the second, and so on, shape
    (n,).
    """
    ranks = np.empty(len(guessed), np.int64)
    for label in np.unique(guessed):
        members = np.flatnonzero(guessed == label)
        ranks[members[np.argsort(order[members], kind="stable")]] = np.arange(len(members))
    return np.argsort(ranks, kind="stable")
