from dataclasses import fields

import numpy as np
import pytest

from audit.builders import CLASSES, WIDTH, linear_labels, linear_scores, make_inputs
from gamekeeper.audit.asking import Answers, Ask
from gamekeeper.audit.attacks import ATTACKS, Attack, AttackCard, Loot, Surrogate
from gamekeeper.audit.targets import Array

TESTS = make_inputs(500, seed=99)
each = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())


def soft(inputs: Array) -> Answers:
    return Answers(linear_labels(inputs), linear_scores(inputs))


def hard(inputs: Array) -> Answers:
    return Answers(linear_labels(inputs), None)


def make_loot(sizes: tuple[int, ...], *, uses_scores: bool) -> Loot:
    """With everything that any attack needs; the encoder scales."""
    scale = np.arange(1, WIDTH + 1)
    return Loot(
        pool=make_inputs(),
        sizes=sizes,
        uses_scores=uses_scores,
        classes=CLASSES,
        encode=lambda inputs: np.asarray(inputs * scale),
    )


def play(attack: Attack, ask: Ask = soft, sizes: tuple[int, ...] = (50, 100, 200)) -> list[Surrogate]:
    loot = make_loot(sizes, uses_scores=ask is not hard)
    return list(attack.surrogates(ask, loot, np.random.default_rng(3)))


def fidelity(surrogate: Surrogate) -> float:
    return float((surrogate.predict(TESTS) == linear_labels(TESTS)).mean())


@each
def test_card_is_complete(attack: Attack) -> None:
    """Every word of it is said; an extra is None on purpose."""
    words = {f.name: getattr(attack.card, f.name) for f in fields(AttackCard) if f.name != "extra"}
    assert all(said or isinstance(said, bool) for said in words.values())


@each
def test_attack_copies_what_it_fits(attack: Attack) -> None:
    """A linear model of six inputs, with two hundred answers."""
    assert fidelity(play(attack)[-1]) > 0.95


@each
def test_same_seed_gives_the_same_surrogates(attack: Attack) -> None:
    """Reports can be made again."""
    first, again = (play(attack, sizes=(50,)) for _ in range(2))
    assert [(s.predict(TESTS) == t.predict(TESTS)).all() for s, t in zip(first, again, strict=True)]


@each
def test_queries_are_counted(attack: Attack) -> None:
    """A surrogate says how many answers it rests on, and no more are asked for it."""
    asked = 0

    def counting(inputs: Array) -> Answers:
        nonlocal asked
        asked += len(inputs)
        return soft(inputs)

    loot = make_loot((50, 100), uses_scores=True)
    for surrogate in attack.surrogates(counting, loot, np.random.default_rng(0)):
        assert surrogate.queries == asked


def test_equations_give_the_whole_model_for_one_answer_more_than_inputs() -> None:
    """Exactly, from exact probabilities."""
    first = play(ATTACKS["equation-solving"])[0]
    assert first.queries == WIDTH + 1
    assert fidelity(first) == 1.0


@pytest.mark.parametrize(("decimals", "least"), [(3, 0.99), (2, 0.98), (1, 0.95)])
def test_equations_survive_rounding(decimals: int, least: float) -> None:
    """With more answers: twenty for each unknown."""

    def rounded(inputs: Array) -> Answers:
        scores = np.round(linear_scores(inputs), decimals)
        return Answers(scores.argmax(axis=1), scores)

    assert fidelity(play(ATTACKS["equation-solving"], rounded, sizes=(100, 140))[-1]) >= least


def test_labels_suffice_for_a_learned_copy() -> None:
    """It only takes more of them."""
    found = play(ATTACKS["learned-copy"], hard, sizes=(50, 300))
    assert fidelity(found[-1]) > 0.93


def test_one_label_for_everything_is_copied_as_such() -> None:
    """Learners refuse it; a thief does not."""

    def constant(inputs: Array) -> Answers:
        return Answers(np.full(len(inputs), 2), None)

    (copy,) = play(ATTACKS["learned-copy"], constant, sizes=(50,))
    assert (copy.predict(TESTS) == 2).all()
