"""Runs attacks: one attack, one way of reading answers, one defence, once for each seed.

Each attacker's copies are judged on test inputs that no attacker sees. Raw answers are paid once
for all; how many queries each would have made is counted for each separately.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm
from gamekeeper.audit.asking import Asking, Source
from gamekeeper.audit.attacks import Attack, AttackerKnowledge
from gamekeeper.audit.barriers import AVERAGED_OVER, Barrier, Reading
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.measures import Measured
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.options import SIZES, AuditOptions, Prices
from gamekeeper.audit.restoring import Restore, learn_to_restore
from gamekeeper.audit.result import Curve, Point
from gamekeeper.audit.subject import Subject
from gamekeeper.audit.targets import TargetError
from gamekeeper.audit.traffic import Traffic

_OF_THE_POOL = "learned-copy"
_FEW_SEEDS = 2  # up to which Student's t says next to nothing
_FIRST_SHARE = 4  # of what all runs have: a part of this goes to the attack that comes first


class _Copy(NamedTuple):
    """A surrogate, judged."""

    queries: int
    measured: Measured
    cpu_s: float
    recipe: str


_NO_COPY = _Copy(0, Measured(fidelity=0.0, error=0.0, beside={}), 0.0, "")


class Thieves:
    """Runs the attacks on a target, and judges their surrogates.

    Args:
        subject: The target.
        options: Of the audit.
        left: Queries for each run, once what the audit itself needs is paid.
    """

    def __init__(self, subject: Subject, options: AuditOptions, left: int) -> None:
        self._subject = subject
        self._options = options
        self._left = left
        self._ways_back: dict[str, Restore] = {}
        self._by_labels: dict[str, Curve] = {}
        self.traffic = Traffic()
        self.unseen = 0

    def readings(self, attack: Attack, barrier: Barrier) -> list[Reading]:
        """Returns how attackers read answers that come through a barrier."""
        if self._subject.form.are_numbers:
            return [Reading.VALUES, *([Reading.AVERAGED] if barrier.is_redrawn else [])]
        labels = replace(self._subject.form, access=Access.LABELS)
        of_labels = attack.why_not(replace(self._subject.interface, form=labels)) is None
        has_learners = why_no_learners() is None
        return [
            *barrier.readings(
                of_scores=self._subject.has_scores, of_labels=of_labels, has_learners=has_learners
            )
        ]

    def share(self, attack: Attack, tried: Sequence[Attack], barrier: Barrier) -> int:
        """Returns the queries that each run of an attack may make.

        Of what the learned copy leaves of the audit's, half is kept for those that say what they
        need, where it is enough for them: otherwise an attack on linear models would leave
        nothing where the target is not linear.

        Args:
            attack: The attack.
            tried: All that are played behind the barrier, in order.
            barrier: What is done to answers.
        """
        meter = self._subject.meter
        seeds = self._options.seeds
        unspent = self._options.budget - meter.asked
        at = tried.index(attack)
        waiting = [each for each in tried[at:] if each.card.fewest]
        if attack.card.fewest:
            meter.keep_back(0)
            return unspent // (len(waiting) * seeds)
        if barrier.is_none and at and tried[at - 1].card.name == _OF_THE_POOL:
            needed = seeds * sum(each.card.fewest for each in waiting)
            meter.keep_back(unspent // 2 if unspent // 2 >= needed else 0)
        if attack.card.comes_first and len(tried) > 1:
            once = min(self._subject.interface.width + 4, self._left // seeds)
            return max(once, self._left // (_FIRST_SHARE * seeds))
        return self._left // seeds if attack.card.makes_inputs else self._left

    def curve(self, attack: Attack, reading: Reading, barrier: Barrier, share: int) -> Curve:
        """Plays an attack; one that takes labels alone is given the same by every defence that
        keeps the first place, and is carried over.

        Args:
            attack: What is played.
            reading: How answers are read.
            barrier: What is done to answers.
            share: Queries that each run may make.
        """
        if reading is not Reading.LABELS or not barrier.keeps_labels:
            return self._played(attack, reading, barrier, share)
        name = attack.card.name
        if name not in self._by_labels:
            self._by_labels[name] = self._played(attack, reading, barrier, share)
        return self._by_labels[name]

    def carried(self, attack: Attack, barrier: Barrier) -> Curve | None:
        """Returns the copies from labels alone of an attack that was played without a defence,
        where a barrier keeps labels; None where it does not, or there are none.
        """
        return self._by_labels.get(attack.card.name) if barrier.keeps_labels else None

    def live(self, attack: Attack, reading: Reading, behind: Source, form: AnswerForm) -> Curve:
        """Plays one account against a live defence until it is refused; every reading is of the
        same answers.
        """
        asking = Asking(behind, form, None, self._left)
        rng = np.random.default_rng(self._options.seed)
        copies, stopped = self._copies(
            attack, asking, reading, rng, self._sizes(self._left), refusable=True
        )
        points = tuple(self._point([copy]) for copy in copies)
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _played(self, attack: Attack, reading: Reading, barrier: Barrier, share: int) -> Curve:
        """The same attack as often as there are seeds, each with inputs in another order."""
        if share < attack.card.fewest:
            why = f"it needs at least {attack.card.fewest} queries, and each run would have {share}"
            return Curve(attack=attack.card.name, believes=str(reading), points=(), stopped=why)
        sizes = self._sizes(share if attack.card.fewest else self._left)
        # every second, which takes half the time
        sizes = sizes if barrier.is_none else sizes[::-2][::-1]
        each: list[list[_Copy]] = []
        stopped = None
        for number in range(self._options.seeds):
            asking = self._asking(attack, reading, barrier, share, number)
            rng = np.random.default_rng([self._options.seed, number])
            copies, stopped = self._copies(attack, asking, reading, rng, sizes)
            self.unseen = max(self.unseen, asking.unseen)
            if copies or stopped is None:  # one that had too few queries to play says nothing
                each.append(copies)
        points = tuple(self._point(copies) for copies in _aligned(each))
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _asking(
        self, attack: Attack, reading: Reading, barrier: Barrier, share: int, number: int
    ) -> Asking:
        record = partial(self.traffic.add, thief_name(attack.card.name, reading, number))
        return Asking(
            self._subject.meter,
            self._subject.form,
            barrier.scores,
            share,
            change=barrier.change,
            restore=self._way_back(barrier) if reading is Reading.RESTORED else None,
            on_inputs=record if barrier.is_none else lambda inputs: None,
            explainer=self._subject.beside.explainer,
            times=_times(reading),
            again=self._subject.is_noisy,
        )

    def _way_back(self, barrier: Barrier) -> Restore:
        """Through a defence, rehearsed once, with a key that is not the owner's."""
        assert barrier.rehearsed is not None
        if barrier.name not in self._ways_back:
            rng = np.random.default_rng(self._options.seed)
            self._ways_back[barrier.name] = learn_to_restore(
                barrier.rehearsed, self._subject.classes, rng
            )
        return self._ways_back[barrier.name]

    @staticmethod
    def _sizes(most: int) -> tuple[int, ...]:
        """At which copies are wanted."""
        return tuple(size for size in SIZES if size <= most)

    def _copies(
        self,
        attack: Attack,
        asking: Asking,
        reading: Reading,
        rng: np.random.Generator,
        sizes: Sequence[int],
        *,
        refusable: bool = False,
    ) -> tuple[list[_Copy], str | None]:
        """Copies as far as the attack gets, and what stopped it; a target's refusal too, where that
        may be.
        """
        copies: list[_Copy] = []
        knowledge = self._knowledge(reading, asking, rng, sizes)
        times = _times(reading)
        began = process_time()
        try:
            for surrogate in attack.surrogates(asking.ask, knowledge, rng):
                cpu_s = process_time() - began
                measured = self._subject.judge.measured(surrogate.predict, self._subject.tests)
                copies.append(_Copy(times * surrogate.queries, measured, cpu_s, surrogate.recipe))
                began = process_time()
        except SpentError as error:
            return copies, str(error)
        except TargetError as error:
            if refusable:
                return copies, f"refused: {error}"
            if not (attack.card.makes_inputs or attack.card.comes_first):
                raise
            # inputs that nobody but this attack would send: the audit goes on without it
            return copies, f"the target did not answer such inputs: {error}"
        return copies, None

    def _knowledge(
        self, reading: Reading, asking: Asking, rng: np.random.Generator, sizes: Sequence[int]
    ) -> AttackerKnowledge:
        beside = self._subject.beside
        pool = self._subject.pool
        times = _times(reading)
        return AttackerKnowledge(
            pool=pool[rng.permutation(len(pool))],
            sizes=[size for size in sizes if times * size <= self._left],
            uses_scores=reading is not Reading.LABELS,
            classes=self._subject.classes,
            encode=beside.encode,
            explain=asking.explain if beside.explainer else None,
            picture=self._options.picture,
            public=beside.public,
            categories=self._subject.categories,
            has_gaps=self._subject.has_gaps,
            is_balanced=self._subject.is_balanced,
        )

    def _point(self, copies: Sequence[_Copy]) -> Point:
        cpu_s = float(np.mean([copy.cpu_s for copy in copies]))
        queries = max(copy.queries for copy in copies)
        return Point(
            queries=queries,
            fidelities=tuple(copy.measured.fidelity for copy in copies),
            error=self._error(copies),
            beside=_means([copy.measured.beside for copy in copies]),
            cpu_s=cpu_s,
            usd=_usd(queries, cpu_s, self._options.prices),
            recipe=max(copies, key=lambda copy: copy.measured.fidelity).recipe,
        )

    def _error(self, copies: Sequence[_Copy]) -> float:
        """Of the fidelity from the choice of test inputs: added where there are too few seeds for
        an interval of their own, or where a class has so few rows that all may agree by chance.
        """
        if len(copies) > _FEW_SEEDS and not self._subject.judge.measure.is_balanced:
            return 0.0
        return float(np.mean([copy.measured.error for copy in copies]))


def _means(each: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of what all copies were measured by."""
    names = set.intersection(*map(set, each)) if each else set()
    return {name: float(np.mean([one[name] for one in each])) for name in each[0] if name in names}


def thief_name(attack: str, reading: str, number: int) -> str:
    """Returns by what name an attacker's traffic is kept."""
    return f"{attack}-{reading}-{number}"


def _times(reading: Reading) -> int:
    return AVERAGED_OVER if reading is Reading.AVERAGED else 1


def _aligned(each: Sequence[Sequence[_Copy]]) -> Iterator[tuple[_Copy, ...]]:
    """The n-th copies of all runs; one that has no more keeps its last, and one without any agrees
    with nothing.
    """
    for number in range(max(map(len, each), default=0)):
        yield tuple(copies[min(number, len(copies) - 1)] if copies else _NO_COPY for copies in each)


def _usd(queries: int, cpu_s: float, prices: Prices) -> float:
    return queries * (prices.per_query + prices.per_input) + cpu_s / 3600 * prices.per_core_hour
