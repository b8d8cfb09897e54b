"""What an audit is told."""

from dataclasses import dataclass

SIZES = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000)
"""Numbers of queries at which a surrogate is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a thief pays, in dollars.

    Args:
        per_query: To the owner.
        per_input: For an unlabelled input of the domain.
        per_core_hour: For computing.
        queries_per_day: That the API lets an account make; None if it sets no limit.
        per_label: For an input labelled by hand: what a thief pays who does without the API; None if not told.
        owner: What the model cost its owner; None if not told.
    """

    per_query: float = 0.001
    per_input: float = 0.0
    per_core_hour: float = 0.05
    queries_per_day: int | None = None
    per_label: float | None = None
    owner: float | None = None

    def days(self, queries: int) -> float | None:
        """Returns days that so many queries take one account; None if there is no limit."""
        return queries / self.queries_per_day if self.queries_per_day else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What an audit is told.

    Args:
        budget: Queries of the target in all, those that judge surrogates included; 100 at least.
        defences: Names from `gamekeeper.defences`, each compared with none.
        seeds: Thieves of each kind; intervals are over them.
        seed: Of everything that is drawn.
        per_s: Queries a second at most.
        prices: What a thief pays.
        picture: Height and width of an input, if inputs are pictures in one channel.
    """

    budget: int
    defences: tuple[str, ...] = ("labels-only", "rounding", "reverse-sigmoid", "keyed-noise", "modelguard")
    seeds: int = 3
    seed: int = 0
    per_s: float | None = None
    prices: Prices = Prices()
    picture: tuple[int, int] | None = None
