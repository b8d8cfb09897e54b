"""A small generative grammar: rules are expanded at random until only words are left.

A rule maps a symbol to productions. In a production `{symbol}` is replaced by one of that symbol's
productions, `{symbol#1}` by the same text wherever the tag returns within one expansion (the Anna
who bought the apples is the Anna who eats them), and `{2-99}` by a whole number between the bounds,
both included.

A narrowed grammar is how one person speaks: the same language with fewer productions, some of which
only that person uses.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple, Self

_SLOT = re.compile(r"\{([^{}]+)\}")
_NUMBER = re.compile(r"(\d+)-(\d+)(?:#.*)?$")


class Slot(NamedTuple):
    """A place in a production that is filled when it is expanded; a number if `high` is at
    least 0.
    """

    key: str  # symbol and tag, as written
    symbol: str
    is_tagged: bool
    low: int
    high: int


Production = tuple[str | Slot, ...]
Rules = Mapping[str, tuple[Production, ...]]


class Grammar:
    """The grammar of one language, topic or speaker.

    Args:
        rules: Symbol to its productions, each equally likely; write one twice to draw it twice as
            often.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @classmethod
    def parse(cls, rules: Mapping[str, Sequence[str]]) -> Self:
        """Reads productions as they are written in the lexicon."""
        return cls({symbol: tuple(map(_parse, texts)) for symbol, texts in rules.items()})

    def with_rules(self, rules: Mapping[str, Sequence[str]]) -> "Grammar":
        """Returns this grammar with some rules replaced or added."""
        return Grammar({**self._rules, **Grammar.parse(rules)._rules})

    def narrowed(self, keep: Mapping[str, int], dice: Random) -> "Grammar":
        """Returns this grammar with at most `keep[symbol]` productions left of each named
        symbol.
        """
        drawn = {
            symbol: tuple(dice.sample(self._rules[symbol], min(count, len(self._rules[symbol]))))
            for symbol, count in keep.items()
        }
        return Grammar({**self._rules, **drawn})

    def missing(self) -> set[str]:
        """Returns symbols that a production uses and no rule defines; empty in a sound grammar."""
        parts = (
            part for rule in self._rules.values() for production in rule for part in production
        )
        used = {part.symbol for part in parts if isinstance(part, Slot) and part.high < 0}
        return used - self._rules.keys()

    def expand(self, text: str, dice: Random) -> str:
        """Fills every slot of `text`, and every slot of what they are filled with.

        Raises:
            KeyError: A slot names a symbol without a rule.
        """
        return self._fill(_parse(text), dice, {}).strip()

    def _fill(self, production: Production, dice: Random, said: dict[str, str]) -> str:
        return "".join(
            [p if isinstance(p, str) else self._fill_slot(p, dice, said) for p in production]
        )

    def _fill_slot(self, slot: Slot, dice: Random, said: dict[str, str]) -> str:
        if not slot.is_tagged:
            return self._draw(slot, dice, said)
        if slot.key not in said:
            draws = [self._draw(slot, dice, said) for _ in range(4)]
            # two tags should not name the same person; four draws make that very unlikely
            said[slot.key] = next((text for text in draws if text not in said.values()), draws[0])
        return said[slot.key]

    def _draw(self, slot: Slot, dice: Random, said: dict[str, str]) -> str:
        if slot.high >= 0:
            return str(slot.low + int(dice.random() * (slot.high - slot.low + 1)))
        rule = self._rules[slot.symbol]
        return self._fill(rule[int(dice.random() * len(rule))], dice, said)


@lru_cache(maxsize=200_000)
def _parse(text: str) -> Production:
    pieces = _SLOT.split(text)  # text, slot, text, slot, ..., text
    parts = [_slot(piece) if i % 2 else piece for i, piece in enumerate(pieces)]
    return tuple(part for part in parts if part != "")


def _slot(written: str) -> Slot:
    symbol, _, tag = written.partition("#")
    bounds = _NUMBER.match(written)
    low, high = (int(bounds[1]), int(bounds[2])) if bounds else (0, -1)
    return Slot(written, symbol, bool(tag), low, high)
