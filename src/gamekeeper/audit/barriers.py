"""What is done to answers before an attacker sees them, and what attackers who know of it take of
an answer.

The attacker adapts: one who is given perturbed scores may take the labels alone, learn the way back
through the perturbation, or, where noise is drawn for each answer, ask again and average. All of
them are played; the best counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gamekeeper.audit.asking import Change
from gamekeeper.audit.free_noise import NAME as FREE_NOISE
from gamekeeper.audit.free_noise import FreeNoise
from gamekeeper.audit.query_costs import QUERY_COSTS
from gamekeeper.audit.targets import Array
from gamekeeper.defences import DEFENCES, Scores, make_defence

NONE = "none"
ROUNDING = "rounding"
AVERAGED_OVER = 4  # answers to the same query
_ROUNDED_TO = 0.1  # of the spread of answers that are numbers


class Reading(StrEnum):
    """What an attacker takes of an answer."""

    VALUES = "values"
    SCORES = "scores"
    LABELS = "labels"
    RESTORED = "restored scores"
    AVERAGED = "averaged scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """A defence that changes answers, or none.

    Args:
        name: Of the defence; `none` for none.
        scores: What is done to probabilities; None for nothing.
        rehearsed: The same as an attacker runs it, with another key; None where there is nothing to
            learn.
        keeps_labels: Whether the class in first place stays there.
        gives_scores: Whether more is given out than the class in first place.
        is_redrawn: Whether the same query is answered otherwise each time.
        change: What is done to answers that are numbers; None for nothing.
    """

    name: str
    scores: Scores | None = None
    change: Change | None = None
    rehearsed: Scores | None = None
    keeps_labels: bool = True
    gives_scores: bool = True
    is_redrawn: bool = False

    @property
    def is_none(self) -> bool:
        """Whether answers come as they are."""
        return self.scores is None and self.change is None

    def readings(
        self, *, of_scores: bool, of_labels: bool, has_learners: bool
    ) -> Iterator[Reading]:
        """Yields what attackers take of an answer.

        Args:
            of_scores: Whether the attack takes scores, and there are any.
            of_labels: Whether it does with labels alone.
            has_learners: Whether the way back can be learnt.
        """
        of_scores = of_scores and self.gives_scores
        if of_scores:
            yield Reading.SCORES
        if of_labels:
            yield Reading.LABELS
        if of_scores and self.rehearsed is not None and has_learners:
            yield Reading.RESTORED
        if of_scores and self.is_redrawn:
            yield Reading.AVERAGED


def defence_names() -> tuple[str, ...]:
    """Returns what can be compared: defences of scores, free noise, and query costs."""
    return (*DEFENCES, FREE_NOISE, *QUERY_COSTS)


def barrier(name: str, seed: int) -> Barrier:
    """Returns the barrier that a defence of scores is.

    Args:
        name: One of `gamekeeper.defences`, or `free-noise`.
        seed: Of the owner's key; the attacker's is another.
    """
    if name == FREE_NOISE:
        noise = FreeNoise(np.random.default_rng(seed))
        return Barrier(name=name, scores=noise, keeps_labels=False, is_redrawn=True)
    return Barrier(
        name=name,
        scores=make_defence(name, _key(seed)),
        rehearsed=make_defence(name, _key(seed + 1)),
        keeps_labels=DEFENCES[name].card.keeps_top1,
        gives_scores=name != "labels-only",
    )


def barriers(names: Sequence[str], seed: int, *, is_noisy: bool) -> Iterator[Barrier]:
    """Yields no barrier, then those that the names say.

    Args:
        names: Of defences; query costs are passed over.
        seed: Of the owner's keys.
        is_noisy: Whether the target itself answers otherwise each time.
    """
    yield Barrier(name=NONE, is_redrawn=is_noisy)
    yield from (barrier(name, seed) for name in names if name not in QUERY_COSTS)


def number_barriers(names: Sequence[str], raw: Array, *, is_noisy: bool) -> Iterator[Barrier]:
    """Yields no barrier, then rounding, if it is named: of the defences it is the one that can be
    applied to numbers of any scale.

    Args:
        names: Of defences.
        raw: Answers to the test inputs, shape (n, width): numbers are rounded to a tenth of their
            spread.
        is_noisy: Whether the target itself answers otherwise each time.
    """
    yield Barrier(name=NONE, is_redrawn=is_noisy)
    if ROUNDING in names:
        step = _ROUNDED_TO * raw.std(axis=0)
        step[step == 0] = 1.0
        yield Barrier(name=ROUNDING, change=lambda values: np.round(values / step) * step)


def _key(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(32)
