"""One pass over recent traffic: the window searched as hunt would, its campaigns as the guard
follows them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from gamekeeper.campaigns import Campaign, HuntResult, Intake, SearchOptions, search
from gamekeeper.exchange import ReadSummary
from gamekeeper.guard.decisions.decision import Tracked
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.watch.names import Names
from gamekeeper.verdict import Policy

# a model first asked for later than this after the window began is new
_SETTLED = timedelta(days=2)
_DAY = timedelta(days=1)
_MOVED = 0.5  # share of a campaign's accounts


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What a pass found.

    Args:
        result: As a hunt would have it.
        tracked: Its campaigns.
        rows: What was compared.
        shifts: Whose queries changed: `p` and `says` by account.
    """

    result: HuntResult
    tracked: tuple[Tracked, ...]
    rows: pl.DataFrame
    shifts: dict[str, dict[str, Any]] = field(default_factory=dict)


def look(
    window: Intake,
    read: ReadSummary,
    options: SearchOptions,
    names: Names,
    found: dict[str, float],
    now: float,
) -> Passed:
    """Searches a window.

    Args:
        window: At least one exchange.
        read: Where it came from.
        options: How to search.
        names: Names of earlier campaigns.
        found: When campaigns were first found, epoch seconds, by name; new ones are added.
        now: Epoch seconds.
    """
    result = search(window, read, options, names=names.give)
    rows = window.sample
    for campaign in result.campaigns:
        found.setdefault(campaign.id, now)
    pivots = dict(_pivots(result.campaigns, rows))
    tracked = tuple(_tracked(c, found[c.id], now, pivots.get(c.id)) for c in result.campaigns)
    return Passed(result=result, tracked=tracked, rows=rows)


def options_of(watch: Watch) -> SearchOptions:
    """Returns how a policy has windows searched."""
    thresholds = Policy(
        false_discovery_rate=watch.false_discovery_rate, min_accounts=watch.min_accounts
    )
    redact = watch.keep_days == 0
    return SearchOptions(
        encoder=watch.encoder, policy=thresholds, max_sample=watch.max_sample, redact=redact
    )


def _tracked(campaign: Campaign, found: float, now: float, pivot: str | None) -> Tracked:
    return Tracked(
        id=campaign.id,
        accounts=frozenset(campaign.accounts),
        p_benign=campaign.p_benign,
        verdict=campaign.verdict,
        families=campaign.families,
        reasons=campaign.reasons,
        innocent=campaign.innocent,
        exchanges=campaign.exchanges,
        found=found,
        last_found=now,
        pivot=pivot,
        members=campaign.members,
    )


def _pivots(campaigns: tuple[Campaign, ...], rows: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Campaigns that moved to a newly released model together, within a day of its first use by
    anybody.
    """
    began = rows["time"].min()
    released = (
        rows.drop_nulls("model").group_by("model").agg(pl.col("time").min().alias("released"))
    )
    new = released.filter(pl.col("released") > began + _SETTLED)  # type: ignore[operator]
    if not len(new):
        return
    moved = rows.join(new, on="model").filter(pl.col("time") <= pl.col("released") + _DAY)
    for campaign in campaigns:
        there = moved.filter(pl.col("account").is_in(campaign.accounts))
        for model, accounts in (
            there.group_by("model").agg(pl.col("account").n_unique()).iter_rows()
        ):
            if accounts >= _MOVED * len(campaign.accounts):
                yield (
                    campaign.id,
                    (
                        f"{accounts} of {len(campaign.accounts)} accounts moved to {model} within a"
                        " day of its release"
                    ),
                )
