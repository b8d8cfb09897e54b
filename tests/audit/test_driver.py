from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audit.builders import (
    Counting,
    linear_labels,
    linear_scores,
    make_inputs,
    make_meter,
    make_target,
)
from gamekeeper.audit import driver
from gamekeeper.audit.answers import Access
from gamekeeper.audit.driver import Audit
from gamekeeper.audit.inputs import TrueLabels
from gamekeeper.audit.measures import Measured
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import AuditResult, Curve, Defended, Users
from gamekeeper.audit.subject import Beside
from gamekeeper.audit.targets import Array
from gamekeeper.audit.thieves import _aligned, _Copy
from gamekeeper.audit.traffic import Pace
from gamekeeper.base.errors import InputError, UsageError


def play(
    folder: Path, answer: object = linear_scores, *, inputs: int = 400, **fields: object
) -> AuditResult:
    told: dict[str, object] = {
        "budget": 1_000,
        "seeds": 2,
        "defences": ("rounding", "reverse-sigmoid"),
    } | fields
    public = told.pop("public", None)
    options = AuditOptions(**told)  # type: ignore[arg-type]
    # type: ignore[arg-type]
    target = make_target(answer)
    meter = make_meter(folder, make_target(answer), told["budget"])
    return Audit(
        meter, make_inputs(inputs), options, target.name, beside=Beside(public=public)
    ).run()  # type: ignore[arg-type]


