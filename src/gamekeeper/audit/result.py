"""What an audit found."""

from dataclasses import dataclass
from statistics import fmean, stdev

from gamekeeper.audit.asking import Access
from gamekeeper.audit.options import Prices
from gamekeeper.audit.privacy import Privacy

FIDELITIES = (0.80, 0.90, 0.95, 0.99)
"""To which the cost of a copy is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Surrogates after so many queries, one for each seed.

    Args:
        queries: Made for each.
        fidelities: Share of test inputs on which each agrees with the undefended target.
        cpu_s: That training took, on average.
        usd: Queries, tokens, inputs, computing and accounts.
        recipe: What the first of them is.
        tokens: Read and written by the target for it; 0 for a classifier.
        accounts: That the queries came from.
    """

    queries: int
    fidelities: tuple[float, ...]
    cpu_s: float
    usd: float
    recipe: str
    tokens: int = 0
    accounts: int = 1

    @property
    def fidelity(self) -> float:
        """The mean over seeds."""
        return fmean(self.fidelities)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean over seeds, 95 %, Student's t, within 0 and 1; the whole range from one seed
        alone.
        """
        from scipy.stats import t

        n = len(self.fidelities)
        if n < 2:
            return 0.0, 1.0
        reach = float(t.ppf(0.975, n - 1)) * stdev(self.fidelities) / n**0.5
        return max(0.0, self.fidelity - reach), min(1.0, self.fidelity + reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One kind of thief against one defence.

    Args:
        attack: By name.
        believes: What he takes of an answer: `scores` or `labels`.
        points: By queries, ascending.
        stopped: Why it went no further; None if it went as far as it could.
    """

    attack: str
    believes: str
    points: tuple[Point, ...]
    stopped: str | None = None

    @property
    def name(self) -> str:
        """In reports."""
        return f"{self.attack} on {self.believes}"

    def cheapest(self, fidelity: float) -> Point | None:
        """Returns the cheapest point that reaches a fidelity; None if none does."""
        reached = [point for point in self.points if point.fidelity >= fidelity]
        return min(reached, key=lambda point: point.usd, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """What a defence costs honest users, on the test inputs.

    Args:
        label_changed: Share of answers whose first place is another.
        l1: Mean absolute change of a row of probabilities, summed.
        withheld: Share of what a language model wrote that is not given out.
        said: What else it costs them, in words.
    """

    label_changed: float = 0.0
    l1: float = 0.0
    withheld: float = 0.0
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defended:
    """All thieves against one defence.

    Args:
        defence: By name; `none` for the target as it is.
        users: What it costs honest users.
        curves: One for each kind of thief.
    """

    defence: str
    users: Users
    curves: tuple[Curve, ...]

    def cheapest(self, fidelity: float) -> tuple[Curve, Point] | None:
        """Returns the best thief's cheapest way to a fidelity; None if nobody reached it."""
        reached = [(curve, point) for curve in self.curves if (point := curve.cheapest(fidelity))]
        return min(reached, key=lambda found: found[1].usd, default=None)

    @property
    def best(self) -> tuple[Curve, Point] | None:
        """The highest fidelity that anybody reached; of equal ones the cheapest."""
        found = [(curve, point) for curve in self.curves for point in curve.points]
        return max(found, key=lambda f: (f[1].fidelity, -f[1].usd), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """An audit.

    Args:
        target: By name.
        access: What its interface gives out.
        fidelity: What it is here, in words.
        test_inputs: On which fidelity is judged.
        paid: Queries that were made of the target, in this run and those before.
        defended: The target as it is, then with each defence.
        findings: What the interface gives away, in sentences.
        left_out: Attacks and defences that were not tried, each with the reason.
        prices: By which dollars and days were counted.
        privacy: What the recipe tells of its rows; None if none was named.
    """

    target: str
    access: Access
    test_inputs: int
    paid: int
    defended: tuple[Defended, ...]
    findings: tuple[str, ...]
    left_out: dict[str, str]
    prices: Prices
    privacy: Privacy | None = None
    fidelity: str = "agreement of labels"
