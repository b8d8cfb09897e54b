"""Who writes: people with interests of their own, customers of an app, people who test the rules.

Every voice is a narrowed grammar (see `grammar`). A person keeps to a few topics, and in each topic
to things, names and phrases of their own; a conversation is narrowed once more to one thing, so
that its turns belong together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from gamekeeper.simulate.grammar import Grammar
from gamekeeper.simulate.lexicon import Lexicon

FAVOURITES: Mapping[str, int] = {
    "act": 4,
    "trouble": 3,
    "goal": 3,
    "special": 3,
    "open": 9,
    "follow": 9,
    "aside": 4,
}
"""How many productions of a symbol one person uses."""

REPLIES = (
    "{follow}",
    "{follow}",
    "{follow} {aside}.",
    "{question}",
    "{trouble}, {follow}",
    "{follow} {question}",
    "{special}",
)
UTTERANCES = (
    "{intent}",
    "{intent}",
    "{hi} {intent}",
    "{intent}. {intent}",
    "{hi} {intent}. {when}",
    "{intent}, {name}",
)
PRESSURE = ("{insist}", "{insist}. {insist}", "{insist}: {provoke}", "{provoke}. {insist}")


class Voice(Protocol):
    """A simulated writer that can hold a conversation."""

    def conversation(self, turns: int) -> list[str]:
        """Writes `turns` messages that belong together."""
        ...


@dataclass(frozen=True, slots=True)
class TypingHabits:
    """How one person types.

    Args:
        is_lower: Writes without capitals.
        is_bare: Leaves out the punctuation mark at the end.
        typos: Chance of one typing error in a message, 0..1.
        greets: Chance of a greeting before the first message, 0..1.
        thanks: Chance that a later turn only says thanks, 0..1.
    """

    is_lower: bool
    is_bare: bool
    typos: float
    greets: float
    thanks: float

    @classmethod
    def draw(cls, dice: Random) -> "TypingHabits":
        """Draws one person's habits."""
        return cls(
            is_lower=dice.random() < 0.4,
            is_bare=dice.random() < 0.35,
            typos=dice.choice((0.0, 0.02, 0.1, 0.3)),
            greets=dice.choice((0.0, 0.0, 0.1, 0.6)),
            thanks=dice.choice((0.0, 0.03, 0.12)),
        )

    def apply(self, text: str, dice: Random) -> str:
        """Returns `text` as this person would type it."""
        text = text.lower() if self.is_lower else capitalised(text)
        if self.is_bare:
            text = text.rstrip(".?？。؟")
        return slip(text, dice) if dice.random() < self.typos else text


class Person:
    """One person, with a language, one to three topics, and words and habits of their own.

    Args:
        lexicon: The person's language.
        dice: Randomness, kept for all later conversations.
        topic: A topic that is certainly among the person's own, as for colleagues; any if None.
        names: Project and place names the person shares with others; own ones if empty.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        dice: Random,
        *,
        topic: str | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self._lexicon = lexicon
        self._dice = dice
        self._habits = TypingHabits.draw(dice)
        chosen = dice.sample(list(lexicon.topics), dice.choice((1, 1, 2, 2, 3)))
        topics = dict.fromkeys(([topic] if topic else []) + chosen)
        names = (*names, *own_names(lexicon, dice, 2))
        self._grammars = [own_words(lexicon.topics[name], names, dice) for name in topics]
        self._asked: list[str] = []

    def conversation(self, turns: int) -> list[str]:
        """Writes `turns` messages about one of the person's things."""
        grammar = self._focus()
        said = [self._opening(grammar)]
        while len(said) < turns:
            said.append(self._next(grammar, said[0]))
        return said

    def _focus(self) -> Grammar:
        dice = self._dice
        if dice.random() < 0.08:  # sometimes people ask about something else
            return own_words(self._lexicon.any_topic(dice), own_names(self._lexicon, dice, 1), dice)
        # the first topic is the favourite
        grammar = self._grammars[min(int(dice.expovariate(1.2)), len(self._grammars) - 1)]
        return grammar.narrowed({"thing": 1, "tool": 1}, dice)

    def _opening(self, grammar: Grammar) -> str:
        dice = self._dice
        if self._asked and dice.random() < 0.03:
            return dice.choice(self._asked)
        greeting = "{hi} " if dice.random() < self._habits.greets else ""
        text = self._habits.apply(grammar.expand(greeting + "{open}", dice), dice)
        self._asked.append(text)
        return text

    def _next(self, grammar: Grammar, question: str) -> str:
        dice = self._dice
        draw = self._dice.random()
        if draw < 0.03:
            return question  # again, word for word
        text = "{thanks}" if draw < 0.03 + self._habits.thanks else dice.choice(REPLIES)
        return self._habits.apply(grammar.expand(text, dice), dice)


