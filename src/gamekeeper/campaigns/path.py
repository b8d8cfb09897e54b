"""The path from exchanges to campaigns found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import polars as pl

from gamekeeper.base.progress import OnStage, ignore_progress, ignore_stage
from gamekeeper.campaigns.claims import find_campaigns
from gamekeeper.campaigns.comparison import compare
from gamekeeper.campaigns.findings import findings
from gamekeeper.campaigns.intake import MAX_SAMPLE, Intake
from gamekeeper.campaigns.options import SearchOptions
from gamekeeper.campaigns.pools import Pool, ordinary_pools, with_pools
from gamekeeper.campaigns.power import Deck, measure_power
from gamekeeper.campaigns.result import HuntResult
from gamekeeper.campaigns.units import Units
from gamekeeper.campaigns.weigh import weigh
from gamekeeper.exchange import ReadSummary
from gamekeeper.signals import SIGNALS

_POOL_ROUNDS = 3  # a pool that was taken out may have hidden another
_FROM_SAMPLE = ("cell", "prompt_hash")  # columns that only the sample has

Names = Callable[[Sequence[Sequence[str]]], Sequence[str]]


def numbered(members: Sequence[Sequence[str]]) -> list[str]:
    """Names campaigns by their place: C1, C2, ..."""
    return [f"C{i}" for i in range(1, len(members) + 1)]


def new_intake(max_sample: int = MAX_SAMPLE) -> Intake:
    """Returns an intake that summarises for every signal which can be summarised as exchanges come
    in.
    """
    return Intake(_signals(from_sample=False), max_sample)


def search(
    intake: Intake,
    read: ReadSummary,
    options: SearchOptions,
    *,
    on_stage: OnStage = ignore_stage,
    names: Names = numbered,
    deck: Deck | None = None,
) -> HuntResult:
    """Finds the campaigns among the exchanges that were taken in.

    Args:
        intake: At least one exchange; left as it was.
        read: Where they came from.
        options: How to search.
        on_stage: Called with progress: stage, done, in all.
        names: Gives campaigns their names, from their members' accounts.
        deck: Makes the prompts of planted campaigns: where nothing is found, they measure what
            could have been. Nothing is planted where None.
    """
    clock = _Clock()
    totals = intake.totals
    units = Units.of(totals, intake.owners, intake.aliases)
    compared = compare(
        intake.sample,
        totals,
        options.encoder,
        lambda done, total: on_stage("encode", done, total),
        units=units,
        most_of_unit=intake.most_of_account,
    )
    clock.mark("encode")
    summaries = intake.summaries | {
        n: SIGNALS[n].summarise(compared.rows) for n in _signals(from_sample=True)
    }
    by_unit = _by_unit(units, summaries)
    claims = find_campaigns(
        compared.sample,
        options.policy,
        options.seed,
        lambda done, total: on_stage("link", done, total),
    )
    pools: list[Pool] = []
    for _ in range(_POOL_ROUNDS):
        more = ordinary_pools(compared, claims, by_unit, options.seed)
        if not more:
            break
        pools += more
        units = units.with_pools([pool.units for pool in more])
        by_unit = _by_unit(units, summaries)
        compared = compared.regrouped(units, totals)
        claims = find_campaigns(compared.sample, options.policy, options.seed, ignore_progress)
    claims = with_pools(claims, compared, pools)
    clock.mark("link")
    used = {
        n: s for n, s in by_unit.items() if SIGNALS[n].card.family not in options.policy.without
    }
    sample = None if "schedule" in options.policy.without else compared.sample
    weighed = weigh(claims, used, compared.accounts, options.seed, compared.are_owners, sample)
    clock.mark("weigh")
    result = findings(read, options, compared, claims, weighed, by_unit, names, units.says)
    clock.mark("draw")
    if deck is not None and not result.campaigns:
        on_stage("plant", 0, 0)
        power = measure_power(compared, claims, deck, options.policy, options.seed)
        result = replace(result, power=power)
        planted = len(power.planted) if power else 0
        on_stage("plant", planted, planted)
        clock.mark("plant")
    return replace(result, seconds=clock.seconds)


def _by_unit(units: Units, summaries: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name: units.summary(summary) for name, summary in summaries.items()}


class _Clock:
    """Wall time of each stage."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.seconds = dict[str, float]()

    def mark(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def _signals(*, from_sample: bool) -> list[str]:
    return [
        n for n, s in SIGNALS.items() if any(c in _FROM_SAMPLE for c in s.card.needs) == from_sample
    ]
