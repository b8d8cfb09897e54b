"""Why a campaign or an account got its verdict: what `gamekeeper explain` shows, also as JSON."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.base.names import mask_name
from gamekeeper.base.text import one_line
from gamekeeper.campaigns.result import Campaign, HuntResult
from gamekeeper.report.document import campaign_document, measured
from gamekeeper.report.formatting import iso
from gamekeeper.verdict import Verdict

SCHEMA = "gamekeeper/explain@1"

_COMPARED_NAMES = 20_000
"""Accounts, by falling suspicion, that an unknown name is compared with: a million would take a
minute.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of one campaign or one account.

    Args:
        subject: The campaign's id, or the account.
        is_account: Whether it is an account.
        verdict: What is recommended.
        p_benign: Its rank among ordinary groups or accounts.
        exchanges: All its exchanges.
        campaign: The campaign itself, or the one that the account belongs to, if any.
        readings: Its rows of `READINGS`, the strongest first.
        links: Its rows of `LINKS`, the strongest first.
        examples: Its rows of `EXAMPLES`.
    """

    subject: str
    is_account: bool
    verdict: Verdict
    p_benign: float
    exchanges: int
    campaign: Campaign | None
    readings: pl.DataFrame
    links: pl.DataFrame
    examples: pl.DataFrame


def explain(result: HuntResult, subject: str) -> Explanation:
    """Gathers the evidence for and against a campaign or an account.

    Raises:
        UsageError: The campaign or account does not exist; names the closest ones.
    """
    campaign = next((c for c in result.campaigns if c.id == subject), None)
    if campaign is not None:
        return _campaign(result, campaign)
    rows = result.accounts.filter(pl.col("account").is_in([subject, mask_name(subject)]))
    if not rows.height:
        raise UsageError(_unknown(result, subject))
    return _account(result, rows.row(0, named=True))


def explanation_json(result: HuntResult, subject: str) -> dict[str, Any]:
    """Returns the explanation as JSON for programs.

    Raises:
        UsageError: There is no such campaign or account.
    """
    known = explain(result, subject)
    return {
        "schema": SCHEMA,
        "subject": known.subject,
        "kind": "account" if known.is_account else "campaign",
        "verdict": known.verdict.value,
        "p_benign": measured(known.p_benign),
        "exchanges": known.exchanges,
        "campaign": campaign_document(known.campaign) if known.campaign else None,
        "readings": _rows(known.readings),
        "links": _rows(known.links),
        "examples": _rows(known.examples),
        "redacted": result.redacted,
    }


def readings_of(result: HuntResult, subject: str) -> pl.DataFrame:
    """Returns the readings of a campaign or an account, the strongest first."""
    of_subject = result.readings.filter(pl.col("subject") == subject)
    return of_subject.sort(pl.col("p_value").fill_nan(None), nulls_last=True, maintain_order=True)


def _campaign(result: HuntResult, campaign: Campaign) -> Explanation:
    return Explanation(
        subject=campaign.id,
        is_account=False,
        verdict=campaign.verdict,
        p_benign=campaign.p_benign,
        exchanges=campaign.exchanges,
        campaign=campaign,
        readings=readings_of(result, campaign.id),
        links=_strongest(result.links.filter(pl.col("campaign") == campaign.id)),
        examples=result.examples.filter(pl.col("campaign") == campaign.id),
    )


def _account(result: HuntResult, row: dict[str, Any]) -> Explanation:
    name = row["account"]
    return Explanation(
        subject=name,
        is_account=True,
        verdict=Verdict(row["verdict"]),
        p_benign=float("nan") if row["p_benign"] is None else row["p_benign"],
        exchanges=row["exchanges"],
        campaign=next((c for c in result.campaigns if c.id == row["campaign"]), None),
        readings=readings_of(result, name),
        links=_strongest(result.links.filter((pl.col("a") == name) | (pl.col("b") == name))),
        examples=result.examples.filter(pl.col("account") == name),
    )


def _strongest(links: pl.DataFrame) -> pl.DataFrame:
    return links.sort("exchanges", descending=True, nulls_last=True, maintain_order=True)


def _unknown(result: HuntResult, subject: str) -> str:
    names = [c.id for c in result.campaigns] + result.accounts["account"].head(
        _COMPARED_NAMES
    ).to_list()
    close = [name for name in names if name.lower() == subject.lower()] or get_close_matches(
        subject, names
    )
    listed = ", ".join(one_line(name) for name in close)
    try_ = (
        f"similar names: {listed}"
        if close
        else "verdicts.parquet lists the accounts, campaigns.json the campaigns"
    )
    return f'no campaign or account "{one_line(mask_name(subject))}" in this hunt; {try_}'


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    rows = (
        {name: measured(value) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    )
    return [row | {name: row[name] and iso(row[name]) for name in times} for row in rows]
