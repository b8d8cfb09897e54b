"""Accounts that open with the shape of a campaign that is known: what comes after a ban.

A campaign's shape is the sentences that its members share and hardly anybody else uses. An account
outside that sends them around `MIN_TIMES` different texts, as a good part of what it asks, joins
the campaign; the condition is used only if hardly any ordinary account of the window meets it. So a
replacement is known by its third prompt, not after the weeks in which a group by itself would show.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import polars as pl

from gamekeeper.campaigns import Campaign
from gamekeeper.encoding import fragments
from gamekeeper.evidence import rank_p_value

MIN_TIMES = 3
_SHARE = 0.25  # of what an account asked
_RARE = 0.005  # p-value of the condition among ordinary accounts of the window


@dataclass(slots=True)
class _Seen:
    exchanges: int = 0
    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Openings:
    """Watches for known shapes among what comes in."""

    def __init__(self) -> None:
        self._shapes: dict[str, str] = {}  # sentence -> campaign
        self._members: set[str] = set()
        self._seen: dict[str, _Seen] = defaultdict(_Seen)

    def learn(self, campaigns: tuple[Campaign, ...], window: pl.DataFrame) -> None:
        """Learns the shapes of what a pass found.

        Args:
            campaigns: What it found.
            window: What was compared: columns `account`, `prompt`, `system`.
        """
        self._members = {account for c in campaigns for account in c.accounts}
        ordinary = window.filter(~pl.col("account").is_in(list(self._members)))
        self._shapes = {}
        for campaign in campaigns:
            if campaign.fragments and _is_rare(campaign.fragments, ordinary):
                self._shapes |= dict.fromkeys(campaign.fragments, campaign.id)

    def match(self, exchanges: pl.DataFrame) -> dict[str, str]:
        """Returns accounts that now meet the condition, each with its campaign; an account is told
        once.
        """
        if not self._shapes:
            return {}
        rows = _with_shapes(
            exchanges.filter(~pl.col("account").is_in(list(self._members))), list(self._shapes)
        )
        joined = {}
        for account, shapes in rows.iter_rows():
            seen = self._seen[account]
            seen.exchanges += 1
            for campaign in {self._shapes[shape] for shape in shapes or ()}:
                seen.times[campaign] += 1
                if _meets(seen.times[campaign], seen.exchanges):
                    joined[account] = campaign
        self._members |= joined.keys()
        return joined


def _meets(times: int, exchanges: int) -> bool:
    return times >= MIN_TIMES and times >= _SHARE * exchanges


def _is_rare(shapes: tuple[str, ...], ordinary: pl.DataFrame) -> bool:
    """Whether hardly any ordinary account meets the condition with these sentences."""
    if not len(ordinary):
        return False
    used = (
        _with_shapes(ordinary, list(shapes))
        .group_by("account")
        .agg(pl.len().alias("exchanges"), pl.col("shapes").is_not_null().sum().alias("times"))
    )
    meets = used.select(
        (pl.col("times") >= MIN_TIMES) & (pl.col("times") >= _SHARE * pl.col("exchanges"))
    )
    return rank_p_value(1.0, meets.to_series().cast(pl.Float64).to_numpy()) <= _RARE


def _with_shapes(exchanges: pl.DataFrame, shapes: list[str]) -> pl.DataFrame:
    """Columns `account` and `shapes` (which of `shapes` an exchange puts around something else), a
    row an exchange.

    A sentence that stands alone is a question, not a template: two people may ask it.
    """
    pieces = fragments(exchanges).with_columns(pl.col("text").is_in(shapes).alias("is_shape"))
    payload = ~pl.col("is_shape") & (pl.col("part") == "prompt")
    by_row = pieces.group_by("row").agg(
        pl.col("text").filter("is_shape").unique().alias("shapes"),
        payload.any().alias("has_payload"),
    )
    held = by_row.filter(pl.col("has_payload") & (pl.col("shapes").list.len() > 0)).drop(
        "has_payload"
    )
    return (
        exchanges.select("account")
        .with_row_index("row")
        .join(held, on="row", how="left")
        .drop("row")
    )
