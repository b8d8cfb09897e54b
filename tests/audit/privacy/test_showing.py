from dataclasses import asdict

import numpy as np
import orjson
import pytest

from gamekeeper.audit.asking import Answers
from gamekeeper.audit.privacy import Plan, inversion_of, planned
from gamekeeper.audit.targets import Array

CLASSES = 3
WIDTH = 16
PROTOTYPES = np.random.default_rng(5).uniform(0, 1, (CLASSES, WIDTH))


def labelled(n: int = 300) -> tuple[Array, Array]:
    """Rows near the prototype of their class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=n)
    return np.clip(PROTOTYPES[labels] + 0.15 * rng.standard_normal((n, WIDTH)), 0, 1), labels


class Asked:
    """A model that knows the prototypes, or nothing, and counts."""

    def __init__(self, knows: bool = True) -> None:
        self.queries = 0
        self._knows = knows

    def __call__(self, inputs: Array) -> Answers:
        self.queries += len(inputs)
        far = ((inputs[:, None] - PROTOTYPES) ** 2).sum(axis=2) * 4 * self._knows
        likely = np.exp(-far) / np.exp(-far).sum(axis=1, keepdims=True)
        return Answers(likely.argmax(axis=1), likely)


def plan(budget: int = 10_000, seeds: int = 2) -> Plan:
    made = planned(*labelled(), CLASSES, budget, seeds)
    assert isinstance(made, Plan)
    return made


def test_classes_that_a_model_shows_are_seen_by_the_judge() -> None:
    """All of them, with what chance gives beside; as many queries as were planned."""
    wanted = plan()
    asked = Asked()
    found = inversion_of(lambda number: asked, wanted, labelled()[0], (4, 4), 0)
    assert (found.found, found.tries, found.chance) == (1.0, 6, pytest.approx(1 / 3))
    assert found.interval[0] == pytest.approx(0.61, abs=0.01)
    assert asked.queries == wanted.total == 2_400
    assert found.judge_accuracy > 0.9 and found.judge_rows == 75
    assert (
        [shown.label for shown in found.shown]
        == [shown.judged for shown in found.shown]
        == [0, 1, 2]
    )


def test_model_that_says_nothing_shows_no_more_than_chance() -> None:
    """Its reconstructions stay where they began, and the judge takes them all for the same."""
    found = inversion_of(lambda number: Asked(knows=False), plan(seeds=1), labelled()[0], None, 0)
    assert found.found <= 1 / 3
    assert {shown.judged for shown in found.shown} == {found.start}


def test_inversion_is_written_as_json() -> None:
    """Pictures and all; where the judge's two kinds differ stands null."""
    found = inversion_of(lambda number: Asked(), plan(seeds=1), labelled()[0], (4, 4), 0)
    assert len(orjson.loads(orjson.dumps(asdict(found)))["shown"][0]["values"]) == WIDTH


@pytest.mark.parametrize(
    ("budget", "seeds", "queries"),
    [(100_000, 3, 400), (10_000, 2, 400), (5_000, 1, 400), (3_000, 1, 240), (2_400, 1, 200)],
)
def test_small_budgets_save_on_repetitions_first(budget: int, seeds: int, queries: int) -> None:
    """Then on answers; a quarter of the budget is never exceeded."""
    made = plan(budget, 3)
    assert (made.seeds, made.queries) == (seeds, queries)
    assert made.total <= budget / 4


def test_budget_that_does_not_hold_it_is_told_in_words() -> None:
    """What is wanted, and what there is."""
    said = planned(*labelled(), CLASSES, 2_000, 3)
    assert said == (
        "it needs 600 queries, 200 for each of 3 classes, and gets 500, a quarter of the budget of 2,000"
    )


def test_classes_without_rows_are_not_tried() -> None:
    """Nobody could judge them; nor labels that the target does not have."""
    inputs, labels = labelled()
    made = planned(inputs, np.where(labels == 2, 7, labels), CLASSES, 10_000, 1)
    assert isinstance(made, Plan) and made.classes == (0, 1)
    assert set(made.labels) == {0, 1}
    assert "10 labelled rows" in str(planned(inputs, np.zeros(300, int), CLASSES, 10_000, 1))
