"""What each member of a campaign shows by itself: nobody is charged for what only others show.

Somebody who wants an innocent account accused can copy its prompts or share its network, and
thereby bring it into a group. What that person's accounts show beside is theirs. So every reading
is taken of each member as well, and ranked among ordinary accounts about as active as it:

    p = (1 + ordinary accounts at least as high) / (1 + ordinary accounts)

A reading counts against a member where p, times the readings by which its family counts against
the group, is at most `_SIGNIFICANT`: a family with five readings has five chances to err. Larger is
more like a campaign, so that this is the group's side of what is ordinary. Where the ranks cannot
be as small as that, no ordinary account may be as high.

The level is half of that for groups: framers choose among their victims, and a member that is
charged by chance pays for it. On composed campaigns nothing was lost by that.

What ties a group was found in exchanges, so a member shows it by having such exchanges. A template
is the exception, since templates have owners: a sentence that accounts outside used before the
campaign did is theirs and counts for nothing, and of the members only those are charged with a
sentence who took it up after two others had.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from gamekeeper.evidence import rank_p_values
from gamekeeper.linking import Group, LinkSample
from gamekeeper.signals import Counts, Signal

_SIGNIFICANT = 0.005
_FIRST_USES = 3
"""Uses of a sentence outside a campaign, before the campaign's first, that make it the others'."""
_TEMPLATE_USERS = 5  # members who make a sentence one of the template's
_OWN_SHARE = 1 / 3  # of a sentence's users are members, at least
_JOINS = 2  # members who used a sentence before one who is charged with it
_ALIKE = 499
"""Ordinary accounts, the nearest in activity, that a member is ranked among."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReadings:
    """One measurement of each member of a campaign, all of shape (members,).

    Args:
        values: The readings; NaN where not measured.
        ordinary: Median of the ordinary accounts that the member was ranked among.
        ordinary_high: Their 95th percentile.
        p_values: Rank among them; 1 where not measured, NaN where it was not ranked.
        decoys: How many they are.
        has_it: Whether the member has what ties the campaign, bool; None where a rank decides.
    """

    values: np.ndarray
    ordinary: np.ndarray
    ordinary_high: np.ndarray
    p_values: np.ndarray
    decoys: np.ndarray
    has_it: np.ndarray | None = None

    def counts(self, readings: int = 1) -> np.ndarray:
        """Returns against which members the reading counts, bool, shape (members,).

        Args:
            readings: By which the family counts against the group.
        """
        if self.has_it is not None:
            return self.has_it
        level = np.maximum(_SIGNIFICANT / readings, 1 / (1 + self.decoys))
        return np.asarray((self.p_values <= level) & (self.decoys > 0))


def own_readings(
    signal: Signal, summary: Counts, members: np.ndarray, innocent: np.ndarray
) -> OwnReadings:
    """Returns what each member shows by itself of what a signal reads in the group.

    Args:
        signal: What is read.
        summary: Its counts of all accounts.
        members: Of the group, account numbers.
        innocent: Ordinary accounts to rank among, at least one.
    """
    ranked = innocent[np.argsort(summary.exchanges[innocent], kind="stable")]
    read = signal.own(summary, members, np.concatenate([members, ranked]))
    values, others = np.split(read, [len(members)])
    first = _nearest(summary.exchanges[ranked], summary.exchanges[members])
    ordinary, high, p_values, decoys = (np.empty(len(members)) for _ in range(4))
    for start in np.unique(first):
        of = first == start
        alike = others[start : start + _ALIKE]
        alike = alike[~np.isnan(alike)]
        decoys[of] = len(alike)
        p_values[of] = rank_p_values(values[of], alike)
        ordinary[of] = np.median(alike) if len(alike) else np.nan
        high[of] = np.quantile(alike, 0.95) if len(alike) else np.nan
    return OwnReadings(
        values=values,
        ordinary=ordinary,
        ordinary_high=high,
        p_values=p_values,
        decoys=decoys,
    )


def _nearest(activity: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Where the accounts nearest in activity begin, in `activity`, ascending."""
    left = np.searchsorted(activity, asked, side="left")
    right = np.searchsorted(activity, asked, side="right")
    return np.asarray(np.clip((left + right - _ALIKE) // 2, 0, max(len(activity) - _ALIKE, 0)))


def own_tie(group: Group, members: np.ndarray, sample: LinkSample) -> OwnReadings | None:
    """Returns which members have exchanges that tie a group, and how many each; None where the
    members do not show by them what the group is tied by.
    """
    if group.family == "infrastructure":
        return None  # who shares what is read by its own signals
    linked = np.bincount(sample.accounts[group.rows], minlength=sample.account_count)
    if group.family == "shape":
        has_it = _took_up_the_template(group, members, sample)
    else:
        has_it = np.isin(members, group.accounts)
    nothing = np.full(len(members), np.nan)
    return OwnReadings(
        values=linked[members].astype(np.float64),
        ordinary=nothing,
        ordinary_high=nothing,
        p_values=nothing,
        decoys=np.zeros(len(members)),
        has_it=has_it,
    )


def _took_up_the_template(group: Group, members: np.ndarray, sample: LinkSample) -> np.ndarray:
    """Which members use a sentence of the campaign's own template that two others used before."""
    uses = _first_uses(group, members, sample)
    own = uses.filter(pl.col("is_own") & pl.col("is_member"))
    order = pl.col("time_s").rank("min").over("fragment")
    joined = own.filter(order > _JOINS)["account"].unique().to_numpy()
    return np.isin(members, np.intersect1d(joined, group.accounts))


def is_others_template(group: Group, members: np.ndarray, sample: LinkSample) -> bool:
    """Whether no sentence of a group's template is the campaign's own."""
    return not _first_uses(group, members, sample)["is_own"].any()


def _first_uses(group: Group, members: np.ndarray, sample: LinkSample) -> pl.DataFrame:
    """When each account first used each sentence of a group's template, and whose the sentence is.

    Returns:
        Columns `fragment`, `account`, `time_s`, `is_member`, and `is_own`: whether the sentence is
        the campaign's own.
    """
    pieces = sample.fragments.select("row", "fragment").unique()
    row = pieces["row"].to_numpy()
    uses = pieces.with_columns(
        pl.Series("account", sample.accounts[row]),
        pl.Series("time_s", sample.time_s[row]),
        pl.Series("is_member", np.isin(sample.accounts[row], members)),
        pl.Series("is_tied", np.isin(row, group.rows)),
    )
    user = pl.col("account")
    began = pl.col("time_s").filter("is_member").min()
    earlier = (~pl.col("is_member") & (pl.col("time_s") < began)).sum()
    inside = user.filter("is_member").n_unique()
    of_template = uses.group_by("fragment").agg(
        user.filter("is_tied").n_unique().alias("users"),
        ((earlier < _FIRST_USES) & (inside >= _OWN_SHARE * user.n_unique())).alias("is_own"),
    )
    wanted = of_template.filter(pl.col("users") >= _TEMPLATE_USERS).select("fragment", "is_own")
    first = uses.group_by("fragment", "account", "is_member").agg(pl.col("time_s").min())
    return first.join(wanted, on="fragment")
