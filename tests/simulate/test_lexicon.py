from random import Random

import pytest

from gamekeeper.simulate import lexicon
from gamekeeper.simulate.account_kinds import QUIZ_LANGUAGES, TASK_LANGUAGES
from gamekeeper.simulate.campaigns import PLANS
from gamekeeper.simulate.decks import dress, make_deck


@pytest.mark.parametrize("language", lexicon.SHARES)
def test_every_slot_of_a_language_has_a_rule(language: str) -> None:
    """No topic and no app of any language can run into a symbol that no rule defines."""
    speech = lexicon.load(language)
    grammars = [*speech.topics.values(), *speech.apps.values()]
    topic_words = {"thing", "other", "act", "tool", "trouble", "goal", "special"}
    assert all(grammar.missing() == set() for grammar in speech.topics.values())
    assert all(grammar.missing() <= topic_words for grammar in grammars)


def test_shares_of_languages_sum_to_one() -> None:
    """They are shares of all ordinary people."""
    assert sum(lexicon.SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_deck_is_far_larger_than_its_campaign(plan) -> None:
    """Every campaign's rule makes 3,000 different tasks, and its demand keeps them different."""
    speech = lexicon.load(plan.language)
    deck = make_deck(speech, plan.deck, 3_000, Random(1))
    if plan.form:
        deck = dress(speech, plan.form, deck, Random(2))
    assert len(set(deck)) == 3_000
    assert not any("<q>" in task or "<a>" in task for task in deck)


@pytest.mark.parametrize(
    ("symbol", "language"),
    [("task", language) for language in TASK_LANGUAGES]
    + [("quiz", name) for name in sorted(set(QUIZ_LANGUAGES))],
)
def test_sheets_and_benchmarks_can_be_filled(symbol: str, language: str) -> None:
    """Languages named for classrooms and evaluators have the rule they need."""
    assert len(make_deck(lexicon.load(language), symbol, 600, Random(1))) == 600


def test_deck_that_cannot_be_filled_says_so() -> None:
    """A rule with few outcomes is reported, not looped on."""
    with pytest.raises(ValueError, match="different tasks, 5000 wanted"):
        make_deck(lexicon.load("en"), "day", 5_000, Random(1))
