from dataclasses import fields, replace

import numpy as np
import pytest

from audit.builders import CLASSES, WIDTH, linear_labels, linear_scores, make_inputs
from gamekeeper.audit.asking import Answers, Ask
from gamekeeper.audit.attacks import ATTACKS, Attack, AttackCard, AttackerKnowledge, Surrogate
from gamekeeper.audit.targets import Array

TESTS = make_inputs(500, seed=99)
each = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())


def soft(inputs: Array) -> Answers:
    return Answers(linear_labels(inputs), linear_scores(inputs))


def hard(inputs: Array) -> Answers:
    return Answers(linear_labels(inputs), None)


def thresholds(inputs: Array) -> Array:
    """A tree of four leaves."""
    leaves = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.15, 0.6], [0.5, 0.45, 0.05]])
    first = inputs[:, 0] > 0.2
    left = inputs[:, 1] > -0.5
    right = inputs[:, 2] > 0.4
    return np.asarray(leaves[np.where(first, 2 + right, left)])


def tree(inputs: Array) -> Answers:
    return Answers(thresholds(inputs).argmax(axis=1), thresholds(inputs))


def softmax_of(scores: Array) -> Answers:
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return Answers(scores.argmax(axis=1), likely / likely.sum(axis=1, keepdims=True))


def network(inputs: Array, hidden: int = 5, seed: int = 5) -> Answers:
    """One hidden layer of ReLU units."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((WIDTH, hidden))
    second = rng.standard_normal((hidden, CLASSES))
    return softmax_of(np.maximum(inputs @ first + 0.1, 0) @ second + np.arange(CLASSES) / 10)


NORMAL = np.array([1.0, -2.0, 0.5, 0.0, 1.0, 3.0])


def plane(inputs: Array) -> Answers:
    return Answers((inputs @ NORMAL > 0.7).astype(np.int64), None)


def beyond_plane(inputs: Array) -> Array:
    """The nearest input with the other label."""
    return np.asarray(
        inputs - 1.0001 * ((inputs @ NORMAL - 0.7) / (NORMAL @ NORMAL))[:, None] * NORMAL
    )


FITS: dict[str, Ask] = {
    "path-finding": tree,
    "relu-networks": network,
    "boundary-walk": hard,
    "counterfactuals": plane,
}
"""Targets that an attack is for; others are given the linear model with its scores."""
ENOUGH = {"relu-networks": 2_000, "boundary-walk": 500, "public-copy": 1_000, "data-free": 1_000}
"""Answers within which an attack gets there; for others 200."""


def make_knowledge(sizes: tuple[int, ...], *, uses_scores: bool) -> AttackerKnowledge:
    """With everything that any attack needs; the encoder scales."""
    scale = np.arange(1, WIDTH + 1)
    return AttackerKnowledge(
        pool=make_inputs(),
        sizes=sizes,
        uses_scores=uses_scores,
        classes=CLASSES,
        encode=lambda inputs: np.asarray(inputs * scale),
        explain=beyond_plane,
        public=make_inputs(1_500, seed=8) * 2 + 1,
    )


def play(
    attack: Attack, ask: Ask | None = None, sizes: tuple[int, ...] | None = None
) -> list[Surrogate]:
    ask = ask or FITS.get(attack.card.name, soft)
    sizes = sizes or (50, 100, ENOUGH.get(attack.card.name, 200))
    knowledge = make_knowledge(sizes, uses_scores=ask not in (hard, plane))
    return list(attack.surrogates(ask, knowledge, np.random.default_rng(3)))


def fidelity(surrogate: Surrogate, ask: Ask = soft) -> float:
    return float((surrogate.predict(TESTS) == ask(TESTS).labels).mean())


@each
def test_card_is_complete(attack: Attack) -> None:
    """Every word of it is said; an extra is None on purpose."""
    words = {f.name: getattr(attack.card, f.name) for f in fields(AttackCard) if f.name != "extra"}
    assert all(said or isinstance(said, bool | int) for said in words.values())


@each
def test_attack_copies_what_it_fits(attack: Attack) -> None:
    """Six inputs, a few hundred answers."""
    assert fidelity(play(attack)[-1], FITS.get(attack.card.name, soft)) > 0.95


@each
def test_same_seed_gives_the_same_surrogates(attack: Attack) -> None:
    """Reports can be made again."""
    first, again = (play(attack, sizes=(max(50, attack.card.fewest),)) for _ in range(2))
    assert [(s.predict(TESTS) == t.predict(TESTS)).all() for s, t in zip(first, again, strict=True)]


@each
def test_queries_are_counted(attack: Attack) -> None:
    """A surrogate says how many answers it rests on, and no more are asked for it."""
    asked = 0
    target = FITS.get(attack.card.name, soft)

    def counting(inputs: Array) -> Answers:
        nonlocal asked
        asked += len(inputs)
        return target(inputs)

    def explaining(inputs: Array) -> Array:
        nonlocal asked
        asked += len(inputs)
        return beyond_plane(inputs)

    sizes = (100, max(200, attack.card.fewest))
    knowledge = replace(
        make_knowledge(sizes, uses_scores=target not in (hard, plane)), explain=explaining
    )
    for surrogate in attack.surrogates(counting, knowledge, np.random.default_rng(0)):
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


def test_path_finding_stops_where_scores_do_not_repeat() -> None:
    """A linear model costs it fifty queries, not the budget."""
    assert play(ATTACKS["path-finding"], soft) == []


def rounded_to_three(inputs: Array) -> Answers:
    return Answers(linear_labels(inputs), linear_scores(inputs).round(3))


@pytest.mark.parametrize("target", [tree, rounded_to_three])
def test_what_is_no_network_is_not_claimed_to_be_one(target: Ask) -> None:
    """Level steps, and rounded scores."""
    assert play(ATTACKS["relu-networks"], target) == []


@pytest.mark.parametrize("seed", range(5))
def test_networks_come_out_functionally_equivalent(seed: int) -> None:
    """Hidden width unknown; agreement on inputs that nobody asked."""

    def target(inputs: Array) -> Answers:
        return network(inputs, hidden=8, seed=seed)

    (copy,) = play(ATTACKS["relu-networks"], target)
    assert fidelity(copy, target) == 1 and copy.queries < 5_000
    assert copy.recipe == "a network of 8 hidden units"


def test_one_explanation_of_a_plane_is_enough_for_two_to_confirm() -> None:
    """Six queries: two inputs, two counterfactuals, two labels beyond."""
    first = play(ATTACKS["counterfactuals"])[0]
    assert first.queries == 6 and fidelity(first, plane) > 0.99
