from random import Random

import pytest

from gamekeeper.simulate.grammar import Grammar


def test_tagged_slot_says_the_same_again() -> None:
    """A tagged person keeps their name through one expansion."""
    grammar = Grammar.parse({"who": ["Ada", "Bo", "Cy"]})
    first, second = grammar.expand("{who#1} {who#1}", Random(1)).split()
    assert first == second


def test_two_tags_name_two_people() -> None:
    """Different tags of one symbol rarely agree when there is a choice."""
    grammar = Grammar.parse({"who": [f"name{i}" for i in range(20)]})
    dice = Random(1)
    pairs = [grammar.expand("{who#1} {who#2}", dice).split() for _ in range(200)]
    assert all(a != b for a, b in pairs)


def test_number_slot_stays_within_its_bounds() -> None:
    """Both bounds are reached, and nothing beyond them."""
    dice = Random(1)
    drawn = {int(Grammar.parse({}).expand("{3-5}", dice)) for _ in range(100)}
    assert drawn == {3, 4, 5}


def test_narrowed_grammar_keeps_its_few_phrases() -> None:
    """A speaker with two greetings uses no third."""
    grammar = Grammar.parse({"hi": [f"hi{i}" for i in range(30)]}).narrowed({"hi": 2}, Random(1))
    dice = Random(2)
    assert len({grammar.expand("{hi}", dice) for _ in range(200)}) == 2


def test_missing_rule_is_named() -> None:
    """A slot without a rule is found before it is drawn; numbers need none."""
    assert Grammar.parse({"a": ["{b} {2-9}", "{a}"]}).missing() == {"b"}


def test_unknown_symbol_raises() -> None:
    """An expansion never leaves a slot in the text."""
    with pytest.raises(KeyError, match="nobody"):
        Grammar.parse({}).expand("{nobody}", Random(1))
