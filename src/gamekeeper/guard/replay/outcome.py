"""Compares a replay with the truth, where labels say what each account is."""

from dataclasses import dataclass

import polars as pl

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.evidence import wilson_interval
from gamekeeper.guard.replay.player import Replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOutcome:
    """What the guard would have done to a true campaign.

    Args:
        campaign: By name.
        accounts: Its accounts.
        watched: Those that were watched or more at any time.
        slowed: Those that were slowed or more at any time.
        hours: From its first exchange until half of the accounts that had asked by then were held;
            None: never.
        exchanges: All that it sent.
        before: Of them answered in full, to accounts that were not held yet.
        after: Answered to accounts that were held, slowed or limited.
        refused: Not answered.
    """

    campaign: str
    accounts: int
    watched: int
    slowed: int
    hours: float | None
    exchanges: int
    before: int
    after: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinaryOutcome:
    """What the guard would have done to ordinary accounts.

    Args:
        accounts: How many.
        watched: Held at `watch` or more at any time.
        slowed: Held at `slow` or more at any time.
        limited: Held at `limit` or more.
        refused: Had an exchange refused.
        grouped: Were in a campaign at any time, whatever its verdict.
        exchanges: All that they sent.
        exchanges_refused: Of them not answered.
    """

    accounts: int
    watched: int
    slowed: int
    limited: int
    refused: int
    grouped: int
    exchanges: int
    exchanges_refused: int

    def share(self, accounts: int) -> tuple[float, float]:
        """Returns Wilson's interval, 95 %, of a share of ordinary accounts."""
        return wilson_interval(accounts, self.accounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replayed policy did to the true campaigns and to ordinary accounts."""

    campaigns: tuple[CampaignOutcome, ...]
    ordinary: OrdinaryOutcome


def outcomes(replayed: Replayed, labels: pl.DataFrame) -> Outcome:
    """Returns a replay compared with the truth.

    Args:
        replayed: What the guard would have done.
        labels: Columns `account` and `campaign`, null for ordinary accounts; an account a row.

    Raises:
        InputError: Columns are missing, or accounts of the log.
    """
    _require_labels(replayed, labels)
    rows = replayed.exchanges.join(labels.select("account", "campaign"), on="account").join(
        replayed.held, on="account", how="left"
    )
    grouped = rows.with_columns(
        pl.col("account").is_in(list(replayed.grouped)).alias("grouped"),
        pl.col("account").is_in(list(replayed.watched)).alias("is_watched"),
    )
    ordinary = grouped.filter(pl.col("campaign").is_null())
    campaigns = grouped.drop_nulls("campaign").partition_by(
        "campaign", as_dict=True, maintain_order=True
    )
    of_campaigns = tuple(
        _campaign(str(name), part)
        for (name,), part in sorted(campaigns.items(), key=lambda item: str(item[0][0]))
    )
    return Outcome(campaigns=of_campaigns, ordinary=_ordinary(ordinary))


def _campaign(name: str, rows: pl.DataFrame) -> CampaignOutcome:
    is_held = pl.col("slowed").is_not_null() & (pl.col("time") >= pl.col("slowed"))
    answered = rows.filter("is_answered")
    after = len(answered.filter(is_held))
    return CampaignOutcome(
        campaign=name,
        accounts=rows["account"].n_unique(),
        watched=rows.filter("is_watched")["account"].n_unique(),
        slowed=rows.drop_nulls("slowed")["account"].n_unique(),
        hours=_hours(rows),
        exchanges=len(rows),
        before=len(answered) - after,
        after=after,
        refused=len(rows) - len(answered),
    )


def _hours(rows: pl.DataFrame) -> float | None:
    """Hours from the first exchange until half of the accounts that had begun were held."""
    accounts = rows.group_by("account").agg(
        pl.col("time").min().alias("began"), pl.col("slowed").first()
    )
    first = accounts["began"].min()
    for at in accounts["slowed"].drop_nulls().sort():
        begun = accounts.filter(pl.col("began") <= at)
        if 2 * len(begun.filter(pl.col("slowed") <= at)) >= len(begun):
            return float((at - first).total_seconds()) / 3600
    return None


def _ordinary(rows: pl.DataFrame) -> OrdinaryOutcome:
    by_account = rows.group_by("account").agg(
        pl.col("slowed").first().is_not_null(),
        pl.col("limited").first().is_not_null(),
        pl.col("grouped").first(),
        pl.col("is_watched").first(),
        pl.col("is_answered").not_().sum().alias("refused"),
    )
    return OrdinaryOutcome(
        accounts=len(by_account),
        watched=int(by_account["is_watched"].sum()),
        slowed=int(by_account["slowed"].sum()),
        limited=int(by_account["limited"].sum()),
        refused=int((by_account["refused"] > 0).sum()),
        grouped=int(by_account["grouped"].sum()),
        exchanges=len(rows),
        exchanges_refused=int(by_account["refused"].sum()),
    )


def _require_labels(replayed: Replayed, labels: pl.DataFrame) -> None:
    if missing := {"account", "campaign"} - set(labels.columns):
        raise _unusable(
            f"there is no column {', '.join(sorted(missing))}", ", ".join(labels.columns)
        )
    if labels["account"].is_duplicated().any():
        raise _unusable(
            "an account is named twice",
            str(labels.filter(pl.col("account").is_duplicated())[0, 0]),
        )
    unknown = replayed.exchanges.select("account").unique().join(labels, on="account", how="anti")
    if len(unknown):
        raise _unusable(
            f"{len(unknown)} accounts of the log are not named", str(unknown["account"][0])
        )


def _unusable(problem: str, found: str) -> InputError:
    expected = "an account a row: account, campaign (null for ordinary accounts)"
    return input_error("labels", problem, found[:200], expected)