@pytest.fixture
def few_thieves(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attack alone, which takes no time."""
    monkeypatch.setattr(driver, "ATTACKS", {"equation-solving": driver.ATTACKS["equation-solving"]})


def true_labels(inputs: Array) -> TrueLabels:
    return TrueLabels(path=Path("labels.npy"), given=linear_labels(inputs).astype(float))


def curve_of(defended: Defended, name: str) -> Curve:
    return next(curve for curve in defended.curves if curve.name == name)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    attacks = ("equation-solving", "learned-copy", "path-finding", "active-selection")
    return play(tmp_path_factory.mktemp("audit"), attacks=attacks)


def test_linear_target_is_copied_for_a_few_answers(result: AuditResult) -> None:
    """The cheapest way is found, and whose it is."""
    found = result.defended[0].cheapest(0.95)
    assert found is not None
    curve, point = found
    assert (curve.attack, point.queries) == ("equation-solving", 7)
    assert result.access is Access.PROBABILITIES and result.test_inputs == 100


def test_reverse_sigmoid_is_shown_as_no_defence_by_itself(result: AuditResult) -> None:
    """Who believes the scores is misled; who takes the labels alone is not, and he is the one that
    counts.
    """
    plain, _, misled = result.defended
    solved = [
        curve_of(each, "equation-solving on scores").points[-1].fidelity for each in (plain, misled)
    ]
    assert solved[0] == 1.0 and solved[1] < 0.96
    assert curve_of(misled, "learned-copy on labels") == curve_of(plain, "learned-copy on labels")
    assert curve_of(misled, "equation-solving on restored scores").points[-1].fidelity > solved[1]


def test_users_pay_for_defences_as_well(result: AuditResult) -> None:
    """Nothing without, something with."""
    plain, rounded, misled = (each.users for each in result.defended)
    assert plain == Users(label_changed=0.0, l1=0.0)
    assert 0 < rounded.l1 < misled.l1 and rounded.label_changed == 0


def test_every_point_has_all_seeds(result: AuditResult) -> None:
    """Intervals are over the same thieves, where the budget let all of them play."""
    points = [p for d in result.defended for c in d.curves for p in c.points if c.stopped is None]
    assert points and all(len(point.fidelities) == 2 for point in points)


def test_labels_alone_leave_attacks_out_and_say_so(tmp_path: Path) -> None:
    """Nothing is compared that cannot be: there are no scores to defend."""
    result = play(tmp_path, linear_labels)
    assert result.access is Access.LABELS
    assert result.left_out["equation-solving"] == "it needs scores"
    assert "learned-copy" not in result.left_out
    assert [each.defence for each in result.defended] == ["none"]
    assert result.defended[0].best is not None


def test_budget_is_never_overdrawn(tmp_path: Path) -> None:
    """What no longer fits is left out, and the curve says why."""
    target = Counting()
    options = AuditOptions(budget=150, seeds=2, defences=())
    result = Audit(make_meter(tmp_path, target, 150), make_inputs(), options, "counting").run()
    assert target.asked <= 150
    assert any(curve.stopped for curve in result.defended[0].curves)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"budget": 50}, "a budget of 50 queries cannot judge"),
        ({"inputs": 20}, "20 inputs are too few"),
        ({"answer": lambda inputs: np.zeros(len(inputs))}, "the same label"),
    ],
    ids=["budget", "inputs", "one-class"],
)
def test_what_cannot_be_audited_is_refused(
    fields: dict[str, object], said: str, tmp_path: Path
) -> None:
    """With what is missing."""
    with pytest.raises(UsageError, match=said):
        play(tmp_path, **fields)  # type: ignore[arg-type]


@pytest.mark.usefixtures("few_thieves")
def test_classes_are_reconstructed_and_paid_once(tmp_path: Path) -> None:
    """Within the budget; the same audit again asks nothing, and finds the same."""
    target = Counting()
    inputs = make_inputs()
    options = AuditOptions(budget=3_000, seeds=1, defences=(), picture=(2, 3))
    labels = true_labels(inputs)
    first = Audit(
        make_meter(tmp_path, target, 3_000),
        inputs,
        options,
        "counting",
        beside=Beside(labels=labels),
    )
    found = first.run()
    paid = target.asked
    again = Audit(
        make_meter(tmp_path, target, 3_000),
        inputs,
        options,
        "counting",
        beside=Beside(labels=labels),
    ).run()
    assert paid == found.paid <= 3_000 and target.asked == paid
    assert found.privacy is not None and found.privacy == again.privacy
    inversion = found.privacy.inversion
    assert inversion is not None and (inversion.found, inversion.tries, inversion.queries) == (
        1.0,
        3,
        240,
    )
    assert inversion.picture == (2, 3)
    asked = first.traffic.frame(Pace(per_day=500)).filter(pl.col("account") == "inversion-0")
    assert asked.height == 3 * 240


@pytest.mark.usefixtures("few_thieves")
@pytest.mark.parametrize(
    ("answer", "budget", "said"),
    [(linear_labels, 3_000, "it needs scores"), (linear_scores, 1_000, "it needs 600 queries")],
)
def test_inversion_that_is_not_tried_says_why(
    answer: object, budget: int, said: str, tmp_path: Path
) -> None:
    """Of labels alone, and of a budget that does not hold it; without true labels nobody asked for
    it.
    """
    inputs = make_inputs()
    target = make_target(answer)
    options = AuditOptions(budget=budget, seeds=1, defences=())
    labels = true_labels(inputs)
    told = Audit(
        make_meter(tmp_path, target, budget),
        inputs,
        options,
        "a target",
        beside=Beside(labels=labels),
    ).run()
    assert said in told.left_out["inversion"] and told.privacy is None
    silent = Audit(make_meter(tmp_path, target, budget), inputs, options, "a target").run()
    assert "inversion" not in silent.left_out


@pytest.mark.usefixtures("few_thieves")
def test_budget_that_is_spent_leaves_no_inversion(tmp_path: Path) -> None:
    """An audit that is run again with labels, its queries made before."""
    inputs = make_inputs()
    target = Counting()
    options = AuditOptions(budget=2_500, seeds=1, defences=())
    Audit(make_meter(tmp_path, target, 2_500), inputs, options, "counting").run()
    meter = make_meter(tmp_path, target, target.asked + 20)
    result = Audit(
        meter, inputs, options, "counting", beside=Beside(labels=true_labels(inputs))
    ).run()
    assert "are left" in result.left_out["inversion"] and result.privacy is None


def test_attack_that_came_to_nothing_is_listed(result: AuditResult) -> None:
    """A linear model is no tree."""
    assert "of another kind" in result.left_out["path-finding"]


def test_thief_without_a_copy_agrees_with_nothing_and_one_without_more_keeps_his_last() -> None:
    """So that every point rests on all who played."""
    one = _Copy(10, Measured(fidelity=0.8, error=0.0, beside={}), 0.0, "a")
    two = _Copy(20, Measured(fidelity=0.9, error=0.0, beside={}), 0.0, "b")
    points = list(_aligned([[one, two], [one], []]))
    assert [[copy.measured.fidelity for copy in point] for point in points] == [
        [0.8, 0.8, 0.0],
        [0.9, 0.8, 0.0],
    ]


def test_thieves_who_make_up_inputs_have_queries_set_aside(tmp_path: Path) -> None:
    """Half of what the learned copy leaves, though others come first and would take all of it."""
    result = play(tmp_path, linear_labels, budget=4_000, public=make_inputs(900, seed=3), seeds=1)
    curves = {curve.attack: curve for curve in result.defended[0].curves}
    assert [point.queries for point in curves["public-copy"].points] == [250, 500]
    assert curves["data-free"].points[-1].fidelity > 0.9
    assert curves["boundary-walk"].points and result.paid <= 4_000


def test_thief_for_whom_too_few_queries_are_left_is_left_out(tmp_path: Path) -> None:
    """With what he needs and what there is."""
    result = play(tmp_path, linear_labels, budget=700)
    assert "it needs at least 250 queries" in result.left_out["data-free"]
    assert "--public" in result.left_out["public-copy"]


def test_public_inputs_of_another_width_are_refused(tmp_path: Path) -> None:
    """Before anything is asked."""
    with pytest.raises(UsageError, match="public inputs have 4 values each and inputs 6"):
        play(tmp_path, public=np.zeros((10, 4)))


def test_labels_that_no_test_input_has_are_said(tmp_path: Path) -> None:
    """They are a class of their own for attacks, and the report does not pass over them."""
    inputs = make_inputs()
    rare = inputs[np.random.default_rng(0).permutation(len(inputs))[-3:]]  # in the pool

    def answer(some: Array) -> Array:
        known = (some[:, None] == rare).all(axis=2).any(axis=1)
        return np.where(known, 9.0, linear_labels(some))

    result = play(tmp_path, answer, attacks=("learned-copy",), seeds=1)
    assert any("labels that no test input has" in said for said in result.remarks)


@pytest.mark.parametrize(("given", "is_refused"), [((-1, 1), False), ((0, 1), True)])
def test_true_labels_are_matched_by_what_they_are(
    given: tuple[int, int], is_refused: bool, tmp_path: Path
) -> None:
    """Never by their order: 0 and 1 may mean the reverse of -1 and 1."""
    inputs = make_inputs()
    side = inputs[:, 0] > 0
    labels = TrueLabels(path=Path("labels.npy"), given=np.where(side, given[1], given[0]) + 0.0)
    target = make_target(lambda some: np.where(some[:, 0] > 0, 1.0, -1.0))
    options = AuditOptions(budget=500, seeds=1, defences=(), attacks=("learned-copy",))
    made = partial(
        Audit, make_meter(tmp_path, target), inputs, options, "a", beside=Beside(labels=labels)
    )
    if is_refused:
        with pytest.raises(InputError, match="not among the true labels"):
            made()
        return
    measure = made().run().measure
    assert measure is not None and measure.without_queries is not None
    assert measure.without_queries > 0.9


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        (lambda some: some @ np.arange(6.0), "a linear model"),
        (lambda some: np.exp(some @ np.arange(6.0) / 5), "log"),
        (lambda some: 100 / (1 + np.exp(-some @ np.arange(6.0) / 5)), "logit"),
    ],
    ids=["ridge", "poisson", "percent"],
)
def test_generalised_linear_models_are_solved(answer: object, link: str, tmp_path: Path) -> None:
    """From a few answers more than there are unknowns, by the link that explains them."""
    result = play(tmp_path, answer, attacks=("equation-solving",), defences=(), seeds=3)
    found = result.cost(result.defended[0], 0.99)
    assert found is not None and found[1].queries <= 10
    assert link in found[1].recipe and result.fidelity == "R2"


def test_constant_is_not_a_copy_of_a_rare_class(tmp_path: Path) -> None:
    """It agrees on nine of ten; the copy that counts finds the tenth."""

    def answer(some: Array) -> Array:
        return np.where(some[:, 0] > 1.28, 1.0, 0.0)

    result = play(tmp_path, answer, inputs=1_200, budget=1_200, attacks=("learned-copy",))
    assert result.fidelity == "balanced agreement" and result.baseline == 0.5
    best = result.defended[0].best
    assert best is not None and best[1].beside["agreement on the rarest class"] > 0.8


def test_audit_that_could_not_show_a_copy_says_so(tmp_path: Path) -> None:
    """Of one class there are a handful of test inputs."""

    def answer(some: Array) -> Array:
        return np.where(some[:, 0] > 2.2, 1.0, 0.0)

    result = play(tmp_path, answer, inputs=600, attacks=("learned-copy",))
    assert not result.can_judge and result.measure is not None and result.measure.notes
