"""The audit: every kind of attack against the target, as it is and behind each defence.

    inputs -> test and pool -> raw answers (paid once) -> defence -> attack -> surrogate -> fidelity
    on the test inputs

What fidelity is follows from what the target answers, see `gamekeeper.audit.measures`. Test inputs
are not given to attacks; their cost is the audit's, and is not counted as an attack's.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm, probabilities_of
from gamekeeper.audit.asking import Ask, Asking, Renamed, Source, seen
from gamekeeper.audit.attacks import ATTACKS, Attack
from gamekeeper.audit.barriers import ROUNDING, Barrier, Reading, barriers, number_barriers
from gamekeeper.audit.findings import findings
from gamekeeper.audit.learners import TrainingSet, best_learner, why_no_learners
from gamekeeper.audit.measures import Measure
from gamekeeper.audit.meter import Meter, SpentError
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.privacy import Inversion, Plan, Privacy, inversion_of, planned
from gamekeeper.audit.query_costs import QUERY_COSTS, QueryCost
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.subject import Beside, Subject, names_of, subject_of
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.audit.thieves import Thieves, thief_name
from gamekeeper.audit.traffic import Traffic
from gamekeeper.base.errors import UsageError
from gamekeeper.base.progress import OnStage, ignore_stage

LIVE = "live defence"
_SHOWN = 8  # labels in a message
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
        labels = self._subject.labels
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
        defended = [self._defended(barrier, left_out) for barrier in self._barriers()]
        defended += [
            self._charged(defended[0], name) for name in options.defences if name in QUERY_COSTS
        ]
        if subject.beside.behind is not None:
            defended.append(self._live(subject.beside.behind))
        not_shown = {"inversion": inversion} if isinstance(inversion, str) else {}
        return AuditResult(
            target=self._name,
            access=subject.form.access,
            answers=subject.form.said,
            measure=self._measure(),
            fidelity=subject.judge.measure.name,
            test_inputs=len(subject.tests),
            paid=subject.meter.paid,
            failed=subject.meter.failed,
            remarks=(*subject.meter.remarks, *self._of_live_defence(), *self._of_unseen()),
            defended=tuple(defended),
            findings=tuple(findings(subject.raw, subject.again, subject.form)),
            left_out=left_out | self._not_applied() | _without_copy(defended[0]) | not_shown,
            prices=options.prices,
            seeds=options.seeds,
            privacy=Privacy(inversion=inversion) if isinstance(inversion, Inversion) else None,
        )

    def _of_unseen(self) -> Iterator[str]:
        """Labels that an attack was given and no test input has."""
        if self._thieves.unseen:
            yield (
                f"{self._thieves.unseen:,} queries of one attack were answered with labels that no"
                " test input has: copies are not judged on these classes; give more inputs of them"
            )

    def _of_live_defence(self) -> Iterator[str]:
        """What a live defence did not answer."""
        behind = self._subject.beside.behind
        if behind is not None and behind.failed.remark:
            yield f"{LIVE}: {behind.failed.remark}"

    def _barriers(self) -> Iterator[Barrier]:
        subject = self._subject
        options = self._options
        if subject.form.are_numbers:
            return number_barriers(options.defences, subject.raw, is_noisy=subject.is_noisy)
        names = options.defences if subject.has_scores else ()
        return barriers(names, options.seed, is_noisy=subject.is_noisy)

    def _not_applied(self) -> dict[str, str]:
        """Defences that were asked for and cannot be applied to such answers."""
        if self._subject.form.are_numbers:
            why = "it changes scores of classes; the target answers numbers"
            kept = {ROUNDING, *QUERY_COSTS}
        elif not self._subject.has_scores:
            why = "it changes scores; the target gives only labels"
            kept = set(QUERY_COSTS)
        else:
            return {}
        return {name: why for name in self._options.defences if name not in kept}

    def _measure(self) -> Measure:
        """The judge's, with what a model reaches that learns from true labels without a query."""
        subject = self._subject
        measure = subject.judge.measure
        labels = subject.pool_labels
        if labels is None or why_no_learners() is not None:
            return measure
        if subject.form.are_numbers and subject.form.classes > 2:
            return measure  # one label says nothing of several numbers
        self._on_stage("a model from the true labels, without a query", 0, 0)
        training = TrainingSet(
            inputs=subject.pool,
            labels=labels,
            values=labels[:, None].astype(float) if subject.form.are_numbers else None,
            picture=self._options.picture,
            categories=subject.categories,
            has_gaps=subject.has_gaps,
            is_balanced=subject.is_balanced,
        )
        _, predict = best_learner(training, np.random.default_rng(self._options.seed))
        reached = subject.judge.measured(predict, subject.tests).fidelity
        return replace(measure, without_queries=reached, labelled=len(labels))

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
        return Asking(self._subject.meter, self._subject.form, None, most, on_inputs=record).ask

    def _defended(self, barrier: Barrier, left_out: dict[str, str]) -> Defended:
        """All attacks through a barrier; those that differ in the choice of inputs alone are played
        without a defence, and carried over where they learn from labels that a defence keeps.
        """
        attacks = [attack for attack in self._attacks if attack.card.name not in left_out]
        tried = [each for each in attacks if barrier.is_none or each.card.under_defences]
        curves = []
        for attack in tried:
            share = self._thieves.share(attack, tried, barrier)
            for reading in self._thieves.readings(attack, barrier):
                self._on_stage(f"{attack.card.name} on {reading}, defence: {barrier.name}", 0, 0)
                curves.append(self._thieves.curve(attack, reading, barrier, share))
        not_played = []
        for attack in attacks:
            if attack in tried:
                continue
            carried = self._thieves.carried(attack, barrier)
            curves += [carried] if carried is not None else []
            not_played += [
                f"{attack.card.name} on {reading}"
                for reading in self._thieves.readings(attack, barrier)
                if reading is not Reading.LABELS or carried is None
            ]
        return Defended(
            defence=barrier.name,
            users=self._users(barrier),
            curves=tuple(curves),
            not_played=tuple(not_played),
            is_imitable=not barrier.is_none,
        )

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
        source, form = self._live_source(behind, given)
        if form.are_numbers:
            readings = [Reading.VALUES]
        elif form.access is Access.LABELS:
            readings = [Reading.LABELS]
        else:
            readings = [Reading.SCORES, Reading.LABELS]
        readings = readings if why_no_learners() is None else []
        curves = tuple(
            self._thieves.live(ATTACKS[_LEARNED], reading, source, form) for reading in readings
        )
        changed = float((seen(source.ask(tests), tests, form).labels != truth).mean())
        return Defended(defence=LIVE, users=Users(label_changed=changed), curves=curves)

    def _live_source(self, behind: Meter, given: Array) -> tuple[Source, AnswerForm]:
        """What a live defence answers: as the target does, or labels where it withholds scores,
        which are matched with the target's own by their names.

        Raises:
            UsageError: Its labels are not the target's.
        """
        subject = self._subject
        plain = subject.form
        if plain.access is not Access.LABELS and given.shape[1] == plain.width:
            return behind, plain
        known = self._class_names()
        theirs = behind.texts or [f"{label:g}" for label in np.unique(given[:, 0])]
        if given.shape[1] != 1 or not set(theirs) <= set(known):
            raise UsageError(
                f"the live defence answers {', '.join(theirs[:_SHOWN])}, and the target's classes"
                f" are {', '.join(known[:_SHOWN])}: they cannot be compared"
            )
        form = AnswerForm(
            access=Access.LABELS,
            width=1,
            because="the live defence gives labels",
            labels=np.arange(len(known), dtype=float),
        )
        return Renamed(behind, known), form

    def _class_names(self) -> list[str]:
        """The target's classes as it writes them, in the order of their numbers here."""
        subject = self._subject
        if subject.form.access is Access.LABELS:
            return names_of(subject.form, subject.meter.texts)
        named = list(subject.meter.label_names)
        return named or [str(number) for number in range(subject.form.classes)]

    def _users(self, barrier: Barrier) -> Users:
        subject = self._subject
        if barrier.change is not None:
            off = np.abs(barrier.change(subject.raw) - subject.raw).mean()
            return Users(said=f"values changed by {off:.3g} on average")
        if barrier.scores is None:
            return Users()
        plain = probabilities_of(subject.raw, subject.form)
        given = seen(subject.raw, subject.tests, subject.form, barrier.scores)
        assert given.probabilities is not None
        return Users(
            label_changed=float((given.labels != subject.truth).mean()),
            l1=float(np.abs(given.probabilities - plain).sum(axis=1).mean()),
        )


def _planned(subject: Subject, inputs: Array, labels: Array, options: AuditOptions) -> Plan | str:
    """What is reconstructed, or why nothing is."""
    if subject.form.are_numbers:
        return "it reconstructs classes; the target answers numbers"
    if not subject.has_scores:
        return "it needs scores: labels alone give no direction towards a class"
    if not subject.interface.is_plain:
        return "it makes inputs up, which needs columns of numbers without missing values"
    if (missing := why_no_learners()) is not None:
        return missing
    return planned(inputs, labels, subject.classes, options.budget, options.seeds)


def _without_copy(plain: Defended) -> dict[str, str]:
    """Attacks that were tried without a result, and why."""
    found = {curve.attack for curve in plain.curves if curve.points}
    tried = {curve.attack: curve.stopped for curve in plain.curves if curve.attack not in found}
    return {
        name: stopped
        or "it was tried and found nothing: the target is of another kind, or answers with too few"
        " digits"
        for name, stopped in tried.items()
    }
