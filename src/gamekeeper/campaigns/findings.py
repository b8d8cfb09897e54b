"""From claims and readings to the records that reports, files and `explain` use."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from gamekeeper.base.wording import counted
from gamekeeper.campaigns import report_frames
from gamekeeper.campaigns.claims import Claims, FoundGroup
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.options import SearchOptions
from gamekeeper.campaigns.own_evidence import is_others_template, own_tie
from gamekeeper.campaigns.result import ACCOUNTS, READINGS, Campaign, HuntResult
from gamekeeper.campaigns.units import ACCOUNT_BY_ACCOUNT
from gamekeeper.campaigns.weigh import (
    RankedReading,
    families,
    families_of_members,
    significant_readings,
)
from gamekeeper.exchange import OPTIONAL, ReadSummary
from gamekeeper.signals import SIGNALS
from gamekeeper.verdict import Member, Policy, Verdict

_FEW_ORDINARY = 100


def findings(
    read: ReadSummary,
    options: SearchOptions,
    compared: Comparison,
    claims: Claims,
    weighed: list[list[RankedReading]],
    summaries: Mapping[str, pl.DataFrame],
    name: Callable[[Sequence[Sequence[str]]], Sequence[str]],
    of_units: Sequence[str] = (),
) -> HuntResult:
    """Returns what was found as records; `seconds` and `power` are left empty.

    Args:
        read: Where the exchanges came from.
        options: How they were searched.
        compared: The sample.
        claims: What was found in it.
        weighed: The readings of each claim that was found.
        summaries: Of the signals, by unit.
        name: Gives campaigns their names, from their members' accounts.
        of_units: What was decided on who is linked as one, in words.
    """
    names = name([_accounts_of(compared, found) for found in claims.found])
    weighed = [
        _with_own_ties(readings, found, compared)
        for found, readings in zip(claims.found, weighed, strict=True)
    ]
    against = [
        _against_campaign(readings, found, compared)
        for found, readings in zip(claims.found, weighed, strict=True)
    ]
    campaigns = tuple(
        _campaign(id, found, readings, counted, compared, options)
        for id, found, readings, counted in zip(names, claims.found, weighed, against, strict=True)
    )
    without = options.policy.without
    links, in_all = report_frames.links_frame(compared, claims, names, without)
    campaigns = tuple(replace(c, links=n) for c, n in zip(campaigns, in_all, strict=True))
    return HuntResult(
        accounts=_accounts(compared, claims, campaigns),
        campaigns=campaigns,
        readings=pl.concat(
            [
                _readings(names, weighed, against),
                _own_readings(compared, claims, weighed, without),
                _account_readings(compared, claims, without),
            ]
        ),
        links=links,
        examples=report_frames.examples_frame(
            compared, claims, names, options.seed, options.redact
        ),
        timeline=report_frames.timeline_frame(summaries["even-pace"], compared, claims, names),
        map=report_frames.map_frame(compared, claims, names, options.seed),
        read=_without_excerpts(read) if options.redact else read,
        exchanges=int(compared.accounts["exchanges"].sum()),
        linked_sample=len(compared.rows),
        first_seen=compared.accounts["first_seen"].min(),  # type: ignore[arg-type]
        last_seen=compared.accounts["last_seen"].max(),  # type: ignore[arg-type]
        could_not_show=(*of_units, *_could_not_show(read, compared, claims, options.policy)),
        encoders=compared.encoders,
        seconds={},
        redacted=options.redact,
        policy=options.policy,
    )


def _accounts_of(compared: Comparison, found: FoundGroup) -> list[str]:
    return compared.accounts_of(found.accounts)["account"].sort().to_list()


def _with_own_ties(
    readings: Sequence[RankedReading], found: FoundGroup, compared: Comparison
) -> list[RankedReading]:
    """The readings, those of what ties the campaign with what each member shows of it."""
    ties = {group.family: group for group in found.groups}
    return [
        replace(r, own=own_tie(ties[r.card.family], found.accounts, compared.sample))
        if r.own is None and r.card.family in ties
        else r
        for r in readings
    ]


def _against_campaign(
    readings: Sequence[RankedReading], found: FoundGroup, compared: Comparison
) -> tuple[str, ...]:
    """Families that count against a campaign, the first of its ties where none is significant."""
    tie = found.pooled or found
    if not tie.groups:
        return ("coverage",)
    others = {
        group.family
        for group in found.groups
        if group.family == "shape" and is_others_template(group, found.accounts, compared.sample)
    }
    significant = tuple(f for f in families(readings) if f not in others)
    return significant or (tie.groups[0].family,)


def _members(
    found: FoundGroup,
    readings: Sequence[RankedReading],
    against: tuple[str, ...],
    compared: Comparison,
    policy: Policy,
) -> tuple[Member, ...]:
    """What each account shows; a single account, or several judged as one, are only watched."""
    of_units = [against] * len(found.accounts)
    if found.groups:
        of_units = families_of_members(readings, against, len(found.accounts))
    by_unit = dict(zip(found.accounts.tolist(), of_units, strict=True))
    accounts = compared.accounts_of(found.accounts).sort("account")
    members = [
        Member.judged(account, by_unit[unit], policy)
        for account, unit in accounts.select("account", "number").iter_rows()
    ]
    if found.groups:
        return tuple(members)
    return tuple(replace(member, verdict=Verdict.WATCH) for member in members)


def _campaign(
    name: str,
    found: FoundGroup,
    readings: list[RankedReading],
    against: tuple[str, ...],
    compared: Comparison,
    options: SearchOptions,
) -> Campaign:
    members = compared.accounts_of(found.accounts)
    own = _members(found, readings, against, compared, options.policy)
    strong = [r for r in readings if r.p_value <= 0.05 and r.card.maturity != "experimental"]
    reasons = tuple(r.says for r in strong)
    return Campaign(
        id=name,
        accounts=tuple(members["account"].sort()),
        exchanges=int(members["exchanges"].sum()),
        linked=len(found.rows),
        first_seen=members["first_seen"].min(),  # type: ignore[arg-type]
        last_seen=members["last_seen"].max(),  # type: ignore[arg-type]
        p_benign=found.p_benign,
        decoys=len(found.decoys),
        verdict=max((member.verdict for member in own), key=lambda each: each.step),
        families=against,
        reasons=(found.says, *reasons) if found.pooled else reasons,
        innocent=_innocent(strong),
        links=0,
        fragments=() if options.redact else report_frames.shared_fragments(compared, found),
        owners=tuple(members["owner"].drop_nulls().unique().sort()),
        members=own,
    )


def _innocent(strong: Sequence[RankedReading]) -> tuple[str, ...]:
    """Innocent explanations, each once, with the signals that it would explain."""
    explained: dict[str, list[str]] = {}
    for reading in strong:
        explained.setdefault(reading.card.look_alikes, []).append(reading.card.name)
    return tuple(f"{', '.join(names)}: {look_alikes}" for look_alikes, names in explained.items())


def _without_excerpts(read: ReadSummary) -> ReadSummary:
    return replace(read, faults=tuple(replace(fault, found="(redacted)") for fault in read.faults))


def _accounts(compared: Comparison, claims: Claims, campaigns: Sequence[Campaign]) -> pl.DataFrame:
    """A row an account: the judgement of its unit, its own exchanges."""
    rows = [
        (m.account, c.id, m.verdict.value, list(m.families)) for c in campaigns for m in c.members
    ]
    columns = ("account", "campaign", "verdict", "families")
    judged = pl.DataFrame(rows, schema={name: ACCOUNTS[name] for name in columns}, orient="row")
    p_benign = pl.Series("p_benign", claims.p_account[compared.members["number"].to_numpy()])
    frame = compared.members.with_columns(p_benign).join(judged, on="account", how="left")
    frame = frame.with_columns(
        pl.col("verdict").fill_null(Verdict.ALLOW.value), pl.col("families").fill_null([])
    )
    return frame.select(ACCOUNTS.keys()).cast(ACCOUNTS).sort("p_benign", "account")  # type: ignore[arg-type]


def _readings(
    names: Sequence[str],
    weighed: Sequence[Sequence[RankedReading]],
    against: Sequence[tuple[str, ...]],
) -> pl.DataFrame:
    rows = []
    for name, readings, evidence in zip(names, weighed, against, strict=True):
        count = [r for family in evidence for r in significant_readings(readings, family)]
        for r in readings:
            ranked = (r.value, r.card.unit, r.ordinary, r.ordinary_high, r.p_value, r.decoys)
            is_counted = any(r is one for one in count)
            rows.append((name, r.card.family, r.card.name, *ranked, r.says, is_counted))
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def _own_readings(
    compared: Comparison,
    claims: Claims,
    weighed: Sequence[Sequence[RankedReading]],
    without: Collection[str],
) -> pl.DataFrame:
    """What each member shows by itself."""
    labels = compared.labels
    rows = [
        row
        for found, readings in zip(claims.found, weighed, strict=True)
        for reading in readings
        if reading.card.family not in without
        for row in _own_rows(reading, readings, [labels[unit] for unit in found.accounts])
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def _own_rows(
    reading: RankedReading, readings: Sequence[RankedReading], members: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    own = reading.own
    if own is None:
        return
    significant = significant_readings(readings, reading.card.family)
    is_evidence = any(reading is each for each in significant)
    counts = own.counts(max(len(significant), 1)) & is_evidence
    signal = SIGNALS.get(reading.card.name)
    unit = reading.card.unit if signal else "exchanges"
    for i, member in enumerate(members):
        value = float(own.values[i])
        ordinary = float(own.ordinary[i])
        if np.isnan(value):
            continue
        says = signal.say_own(value, ordinary) if signal else _say_own_tie(reading, value)
        ranked = (ordinary, float(own.ordinary_high[i]), float(own.p_values[i]))
        named = (member, reading.card.family, reading.card.name, value, unit)
        yield (*named, *ranked, int(own.decoys[i]), says, bool(counts[i]))


def _say_own_tie(reading: RankedReading, exchanges: float) -> str:
    """What one member has of what ties the campaign."""
    number = counted(round(exchanges), "exchange")
    if reading.card.family == "shape":
        return f"{number} of it use the campaign's template"
    return f"{number} of it are among those that connect the campaign's accounts"


def _account_readings(
    compared: Comparison, claims: Claims, without: Collection[str]
) -> pl.DataFrame:
    """The number of sittings in which each account sent prompts close to a campaign's; accounts
    with none are left out, and so are all where content is not used.
    """
    near = claims.near_sittings
    if "content" in without:
        return pl.DataFrame(schema=READINGS)
    all_ = compared.sample.all_sittings
    member = np.zeros(len(near), bool)
    for found in claims.found:
        member[found.accounts] = True
    outside = near[~member] if (~member).any() else np.zeros(1)
    accounts = compared.labels
    median = np.median(outside)
    high = np.quantile(outside, 0.95)
    rows = [
        (
            accounts[int(i)],
            "content",
            "sittings-near-a-campaign",
            float(near[i]),
            "sittings",
            float(median),
            float(high),
            float(claims.p_account[i]),
            int((~member).sum()),
            f"in {near[i]} of its {all_[i]} sittings it sent prompts close to a campaign's prompts",
            None,
        )
        for i in np.flatnonzero(near)
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def _could_not_show(
    read: ReadSummary, compared: Comparison, claims: Claims, policy: Policy
) -> tuple[str, ...]:
    sentences = [
        *_absent(read.columns_seen),
        *_sampled(len(compared.rows), int(compared.accounts["exchanges"].sum())),
        *_ranks(claims, compared, policy),
        (
            f"these cannot be distinguished from ordinary users: a group of fewer than"
            f" {policy.min_accounts} accounts, a group whose accounts keep to a subject each,"
            " and a single account that scrapes one narrow subject"
        ),
    ]
    return tuple(sentences)


def _absent(seen: Collection[str]) -> Iterator[str]:
    blind = [
        (c, s.card.name)
        for c in OPTIONAL
        if c not in seen
        for s in SIGNALS.values()
        if c in s.card.needs
    ]
    if blind:
        columns, names = zip(*blind, strict=True)
        yield f"the log has no {', '.join(columns)}: {', '.join(names)} skipped"
    if "prompt" not in seen:
        yield "the log has features, no prompts: shape and elicitation skipped"


def _sampled(rows: int, exchanges: int) -> Iterator[str]:
    if rows < exchanges:
        yield (
            f"content and shape were compared on {rows:,} of {exchanges:,} exchanges, a sample of"
            " each account"
        )


def _ranks(claims: Claims, compared: Comparison, policy: Policy) -> Iterator[str]:
    """What cannot be shown with so few accounts or decoys."""
    ordinary = len(claims.innocent)
    if ordinary < _FEW_ORDINARY:
        held = counted(ordinary, f"ordinary {compared.called}".replace(" or ", " or ordinary "))
        only = "only " if ordinary else ""
        by_account = f"; {ACCOUNT_BY_ACCOUNT}" if compared.has_owners else ""
        yield (
            f"{only}{held} to rank among: p-values cannot be small, so campaigns may be missed"
            f"{by_account}"
        )
    if claims.tested and claims.decoys.least_p > policy.false_discovery_rate / claims.tested:
        yield (
            f"{counted(claims.tested, 'group')} of accounts"
            f" {'was' if claims.tested == 1 else 'were'} tested against"
            f" {counted(len(claims.decoys), 'decoy')}: at a false discovery rate of"
            f" {policy.false_discovery_rate:g} no group could be found by itself, only several"
            " together (single accounts are tested apart)"
        )
