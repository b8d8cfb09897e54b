"""The audit: every kind of thief against the target, as it is and behind each defence.

    inputs -> test and pool -> raw answers (paid once) -> defence -> thief -> surrogate -> fidelity on the test inputs

Fidelity is the share of test inputs on which a surrogate's label is the undefended target's. Test inputs are no
thief's; what they cost is the audit's, and not counted as a thief's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.asking import Access, Ask, Asking, access_of, probabilities_of, seen
from gamekeeper.audit.attacks import ATTACKS, Attack, Interface, Loot
from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.barriers import AVERAGED_OVER, Barrier, Reading, barriers
from gamekeeper.audit.findings import SAME, findings
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.options import SIZES, AuditOptions, Prices
from gamekeeper.audit.privacy import Inversion, Plan, Privacy, inversion_of, planned
from gamekeeper.audit.restoring import Restore, learn_to_restore
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.audit.tolls import TOLLS, Toll
from gamekeeper.audit.traffic import Traffic
from gamekeeper.defences import Scores
from gamekeeper.errors import UsageError

_TEST_SHARE, _TEST_MOST = 0.25, 1_000
_LEAST_INPUTS = 100
LIVE = "live defence"
_ASKED_AGAIN = 5  # test inputs, to see whether answers are the same
Stage = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an audit is given beside the target; None where it is not.

    Args:
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        behind: The same target behind a live defence, such as the guard.
        labels: True labels of the inputs, from 0, shape (n,): classes are reconstructed, and judged by them.
    """

    encode: Encode | None = None
    explainer: Meter | None = None
    behind: Meter | None = None
    labels: Array | None = None


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
        beside: What it is given beside the target.

    Raises:
        UsageError: There are too few inputs, or the budget is too small to judge a surrogate.
        TargetError: The target failed.
    """

    def __init__(
        self,
        meter: Meter,
        inputs: Array,
        options: AuditOptions,
        name: str,
        stage: Stage = lambda what: None,
        beside: Beside | None = None,
    ) -> None:
        _require_enough(inputs, options.budget)
        self._meter, self._options, self._name, self._stage = meter, options, name, stage
        self._beside, self._traffic = beside or Beside(), Traffic()
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
            has_encoder=self._beside.encode is not None,
            has_counterfactuals=self._beside.explainer is not None,
            picture=options.picture,
        )
        self._is_noisy = bool((np.abs(self._raw[: len(self._again)] - self._again) > SAME).any())
        self._by_labels: dict[str, Curve] = {}
        labels = self._beside.labels
        self._plan = None if labels is None else self._planned(inputs, labels)

    @property
    def traffic(self) -> Traffic:
        """What each thief asked of the target as it is."""
        return self._traffic

    @property
    def _left(self) -> int:
        """Queries for each thief, once the test inputs and the reconstructions are paid."""
        spent = self._plan.total if isinstance(self._plan, Plan) else 0
        return self._options.budget - len(self._tests) - len(self._again) - spent

    @property
    def _has_scores(self) -> bool:
        return self._access is not Access.LABELS

    def run(self) -> AuditResult:
        """Attacks, and returns what was found."""
        left_out = {a.card.name: why for a in ATTACKS.values() if (why := a.why_not(self._interface))}
        inversion = self._inversion()
        names = self._options.defences if self._has_scores else ()
        found = barriers(names, self._options.seed, is_noisy=self._is_noisy)
        defended = [self._defended(barrier, left_out) for barrier in found]
        defended += [self._tolled(defended[0], name) for name in self._options.defences if name in TOLLS]
        if self._beside.behind is not None:
            defended.append(self._live(self._beside.behind))
        return AuditResult(
            target=self._name,
            access=self._access,
            test_inputs=len(self._tests),
            paid=self._meter.paid,
            defended=tuple(defended),
            findings=tuple(findings(self._raw, self._again, self._access)),
            left_out=left_out
            | _without_copy(defended[0])
            | ({"inversion": inversion} if isinstance(inversion, str) else {}),
            prices=self._options.prices,
            privacy=Privacy(inversion=inversion) if isinstance(inversion, Inversion) else None,
        )

    def _planned(self, inputs: Array, labels: Array) -> Plan | str:
        """What is reconstructed, or why nothing is."""
        if not self._has_scores:
            return "it needs scores: labels alone do not say which way leads to a class"
        if (missing := why_no_learners()) is not None:
            return missing
        return planned(inputs, labels, self._classes, self._options.budget, self._options.seeds)

    def _inversion(self) -> Inversion | str | None:
        """Before all thieves, for those who make up what they ask leave nothing; or why it was not tried."""
        if not isinstance(self._plan, Plan):
            return self._plan
        self._stage(f"inversion of {len(self._plan.classes)} classes, {self._plan.queries} queries each")
        try:
            return inversion_of(self._inverter, self._plan, self._pool, self._options.picture, self._options.seed)
        except SpentError as error:
            return str(error)

    def _inverter(self, number: int) -> Ask:
        assert isinstance(self._plan, Plan)
        heard = partial(self._traffic.add, f"inversion-{number}")
        return Asking(self._meter, self._access, None, self._plan.total // self._plan.seeds, heard=heard).ask

    def _defended(self, barrier: Barrier, left_out: dict[str, str]) -> Defended:
        tried = [
            attack
            for attack in ATTACKS.values()
            if attack.card.name not in left_out and (barrier.scores is None or attack.card.under_defences)
        ]
        kinds = [(attack, reading) for attack in tried for reading in self._readings(attack, barrier)]
        curves = []
        for attack, reading in kinds:
            self._stage(f"{attack.card.name} on {reading}, defence: {barrier.name}")
            curves.append(self._curve_once(attack, reading, barrier))
        return Defended(defence=barrier.name, users=self._users(barrier.scores), curves=tuple(curves))

    def _readings(self, attack: Attack, barrier: Barrier) -> list[Reading]:
        of_labels = attack.why_not(replace(self._interface, access=Access.LABELS)) is None
        has_learners = why_no_learners() is None
        return [*barrier.readings(of_scores=self._has_scores, of_labels=of_labels, has_learners=has_learners)]

    def _curve_once(self, attack: Attack, reading: Reading, barrier: Barrier) -> Curve:
        """Who takes labels alone is given the same by every defence that keeps the first place: he is played once."""
        if reading is not Reading.LABELS or not barrier.keeps_labels:
            return self._curve(attack, reading, barrier)
        if attack.card.name not in self._by_labels:
            self._by_labels[attack.card.name] = self._curve(attack, reading, barrier)
        return self._by_labels[attack.card.name]

    def _tolled(self, plain: Defended, name: str) -> Defended:
        """The same copies at another price."""
        toll: Toll = TOLLS[name](self._pool, self._options)
        curves = tuple(replace(c, points=tuple(self._levied(c, p, toll) for p in c.points)) for c in plain.curves)
        return Defended(defence=name, users=toll.users, curves=curves)

    def _live(self, behind: Meter) -> Defended:
        """One account that learns from what a live defence lets through, until it is refused."""
        self._stage("asking test inputs through the live defence")
        try:
            given = behind.ask(self._tests)
        except TargetError as error:
            return Defended(defence=LIVE, users=Users(said=f"refused the test inputs: {error}"), curves=())
        access, attack = access_of(given), ATTACKS["learned-copy"]
        readings = [Reading.LABELS] if access is Access.LABELS else [Reading.SCORES, Reading.LABELS]
        curves = []
        for reading in readings if why_no_learners() is None else ():
            self._stage(f"learned-copy on {reading}, through the live defence")
            asking = Asking(behind, access, None, self._left)
            rng = np.random.default_rng(self._options.seed)  # the same inputs for both, asked once
            copies, stopped = self._play(attack, asking, reading, rng, self._sizes(None), is_live=True)
            points = tuple(self._point([copy]) for copy in copies)
            curves.append(Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped))
        changed = float((seen(given, self._tests, access, None).labels != self._truth).mean())
        return Defended(defence=LIVE, users=Users(label_changed=changed), curves=tuple(curves))

    def _levied(self, curve: Curve, point: Point, toll: Toll) -> Point:
        levy = toll.levy(self._traffic.rows(f"{curve.attack}-{curve.believes}-0")[: point.queries])
        prices = self._options.prices
        more = (levy.accounts - 1) * prices.per_account + levy.cpu_s / 3600 * prices.per_core_hour
        return replace(point, usd=point.usd + more, accounts=levy.accounts)

    def _curve(self, attack: Attack, reading: Reading, barrier: Barrier) -> Curve:
        """The same thief as often as there are seeds, each with inputs in another order."""
        each: list[list[_Copy]] = []
        stopped = None
        for number in range(self._options.seeds):
            heard = partial(self._traffic.add, f"{attack.card.name}-{reading}-{number}")
            asking = Asking(
                self._meter,
                self._access,
                barrier.scores,
                self._left // self._options.seeds if attack.card.makes_inputs else self._left,
                restore=self._way_back(barrier) if reading is Reading.RESTORED else None,
                heard=heard if barrier.scores is None else lambda inputs: None,
                explainer=self._beside.explainer,
                times=AVERAGED_OVER if reading is Reading.AVERAGED else 1,
                anew=self._is_noisy,
            )
            rng = np.random.default_rng([self._options.seed, number])
            copies, stopped = self._play(attack, asking, reading, rng, self._sizes(barrier.scores))
            if copies or stopped is None:  # one who could not play for want of queries says nothing
                each.append(copies)
        points = tuple(self._point(copies) for copies in _aligned(each))
        return Curve(attack=attack.card.name, believes=str(reading), points=points, stopped=stopped)

    def _way_back(self, barrier: Barrier) -> Restore:
        """Through a defence, rehearsed once, with a key that is not the owner's."""
        assert barrier.rehearsed is not None
        if barrier.name not in self._ways_back:
            rng = np.random.default_rng(self._options.seed)
            self._ways_back[barrier.name] = learn_to_restore(barrier.rehearsed, self._classes, rng)
        return self._ways_back[barrier.name]

    def _sizes(self, defence: Scores | None) -> tuple[int, ...]:
        """At which copies are wanted; every second behind a defence, which takes half the time."""
        sizes = [size for size in SIZES if size <= self._left]
        return tuple(sizes if defence is None else sizes[::-2][::-1])

    def _play(
        self,
        attack: Attack,
        asking: Asking,
        reading: Reading,
        rng: np.random.Generator,
        sizes: Sequence[int],
        *,
        is_live: bool = False,
    ) -> tuple[list["_Copy"], str | None]:
        loot = Loot(
            pool=self._pool[rng.permutation(len(self._pool))],
            sizes=sizes if reading is not Reading.AVERAGED else [s for s in sizes if AVERAGED_OVER * s <= self._left],
            uses_scores=reading is not Reading.LABELS,
            classes=self._classes,
            encode=self._beside.encode,
            explain=asking.explain if self._beside.explainer else None,
            picture=self._options.picture,
        )
        times = AVERAGED_OVER if reading is Reading.AVERAGED else 1
        copies: list[_Copy] = []
        began = process_time()
        try:
            for surrogate in attack.surrogates(asking.ask, loot, rng):
                cpu_s = process_time() - began
                fidelity = float((surrogate.predict(self._tests) == self._truth).mean())
                copies.append(_Copy(times * surrogate.queries, fidelity, cpu_s, surrogate.recipe))
                began = process_time()
        except SpentError as error:
            return copies, str(error)
        except TargetError as error:
            if not is_live:
                raise
            return copies, f"refused: {error}"
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
            return Users()
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


def _require_enough(inputs: Array, budget: int) -> None:
    if budget < _LEAST_INPUTS:
        raise UsageError(f"a budget of {budget} queries cannot judge a surrogate; expected {_LEAST_INPUTS} at least")
    if len(inputs) < _LEAST_INPUTS:
        raise UsageError(f"{len(inputs)} inputs are too few to attack with and to judge by; {_LEAST_INPUTS} at least")


def _require_classes(labels: Array) -> None:
    if len(np.unique(labels)) < 2:
        raise UsageError(
            f"the target gave all {len(labels)} test inputs one label: anybody copies that without asking; "
            "bring inputs of every class"
        )
