"""The queries that keep every attack of an audit at or below a fidelity."""

import pytest

from gamekeeper.audit import AuditResult, Prices
from gamekeeper.audit.answers import Access
from gamekeeper.audit.result import Curve, Defended, Point, Users


def curve(attack: str, reached: dict[int, float]) -> Curve:
    points = [
        Point(queries=n, fidelities=(f - 0.01, f, f + 0.01), cpu_s=0, usd=n, recipe="")
        for n, f in reached.items()
    ]
    return Curve(attack=attack, believes="scores", points=tuple(points))


def audited(*curves: Curve) -> AuditResult:
    return AuditResult(
        target="t",
        access=Access.LABELS,
        test_inputs=1_000,
        paid=0,
        defended=(Defended(defence="none", users=Users(), curves=curves),),
        findings=(),
        left_out={},
        prices=Prices(),
    )


SLOW = curve("learned-copy", {50: 0.5, 100: 0.7, 250: 0.8, 500: 0.89, 1_000: 0.95})
FAST = curve("active-selection", {50: 0.6, 100: 0.75, 250: 0.91})


@pytest.mark.parametrize(
    ("curves", "budget"),
    [
        ((SLOW,), 250),  # the interval of .89 reaches beyond .9
        ((SLOW, FAST), 100),
        ((curve("equation-solving", {50: 1.0}), SLOW), None),
        ((curve("learned-copy", {50: 0.3, 100: 0.4}),), 100),
        ((), None),
    ],
)
def test_a_budget_keeps_every_attack_at_or_below_a_fidelity(
    curves: tuple[Curve, ...], budget: int | None
) -> None:
    assert audited(*curves).largest_budget(0.9) == budget
