"""The audit: every kind of thief against the target, as it is and behind each defence.

    inputs -> test and pool -> raw answers (paid once) -> defence -> thief -> surrogate -> fidelity
    on the test inputs

Fidelity is the share of test inputs on which a surrogate's label is the undefended target's. Test
inputs are not given to thieves; their cost is the audit's, and is not counted as a thief's.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from gamekeeper.audit.asking import Access, Ask, Asking, access_of, probabilities_of, seen
from gamekeeper.audit.attacks import ATTACKS, Attack
from gamekeeper.audit.barriers import Barrier, Reading, barriers
from gamekeeper.audit.findings import findings
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.privacy import Inversion, Plan, Privacy, inversion_of, planned
from gamekeeper.audit.query_costs import QUERY_COSTS, QueryCost
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.subject import Beside, Subject, subject_of
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.audit.thieves import Thieves, thief_name
from gamekeeper.audit.traffic import Traffic
from gamekeeper.base.progress import OnStage, ignore_stage

LIVE = "live defence"
_LEARNED = "learned-copy"


class Audit:
    """One target, its inputs split, ready to be attacked.

    Args:
        meter: The target.
        inputs: Of its domain, shape (n, width); n at least 100.
        options: Of the audit.
        name: Of the target.
        on_stage: Called with the name of each stage that begins.
        beside: What it is given beside the target.

    Raises:
        UsageError: As `subject_of`.
        TargetError: The target failed.
    """

    def __init__(
        self,
        meter: Meter,
        inputs: Array,
        options: AuditOptions,
        name: str,
        on_stage: OnStage = ignore_stage,
        beside: Beside | None = None,
    ) -> None:
        self._options = options
        self._name = name
        self._on_stage = on_stage
        on_stage("asking test inputs", 0, 0)
        self._subject = subject_of(meter, inputs, options, beside or Beside())
        labels = self._subject.beside.labels
        self._plan = None if labels is None else _planned(self._subject, inputs, labels, options)
        reconstructing = self._plan.total if isinstance(self._plan, Plan) else 0
        self._thieves = Thieves(
            self._subject, options, options.budget - self._subject.spent - reconstructing
        )

    @property
    def _attacks(self) -> list[Attack]:
        wanted = self._options.attacks
        return [attack for attack in ATTACKS.values() if not wanted or attack.card.name in wanted]

    @property
    def traffic(self) -> Traffic:
        """What each thief asked of the target as it is."""
        return self._thieves.traffic

    def run(self) -> AuditResult:
        """Attacks, and returns what was found."""
        subject = self._subject
        options = self._options
        left_out = {
            a.card.name: why for a in self._attacks if (why := a.why_not(subject.interface))
        }
        inversion = self._inversion()
        names = options.defences if subject.has_scores else ()
        found = barriers(names, options.seed, is_noisy=subject.is_noisy)
        defended = [self._defended(barrier, left_out) for barrier in found]
        defended += [
            self._charged(defended[0], name) for name in options.defences if name in QUERY_COSTS
        ]
        if subject.beside.behind is not None:
            defended.append(self._live(subject.beside.behind))
        not_shown = {"inversion": inversion} if isinstance(inversion, str) else {}
        return AuditResult(
            target=self._name,
            access=subject.access,
            test_inputs=len(subject.tests),
            paid=subject.meter.paid,
            defended=tuple(defended),
            findings=tuple(findings(subject.raw, subject.again, subject.access)),
            left_out=left_out | _without_copy(defended[0]) | not_shown,
            prices=options.prices,
            privacy=Privacy(inversion=inversion) if isinstance(inversion, Inversion) else None,
        )

    def _inversion(self) -> Inversion | str | None:
        """Runs before all attacks: those that generate inputs leave no budget. Or why it was not
        tried.
        """
        if not isinstance(self._plan, Plan):
            return self._plan
        self._on_stage(
            f"inversion of {len(self._plan.classes)} classes, {self._plan.queries} queries each",
            0,
            0,
        )
        pool = self._subject.pool
        options = self._options
        try:
            return inversion_of(self._inverter, self._plan, pool, options.picture, options.seed)
        except SpentError as error:
            return str(error)

    def _inverter(self, number: int) -> Ask:
        assert isinstance(self._plan, Plan)
        record = partial(self.traffic.add, f"inversion-{number}")
        most = self._plan.total // self._plan.seeds
        return Asking(self._subject.meter, self._subject.access, None, most, on_inputs=record).ask

    def _defended(self, barrier: Barrier, left_out: dict[str, str]) -> Defended:
        """All thieves through a barrier."""
        tried = [
            attack
            for attack in self._attacks
            if attack.card.name not in left_out
            and (barrier.scores is None or attack.card.under_defences)
        ]
        curves = []
        for attack in tried:
            share = self._thieves.share(attack, tried, barrier)
            for reading in self._thieves.readings(attack, barrier):
                self._on_stage(f"{attack.card.name} on {reading}, defence: {barrier.name}", 0, 0)
                curves.append(self._thieves.curve(attack, reading, barrier, share))
        return Defended(defence=barrier.name, users=self._users(barrier), curves=tuple(curves))

    def _charged(self, plain: Defended, name: str) -> Defended:
        """The same copies at another price."""
        query_cost: QueryCost = QUERY_COSTS[name](self._subject.pool, self._options)
        curves = tuple(
            replace(c, points=tuple(self._surcharged(c, p, query_cost) for p in c.points))
            for c in plain.curves
        )
        return Defended(defence=name, users=query_cost.users, curves=curves)

    def _surcharged(self, curve: Curve, point: Point, query_cost: QueryCost) -> Point:
        surcharge = query_cost.surcharge(
            self.traffic.rows(thief_name(curve.attack, curve.believes, 0))[: point.queries]
        )
        prices = self._options.prices
        more = (
            surcharge.accounts - 1
        ) * prices.per_account + surcharge.cpu_s / 3600 * prices.per_core_hour
        return replace(point, usd=point.usd + more, accounts=surcharge.accounts)

    def _live(self, behind: Meter) -> Defended:
        """One account that learns from what a live defence lets through, until it is refused."""
        self._on_stage(f"{_LEARNED} through the live defence", 0, 0)
        tests = self._subject.tests
        truth = self._subject.truth
        try:
            given = behind.ask(tests)
        except TargetError as error:
            return Defended(
                defence=LIVE, users=Users(said=f"it refused the test inputs: {error}"), curves=()
            )
        access = access_of(given)
        readings = [Reading.LABELS] if access is Access.LABELS else [Reading.SCORES, Reading.LABELS]
        readings = readings if why_no_learners() is None else []
        curves = tuple(
            self._thieves.live(ATTACKS[_LEARNED], reading, behind, access) for reading in readings
        )
        changed = float((seen(given, tests, access, None).labels != truth).mean())
        return Defended(defence=LIVE, users=Users(label_changed=changed), curves=curves)

    def _users(self, barrier: Barrier) -> Users:
        if barrier.scores is None:
            return Users()
        subject = self._subject
        plain = probabilities_of(subject.raw, subject.access)
        given = seen(subject.raw, subject.tests, subject.access, barrier.scores)
        assert given.probabilities is not None
        return Users(
            label_changed=float((given.labels != subject.truth).mean()),
            l1=float(np.abs(given.probabilities - plain).sum(axis=1).mean()),
        )


def _planned(subject: Subject, inputs: Array, labels: Array, options: AuditOptions) -> Plan | str:
    """What is reconstructed, or why nothing is."""
    if not subject.has_scores:
        return "it needs scores: labels alone give no direction towards a class"
    if (missing := why_no_learners()) is not None:
        return missing
    return planned(inputs, labels, subject.classes, options.budget, options.seeds)


def _without_copy(plain: Defended) -> dict[str, str]:
    """Attacks that were tried without a result, and why."""
    found = {curve.attack for curve in plain.curves if curve.points}
    tried = {curve.attack: curve.stopped for curve in plain.curves if curve.attack not in found}
    return {
        name: stopped or "it was tried, but applies to another kind of target"
        for name, stopped in tried.items()
    }
