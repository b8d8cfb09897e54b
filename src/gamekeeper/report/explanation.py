"""Why a campaign, an account or an owner got its verdict: what `gamekeeper explain` shows, also as
JSON.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.base.names import mask_name
from gamekeeper.base.text import one_line
from gamekeeper.campaigns.result import OWNER_LABEL, Campaign, HuntResult, distance
from gamekeeper.report.account_names import AccountNames, matching, told_apart
from gamekeeper.report.document import campaign_document, measured
from gamekeeper.report.formatting import iso
from gamekeeper.verdict import Member, Verdict

SCHEMA = "gamekeeper/explain@1"

_LISTED = 5
_COMPARED_NAMES = 20_000
"""Accounts, by falling suspicion, that an unknown name is compared with: a million would take a
minute.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of one campaign, one account or one owner.

    Args:
        subject: The campaign's id, the account, or the owner.
        kind: Which of them it is.
        verdict: What is recommended.
        p_benign: Its rank among ordinary groups or accounts.
        exchanges: All its exchanges.
        campaign: The campaign itself, or the one that the account belongs to, if any.
        readings: Its rows of `READINGS`, the strongest first.
        links: Its rows of `LINKS`, the strongest first.
        examples: Its rows of `EXAMPLES`.
        accounts: The accounts of an owner; else none.
        families: Of its campaign's families of evidence, those that an account shows itself.
        owner: Who answers for an account, if the log says.
        alias: What people call an account, if the log says.
    """

    subject: str
    kind: Literal["campaign", "account", "owner"]
    verdict: Verdict
    p_benign: float
    exchanges: int
    campaign: Campaign | None
    readings: pl.DataFrame
    links: pl.DataFrame
    examples: pl.DataFrame
    accounts: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    owner: str | None = None
    alias: str | None = None


def explain(result: HuntResult, subject: str) -> Explanation:
    """Gathers the evidence for and against a campaign, an account or an owner.

    Args:
        result: What was found.
        subject: A campaign's id; the name of an account or of an owner, its alias, or a beginning
            that no other has; `owner:NAME` for an owner that is called as an account is.

    Raises:
        UsageError: There is no such campaign, account or owner, or several; names the closest.
    """
    campaign = next((c for c in result.campaigns if c.id == subject), None)
    if campaign is not None:
        return _campaign(result, campaign)
    if (owner := _named_as_owner(result, subject)) is not None:
        return _owner(result, owner)
    if (account := _named_account(result, subject)) is not None:
        rows = result.accounts.filter(pl.col("account") == account)
        return _account(result, rows.row(0, named=True))
    owners = result.accounts["owner"].drop_nulls()
    if (owner := matching(owners, subject, "owners")) is not None:
        return _owner(result, owner)
    raise UsageError(_unknown(result, subject))


def _named_as_owner(result: HuntResult, subject: str) -> str | None:
    """The owner that `owner:NAME` names, or NAME where it is an owner's and no account's."""
    owners = result.accounts["owner"].drop_nulls()
    name = subject.removeprefix(OWNER_LABEL)
    if name != subject:
        return matching(owners, name, "owners")
    is_account = (result.accounts["account"] == subject).any()
    return subject if not is_account and (owners == subject).any() else None


def _named_account(result: HuntResult, subject: str) -> str | None:
    """The account of this name, masked name, alias, or beginning."""
    names = result.accounts["account"]
    for name in (subject, mask_name(subject)):
        if (names == name).any():
            return name
    if any(subject.lower() == campaign.id.lower() for campaign in result.campaigns):
        return None  # a campaign was meant
    called = result.accounts.filter(pl.col("alias") == subject)["account"]
    if len(called) == 1:
        return str(called[0])
    if len(called):
        listed = ", ".join(one_line(name) for name in told_apart(called.sort())[:_LISTED])
        raise UsageError(f'{len(called)} accounts are called "{one_line(subject)}": {listed}')
    return matching(names, subject, "accounts")


def explanation_json(result: HuntResult, subject: str) -> dict[str, Any]:
    """Returns the explanation as JSON for programs.

    Raises:
        UsageError: There is no such campaign, account or owner, or several.
    """
    known = explain(result, subject)
    return {
        "schema": SCHEMA,
        "subject": known.subject,
        "kind": known.kind,
        "verdict": known.verdict.value,
        "p_benign": measured(known.p_benign),
        "exchanges": known.exchanges,
        "accounts": list(known.accounts),
        "families": list(known.families),
        "owner": known.owner,
        "alias": known.alias,
        "campaign": _campaign_of(result, known),
        "readings": _rows(known.readings),
        "links": _rows(known.links),
        "examples": _rows(known.examples),
        "redacted": result.redacted,
    }


def _campaign_of(result: HuntResult, known: Explanation) -> dict[str, Any] | None:
    if known.campaign is None:
        return None
    return campaign_document(known.campaign, AccountNames(result.accounts))


def readings_of(result: HuntResult, subject: str) -> pl.DataFrame:
    """Returns the readings of a campaign or an account, the strongest first: those that count, then
    by their distance from ordinary.
    """
    of_subject = result.readings.filter(pl.col("subject") == subject)
    levels = of_subject.select("value", "ordinary", "ordinary_high").fill_null(float("nan"))
    far = pl.Series("far", [distance(*row) for row in levels.iter_rows()], pl.Float64)
    order = (pl.col("counts").fill_null(False), far.fill_nan(None))
    return of_subject.sort(*order, descending=True, nulls_last=True, maintain_order=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEvidence:
    """What one account of a campaign shows by itself, for people.

    Args:
        member: With its verdict and families.
        says: The readings that count against it, in words.
    """

    member: Member
    says: tuple[str, ...]


def evidence_of_members(result: HuntResult, campaign: Campaign, most: int) -> list[MemberEvidence]:
    """Returns what the members of a campaign show by themselves, those first that show most.

    Args:
        result: What was found.
        campaign: One of its campaigns.
        most: Members that are returned, at most.
    """
    ordered = sorted(
        campaign.known_members, key=lambda one: (-one.verdict.step, -len(one.families), one.account)
    )[:most]
    owners = dict(result.accounts.select("account", "owner").drop_nulls().iter_rows())
    # what is known of an owner that is linked as one is known of its accounts
    names = {
        one.account: (one.account, OWNER_LABEL + owners.get(one.account, "")) for one in ordered
    }
    counted = result.readings.filter("counts").filter(
        pl.col("subject").is_in([name for both in names.values() for name in both])
    )
    says: dict[str, list[str]] = {}
    for subject, sentence in counted.select("subject", "says").iter_rows():
        says.setdefault(subject, []).append(sentence)
    return [
        MemberEvidence(
            member=one,
            says=tuple(s for name in names[one.account] for s in says.get(name, ()) if s),
        )
        for one in ordered
    ]


def _campaign(result: HuntResult, campaign: Campaign) -> Explanation:
    return Explanation(
        subject=campaign.id,
        kind="campaign",
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
    # what is known of an owner that is linked as one is known of its accounts
    names = [name] if row["owner"] is None else [name, OWNER_LABEL + row["owner"]]
    return Explanation(
        subject=name,
        kind="account",
        verdict=Verdict(row["verdict"]),
        p_benign=float("nan") if row["p_benign"] is None else row["p_benign"],
        exchanges=row["exchanges"],
        campaign=next((c for c in result.campaigns if c.id == row["campaign"]), None),
        readings=_readings_of_any(result, names),
        links=_links_of_any(result, names),
        examples=result.examples.filter(pl.col("account") == name),
        families=tuple(row["families"] or ()),
        owner=row["owner"],
        alias=row["alias"],
    )


def _owner(result: HuntResult, owner: str) -> Explanation:
    accounts = result.accounts.filter(pl.col("owner") == owner)
    # the accounts of an owner that says nothing are judged one by one: the gravest verdict counts
    verdicts = [Verdict(name) for name in accounts["verdict"].unique()]
    verdict = max(verdicts, key=lambda one: one.step)
    gravest = accounts.filter(pl.col("verdict") == str(verdict)).sort("p_benign", "account")
    first = gravest.row(0, named=True)
    label = [OWNER_LABEL + owner]
    return Explanation(
        subject=owner,
        kind="owner",
        verdict=verdict,
        p_benign=float("nan") if first["p_benign"] is None else first["p_benign"],
        exchanges=int(accounts["exchanges"].sum()),
        campaign=next((c for c in result.campaigns if c.id == first["campaign"]), None),
        readings=_readings_of_any(result, label),
        links=_links_of_any(result, label),
        examples=result.examples.filter(pl.col("account").is_in(accounts["account"].implode())),
        accounts=tuple(accounts["account"].sort()),
        owner=owner,
    )


def _readings_of_any(result: HuntResult, names: list[str]) -> pl.DataFrame:
    return pl.concat([readings_of(result, name) for name in names])


def _links_of_any(result: HuntResult, names: list[str]) -> pl.DataFrame:
    return _strongest(result.links.filter(pl.col("a").is_in(names) | pl.col("b").is_in(names)))


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
    return f'no campaign, account or owner "{one_line(mask_name(subject))}" in this hunt; {try_}'


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    rows = (
        {name: measured(value) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    )
    return [row | {name: row[name] and iso(row[name]) for name in times} for row in rows]
