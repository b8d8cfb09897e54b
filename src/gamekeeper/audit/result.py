"""What an audit found."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean, stdev

from gamekeeper.audit.answers import Access
from gamekeeper.audit.measures import Measure
from gamekeeper.audit.meter import Failures
from gamekeeper.audit.options import Prices
from gamekeeper.audit.privacy import Privacy

FIDELITIES = (0.80, 0.90, 0.95, 0.99)
"""For which the cost of a copy is stated."""
_SURE = 1.96  # standard errors in a 95 % interval
_FEW_SEEDS = 2  # up to which Student's t says next to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Surrogates after so many queries, one for each seed.

    Args:
        queries: Made for each.
        fidelities: Of each, by the audit's measure, on the test inputs.
        cpu_s: That training took, on average.
        usd: Queries, tokens, inputs, computing and accounts.
        recipe: What the first of them is.
        tokens: Read and written by the target for it; 0 for a classifier.
        accounts: That the queries came from.
        error: Standard error from the choice of test inputs, where seeds do not show it; 0 where
            they do.
        beside: By other measures, means over seeds.
    """

    queries: int
    fidelities: tuple[float, ...]
    cpu_s: float
    usd: float
    recipe: str
    tokens: int = 0
    accounts: int = 1
    error: float = 0.0
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def fidelity(self) -> float:
        """The mean over seeds."""
        return fmean(self.fidelities)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the fidelity, 95 %, within 0 and 1: of the mean over seeds by Student's t; from one or
        two seeds, from the lowest to the highest, widened by the error from the choice of test
        inputs; the whole range where nothing is known.
        """
        n = len(self.fidelities)
        if n <= _FEW_SEEDS and not self.error:
            return 0.0, 1.0
        low, high = self._over_seeds()
        reach = _SURE * self.error
        if n <= _FEW_SEEDS:
            return max(0.0, low - reach), min(1.0, high + reach)
        half = ((self.fidelity - low) ** 2 + reach**2) ** 0.5
        return max(0.0, self.fidelity - half), min(1.0, self.fidelity + half)

    def _over_seeds(self) -> tuple[float, float]:
        from scipy.stats import t

        n = len(self.fidelities)
        if n <= _FEW_SEEDS:
            return min(self.fidelities), max(self.fidelities)
        half = float(t.ppf(0.975, n - 1)) * stdev(self.fidelities) / n**0.5
        return self.fidelity - half, self.fidelity + half


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One kind of attack against one defence.

    Args:
        attack: By name.
        believes: What it takes of an answer: `scores`, `labels` or `values`.
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

    @property
    def smallest(self) -> int:
        """The smallest number of queries that was tried."""
        return self.points[0].queries

    def cheapest(self, fidelity: float) -> Point | None:
        """Returns the point from which on the lower bound stays at or above a fidelity; None if
        there is no such point.
        """
        held = None
        for point in reversed(self.points):
            if point.interval[0] < fidelity:
                break
            held = point
        return held

    def cheapest_of_seed(self, seed: int, fidelity: float) -> Point | None:
        """Returns the point from which on the copies of one seed stay at or above a fidelity."""
        held = None
        for point in reversed(self.points):
            if seed >= len(point.fidelities) or point.fidelities[seed] < fidelity:
                break
            held = point
        return held


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
    """All attacks against one defence.

    Args:
        defence: By name; `none` for the target as it is.
        users: What it costs honest users.
        curves: One for each kind of attack.
        not_played: Names of curves without a defence that were neither played behind this one nor
            carried over.
        is_imitable: Whether an attacker could do the same to answers that come without it.
    """

    defence: str
    users: Users
    curves: tuple[Curve, ...]
    not_played: tuple[str, ...] = ()
    is_imitable: bool = False

    def cheapest(self, fidelity: float) -> tuple[Curve, Point] | None:
        """Returns the best attack's cheapest way to a fidelity; None if nobody reached it."""
        reached = [(curve, point) for curve in self.curves if (point := curve.cheapest(fidelity))]
        return min(reached, key=lambda found: found[1].usd, default=None)

    @property
    def is_plain(self) -> bool:
        """Whether it is the target as it is."""
        return self.defence == "none"

    @property
    def best(self) -> tuple[Curve, Point] | None:
        """The highest fidelity that anybody reached; of equal ones the cheapest."""
        found = [(curve, point) for curve in self.curves for point in curve.points]
        return max(found, key=lambda f: (f[1].fidelity, -f[1].usd), default=None)

    def without(self, names: tuple[str, ...]) -> "Defended":
        """Returns it without the curves of these names."""
        kept = tuple(curve for curve in self.curves if curve.name not in names)
        return Defended(defence=self.defence, users=self.users, curves=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """An audit.

    Args:
        target: By name.
        access: What its interface gives out.
        answers: What answers were taken as, and from what that was recognised.
        measure: By which copies are judged, and its baselines; None for a language model, whose
            fidelity is said in words.
        fidelity: What it is here, in words.
        test_inputs: On which fidelity is judged.
        paid: Queries that were made of the target, in this run and those before.
        failed: Queries without an answer; None where that is said elsewhere.
        remarks: What was recognised of the target and its inputs, in sentences.
        defended: The target as it is, then with each defence.
        findings: What the interface gives away, in sentences.
        left_out: Attacks and defences that were not tried, each with the reason.
        prices: By which dollars and days were counted.
        seeds: Runs of each attack that were wanted; 0 if that is not known.
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
    seeds: int = 0
    answers: str = ""
    measure: Measure | None = None
    failed: Failures | None = None
    remarks: tuple[str, ...] = ()
    privacy: Privacy | None = None
    fidelity: str = "agreement of labels"

    @property
    def baseline(self) -> float:
        """What is reached without a query; a fidelity up to here is not a copy."""
        return self.measure.baseline if self.measure else 0.0

    @property
    def can_judge(self) -> bool:
        """Whether a perfect copy would have been recognised as one."""
        most = self.measure.most if self.measure else 1.0
        is_played = any(curve.points for curve in self.defended[0].curves)
        return is_played and most >= FIDELITIES[0] and most > self.baseline

    @property
    def is_unsure(self) -> bool:
        """Whether a copy looks better than the baselines, and its interval includes them."""
        best = self.defended[0].best
        return not self.has_copy and best is not None and best[1].fidelity > self.baseline

    @property
    def shown(self) -> Iterator[float]:
        """Fidelities that mean a copy here, ascending."""
        return (each for each in FIDELITIES if each > self.baseline)

    def cost(self, each: Defended, fidelity: float) -> tuple[Curve, Point] | None:
        """Returns the cheapest way to a copy of a fidelity behind a defence; None if there is none,
        or a fidelity needs no query.

        Without a defence an attacker may still do to the answers what a defence would, and read
        them in that way: so it never costs more than behind one.
        """
        if fidelity <= self.baseline:
            return None
        same = [other for other in self.defended if other.is_imitable] if each.is_plain else []
        found = [way for other in (each, *same) if (way := other.cheapest(fidelity))]
        return min(found, key=lambda way: way[1].usd, default=None)

    def reached(self, fidelity: float) -> bool:
        """Whether an attack without a defence reached a fidelity and stayed there, by the lower
        bound.
        """
        return self.cost(self.defended[0], fidelity) is not None

    def largest_budget(self, fidelity: float) -> int | None:
        """Returns the most queries that were tried with which no attack exceeds a fidelity.

        An attack exceeds it from the first number of queries at which the upper end of its interval
        does. A budget of so many queries, for all accounts of a thief together and as long as the
        model is served, bounds what the attacks of this audit reach; a better attack may exist.

        Args:
            fidelity: 0 to 1.

        Returns:
            None where an attack exceeds it with the fewest queries that were tried, or none was
            played: no budget is known to bound it.
        """
        tried: set[int] = set()
        too_many: set[int] = set()
        for curve in self.defended[0].curves:
            tried |= {point.queries for point in curve.points}
            too_many |= {p.queries for p in curve.points if p.interval[1] > fidelity}
        return max((each for each in tried if each < min(too_many, default=each + 1)), default=None)

    @property
    def has_copy(self) -> bool:
        """Whether any attack made a copy that exceeds the baselines by its interval."""
        points = (point for curve in self.defended[0].curves for point in curve.points)
        return any(point.interval[0] > self.baseline for point in points)
