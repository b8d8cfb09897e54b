"""The audit: every kind of thief against the target, as it is and behind each defence.

    inputs -> test and pool -> raw answers (paid once) -> defence -> thief -> surrogate -> fidelity on the test inputs

Fidelity is the share of test inputs on which a surrogate's label is the undefended target's. Test inputs are no
thief's; what they cost is the audit's, and not counted as a thief's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.asking import Access, Asking, access_of, probabilities_of, seen
from gamekeeper.audit.attacks import ATTACKS, Attack, Interface, Loot
from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.findings import findings
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.options import SIZES, AuditOptions, Prices
from gamekeeper.audit.restoring import Restore, learn_to_restore
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.targets import Array
from gamekeeper.audit.traffic import Traffic
from gamekeeper.defences import DEFENCES, Scores, make_defence
from gamekeeper.errors import UsageError

_TEST_SHARE, _TEST_MOST = 0.25, 1_000
_LEAST_INPUTS = 100
_ASKED_AGAIN = 5  # test inputs, to see whether answers are the same
Stage = Callable[[str], object]


class Reading(StrEnum):
    """What a thief takes of an answer."""

    SCORES = "scores"
    LABELS = "labels"
    RESTORED = "restored scores"


class _Copy(NamedTuple):
    """A surrogate, judged."""

    queries: int
    fidelity: float
    cpu_s: float
    recipe: str


_NO_COPY = _Copy(0, 0.0, 0.0, "")


class Audit:
    """One target, its inputs split, ready to be attacked.

    Args:
        meter: The target.
        inputs: Of its domain, shape (n, width); n at least 100.
        options: What the audit is told.
        name: Of the target.
        stage: Told of each thing that is begun.
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        public: Inputs of another domain, shape (m, width); None for none.

    Raises:
        UsageError: There are too few inputs, the budget is too small to judge a surrogate, or public inputs are of
            another width.
        TargetError: The target failed.
    """

    def __init__(
        self,
        meter: Meter,
        inputs: Array,
        options: AuditOptions,
        name: str,
        stage: Stage = lambda what: None,
        *,
        encode: Encode | None = None,
        explainer: Meter | None = None,
        public: Array | None = None,
    ) -> None:
        _require_enough(inputs, options.budget)
        _require_alike(inputs, public)
        self._meter, self._options, self._name, self._stage = meter, options, name, stage
        self._encode, self._explainer, self._public, self._traffic = encode, explainer, public, Traffic()
        self._ways_back: dict[str, Restore] = {}
        order = np.random.default_rng(options.seed).permutation(len(inputs))
        tests = min(_TEST_MOST, int(len(inputs) * _TEST_SHARE), options.budget // 2)
        self._tests, self._pool = inputs[order[:tests]], inputs[order[tests:]]
        stage(f"asking {tests} test inputs")
        self._raw = meter.ask(self._tests)
        self._again = meter.ask(self._tests[:_ASKED_AGAIN], turn=1)
        self._access = access_of(self._raw)
        self._truth = seen(self._raw, self._tests, self._access, None).labels
        self._classes = self._raw.shape[1] if self._has_scores else int(self._truth.max()) + 1
        _require_classes(self._truth)
        self._interface = Interface(
            access=self._access,
            width=inputs.shape[1],
            classes=self._classes,
            has_encoder=encode is not None,
            has_counterfactuals=explainer is not None,
            picture=options.picture,
            has_public=public is not None,
        )
        self._by_labels: dict[str, Curve] = {}

    @property
    def traffic(self) -> Traffic:
        """What each thief asked of the target as it is."""
        return self._traffic

    @property
    def _left(self) -> int:
        """Queries for each thief, once the test inputs are paid."""
        return self._options.budget - len(self._tests) - len(self._again)

    @property
    def _has_scores(self) -> bool:
        return self._access is not Access.LABELS

    def run(self) -> AuditResult:
        """Attacks, and returns what was found."""
        left_out = {a.card.name: why for a in ATTACKS.values() if (why := a.why_not(self._interface))}
        defences = ("none", *(self._options.defences if self._has_scores else ()))
        defended = tuple(self._defended(defence, left_out) for defence in defences)
        return AuditResult(
            target=self._name,
            access=self._access,
            test_inputs=len(self._tests),
            paid=self._meter.paid,
            defended=defended,
            findings=tuple(findings(self._raw, self._again, self._access)),
            left_out=left_out | _without_copy(defended[0]),
            prices=self._options.prices,
        )

    def _defended(self, name: str, left_out: dict[str, str]) -> Defended:
        defence = None if name == "none" else make_defence(name, _key(self._options.seed))
        tried = [
            attack
            for attack in ATTACKS.values()
            if attack.card.name not in left_out and (defence is None or attack.card.under_defences)
        ]
        curves = []
        for attack in tried:
            most = self._most(attack, tried, defence)
            for reading in self._readings(attack, name):
                self._stage(f"{attack.card.name} on {reading}, defence: {name}")
                curves.append(self._curve_once(attack, reading, name, defence, most))
        return Defended(defence=name, users=self._users(defence), curves=tuple(curves))

    def _most(self, attack: Attack, tried: Sequence[Attack], defence: Scores | None) -> int:
        """Queries that each of its thieves may make.

        Of what the first attack leaves of the audit's, half is kept for those that say what they need, where it is
        enough for them: else who solves in vain for what is not linear would leave nothing.
        """
        unspent, seeds = self._options.budget - self._meter.asked, self._options.seeds
        waiting = [each for each in tried[tried.index(attack) :] if each.card.fewest]
        if attack.card.fewest:
            self._meter.kept_back = 0
            return unspent // (len(waiting) * seeds)
        if attack is tried[1] and defence is None:
            needed = seeds * sum(each.card.fewest for each in waiting)
            self._meter.kept_back = unspent // 2 if unspent // 2 >= needed else 0
        return self._left // seeds if attack.card.makes_inputs else self._left

    def _readings(self, attack: Attack, defence: str) -> list[Reading]:
        """What thieves take of an answer: who knows of a defence takes the labels alone, or undoes what was done."""
        of_labels = attack.why_not(replace(self._interface, access=Access.LABELS)) is None
        labels = [Reading.LABELS] if of_labels else []
        if not self._has_scores or defence == "labels-only":
            return labels
        restored = [Reading.RESTORED] if defence != "none" and why_no_learners() is None else []
        return [Reading.SCORES, *labels, *restored]

    def _curve_once(self, attack: Attack, reading: Reading, name: str, defence: Scores | None, most: int) -> Curve:
        """Who takes labels alone is given the same by every defence that keeps the first place: he is played once."""
        if reading is not Reading.LABELS or not (defence is None or DEFENCES[name].card.keeps_top1):
            return self._curve(attack, reading, name, defence, most)
        if attack.card.name not in self._by_labels:
            self._by_labels[attack.card.name] = self._curve(attack, reading, name, defence, most)
        return self._by_labels[attack.card.name]

    def _curve(self, attack: Attack, reading: Reading, name: str, defence: Scores | None, most: int) -> Curve:
        """The same thief as often as there are seeds, each with inputs in another order."""
        each: list[list[_Copy]] = []
        sizes = self._sizes(defence, most if attack.card.fewest else self._left)
        if most < attack.card.fewest:
            why = f"it takes {attack.card.fewest} queries at least, and each thief would have {most}"
            return Curve(attack=attack.card.name, believes=str(reading), points=(), stopped=why)
        stopped = None
        for number in range(self._options.seeds):
            heard = partial(self._traffic.add, f"{attack.card.name}-{reading}-{number}")
            asking = Asking(
                self._meter,
                self._access,
                defence,
                most,
                restore=self._way_back(name) if reading is Reading.RESTORED else None,
                heard=heard if defence is None else lambda inputs: None,
                explainer=self._explainer,
            )
            rng = np.random.default_rng([self._options.seed, number])
            copies, stopped = self._play(attack, asking, reading, rng, sizes)
            if copies or stopped is None:  # one who could not play for want of queries says nothing
                each.append(copies)
        points = tuple(self._point(copies) for copies in _aligned(each))
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _way_back(self, name: str) -> Restore:
        """Through a defence, rehearsed once, with a key that is not the owner's."""
        if name not in self._ways_back:
            rehearsed = make_defence(name, _key(self._options.seed + 1))
            rng = np.random.default_rng(self._options.seed)
            self._ways_back[name] = learn_to_restore(rehearsed, self._classes, rng)
        return self._ways_back[name]

    def _sizes(self, defence: Scores | None, most: int) -> tuple[int, ...]:
        """At which copies are wanted; every second behind a defence, which takes half the time."""
        sizes = [size for size in SIZES if size <= most]
        return tuple(sizes if defence is None else sizes[::-2][::-1])

    def _play(
        self,
        attack: Attack,
        asking: Asking,
        reading: Reading,
        rng: np.random.Generator,
        sizes: Sequence[int],
    ) -> tuple[list["_Copy"], str | None]:
        loot = Loot(
            pool=self._pool[rng.permutation(len(self._pool))],
            sizes=sizes,
            uses_scores=reading is not Reading.LABELS,
            classes=self._classes,
            encode=self._encode,
            explain=asking.explain if self._explainer else None,
            picture=self._options.picture,
            public=self._public,
        )
        copies: list[_Copy] = []
        began = process_time()
        try:
            for surrogate in attack.surrogates(asking.ask, loot, rng):
                cpu_s = process_time() - began
                fidelity = float((surrogate.predict(self._tests) == self._truth).mean())
                copies.append(_Copy(surrogate.queries, fidelity, cpu_s, surrogate.recipe))
                began = process_time()
        except SpentError as error:
            return copies, str(error)
        return copies, None

    def _point(self, copies: Sequence["_Copy"]) -> Point:
        cpu_s = float(np.mean([copy.cpu_s for copy in copies]))
        queries = max(copy.queries for copy in copies)
        return Point(
            queries=queries,
            fidelities=tuple(copy.fidelity for copy in copies),
            cpu_s=cpu_s,
            usd=_usd(queries, cpu_s, self._options.prices),
            recipe=max(copies, key=lambda copy: copy.fidelity).recipe,
        )

    def _users(self, defence: Scores | None) -> Users:
        if defence is None:
            return Users(label_changed=0.0, l1=0.0)
        plain = probabilities_of(self._raw, self._access)
        given = seen(self._raw, self._tests, self._access, defence)
        assert given.probabilities is not None
        return Users(
            label_changed=float((given.labels != self._truth).mean()),
            l1=float(np.abs(given.probabilities - plain).sum(axis=1).mean()),
        )


