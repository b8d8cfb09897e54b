"""Thieves without inputs of the domain: what they may know, what they ask, and what it gets
them.
"""

from dataclasses import replace

import numpy as np
import pytest

from audit.builders import linear_labels, linear_scores, make_inputs
from gamekeeper.audit.answers import Access, AnswerForm
from gamekeeper.audit.asking import Answers
from gamekeeper.audit.attacks import ATTACKS, AttackerKnowledge, Interface
from gamekeeper.audit.attacks._outside import picked
from gamekeeper.audit.learners import TrainingSet
from gamekeeper.audit.targets import Array

BOTH = ("public-copy", "data-free")
LABELS = AnswerForm(access=Access.LABELS, width=1, because="a test", labels=np.arange(10))
PICTURES = Interface(form=LABELS, width=256, picture=(16, 16))


def make_knowledge(pool: Array, *, uses_scores: bool = False) -> AttackerKnowledge:
    return AttackerKnowledge(
        pool=pool,
        sizes=(250, 500),
        uses_scores=uses_scores,
        classes=3,
        public=make_inputs(900, seed=4),
    )


def asked_by(name: str, knowledge: AttackerKnowledge, seed: int = 0) -> Array:
    """Everything that the attack asks of the linear model."""
    asked: list[Array] = []

    def ask(inputs: Array) -> Answers:
        asked.append(inputs)
        return Answers(linear_labels(inputs), linear_scores(inputs))

    assert len(list(ATTACKS[name].surrogates(ask, knowledge, np.random.default_rng(seed)))) == 2
    return np.vstack(asked)


@pytest.mark.parametrize("name", BOTH)
def test_inputs_of_the_domain_are_not_looked_at(name: str) -> None:
    """Other inputs within the same bounds make no difference to what is asked."""
    pool = make_inputs()
    other = np.vstack([pool.min(axis=0), pool.max(axis=0), np.zeros((100, 6)) + 0.5])
    assert (asked_by(name, make_knowledge(pool)) == asked_by(name, make_knowledge(other))).all()


@pytest.mark.parametrize("name", BOTH)
def test_labels_and_scores_are_paid_once(name: str) -> None:
    """Who learns from labels asks what he asks who learns from scores."""
    labels, scores = (
        asked_by(name, make_knowledge(make_inputs(), uses_scores=uses)) for uses in (False, True)
    )
    assert (labels == scores).all()


def test_made_up_inputs_keep_to_what_is_documented() -> None:
    """Between least and greatest, whole where all are whole."""
    pool = make_inputs() * 3
    pool[:, 2] = np.round(pool[:, 2])
    asked = asked_by("data-free", make_knowledge(pool))
    assert (asked >= pool.min(axis=0)).all() and (asked <= pool.max(axis=0)).all()
    assert (asked[:, 2] == np.round(asked[:, 2])).all() and not (
        asked[:, 1] == np.round(asked[:, 1])
    ).any()


def test_documentation_says_of_pictures_what_pixels_can_be_and_not_each() -> None:
    """That the corner of all digits is black is known from digits alone."""
    pool = np.zeros((10, 64))
    pool[:, 20] = np.linspace(0, 16, 10)
    said = replace(make_knowledge(pool), picture=(8, 8)).documentation
    assert (said.low == 0).all() and (said.high == 16).all() and not said.whole.any()


def test_public_inputs_are_asked_once_each() -> None:
    """And nothing else is."""
    knowledge = make_knowledge(make_inputs())
    asked = {row.tobytes() for row in asked_by("public-copy", knowledge)}
    assert knowledge.public is not None
    assert len(asked) == 500 and asked <= {row.tobytes() for row in knowledge.public}


def test_public_inputs_run_out() -> None:
    """No copy is claimed to rest on more than there are."""
    knowledge = replace(make_knowledge(make_inputs()), sizes=(250, 1_000))
    copies = ATTACKS["public-copy"].surrogates(
        lambda some: Answers(linear_labels(some), None), knowledge, np.random.default_rng(0)
    )
    assert [copy.queries for copy in copies] == [250]


@pytest.mark.parametrize("name", BOTH)
def test_target_with_one_label_for_all_is_given_up(name: str) -> None:
    """After the first size, not the last."""
    asked = 0

    def ask(inputs: Array) -> Answers:
        nonlocal asked
        asked += len(inputs)
        return Answers(np.zeros(len(inputs), np.int64), None)

    assert (
        list(ATTACKS[name].surrogates(ask, make_knowledge(make_inputs()), np.random.default_rng(0)))
        == []
    )
    assert asked == 250


def test_rare_class_is_asked_more_often_than_chance_would() -> None:
    """One in fifty of what is offered; of what is picked, many more."""
    rng = np.random.default_rng(0)
    known = rng.random((400, 3))
    offered = rng.random((4_000, 3))
    chosen = picked(offered, TrainingSet(known, (known[:, 0] > 0.98).astype(int)), 200, rng)
    assert len(np.unique(chosen)) == 200
    assert (offered[:, 0] > 0.98).mean() < 0.03 and (offered[chosen, 0] > 0.98).mean() > 0.15


@pytest.mark.parametrize(
    ("name", "interface", "said"),
    [
        ("data-free", replace(PICTURES, width=500, picture=None), "rows of 500 values"),
        ("data-free", replace(PICTURES, width=4_096, picture=(64, 64)), "pictures of 4096 values"),
        ("public-copy", PICTURES, "--public"),
    ],
)
def test_hopeless_targets_are_left_out_with_the_reason(
    name: str, interface: Interface, said: str
) -> None:
    """Before a query is made."""
    assert said in (ATTACKS[name].why_not(interface) or "")
    assert ATTACKS["data-free"].why_not(PICTURES) is None
    assert ATTACKS["public-copy"].why_not(replace(PICTURES, has_public=True)) is None


def brighter_side(pictures: Array) -> Answers:
    """0 to 3: on which sides of the middle there is more light."""
    shown = pictures.reshape(-1, 8, 8)
    down = shown[:, :4].mean(axis=(1, 2)) < shown[:, 4:].mean(axis=(1, 2))
    right = shown[:, :, :4].mean(axis=(1, 2)) < shown[:, :, 4:].mean(axis=(1, 2))
    return Answers(2 * down + right, None)


@pytest.mark.extra
def test_pictures_are_copied_without_a_picture() -> None:
    """The pool gives the bounds, and nothing else: it is two pictures, one of them black."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    knowledge = AttackerKnowledge(
        pool=np.eye(2, 64), sizes=(500,), uses_scores=False, classes=4, picture=(8, 8)
    )
    (copy,) = ATTACKS["data-free"].surrogates(brighter_side, knowledge, np.random.default_rng(0))
    tests = (
        np.random.default_rng(1)
        .random((400, 2, 2))
        .repeat(4, axis=1)
        .repeat(4, axis=2)
        .reshape(400, 64)
    )
    assert (copy.predict(tests) == brighter_side(tests).labels).mean() > 0.85
