"""A defence is compared over the same attacks, the same sizes, seed by seed."""

import pytest

from gamekeeper.audit.differences import difference
from gamekeeper.audit.result import Curve, Defended, Point, Users


def point(queries: int, *fidelities: float) -> Point:
    return Point(
        queries=queries, fidelities=fidelities, cpu_s=0, usd=queries / 1_000, recipe="a model"
    )


def curve(name: str, *points: Point) -> Curve:
    attack, _, believes = name.partition(" on ")
    return Curve(attack=attack, believes=believes, points=points)


def defended(name: str, *curves: Curve, not_played: tuple[str, ...] = ()) -> Defended:
    return Defended(defence=name, users=Users(), curves=curves, not_played=not_played)


CHEAP = curve("active-selection on labels", point(50, 0.99, 0.98, 0.97))
COPY = curve("learned-copy on labels", point(50, 0.7, 0.7, 0.7), point(100, 0.95, 0.94, 0.96))


def test_attack_that_was_not_played_behind_a_defence_makes_no_difference() -> None:
    """Though without the defence it is the cheapest."""
    plain = defended("none", CHEAP, COPY)
    behind = defended("rounding", COPY, not_played=("active-selection on labels",))
    found = difference(plain, behind, 0.9)
    assert found is not None and found.factor is not None
    assert found.factor[0] == pytest.approx(1) and not found.is_costlier
    assert found.not_played == ("active-selection on labels",)


def test_sizes_that_were_not_tried_behind_a_defence_make_no_difference() -> None:
    """A coarser grid would look like a cost."""
    fine = curve("learned-copy on scores", *(point(n, 0.95, 0.95) for n in (50, 100, 250)))
    coarse = curve("learned-copy on scores", point(100, 0.95, 0.95), point(250, 0.95, 0.95))
    found = difference(defended("none", fine), defended("rounding", coarse), 0.9)
    assert found is not None and found.factor is not None
    assert found.factor[0] == pytest.approx(1)


def test_cost_is_compared_seed_by_seed_with_an_interval() -> None:
    """Twice as expensive for each, however much they differ among themselves."""
    plain = defended("none", curve("a on scores", point(100, 0.9, 0.5), point(400, 0.9, 0.9)))
    twice = defended("noise", curve("a on scores", point(200, 0.9, 0.5), point(800, 0.9, 0.9)))
    found = difference(plain, twice, 0.9)
    assert found is not None and found.factor is not None and found.is_costlier
    assert found.factor[0] == pytest.approx(2) and found.factor[1] == pytest.approx(2)


def test_defence_stops_only_where_copies_are_worse_for_certain() -> None:
    """Just below the fidelity by chance is not stopped."""
    plain = defended("none", curve("a on scores", point(100, 0.951, 0.953, 0.952)))
    near = defended("noise", curve("a on scores", point(100, 0.949, 0.955, 0.94)))
    far = defended("labels", curve("a on scores", point(100, 0.70, 0.71, 0.69)))
    for behind, stops in ((near, False), (far, True)):
        found = difference(plain, behind, 0.95)
        assert found is not None and found.stops is stops


def test_cost_holds_where_the_lower_bound_stays_above() -> None:
    """One lucky point does not count."""
    lucky = curve(
        "a on labels",
        point(50, 0.953, 0.953, 0.953),
        point(100, 0.939, 0.939, 0.939),
        point(250, 0.960, 0.961, 0.960),
        point(500, 0.962, 0.962, 0.962),
    )
    found = lucky.cheapest(0.95)
    assert found is not None and found.queries == 250
    unsure = curve("a on labels", point(50, 0.99, 0.91, 0.95))
    assert unsure.cheapest(0.94) is None


def test_seeds_that_were_not_played_behind_a_defence_are_not_compared() -> None:
    """A live defence is asked by one account alone."""
    plain = defended("none", curve("a on labels", point(100, 0.95, 0.96, 0.94)))
    live = defended("live defence", curve("a on labels", point(100, 0.95)))
    found = difference(plain, live, 0.9)
    assert found is not None and found.seeds == 1
    assert not found.stops and not found.is_costlier


def test_two_seeds_are_as_sure_as_what_they_span() -> None:
    """Not less sure than one: their range, widened by the choice of test inputs."""
    one = Point(queries=50, fidelities=(0.9,), cpu_s=0, usd=1, recipe="", error=0.01)
    two = Point(queries=50, fidelities=(0.9, 0.92), cpu_s=0, usd=1, recipe="", error=0.01)
    assert one.interval == pytest.approx((0.8804, 0.9196))
    assert two.interval == pytest.approx((0.8804, 0.9396))