def _without_copy(plain: Defended) -> dict[str, str]:
    """Attacks that were tried and came to nothing, and why."""
    found = {curve.attack for curve in plain.curves if curve.points}
    tried = {curve.attack: curve.stopped for curve in plain.curves if curve.attack not in found}
    return {name: stopped or "it was tried, and is for targets of another kind" for name, stopped in tried.items()}


def _aligned(each: Sequence[Sequence[_Copy]]) -> Iterator[tuple[_Copy, ...]]:
    """The n-th copies of all thieves; one who has no more keeps his last, and none at all agrees with nothing."""
    for number in range(max(map(len, each), default=0)):
        yield tuple(copies[min(number, len(copies) - 1)] if copies else _NO_COPY for copies in each)


def _usd(queries: int, cpu_s: float, prices: Prices) -> float:
    return queries * (prices.per_query + prices.per_input) + cpu_s / 3600 * prices.per_core_hour


def _key(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(32)


def _require_enough(inputs: Array, budget: int) -> None:
    if budget < _LEAST_INPUTS:
        raise UsageError(f"a budget of {budget} queries cannot judge a surrogate; expected {_LEAST_INPUTS} at least")
    if len(inputs) < _LEAST_INPUTS:
        raise UsageError(f"{len(inputs)} inputs are too few to attack with and to judge by; {_LEAST_INPUTS} at least")


def _require_alike(inputs: Array, public: Array | None) -> None:
    if public is not None and public.shape[1] != inputs.shape[1]:
        raise UsageError(
            f"public inputs have {public.shape[1]} values each, inputs {inputs.shape[1]}; expected as many"
        )


def _require_classes(labels: Array) -> None:
    if len(np.unique(labels)) < 2:
        raise UsageError(
            f"the target gave all {len(labels)} test inputs one label: anybody copies that without asking; "
            "bring inputs of every class"
        )
