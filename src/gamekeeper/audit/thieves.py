"""Runs attacks: one attack, one way of reading answers, one defence, once for each seed.

Each thief's copies are judged on test inputs that no thief sees. Raw answers are paid once for all
thieves; how many queries each would have made is counted for each by himself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.asking import Access, Asking
from gamekeeper.audit.attacks import Attack, AttackerKnowledge
from gamekeeper.audit.barriers import AVERAGED_OVER, Barrier, Reading
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.options import SIZES, AuditOptions, Prices
from gamekeeper.audit.restoring import Restore, learn_to_restore
from gamekeeper.audit.result import Curve, Point
from gamekeeper.audit.subject import Subject
from gamekeeper.audit.targets import TargetError
from gamekeeper.audit.traffic import Traffic


class _Copy(NamedTuple):
    """A surrogate, judged."""

    queries: int
    fidelity: float
    cpu_s: float
    recipe: str


_NO_COPY = _Copy(0, 0.0, 0.0, "")


class Thieves:
    """Runs the attacks on a target, and judges their surrogates.

    Args:
        subject: The target.
        options: Of the audit.
        left: Queries for each thief, once what the audit itself needs is paid.
    """

    def __init__(self, subject: Subject, options: AuditOptions, left: int) -> None:
        self._subject = subject
        self._options = options
        self._left = left
        self._ways_back: dict[str, Restore] = {}
        self._by_labels: dict[str, Curve] = {}
        self.traffic = Traffic()

    def readings(self, attack: Attack, barrier: Barrier) -> list[Reading]:
        """Returns how thieves read answers that come through a barrier."""
        of_labels = attack.why_not(replace(self._subject.interface, access=Access.LABELS)) is None
        has_learners = why_no_learners() is None
        return [
            *barrier.readings(
                of_scores=self._subject.has_scores, of_labels=of_labels, has_learners=has_learners
            )
        ]

    def share(self, attack: Attack, tried: Sequence[Attack], barrier: Barrier) -> int:
        """Returns the queries that each thief of an attack may make.

        Of what the first attack leaves of the audit's, half is kept for those that say what they
        need, where it is enough for them: else who solves in vain for what is not linear would
        leave nothing.

        Args:
            attack: Whose thieves.
            tried: All that are played behind the barrier, in order.
            barrier: What stands between.
        """
        meter = self._subject.meter
        seeds = self._options.seeds
        unspent = self._options.budget - meter.asked
        waiting = [each for each in tried[tried.index(attack) :] if each.card.fewest]
        if attack.card.fewest:
            meter.keep_back(0)
            return unspent // (len(waiting) * seeds)
        if tried.index(attack) == 1 and barrier.scores is None:
            needed = seeds * sum(each.card.fewest for each in waiting)
            meter.keep_back(unspent // 2 if unspent // 2 >= needed else 0)
        return self._left // seeds if attack.card.makes_inputs else self._left

    def curve(self, attack: Attack, reading: Reading, barrier: Barrier, share: int) -> Curve:
        """Plays an attack; who takes labels alone is given the same by every defence that keeps the
        first place.

        Args:
            attack: What is played.
            reading: How answers are read.
            barrier: What stands between.
            share: Queries that each thief may make.
        """
        if reading is not Reading.LABELS or not barrier.keeps_labels:
            return self._played(attack, reading, barrier, share)
        name = attack.card.name
        if name not in self._by_labels:
            self._by_labels[name] = self._played(attack, reading, barrier, share)
        return self._by_labels[name]

    def live(self, attack: Attack, reading: Reading, behind: Meter, access: Access) -> Curve:
        """Plays one account against a live defence until it is refused; every reading is of the
        same answers.
        """
        asking = Asking(behind, access, None, self._left)
        rng = np.random.default_rng(self._options.seed)
        copies, stopped = self._copies(
            attack, asking, reading, rng, self._sizes(self._left), refusable=True
        )
        points = tuple(self._point([copy]) for copy in copies)
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _played(self, attack: Attack, reading: Reading, barrier: Barrier, share: int) -> Curve:
        """The same thief as often as there are seeds, each with inputs in another order."""
        if share < attack.card.fewest:
            why = f"it needs at least {attack.card.fewest} queries, and each run would have {share}"
            return Curve(attack=attack.card.name, believes=str(reading), points=(), stopped=why)
        sizes = self._sizes(share if attack.card.fewest else self._left)
        # every second, which takes half the time
        sizes = sizes if barrier.scores is None else sizes[::-2][::-1]
        each: list[list[_Copy]] = []
        stopped = None
        for number in range(self._options.seeds):
            asking = self._asking(attack, reading, barrier, share, number)
            rng = np.random.default_rng([self._options.seed, number])
            copies, stopped = self._copies(attack, asking, reading, rng, sizes)
            if copies or stopped is None:  # one who could not play for want of queries says nothing
                each.append(copies)
        points = tuple(self._point(copies) for copies in _aligned(each))
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _asking(
        self, attack: Attack, reading: Reading, barrier: Barrier, share: int, number: int
    ) -> Asking:
        record = partial(self.traffic.add, thief_name(attack.card.name, reading, number))
        return Asking(
            self._subject.meter,
            self._subject.access,
            barrier.scores,
            share,
            restore=self._way_back(barrier) if reading is Reading.RESTORED else None,
            on_inputs=record if barrier.scores is None else lambda inputs: None,
            explainer=self._subject.beside.explainer,
            times=_times(reading),
            anew=self._subject.is_noisy,
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
        """Copies as far as the thief gets, and what stopped him; a target's refusal too, where that
        may be.
        """
        copies: list[_Copy] = []
        knowledge = self._knowledge(reading, asking, rng, sizes)
        times = _times(reading)
        began = process_time()
        try:
            for surrogate in attack.surrogates(asking.ask, knowledge, rng):
                cpu_s = process_time() - began
                fidelity = float(
                    (surrogate.predict(self._subject.tests) == self._subject.truth).mean()
                )
                copies.append(_Copy(times * surrogate.queries, fidelity, cpu_s, surrogate.recipe))
                began = process_time()
        except SpentError as error:
            return copies, str(error)
        except TargetError as error:
            if not refusable:
                raise
            return copies, f"refused: {error}"
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
        )

    def _point(self, copies: Sequence[_Copy]) -> Point:
        cpu_s = float(np.mean([copy.cpu_s for copy in copies]))
        queries = max(copy.queries for copy in copies)
        return Point(
            queries=queries,
            fidelities=tuple(copy.fidelity for copy in copies),
            cpu_s=cpu_s,
            usd=_usd(queries, cpu_s, self._options.prices),
            recipe=max(copies, key=lambda copy: copy.fidelity).recipe,
        )


def thief_name(attack: str, reading: str, number: int) -> str:
    """Returns by what name a thief's traffic is kept."""
    return f"{attack}-{reading}-{number}"


def _times(reading: Reading) -> int:
    return AVERAGED_OVER if reading is Reading.AVERAGED else 1


def _aligned(each: Sequence[Sequence[_Copy]]) -> Iterator[tuple[_Copy, ...]]:
    """The n-th copies of all thieves; one who has no more keeps his last, and none at all agrees
    with nothing.
    """
    for number in range(max(map(len, each), default=0)):
        yield tuple(copies[min(number, len(copies) - 1)] if copies else _NO_COPY for copies in each)


def _usd(queries: int, cpu_s: float, prices: Prices) -> float:
    return queries * (prices.per_query + prices.per_input) + cpu_s / 3600 * prices.per_core_hour
