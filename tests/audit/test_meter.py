from pathlib import Path

import numpy as np
import pytest

from audit.builders import Counting, linear_scores, make_inputs, make_meter, make_target
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter, SpentError
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.base.errors import InputError


def test_nothing_is_paid_twice(tmp_path: Path) -> None:
    """Neither within a call, nor in a later one."""
    target = Counting()
    meter = make_meter(tmp_path, target)
    inputs = make_inputs(50)
    first = meter.ask(np.vstack([inputs, inputs]))
    assert (meter.ask(inputs) == first[:50]).all() and (first[:50] == first[50:]).all()
    assert target.asked == meter.paid == 50


def test_another_run_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    """What was answered before the target failed is on disk."""
    inputs = make_inputs(600)
    with pytest.raises(TargetError):
        make_meter(tmp_path, Counting(fails_after=256)).ask(inputs)
    target = Counting()
    meter = make_meter(tmp_path, target)
    assert np.allclose(meter.ask(inputs), linear_scores(inputs))
    assert target.asked == 600 - 256 and meter.paid == 600


def test_budget_holds_over_all_runs(tmp_path: Path) -> None:
    """A request that does not fit is not begun."""
    make_meter(tmp_path, Counting(), queries=100).ask(make_inputs(80))
    target = Counting()
    meter = make_meter(tmp_path, target, queries=100)
    with pytest.raises(SpentError, match="30 more queries are needed, and 20 of 100 are left"):
        meter.ask(make_inputs(30, seed=1))
    assert target.asked == 0
    assert len(meter.ask(make_inputs(20, seed=1))) == 20


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda inputs: np.full((len(inputs), 2), np.nan), "NaN or infinity for 10 of 10"),
        (lambda inputs: np.zeros((3, 2)), r"\(3, 2\) to 10 inputs"),
        (lambda inputs: np.zeros((len(inputs), 2, 2)), r"\(10, 2, 2\) to 10"),
        (lambda inputs: 1 / 0, "ZeroDivisionError"),
        (lambda inputs: "yes", "with one value, yes"),
    ],
    ids=["nan", "too-few", "too-deep", "raises", "text"],
)
def test_nonsense_is_refused_and_not_kept(answer: object, said: str, tmp_path: Path) -> None:
    """The message says what the target did."""
    meter = make_meter(tmp_path, make_target(answer))
    with pytest.raises(TargetError, match=said):
        meter.ask(make_inputs(10))
    assert meter.paid == 0


def test_answers_of_another_width_are_refused(tmp_path: Path) -> None:
    """A target that changes its mind about its classes."""
    widths = iter([3, 2])

    def answer(inputs: Array) -> Array:
        return np.ones((len(inputs), next(widths)))

    meter = make_meter(tmp_path, make_target(answer))
    meter.ask(make_inputs(5))
    with pytest.raises(TargetError, match="2 scores, and 3 before"):
        meter.ask(make_inputs(5, seed=1))


def test_pace_is_kept(tmp_path: Path) -> None:
    """A rate limit is waited for, not met."""
    slept: list[float] = []
    target = make_target()
    journal = Journal(tmp_path / "journal.sqlite", target.name)
    Meter(target, journal, Limits(queries=1_000, per_s=10), sleep=slept.append).ask(
        make_inputs(300)
    )
    assert sum(slept) == pytest.approx(30)


@pytest.mark.parametrize("content", [b"not a database, not at all, whatever it says" * 100, b""])
def test_file_that_is_no_journal_is_left_alone(content: bytes, tmp_path: Path) -> None:
    """An empty file is a new journal; anything else is somebody's."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    if not content:
        Journal(path, "a").close()
        return
    with pytest.raises(InputError, match="is not the journal"):
        Journal(path, "a")
    assert path.read_bytes() == content


def test_journal_of_another_target_is_refused(tmp_path: Path) -> None:
    """Answers of two targets must not mix."""
    Journal(tmp_path / "journal.sqlite", "one").close()
    with pytest.raises(InputError, match="another target"):
        Journal(tmp_path / "journal.sqlite", "two")


def test_what_is_kept_back_nobody_takes(tmp_path: Path) -> None:
    """What was answered before is still given."""
    meter = make_meter(tmp_path, queries=100)
    meter.ask(make_inputs(40))
    meter.keep_back(50)
    with pytest.raises(SpentError, match="20 more queries are needed, and 10 of 100 are left"):
        meter.ask(make_inputs(20, seed=1))
    meter.ask(make_inputs(40))
    meter.keep_back(0)
    assert len(meter.ask(make_inputs(20, seed=1))) == 20


def test_what_was_asked_is_counted_anew_in_each_run(tmp_path: Path) -> None:
    """So that a run that goes on shares the budget as the first did."""
    make_meter(tmp_path).ask(make_inputs(30))
    meter = make_meter(tmp_path)
    meter.ask(make_inputs(20)), meter.ask(make_inputs(20))
    assert (meter.paid, meter.asked) == (30, 20)
