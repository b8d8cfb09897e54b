from pathlib import Path

import numpy as np
import pytest

from audit.builders import linear_scores, make_inputs, make_meter, make_target
from audit.test_driver import curve_of, play
from gamekeeper.audit.answers import recognise
from gamekeeper.audit.asking import Asking
from gamekeeper.audit.barriers import Reading, barrier, barriers
from gamekeeper.audit.driver import LIVE, Audit
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.options import AuditOptions, Prices
from gamekeeper.audit.result import Defended
from gamekeeper.audit.subject import Beside
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.base.errors import UsageError

SHARES = recognise(linear_scores(make_inputs(40)))
LOGITS = recognise(make_inputs(40), AnswerKind.SCORES)


def test_noise_that_is_drawn_again_is_averaged_away(tmp_path: Path) -> None:
    """Each of the answers that are averaged is a query; the thief who pays for them is told
    more.
    """
    meter = make_meter(tmp_path)
    inputs = make_inputs(200)
    noise = barrier("free-noise", 0).scores
    once = Asking(meter, SHARES, noise, 5_000)
    often = Asking(meter, SHARES, noise, 5_000, times=16)
    errors = []
    for asking in (once, often):
        given = asking.ask(inputs).probabilities
        assert given is not None
        expected = 0.8 * linear_scores(inputs) + 0.2 / 3  # noise is a third on average
        errors.append(float((given - expected).std()))
    assert (once.queries, often.queries) == (200, 3_200)
    assert errors[1] < 0.5 * errors[0]


def test_noisy_target_is_asked_again_and_paid_for_it(tmp_path: Path) -> None:
    """Where the target itself draws noise, averaging costs real queries."""
    rng = np.random.default_rng(0)
    target = make_target(
        lambda inputs: linear_scores(inputs) + rng.normal(0, 0.01, (len(inputs), 3))
    )
    meter = make_meter(tmp_path, target)
    Asking(meter, LOGITS, None, 5_000, times=3, again=True).ask(make_inputs(10))
    assert meter.paid == 30


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("labels-only", {Reading.LABELS}),
        ("rounding", {Reading.SCORES, Reading.LABELS, Reading.RESTORED}),
        ("free-noise", {Reading.SCORES, Reading.LABELS, Reading.AVERAGED}),
    ],
)
def test_thief_does_what_undoes_each_defence(name: str, readings: set[Reading]) -> None:
    """He is never the one who believes what he is given alone."""
    assert {
        *barrier(name, 0).readings(of_scores=True, of_labels=True, has_learners=True)
    } == readings


def test_without_a_defence_there_is_nothing_to_undo_but_the_targets_own_noise() -> None:
    """Query costs change no answer, and are no barrier."""
    plain, *others = barriers(["proof-of-work", "rounding"], 0, is_noisy=True)
    assert Reading.AVERAGED in {*plain.readings(of_scores=True, of_labels=True, has_learners=True)}
    assert [each.name for each in others] == ["rounding"]


@pytest.mark.slow
def test_audit_plays_who_averages_and_prices_who_pays_query_costs(tmp_path: Path) -> None:
    """Query costs leave fidelity as it is; dollars, and accounts, they do not."""
    defences = ("free-noise", "coverage-budget", "proof-of-work")
    prices = Prices(per_account=5.0)
    result = play(tmp_path, defences=defences, budget=2_000, prices=prices, honest_queries=20)
    plain, noisy, covered, worked = result.defended
    averaged = curve_of(noisy, "learned-copy on averaged scores")
    assert (
        averaged.points[0].queries
        == 4 * curve_of(noisy, "learned-copy on scores").points[0].queries
    )
    before, after = (
        curve_of(each, "learned-copy on labels").points[-1] for each in (plain, covered)
    )
    assert after.fidelities == before.fidelities and after.accounts > 1
    assert after.usd == pytest.approx(before.usd + 5 * (after.accounts - 1))
    assert curve_of(worked, "learned-copy on labels").points[-1].usd > before.usd


class Guarded:
    """The same target behind something that gives labels alone, and refuses after a while."""

    name = "guarded"
    answers = None
    batch = 50

    def __init__(self, most: int) -> None:
        self._most = most

    def ask(self, inputs: Array) -> Array:
        self._most -= len(inputs)
        if self._most < 0:
            raise TargetError("guarded answered 403: this account is held")
        return np.asarray(linear_scores(inputs).argmax(axis=1), np.float64)


def through(folder: Path, most: int) -> Defended:
    options = AuditOptions(budget=1_000, seeds=1, defences=(), attacks=("learned-copy",))
    (folder / "behind").mkdir()
    behind = make_meter(folder / "behind", Guarded(most))
    result = Audit(
        make_meter(folder), make_inputs(), options, "a target", beside=Beside(behind=behind)
    ).run()
    return next(each for each in result.defended if each.defence == LIVE)


def test_live_defence_is_asked_until_it_refuses(tmp_path: Path) -> None:
    """What was learnt by then is a copy, and why it went no further is said."""
    (curve,) = through(tmp_path, 100 + 250).curves
    assert [point.queries for point in curve.points] == [50, 100, 250]
    assert curve.stopped == "refused: guarded answered 403: this account is held"


def test_live_defence_that_refuses_at_once_is_said(tmp_path: Path) -> None:
    """The rest of the audit stands."""
    live = through(tmp_path, 60)
    assert not live.curves and "refused the test inputs" in live.users.said


def test_labels_have_query_costs_too(tmp_path: Path) -> None:
    """What needs no scores to be there is compared also where there are none."""
    options = AuditOptions(
        budget=1_000, seeds=1, defences=("rounding", "proof-of-work"), attacks=("learned-copy",)
    )
    target = make_target(lambda inputs: linear_scores(inputs).argmax(axis=1))
    result = Audit(make_meter(tmp_path, target), make_inputs(), options, target.name).run()
    assert [each.defence for each in result.defended] == ["none", "proof-of-work"]


class Named:
    """A target, or a defence before it, that writes its labels."""

    answers = None

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        self.name = name
        self._names = np.array(names)

    def ask(self, inputs: Array) -> Array:
        return np.asarray(self._names[linear_scores(inputs).argmax(axis=1)])


def test_labels_of_a_live_defence_are_matched_by_name(tmp_path: Path) -> None:
    """Though it gave them first in another order: nothing of an honest answer is changed."""
    names = ("ship", "hold", "reject")
    options = AuditOptions(budget=600, seeds=1, defences=(), attacks=("learned-copy",))
    (tmp_path / "behind").mkdir()
    behind = make_meter(tmp_path / "behind", Named("guarded", names))
    behind.ask(make_inputs(50, seed=9))
    meter = make_meter(tmp_path, Named("a target", names))
    live = Audit(meter, make_inputs(), options, "a target", beside=Beside(behind=behind)).run()
    assert live.defended[-1].users.label_changed == 0
    assert live.defended[-1].best is not None and live.defended[-1].best[1].fidelity > 0.8


def test_live_defence_with_other_labels_is_refused(tmp_path: Path) -> None:
    """They cannot be compared."""
    options = AuditOptions(budget=600, seeds=1, defences=(), attacks=("learned-copy",))
    (tmp_path / "behind").mkdir()
    behind = make_meter(tmp_path / "behind", Named("guarded", ("a", "b", "c")))
    meter = make_meter(tmp_path, Named("a target", ("ship", "hold", "reject")))
    with pytest.raises(UsageError, match="they cannot be compared"):
        Audit(meter, make_inputs(), options, "a target", beside=Beside(behind=behind)).run()
