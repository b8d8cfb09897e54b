"""Whether a defence makes a copy more expensive: the same attacks behind both, seed by seed.

A cost that is the least of several attacks differs by luck where other attacks were played behind
one defence than behind the other, and where each has its own draw of inputs. So attacks that were
not played behind a defence are left out on both sides, only numbers of queries count that were
tried on both, and each seed is compared with itself:

    log cost(seed, defended) - log cost(seed, plain),   Student's t over seeds
"""

from dataclasses import dataclass, replace
from math import exp, log
from statistics import fmean, stdev

from gamekeeper.audit.result import Defended

_LEAST_USD = 1e-9
_FELT = 1.05  # times as expensive


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a defence changes for an attacker who wants a fidelity.

    Args:
        defence: By name.
        factor: Times as expensive, with its 95 % interval; None where not every seed reached the
            fidelity behind it.
        drop: By how much it lowers the best fidelity, with its 95 % interval; None from one seed.
        reached: Seeds that reached the fidelity behind it.
        seeds: That were played on both sides.
        not_played: Attacks that were left out on both sides.
    """

    defence: str
    factor: tuple[float, float, float] | None
    drop: tuple[float, float, float] | None
    reached: int
    seeds: int
    not_played: tuple[str, ...]

    @property
    def is_costlier(self) -> bool:
        """Whether a copy is more expensive, by the interval and by so much that it is felt."""
        return self.factor is not None and self.factor[1] > 1 and self.factor[0] >= _FELT

    @property
    def stops(self) -> bool:
        """Whether no seed reached the fidelity, and the best fidelity is lower by its interval."""
        return self.reached == 0 and self.drop is not None and self.drop[1] > 0


def difference(plain: Defended, defended: Defended, fidelity: float) -> Difference | None:
    """Compares a defence with none; None where without it not every seed reached the fidelity."""
    same = _same_sizes(plain.without(defended.not_played), defended)
    seeds = min(_seeds(same), _seeds(defended))
    before = [_cost(same, seed, fidelity) for seed in range(seeds)]
    after = [_cost(defended, seed, fidelity) for seed in range(seeds)]
    if not seeds or None in before:
        return None  # not played behind it, or not reached without it
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if a is not None and b is not None]
    factor = None
    if len(pairs) == seeds:
        logs = _mean([log(max(a, _LEAST_USD)) - log(max(b, _LEAST_USD)) for b, a in pairs])
        factor = logs and (exp(logs[0]), exp(logs[1]), exp(logs[2]))
    drops = [_best(same, seed) - _best(defended, seed) for seed in range(seeds)]
    return Difference(
        defence=defended.defence,
        factor=factor,
        drop=_mean(drops),
        reached=len(pairs),
        seeds=seeds,
        not_played=defended.not_played,
    )


def _same_sizes(plain: Defended, defended: Defended) -> Defended:
    """The curves of `plain` at those numbers of queries that were tried behind the defence too."""
    tried = {curve.name: {point.queries for point in curve.points} for curve in defended.curves}
    curves = []
    for curve in plain.curves:
        sizes = tried.get(curve.name, set())
        points = tuple(point for point in curve.points if point.queries in sizes)
        curves.append(replace(curve, points=points or curve.points))
    return replace(plain, curves=tuple(curves))


def _seeds(each: Defended) -> int:
    points = [point for curve in each.curves for point in curve.points]
    return max((len(point.fidelities) for point in points), default=0)


def _cost(each: Defended, seed: int, fidelity: float) -> float | None:
    """Of the cheapest way of one seed, in dollars."""
    reached = (curve.cheapest_of_seed(seed, fidelity) for curve in each.curves)
    return min((point.usd for point in reached if point is not None), default=None)


def _best(each: Defended, seed: int) -> float:
    points = [point for curve in each.curves for point in curve.points]
    return max((p.fidelities[seed] for p in points if seed < len(p.fidelities)), default=0.0)


def _mean(values: list[float]) -> tuple[float, float, float] | None:
    """Mean with its 95 % interval, Student's t; None from one value."""
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return None
    reach = float(t.ppf(0.975, n - 1)) * stdev(values) / n**0.5
    return fmean(values), fmean(values) - reach, fmean(values) + reach
