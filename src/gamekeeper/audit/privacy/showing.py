"""Inversion of every class, and whether what comes out shows it, by a judge that was never trained
on the target's answers.

Each class is reconstructed by `invert` from the middle of the thief's inputs. Four hundred answers
a class: on digits and on pictures of clothing (seeds 0 and 1, five kinds of target) as many classes
were then shown as by a thousand, and more answers drive what is made beyond what the class looks
like. All of it takes a quarter of the audit's budget at most; what that does not hold is saved on
repetitions first, then on answers, down to two hundred a class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.privacy.inversion import QUERIES_A_ROUND, Domain, invert
from gamekeeper.audit.privacy.judge import UNDECIDED, Judge
from gamekeeper.audit.targets import Array
from gamekeeper.evidence import wilson_interval

_QUERIES = 400
_LEAST = 200
_SHARE = 0.25
_LEAST_ROWS = 10  # of a class, for a judge to know it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One reconstruction.

    Args:
        label: That it is to show.
        judged: What the judge takes it for; None if its two kinds differ.
        values: The input itself, shape (width,).
    """

    label: int
    judged: int | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversion:
    """What classes look like, from answers alone.

    Args:
        found: Share of reconstructions that show their class to the judge.
        interval: Of `found`, 95 %, Wilson, over classes and seeds.
        tries: Reconstructions: classes times seeds.
        classes: That were tried, all that the judge knows.
        queries: For each reconstruction.
        chance: One of the classes.
        start: What the judge takes the input for from which all begin; None if its two kinds
            differ.
        judge_accuracy: The judge's, on rows held out, against true labels.
        judge_rows: Rows held out.
        low: Least value of an input.
        high: Greatest.
        picture: Height and width, if inputs are pictures.
        shown: The first reconstruction of each class.
    """

    found: float
    interval: tuple[float, float]
    tries: int
    classes: int
    queries: int
    chance: float
    start: int | None
    judge_accuracy: float
    judge_rows: int
    low: float
    high: float
    picture: tuple[int, int] | None
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried.

    Args:
        classes: To reconstruct.
        seeds: Reconstructions of each.
        queries: For each of them.
        inputs: Rows of these classes, from which a judge is made, shape (n, width).
        labels: Their true labels, shape (n,).
    """

    classes: tuple[int, ...]
    seeds: int
    queries: int
    inputs: Array
    labels: Array

    @property
    def total(self) -> int:
        """Queries in all."""
        return len(self.classes) * self.seeds * self.queries


def planned(inputs: Array, labels: Array, classes: int, budget: int, seeds: int) -> Plan | str:
    """Returns what a budget holds, or why nothing is tried.

    Args:
        inputs: Rows, shape (n, width).
        labels: Their true labels, from 0, shape (n,).
        classes: The target's are 0 to this, exclusive.
        budget: Queries of the whole audit.
        seeds: Reconstructions that are wanted of each class.
    """
    known = np.flatnonzero(np.bincount(labels, minlength=classes)[:classes] >= _LEAST_ROWS)
    if len(known) < 2:
        return (
            f"it needs at least {_LEAST_ROWS} labelled rows of two or more of the target's classes,"
            " to judge the result"
        )
    most = int(_SHARE * budget)
    seeds = max(1, min(seeds, most // (len(known) * _QUERIES)))
    queries = min(_QUERIES, most // (len(known) * seeds)) // QUERIES_A_ROUND * QUERIES_A_ROUND
    if queries < _LEAST:
        wanted = f"{_LEAST * len(known):,} queries, {_LEAST} for each of {len(known):,} classes"
        return f"it needs {wanted}, and gets {most:,}, a quarter of the budget of {budget:,}"
    rows = np.isin(labels, known)
    return Plan(
        classes=tuple(known.tolist()),
        seeds=seeds,
        queries=queries,
        inputs=inputs[rows],
        labels=labels[rows],
    )


def inversion_of(
    ask_of: Callable[[int], Ask],
    plan: Plan,
    pool: Array,
    picture: tuple[int, int] | None,
    seed: int,
) -> Inversion:
    """Reconstructs the classes, and has them judged.

    Args:
        ask_of: The target, for the thief of a number; it must give scores.
        plan: What is tried.
        pool: Inputs that the thief has, shape (n, width); with their range and middle.
        picture: Height and width, if they are pictures.
        seed: Of what is drawn.

    Raises:
        SpentError: The budget is used up.
        TargetError: The target failed.
    """
    domain = Domain(
        low=pool.min(axis=0), high=pool.max(axis=0), start=pool.mean(axis=0), picture=picture
    )
    made = np.vstack(
        [_made(ask_of(number), plan, domain, [seed, number]) for number in range(plan.seeds)]
    )
    judge = Judge(plan.inputs, plan.labels, seed)
    named = judge.names(made)
    hits = int((named == np.tile(plan.classes, plan.seeds)).sum())
    return Inversion(
        found=hits / len(made),
        interval=wilson_interval(hits, len(made)),
        tries=len(made),
        classes=len(plan.classes),
        queries=plan.queries,
        chance=1 / len(plan.classes),
        start=_label(judge.names(domain.start[None])[0]),
        judge_accuracy=judge.accuracy,
        judge_rows=judge.held_out,
        low=float(domain.low.min()),
        high=float(domain.high.max()),
        picture=picture,
        shown=tuple(_shown(*each) for each in zip(plan.classes, named, made, strict=False)),
    )


def _made(ask: Ask, plan: Plan, domain: Domain, seed: list[int]) -> Array:
    """A reconstruction of each class, shape (classes, width)."""
    each = ((label, np.random.default_rng([*seed, label])) for label in plan.classes)
    return np.stack([invert(ask, domain, label, plan.queries, rng) for label, rng in each])


def _shown(label: int, judged: int, values: Array) -> Shown:
    return Shown(label=label, judged=_label(judged), values=tuple(values.tolist()))


def _label(judged: int) -> int | None:
    return None if judged == UNDECIDED else int(judged)
