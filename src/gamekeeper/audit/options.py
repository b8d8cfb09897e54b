"""The options of an audit, and the prices that it counts with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gamekeeper.audit.kinds import AnswerKind

if TYPE_CHECKING:
    from gamekeeper.audit.journal import Tokens

_MILLION = 1_000_000

SIZES = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000)
"""Numbers of queries at which a surrogate is judged."""
DEFENCES = (
    "labels-only",
    "rounding",
    "reverse-sigmoid",
    "free-noise",
    "keyed-noise",
    "modelguard",
    "coverage-budget",
    "proof-of-work",
)
"""Compared unless others are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a thief pays, in dollars.

    Args:
        per_query: To the owner.
        per_million_read: To the owner, for a million tokens that the target reads.
        per_million_written: For a million tokens that it writes.
        per_input: For an unlabelled input of the domain.
        per_core_hour: For computing.
        per_account: For a further account, made or bought.
        queries_per_day: That the API lets an account make; None if it sets no limit.
        per_label: For an input labelled by hand: what a thief pays who does without the API; None
            if not given.
        owner: What the model cost its owner; None if not given.
        is_assumed: Whether the price of a query is our default rather than the owner's.
    """

    per_query: float = 0.001
    per_million_read: float = 0.0
    per_million_written: float = 0.0
    per_input: float = 0.0
    per_core_hour: float = 0.05
    per_account: float = 1.0
    queries_per_day: int | None = None
    per_label: float | None = None
    owner: float | None = None
    is_assumed: bool = True

    def of(self, queries: int, tokens: "Tokens") -> float:
        """Returns dollars that queries cost which read and wrote so many tokens."""
        read = tokens.read * self.per_million_read
        written = tokens.written * self.per_million_written
        return queries * self.per_query + (read + written) / _MILLION

    def days(self, queries: int, accounts: int = 1) -> float | None:
        """Returns days that so many queries take so many accounts; None if there is no limit."""
        return queries / (self.queries_per_day * accounts) if self.queries_per_day else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """The options of an audit.

    Args:
        budget: Queries of the target in all, those that judge surrogates included; 100 at least.
        defences: Names of `defence_names`, each compared with none.
        attacks: Names of the attacks that are run; all if empty.
        seeds: Thieves of each kind; intervals are over them.
        seed: Of everything that is drawn.
        per_s: Queries a second at most.
        tokens: Read and written in all; None for no limit.
        usd: Dollars in all, by `prices`; None for no limit.
        prices: What a thief pays.
        picture: Height and width of an input, if inputs are pictures in one channel.
        honest_queries: Inputs that an honest account asks, in the time for which an account's
            budget counts.
        answers: What the target answers, if the owner says so; None to recognise it.
        decision_at: From which score on a decision falls, for a target that answers one number;
            None if not stated.
        tolerance: Error of a value that is not felt, in its unit; None to measure by R2.
    """

    budget: int
    defences: tuple[str, ...] = DEFENCES
    attacks: tuple[str, ...] = ()
    seeds: int = 3
    seed: int = 0
    per_s: float | None = None
    tokens: int | None = None
    usd: float | None = None
    prices: Prices = Prices()
    picture: tuple[int, int] | None = None
    honest_queries: int = 200
    answers: AnswerKind | None = None
    decision_at: float | None = None
    tolerance: float | None = None
