import numpy as np
import pytest

from audit.language.builders import reckoned, sorted_ticket, tickets
from gamekeeper.audit.language.answers import likeness_for
from gamekeeper.audit.language.surrogates import TrainingSet, best_surrogate, why_no_writer
from gamekeeper.audit.language.surrogates.simple import has_choices, rememberer
from gamekeeper.simulate.arithmetic_model import sums


def training_of(prompts: list[str], answer: object, *, traces: bool = False) -> TrainingSet:
    replies = [answer(prompt) for prompt in prompts]  # type: ignore[operator]
    texts = tuple(reply.text for reply in replies)
    return TrainingSet(
        tuple(prompts), texts, tuple(reply.trace for reply in replies) if traces else None
    )


def test_sorting_is_learnt_from_a_hundred_answers() -> None:
    """By what words mean and how they are spelt; no network is needed."""
    prompts = tickets(300)
    training = training_of(prompts[:100], sorted_ticket)
    name, write = best_surrogate(training, likeness_for(training.answers), np.random.default_rng(0))
    assert write(prompts[100:]) == [sorted_ticket(prompt).text for prompt in prompts[100:]], name


def test_nearest_question_is_remembered() -> None:
    """Its answer is given word for word."""
    write = rememberer(
        TrainingSet(("where is Paris", "how old is the king"), ("in France", "forty"))
    )
    assert write(["how old would the king be", "Paris, where is it"]) == ["forty", "in France"]


def test_answers_that_seldom_repeat_are_not_chosen_from() -> None:
    """Nor where there is one for everything."""
    assert has_choices(TrainingSet(("a", "b") * 20, ("x", "y") * 20))
    assert not has_choices(TrainingSet(("a",) * 40, tuple(map(str, range(40)))))
    assert not has_choices(TrainingSet(("a",) * 40, ("x",) * 40))


@pytest.mark.extra
def test_what_is_too_long_or_too_little_is_not_written() -> None:
    """With the reason."""
    assert "needs 200 answers" in (why_no_writer(training_of(sums(50, 1), reckoned)) or "")
    long = TrainingSet(("a" * 500,) * 300, ("b",) * 300)
    assert "bytes" in (why_no_writer(long) or "")
    assert why_no_writer(training_of(sums(250, 1), reckoned)) is None


@pytest.mark.slow
@pytest.mark.extra
@pytest.mark.parametrize(
    ("traces", "least", "most"), [(True, 0.71, 1.0), (False, 0.0, 0.34)], ids=["steps", "answers"]
)
def test_steps_teach_what_answers_alone_do_not(
    traces: bool, least: float, most: float, one_thread: None
) -> None:
    """Adding up digits: 600 answers with steps suffice, 600 without teach nothing beyond chance."""
    from gamekeeper.audit.language.surrogates.writer import writer

    prompts = sums(600, 1)
    asked = sums(100, 2)
    truth = [reckoned(prompt).text for prompt in asked]
    written = writer(training_of(prompts, reckoned, traces=traces), 0)(asked)
    reached = np.mean([one == other for one, other in zip(written, truth, strict=True)])
    assert least <= reached <= most


@pytest.mark.extra
def test_same_seed_writes_the_same(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """And answers come in the order of the prompts, whatever their lengths."""
    from gamekeeper.audit.language.surrogates import writer as module

    monkeypatch.setattr(module, "_STEPS", 30)
    training = training_of(sums(200, 1), reckoned, traces=True)
    asked = sums(20, 3)
    first, again = (module.writer(training, 5)(asked) for _ in range(2))
    assert first == again
    write = module.writer(training, 5)
    assert [write([prompt])[0] for prompt in asked] == first
