"""How wide a language model is inside, through an interface that gives a few log-probabilities and
takes a bias.

    log p_i - log p_r = (w_i - w_r) . e(x)        i: a token, r: the reference, e(x): what the last
                                                  layer is given

A bias that lifts chosen tokens above all others makes the interface give out theirs: a query tells
k - 1 differences to the reference. For m tokens and m prompts they make a matrix whose rank is the
width, as soon as m is above it. No more tokens are needed than that, however many there are in all;
m is doubled until the width shows, or means end.

Where the bias changes what is written but not the log-probabilities that are told, the token that
was written tells its own: one a query. Where neither works, the interface does not give the width
away.

Source: Carlini et al., Stealing Part of a Production Language Model, ICML 2024; Finlayson et al.,
    Logits of
API-Protected LLMs Leak Proprietary Information, 2024.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gamekeeper.audit.attacks import AttackCard
from gamekeeper.audit.hidden_width import hidden_width
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.targets import Array, Query, Reply, TargetError

Ask = Callable[[Sequence[Query]], list[Reply]]

_MOST_TOPS = 20  # what interfaces give at most
_LIFT = 100.0  # the most that interfaces allow
_FIRST_TOKEN = 300  # lower ones are single bytes in most vocabularies
_FIRST_SIZE = 32
_WIDE = 4_096  # of a large model, to say what looking for it would cost


CARD = AttackCard(
    name="width-from-logprobs",
    purpose="Finds the width of a language model's last layer from its log-probabilities.",
    needs="A few log-probabilities an answer, and a bias on tokens (--prompts).",
    fits="Interfaces in which a bias shows in log-probabilities, or in what is written.",
    source=(
        "Carlini et al., ICML 2024; Finlayson et al., 2024; tokens and prompts doubled until it"
        " shows is ours."
    ),
)


class Door(StrEnum):
    """How log-probabilities of chosen tokens come out."""

    TOPS = "a bias on tokens changes the log-probabilities that are given"
    WRITTEN = "a bias on tokens reveals one chosen log-probability a query"
    SHUT = "log-probabilities are given, and a bias on tokens does not change them"
    NONE = "no log-probabilities are given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """What was seen.

    Args:
        door: How log-probabilities come out.
        tops: So many at once; 0 if none.
        width: Of the last layer's input; None if it did not show.
        above: The width is above this, if it did not show.
        queries: Made to find it.
    """

    door: Door
    tops: int = 0
    width: int | None = None
    above: int = 0
    queries: int = 0

    @property
    def queries_if_wide(self) -> int | None:
        """What looking for a width of 4,096 takes; None where the door is shut."""
        return _queries(_WIDE + 2, self._a_query) if self._a_query else None

    @property
    def queries_for_layer(self) -> int:
        """What the last layer takes for a thousand tokens of the vocabulary, its width known."""
        return (self.width or 0) * -(-1_000 // max(1, self._a_query))

    @property
    def _a_query(self) -> int:
        return {Door.TOPS: max(1, self.tops - 1), Door.WRITTEN: 1}.get(self.door, 0)


def look_for_width(ask: Ask, prompts: Sequence[str], queries: int) -> Width:
    """Looks through the door, as far as the queries go.

    Args:
        ask: The model.
        prompts: Different ones, of any kind.
        queries: That may be made.

    Raises:
        TargetError: The target failed otherwise than by refusing a bias.
    """
    look = _Look(ask, prompts, queries)
    try:
        return look.found()
    except SpentError:
        return look.so_far()


class _Look:
    """What is known so far; log-probabilities by prompt and token."""

    def __init__(self, ask: Ask, prompts: Sequence[str], queries: int) -> None:
        self._ask = ask
        self._prompts = list(dict.fromkeys(prompts))
        self._most = queries
        self._door = Door.NONE
        self._tops = 0
        self._above = 0
        self._queries = 0

    def so_far(self, width: int | None = None) -> Width:
        """Returns what is known."""
        return Width(
            door=self._door, tops=self._tops, width=width, above=self._above, queries=self._queries
        )

    def found(self) -> Width:
        """Opens the door, and looks at more and more tokens and prompts."""
        self._open()
        width = self.so_far()._a_query
        size = _FIRST_SIZE
        while (
            width
            and size <= len(self._prompts)
            and _queries(size, width) - self._queries <= self._left
        ):
            matrix = self._matrix(size)
            if (seen := hidden_width(matrix)) is not None and seen < size - 2:
                return self.so_far(seen)
            self._above = size - 2
            size = 2 * size
        return self.so_far()

    @property
    def _left(self) -> int:
        return self._most - self._queries

    def _open(self) -> None:
        """Finds out how log-probabilities of a token come out."""
        plain = self._asked([Query(self._prompts[0], tops=_MOST_TOPS, max_tokens=1)])[0]
        self._tops = len(plain.tops)
        if not plain.tops:
            return
        self._door = Door.SHUT
        try:
            lifted = self._asked([self._query(self._prompts[0], [0, 1])])[0]
        except TargetError:
            return  # a bias is refused
        ordinary = {token for token, _ in plain.tops}
        if len({token for token, _ in lifted.tops[:2]} - ordinary) == 2:
            self._door = Door.TOPS
        elif lifted.first and lifted.first[0] not in ordinary and np.isfinite(lifted.first[1]):
            self._door = Door.WRITTEN

    def _matrix(self, size: int) -> Array:
        """Log-probabilities, or differences to the reference, shape (size, size)."""
        each = max(1, self._tops - 1) if self._door is Door.TOPS else 1
        groups = [list(range(start, min(start + each, size))) for start in range(0, size, each)]
        queries = [
            self._query(prompt, group) for prompt in self._prompts[:size] for group in groups
        ]
        replies = iter(self._asked(queries))
        rows = [[next(replies) for _ in groups] for _ in range(size)]
        return self._by_written(rows) if self._door is Door.WRITTEN else self._by_tops(rows, groups)

    def _query(self, prompt: str, tokens: Sequence[int]) -> Query:
        """Lifts tokens, and in all but the one-by-one way the reference as well."""
        lifted = [_FIRST_TOKEN + 1 + token for token in tokens]
        if self._door is not Door.WRITTEN:
            lifted.append(_FIRST_TOKEN)
        return Query(prompt, tops=_MOST_TOPS, bias=dict.fromkeys(lifted, _LIFT), max_tokens=1)

    def _by_tops(self, rows: list[list[Reply]], groups: list[list[int]]) -> Array:
        """Differences to the reference, which is the one token that all answers share."""
        given = [
            [dict(reply.tops[: len(group) + 1]) for reply, group in zip(row, groups, strict=True)]
            for row in rows
        ]
        shared = set.intersection(*(set(some) for row in given for some in row))
        if len(shared) != 1:
            raise TargetError(
                "log-probabilities under a bias are not of the tokens that were lifted"
            )
        reference = shared.pop()
        names = [sorted(set(some) - {reference}) for some in given[0]]
        return np.array(
            [
                [
                    some[name] - some[reference]
                    for some, known in zip(row, names, strict=True)
                    for name in known
                ]
                for row in given
            ]
        )

    def _by_written(self, rows: list[list[Reply]]) -> Array:
        """Log-probabilities as told: what they are told from is the same for all tokens of a
        prompt.
        """
        return np.array(
            [[reply.first[1] if reply.first else np.nan for reply in row] for row in rows]
        )

    def _asked(self, queries: Sequence[Query]) -> list[Reply]:
        if len(queries) > self._left:
            raise SpentError(f"the search for the width may take {self._most} queries")
        replies = self._ask(queries)
        self._queries += len(queries)
        return replies


def _queries(size: int, a_query: int) -> int:
    return size * -(-size // a_query)
