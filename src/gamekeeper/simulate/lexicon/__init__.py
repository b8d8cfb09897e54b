"""Words and sentence patterns of eight languages, all written for this project.

One TOML file a language:

    [rules]          sentence patterns, follow-ups, names, task decks, quizzes, insults
    [topics.NAME]    what people ask about: `thing`, `act`, `tool`, `trouble`, `goal`, `special`;
                     `other` is another `thing`
    [apps.NAME]      what customers of one kind of app say: `system`, `product`, `intent`

Phrases are built so that they join without inflection: `thing` is a noun phrase whose subject and
object form are the same, `act` and `goal` are infinitives, `tool` carries its preposition,
`trouble` is a whole clause.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from gamekeeper.simulate.grammar import Grammar

SHARES = {
    "en": 0.38,
    "es": 0.10,
    "zh": 0.10,
    "de": 0.09,
    "pt": 0.09,
    "fr": 0.08,
    "ru": 0.08,
    "ar": 0.08,
}
"""Language code (ISO 639-1) to its share of ordinary people; sums to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The grammars of one language.

    Args:
        language: ISO 639-1 code.
        base: Rules that need no topic.
        topics: Topic to the base rules together with its own.
        apps: Kind of app to the base rules together with its own.
    """

    language: str
    base: Grammar
    topics: Mapping[str, Grammar]
    apps: Mapping[str, Grammar]

    def any_topic(self, dice: Random) -> Grammar:
        """Returns the grammar of a topic at random, for writers without interests of their own."""
        return self.topics[dice.choice(list(self.topics))]


@cache
def load(language: str) -> Lexicon:
    """Reads one language's file.

    Args:
        language: One of `SHARES`.
    """
    raw = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8"))
    base = Grammar.parse(raw["rules"])
    return Lexicon(
        language=language,
        base=base,
        topics={
            name: base.with_rules({"other": rules["thing"], **rules})
            for name, rules in raw["topics"].items()
        },
        apps={name: base.with_rules(rules) for name, rules in raw["apps"].items()},
    )


def draw_language(dice: Random) -> Lexicon:
    """Draws a language, each as often as people speak it."""
    return load(dice.choices(list(SHARES), weights=list(SHARES.values()))[0])
