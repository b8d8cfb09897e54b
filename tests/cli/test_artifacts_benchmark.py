"""The table of models and files that people have: its predicates can fail, and its page says so."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks/artifacts"
NAMES = [path.stem for path in FOLDER.glob("*.py")]


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The benchmark, whose modules are found beside it, and are gone afterwards."""
    pytest.importorskip("sklearn")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("run")
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture
def checks(benchmark: ModuleType) -> Any:
    return sys.modules["checks"]


@pytest.fixture
def questions(benchmark: ModuleType) -> list[Any]:
    return [
        *benchmark.audit_questions(),
        *benchmark.seal_questions(),
        *benchmark.encrypted_questions(),
    ]


def printed(folder: Path, out: str = "", err: str = "", code: int = 0) -> Any:
    return sys.modules["questions"].Printed(code=code, out=out, err=err, folder=folder)


def test_no_predicate_holds_where_nothing_was_printed(questions: list[Any], tmp_path: Path) -> None:
    """Whatever the exit code."""
    missed = sys.modules["questions"].missed
    for question in questions:
        for code in (-1, 0, 1, 2, 3, 4, 5):
            assert missed(question, printed(tmp_path, code=code)), question.model


def test_no_predicate_holds_for_a_trace(questions: list[Any], tmp_path: Path) -> None:
    """Also where the exit code is right and the words occur in it."""
    missed = sys.modules["questions"].missed
    trace = "Traceback (most recent call last):\nValueError: --answers, pickle, Git LFS, empty"
    for question in questions:
        for code in (0, 1, 2, 3, 5):
            assert missed(question, printed(tmp_path, err=trace, code=code)), question.model


def test_questions_are_of_at_least_thirty_six_models(questions: list[Any]) -> None:
    """Counted by what makes them."""
    assert len({id(question.make) for question in questions}) >= 36


HEADLINE = (
    "scoring:answer can be copied to a fidelity of 0.95 (R2) for $0.03, at an assumed $0.001 a"
    " query: {} queries, by equation-solving on values"
)


@pytest.mark.parametrize(
    ("queries", "given", "is_met"),
    [
        ("31", {"measure": "R2", "fidelity": 0.9}, True),
        ("at most 1,050", {"measure": "R2", "fidelity": 0.9, "queries": 1_050}, True),
        ("1,050", {"measure": "R2", "fidelity": 0.9, "queries": 1_049}, False),
        ("31", {"measure": "R2", "fidelity": 0.96}, False),
        ("31", {"measure": "agreement", "fidelity": 0.9}, False),
        ("31", {"measure": "R2", "fidelity": 0.9, "attack": "learned-copy"}, False),
    ],
)
def test_headline_is_read(
    checks: Any, tmp_path: Path, queries: str, given: dict[str, Any], is_met: bool
) -> None:
    """Fidelity, measure, number of queries and attack."""
    check = checks.copied(**given)
    assert check.is_met(printed(tmp_path, HEADLINE.format(queries))) is is_met


def test_files_are_compared_by_their_bytes(checks: Any, tmp_path: Path) -> None:
    """One byte or one file more is another model; nothing at all is not the same."""
    check = checks.same_bytes("one", "other")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert not check.is_met(printed(tmp_path, "opened"))
    for name in ("one", "other"):
        (tmp_path / name / "model").write_bytes(b"abc")
    assert check.is_met(printed(tmp_path, "opened"))
    (tmp_path / "other/model").write_bytes(b"abd")
    assert not check.is_met(printed(tmp_path, "opened"))


def test_a_refusal_that_left_a_file_is_not_one(checks: Any, tmp_path: Path) -> None:
    """`is_absent` looks at the folder."""
    check = checks.is_absent("model.sealed")
    assert check.is_met(printed(tmp_path, err="error: a pickle", code=3))
    (tmp_path / "model.sealed").touch()
    assert not check.is_met(printed(tmp_path, err="error: a pickle", code=3))


def test_a_command_is_asked_and_judged(benchmark: ModuleType, tmp_path: Path) -> None:
    """A real one: a Git LFS pointer is refused with the reason; a wrong expectation is seen."""
    asking = sys.modules["questions"]
    right = next(q for q in benchmark.seal_questions() if "LFS" in q.model)
    wrong = asking.Question(
        model="the same | again",
        make=right.make,
        command=right.command,
        right="sealed",
        checks=(sys.modules["checks"].exits(0),),
    )
    found: list[Any] = []
    outcomes = benchmark.asked([right, wrong], tmp_path, found.append)
    assert [outcome.holds for outcome in outcomes] == [True, False]
    assert found == outcomes

    section = benchmark.Section(title="Seal", text="", outcomes=outcomes)
    page = benchmark.page([section], ["Made today."], "- nothing")
    assert "1 models and files" in page and "It holds for 1 of 2" in page
    rows = [line for line in page.splitlines() if line.startswith(("| Git", "| the same"))]
    assert rows[0].endswith("| 3 | refused: says that it is a pointer, and `git lfs pull` | yes |")
    assert r"the same \| again" in rows[1] and rows[1].endswith("| **no**: exit 0 |")
    assert str(tmp_path) not in page


def test_a_model_that_cannot_be_made_does_not_hold(benchmark: ModuleType, tmp_path: Path) -> None:
    """A missing library is a row that does not hold, not a row that is missing."""
    asking = sys.modules["questions"]

    def make(folder: Path) -> None:
        raise ImportError("no xgboost")

    question = asking.Question(model="booster", make=make, command="true", right="read", checks=())
    (outcome,) = benchmark.asked([question], tmp_path, lambda outcome: None)
    assert not outcome.holds and "no xgboost" in outcome.printed.err
