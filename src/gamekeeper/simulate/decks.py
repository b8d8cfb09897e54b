"""Decks of tasks: many different self-contained tasks, and the demands a campaign wraps them in.

Tasks are assigned to accounts at random, so that the account says nothing about the task. This
distinguishes a campaign from people with interests. Classrooms and evaluations share a deck too,
but their accounts repeat each other's tasks.
"""

from random import Random

from gamekeeper.simulate.lexicon import Lexicon


def make_deck(lexicon: Lexicon, symbol: str, count: int, dice: Random) -> list[str]:
    """Makes `count` different tasks over all topics of a language.

    Args:
        lexicon: The language of the tasks.
        symbol: Rule that makes a task: `task`, `math`, `code`, `tools` or `quiz`, where the
            language has it.
        count: Number of tasks; far fewer than the rule can make.
        dice: Randomness.

    Raises:
        ValueError: The rule cannot make that many.
    """
    deck: dict[str, None] = {}
    for _ in range(20 * count):
        if len(deck) == count:
            return list(deck)
        deck[lexicon.any_topic(dice).expand(f"{{{symbol}}}", dice)] = None
    raise ValueError(
        f'rule "{symbol}" ({lexicon.language}) made {len(deck)} different tasks, {count} wanted'
    )


def dress(lexicon: Lexicon, form: str, tasks: list[str], dice: Random) -> list[str]:
    """Wraps each task in a demand that makes its answer worth more to a trainer.

    Args:
        lexicon: The language of the demand.
        form: Rule of the demand: `cot`, `judge`, `reconstruct` or `trace`; it holds `<q>`, and
            `<a>` if the demand comes with a finished answer.
        tasks: Self-contained tasks.
        dice: Randomness.
    """
    return [_dress_one(lexicon, form, task, dice) for task in tasks]


def _dress_one(lexicon: Lexicon, form: str, task: str, dice: Random) -> str:
    grammar = lexicon.any_topic(dice)
    text = grammar.expand(f"{{{form}}}", dice)
    if "<a>" in text:
        text = text.replace("<a>", grammar.expand("{answer}", dice))
    return text.replace("<q>", task)
