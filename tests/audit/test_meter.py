from pathlib import Path

import numpy as np
import pytest

from audit.builders import Counting, linear_scores, make_inputs, make_meter, make_target
from gamekeeper.audit.columns import Columns, with_columns
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter, SpentError
from gamekeeper.audit.targets import Array, QueryError, TargetError
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
        (lambda inputs: "yes", "gave one value, yes, to 10 inputs"),
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


class Failing:
    """A target that fails on inputs whose first number is above a limit.

    Args:
        limit: Above it, a request that holds such an input fails.
        is_refused: Whether it says that it refuses the input.
    """

    name = "failing"
    batch = 64

    def __init__(self, limit: float, is_refused: bool = True) -> None:
        self.requests: list[int] = []
        self._limit = limit
        self._is_refused = is_refused

    def ask(self, inputs: Array) -> Array:
        self.requests.append(len(inputs))
        if (inputs[:, 0] > self._limit).any():
            raise QueryError("400: too large", is_refused=self._is_refused)
        return linear_scores(inputs)


def limit_of(inputs: Array, bad: int) -> float:
    """The limit that as many inputs exceed."""
    return float(np.sort(inputs[:, 0])[-bad - 1])


def test_query_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    """Its answer is NaN; it is counted, with the reason, and what was sent again is said."""
    inputs = make_inputs(300)
    target = Failing(limit_of(inputs, 3))
    meter = make_meter(tmp_path, target)
    answers = meter.ask(inputs)
    is_bad = inputs[:, 0] > limit_of(inputs, 3)
    assert np.isnan(answers[is_bad]).all() and np.allclose(
        answers[~is_bad], linear_scores(inputs[~is_bad])
    )
    assert (meter.failed.count, meter.failed.reasons) == (3, ("400: too large",))
    assert meter.failed.resent == sum(target.requests) - 300 <= 3 * 80
    assert meter.paid == 300
    assert "3 queries were not answered" in meter.failed.remark


def test_refused_query_is_not_made_again(tmp_path: Path) -> None:
    """In this run or the next."""
    inputs = make_inputs(100)
    make_meter(tmp_path, Failing(limit_of(inputs, 2))).ask(inputs)
    target = Failing(limit_of(inputs, 2))
    meter = make_meter(tmp_path, target)
    assert np.isnan(meter.ask(inputs)).any(axis=1).sum() == 2
    assert not target.requests and meter.failed.count == 2 and meter.paid == 100


def test_query_that_failed_otherwise_is_made_again_in_the_next_run(tmp_path: Path) -> None:
    """The server may be mended; in this run it is not asked twice."""
    inputs = make_inputs(100)
    target = Failing(limit_of(inputs, 2), is_refused=False)
    meter = make_meter(tmp_path, target)
    meter.ask(inputs)
    before = len(target.requests)
    meter.ask(inputs)
    assert len(target.requests) == before
    mended = make_meter(tmp_path, Failing(np.inf))
    assert np.isfinite(mended.ask(inputs)).all() and mended.failed.count == 0


def test_many_failures_end_the_audit_with_their_reason(tmp_path: Path) -> None:
    """What is left would be another domain; nothing of it is kept as refused."""
    inputs = make_inputs(100)
    meter = make_meter(tmp_path, Failing(limit_of(inputs, 30)))
    with pytest.raises(TargetError, match="30 of 100 queries failed: 400: too large"):
        meter.ask(inputs)
    target = Failing(np.inf)
    assert np.isfinite(make_meter(tmp_path, target).ask(inputs)).all()
    assert sum(target.requests) == 30


def test_target_that_answers_nothing_is_not_asked_one_by_one_for_long(tmp_path: Path) -> None:
    """Twenty in a row are no coincidence."""
    target = Failing(-np.inf)
    with pytest.raises(TargetError, match="20 queries in a row failed: 400"):
        make_meter(tmp_path, target).ask(make_inputs(500))
    assert len(target.requests) < 30


class Choosy(Failing):
    """A target that fails on the inputs at some places, each time.

    Args:
        inputs: All inputs.
        places: Of those that it fails on.
        is_nan: Whether it answers NaN instead of an error.
        ends_after: Requests after which it fails on everything; None for never.
    """

    def __init__(
        self, inputs: Array, places: Array, is_nan: bool = False, ends_after: int | None = None
    ) -> None:
        super().__init__(np.inf, is_refused=False)
        self._bad = inputs[places]
        self._is_nan = is_nan
        self._ends_after = ends_after

    def ask(self, inputs: Array) -> Array:
        scores = super().ask(inputs)
        is_bad = (inputs[:, None] == self._bad[None]).all(axis=2).any(axis=1)
        if self._is_nan:
            scores[is_bad] = np.nan
        elif is_bad.any():
            raise QueryError("500: broken")
        if self._ends_after is not None and len(self.requests) > self._ends_after:
            raise QueryError("500: ended")
        return scores


@pytest.mark.parametrize("is_nan", [False, True], ids=["errors", "NaN"])
@pytest.mark.parametrize(
    "places", [np.arange(0, 400, 8), np.arange(350, 400)], ids=["scattered", "sorted last"]
)
def test_finished_audit_runs_again_where_queries_fail_each_time(
    tmp_path: Path, places: Array, is_nan: bool
) -> None:
    """Only those that failed are new then; after three runs they are left as they are."""
    inputs = make_inputs(400)
    asked = []
    for _ in range(4):
        target = Choosy(inputs, places, is_nan)
        meter = make_meter(tmp_path, target)
        answers = meter.ask(inputs)
        assert np.flatnonzero(np.isnan(answers).any(axis=1)).tolist() == places.tolist()
        assert (meter.paid, meter.failed.count) == (400, len(places))
        asked.append(sum(target.requests))
    assert asked[1] >= len(places) and asked[3] == 0