class Customers:
    """The customers of one app, who have few kinds of questions about its products.

    Args:
        lexicon: The app's language.
        dice: Randomness, kept for all later conversations.
    """

    def __init__(self, lexicon: Lexicon, dice: Random) -> None:
        self._dice = dice
        grammar = lexicon.apps[dice.choice(list(lexicon.apps))]
        company = own_names(lexicon, dice, 1)
        grammar = grammar.with_rules({"name": company})
        products = frozen(grammar, "{product}", 14, dice)
        self._grammar = grammar.with_rules({"product": products}).narrowed({"intent": 9}, dice)
        self.system = self._grammar.expand("{system}", dice)

    def conversation(self, turns: int) -> list[str]:
        """Writes `turns` short messages."""
        dice = self._dice
        texts = [self._grammar.expand(dice.choice(UTTERANCES), dice) for _ in range(turns)]
        return [text.lower() if dice.random() < 0.4 else capitalised(text) for text in texts]


class RuleTester:
    """A person who insults the model and tries, mildly, to persuade it to break its rules.

    Args:
        lexicon: The speaker's language.
        dice: Randomness, kept for all later conversations.
    """

    def __init__(self, lexicon: Lexicon, dice: Random) -> None:
        self._dice = dice
        self._habits = TypingHabits.draw(dice)
        names = own_names(lexicon, dice, 2)
        topic = own_words(lexicon.any_topic(dice), names, dice)
        self._grammar = topic.narrowed({"provoke": 5, "insist": 7}, dice)

    def conversation(self, turns: int) -> list[str]:
        """Writes `turns` messages, each of which presses harder for the first request."""
        texts = ["{provoke}", *self._dice.choices(PRESSURE, k=turns - 1)]
        return [
            self._habits.apply(self._grammar.expand(text, self._dice), self._dice) for text in texts
        ]


def own_names(lexicon: Lexicon, dice: Random, count: int) -> tuple[str, ...]:
    """Invents names of projects, places and pets."""
    return tuple(map(capitalised, frozen(lexicon.base, "{name}", count, dice)))


def own_words(topic: Grammar, names: tuple[str, ...], dice: Random) -> Grammar:
    """Narrows a topic to one person's words: their things, tools and favourite phrases."""
    named = topic.with_rules({"name": names})
    things = frozen(named, "{thing}{whose}", 6, dice)
    words = {
        "thing": things[:-2] or things,
        "other": things[-2:],
        "tool": frozen(named, "{tool}", 3, dice),
    }
    return named.with_rules(words).narrowed(FAVOURITES, dice)


def frozen(grammar: Grammar, text: str, count: int, dice: Random) -> tuple[str, ...]:
    """Expands `text` `count` times, to be used again word for word; duplicates are dropped."""
    return tuple(dict.fromkeys(grammar.expand(text, dice) for _ in range(count)))


def capitalised(text: str) -> str:
    """Returns `text` with its first letter as a capital, the rest as it is."""
    return text[:1].upper() + text[1:]


def slip(text: str, dice: Random) -> str:
    """Makes one typing error in `text`: two letters swapped, or one lost or doubled."""
    if len(text) < 4:
        return text
    i = 1 + int(dice.random() * (len(text) - 2))
    middle = dice.choice((text[i + 1] + text[i], text[i + 1], text[i] * 2 + text[i + 1]))
    return text[:i] + middle + text[i + 2 :]