def test_target_that_ends_in_the_middle_is_found_at_once(tmp_path: Path) -> None:
    """It does not answer again what it answered before, in this run or in an earlier one."""
    inputs = make_inputs(900)
    none = np.arange(0)
    target = Choosy(inputs, none, ends_after=3)
    with pytest.raises(TargetError, match="20 queries in a row failed: 500: ended"):
        make_meter(tmp_path, target).ask(inputs)
    assert len(target.requests) < 40
    with pytest.raises(TargetError, match="20 queries in a row failed: 500: ended"):
        make_meter(tmp_path, Choosy(inputs, none, ends_after=0)).ask(inputs)


def test_single_queries_in_many_calls_are_a_row_too(tmp_path: Path) -> None:
    """An attack that walks asks one at a time."""
    meter = make_meter(tmp_path, Choosy(make_inputs(1), np.arange(0), ends_after=0))
    row = make_inputs(30, seed=1)
    with pytest.raises(TargetError, match="500: ended"):
        meter.ask(row[:1])
    other = make_meter(tmp_path, Choosy(row, np.arange(1, 30), ends_after=5))
    other.ask(row[:1])
    with pytest.raises(TargetError, match="20 queries in a row failed"):
        for at in range(1, 30):
            other.ask(row[at : at + 1])


def test_what_was_not_answered_is_not_a_remark_on_the_target(tmp_path: Path) -> None:
    """Reports state `failed` themselves, once."""
    inputs = make_inputs(100)
    meter = make_meter(tmp_path, Failing(limit_of(inputs, 2)))
    meter.ask(inputs)
    assert meter.failed.count == 2 and not any("not answered" in said for said in meter.remarks)


def test_budget_and_pace_hold_for_queries_that_are_sent_again(tmp_path: Path) -> None:
    """A rate limit counts them too."""
    slept: list[float] = []
    inputs = make_inputs(64)
    target = Failing(limit_of(inputs, 1))
    journal = Journal(tmp_path / "journal.sqlite", target.name)
    meter = Meter(target, journal, Limits(queries=64, per_s=1), sleep=slept.append)
    meter.ask(inputs)
    assert sum(slept) == sum(target.requests) and meter.paid == 64


def test_labels_that_are_text_keep_their_numbers(tmp_path: Path) -> None:
    """In later runs, and whichever comes first there."""

    def names(inputs: Array) -> list[str]:
        return ["cat" if row[0] > 0 else "dog" for row in inputs]

    inputs = make_inputs(50)
    cats = inputs[:, 0] > 0
    meter = make_meter(tmp_path, make_target(names))
    first = meter.ask(inputs[~cats])
    later = make_meter(tmp_path, make_target(names))
    second = later.ask(inputs[cats])
    assert set(first.ravel()) == {0} and set(second.ravel()) == {1}
    assert later.label_names == ("dog", "cat")


def test_numbers_of_text_do_not_depend_on_what_comes_first(tmp_path: Path) -> None:
    """Where the target lists its classes, or where the first answers hold all of them."""
    inputs = make_inputs(50)
    turned = inputs[np.argsort(-inputs[:, 0])]

    class Listed:
        name = "listed"
        answers = None
        classes = ("dog", "cat", "bird")

        def ask(self, inputs: Array) -> Array:
            return np.array(["cat" if row[0] > 0 else "dog" for row in inputs])

    listed = Listed()
    for at, rows in enumerate((inputs, turned)):
        (tmp_path / str(at)).mkdir()
        meter = make_meter(tmp_path / str(at), listed)
        answers = meter.ask(rows[:1])
        assert answers.item() == (1 if rows[0, 0] > 0 else 0)
        assert meter.label_names == ("dog", "cat", "bird") and meter.classes_are_named
        (tmp_path / f"{at} not listed").mkdir()
        unlisted = make_meter(tmp_path / f"{at} not listed", make_target(listed.ask))
        unlisted.ask(rows)
        assert unlisted.label_names == ("cat", "dog")


def test_numbers_have_no_names(tmp_path: Path) -> None:
    """Which two meters are compared by."""
    meter = make_meter(tmp_path)
    meter.ask(make_inputs(5))
    assert meter.label_names == () and not meter.classes_are_named


def test_what_the_target_learned_of_itself_is_known_in_the_next_run(tmp_path: Path) -> None:
    """Where nothing is asked because all is known."""

    def ranked(inputs: Array) -> object:
        return [[{"label": "b", "score": 0.7}, {"label": "a", "score": 0.3}]] * len(inputs)

    inputs = make_inputs(5)
    make_meter(tmp_path, make_target(ranked)).ask(inputs)
    later = make_meter(tmp_path, make_target(ranked))
    later.ask(inputs)
    assert later.label_names == ("a", "b")
    assert "scores are put into the order of their labels' names" in later.remarks


def test_journal_of_other_columns_is_refused(tmp_path: Path) -> None:
    """The same codes would mean other texts."""

    def columns(*texts: str) -> Columns:
        return Columns(names=("city",), categories=(texts,), missing=(False,))

    target = with_columns(make_target(), columns("Lima", "Oslo"))
    make_meter(tmp_path, target)
    with pytest.raises(InputError, match="another set of columns"):
        make_meter(tmp_path, with_columns(make_target(), columns("Bern", "Lima")))
