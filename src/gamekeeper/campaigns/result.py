"""What a hunt found, as records: all that reports, `explain` and files use."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from gamekeeper.exchange import ReadSummary
from gamekeeper.verdict import Member, Policy, Verdict

Columns = dict[str, pl.DataType | type[pl.DataType]]

OWNER_LABEL = "owner:"
"""Comes before the name of an owner that is linked as one, where accounts are named too: in links
and readings.
"""

ACCOUNTS: Columns = {
    "account": pl.String,
    "campaign": pl.String,  # null: in no campaign
    "verdict": pl.String,  # allow, watch, slow, limit, deny
    "p_benign": pl.Float64,  # rank among ordinary accounts; small: rare among them
    "exchanges": pl.UInt32,
    "owner": pl.String,  # who answers for it, if the log says; judged as one with its others
    "alias": pl.String,  # what people call the account, if the log says
    "families": pl.List(pl.String),  # of its campaign's, those that it shows itself
}
"""Columns of `verdicts.parquet`, one row an account seen, by falling suspicion."""

READINGS: Columns = {
    "subject": pl.String,  # a campaign's id, or an account
    "family": pl.String,  # content, shape, elicitation, rhythm, infrastructure, coverage, pivot
    "signal": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "ordinary": pl.Float64,  # the decoys' median
    "ordinary_high": pl.Float64,  # the decoys' 95th percentile towards suspicion
    "p_value": pl.Float64,  # rank among the decoys
    "decoys": pl.UInt32,
    "says": pl.String,  # the reading as a sentence
    # of a campaign: whether its family counts by it; of an account: whether the account shows it
    "counts": pl.Boolean,
}
"""Columns of the readings: every measurement and what it was ranked against."""

LINKS: Columns = {
    "campaign": pl.String,
    "a": pl.String,
    "b": pl.String,
    "family": pl.String,
    "exchanges": pl.Float64,
}
"""Columns of the links: pairs of accounts of one campaign, and how many of their exchanges are
neighbours.
"""

EXAMPLES: Columns = {
    "campaign": pl.String,
    "account": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "model": pl.String,
    "system": pl.String,
    "prompt": pl.String,
}
"""Columns of the example exchanges; `system` and `prompt` are null when redacted."""

TIMELINE: Columns = {
    "campaign": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "exchanges": pl.Float64,
    "ordinary": pl.Float64,
}
"""Exchanges of each campaign's accounts in equal spans of time, and the mean of as many ordinary
accounts.
"""

MAP: Columns = {"x": pl.Float64, "y": pl.Float64, "campaign": pl.String, "account": pl.String}
"""Linked and ordinary prompts on a plane (two leading components of their vectors)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Accounts that act as one extraction.

    Args:
        id: Name of the campaign in this run, from `C1`, by falling evidence.
        accounts: Its members, sorted.
        exchanges: All exchanges of its members.
        linked: Those of them that tie its members together (in the sample that was linked).
        first_seen: Time of the members' first exchange.
        last_seen: Time of their last.
        p_benign: Rank among decoy groups, exact: (1 + decoys at least as strong) / (1 + decoys).
        decoys: How many decoy groups it was ranked against.
        verdict: The highest that any of its members has; each has its own, see `members`.
        families: Families of evidence that are significant on their own.
        reasons: Why, in words: what ties it, then the strongest first.
        innocent: What an innocent explanation would look like, in words.
        links: Number of account pairs that are tied, by each family; `LINKS` holds the strongest.
        fragments: Sentences that its prompts share and others hardly use; empty when redacted.
        owners: Declared owners of its accounts, each linked as one.
        members: What each of its accounts shows by itself, in order of `accounts`; empty where that
            is not known, as in results of earlier versions: then `verdict` holds for all.
    """

    id: str
    accounts: tuple[str, ...]
    exchanges: int
    linked: int
    first_seen: datetime
    last_seen: datetime
    p_benign: float
    decoys: int
    verdict: Verdict
    families: tuple[str, ...]
    reasons: tuple[str, ...]
    innocent: tuple[str, ...]
    links: int
    fragments: tuple[str, ...]
    owners: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def known_members(self) -> tuple[Member, ...]:
        """Its members; where it is not known what each shows, all with what the campaign shows."""
        if self.members:
            return self.members
        return tuple(
            Member(account=account, verdict=self.verdict, families=self.families)
            for account in self.accounts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedCampaign:
    """A campaign that was put into the log to see whether the search would find it.

    Args:
        accounts: Its accounts.
        exchanges_each: Exchanges of each.
        found: Whether it was found, and would have passed the test beside the log's own claims.
    """

    accounts: int
    exchanges_each: int
    found: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What a hunt that found nothing could have found.

    Args:
        planted: Campaigns that were planted, by size.
        false_discovery_rate: At which they were tested.
        claims: The log's own claims that were tested.
        decoys: Decoys they were ranked against.
        why: Why some or all could not be found, in words.
        remedy: What would change it, in words.
        untested: What no planted campaign tests, in words.
    """

    planted: tuple[PlantedCampaign, ...]
    false_discovery_rate: float
    claims: int
    decoys: int
    why: tuple[str, ...]
    remedy: tuple[str, ...]
    untested: tuple[str, ...] = ()

    @property
    def smallest(self) -> PlantedCampaign | None:
        """The smallest planted campaign that was found."""
        return next((planted for planted in self.planted if planted.found), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntResult:
    """All that one hunt found.

    Args:
        accounts: Frame of `ACCOUNTS`.
        campaigns: By falling evidence.
        readings: Frame of `READINGS`.
        links: Frame of `LINKS`.
        examples: Frame of `EXAMPLES`.
        timeline: Frame of `TIMELINE`.
        map: Frame of `MAP`.
        read: What was read, and the faults that were tolerated.
        exchanges: Exchanges hunted.
        linked_sample: Exchanges that content and shape were compared on.
        first_seen: Time of the first exchange.
        last_seen: Time of the last.
        could_not_show: What this log could not show, in words.
        encoders: Names and versions of the encoders.
        seconds: Wall time by stage.
        redacted: Whether prompts were left out.
        policy: The thresholds that were used.
        power: What a hunt that found nothing could have found; None where it was not measured.
    """

    accounts: pl.DataFrame
    campaigns: tuple[Campaign, ...]
    readings: pl.DataFrame
    links: pl.DataFrame
    examples: pl.DataFrame
    timeline: pl.DataFrame
    map: pl.DataFrame
    read: ReadSummary
    exchanges: int
    linked_sample: int
    first_seen: datetime
    last_seen: datetime
    could_not_show: tuple[str, ...]
    encoders: tuple[str, ...]
    seconds: dict[str, float]
    redacted: bool
    policy: Policy
    power: Power | None = None

    @property
    def could_find_nothing(self) -> bool:
        """Whether nothing was found and nothing could have been: no planted campaign was found."""
        if self.power is None or self.campaigns:
            return False
        return self.power.smallest is None


_LEAST_SPREAD = 0.01  # of a reading


def distance(value: float, ordinary: float, ordinary_high: float) -> float:
    """Returns how far a reading is from the ordinary median, in steps to the 95th percentile.

    A p-value cannot be smaller than the number of decoys supports, so that most readings of a plain
    campaign share the smallest there is; their distance still tells the strong from the weak. Where
    ordinary groups do not differ at all, a hundredth of the reading is taken for their spread.
    """
    spread = max(abs(ordinary_high - ordinary), _LEAST_SPREAD * abs(value), 1e-12)
    towards = -1 if ordinary_high < ordinary else 1
    return towards * (value - ordinary) / spread


__all__ = [
    "ACCOUNTS",
    "EXAMPLES",
    "LINKS",
    "MAP",
    "OWNER_LABEL",
    "READINGS",
    "TIMELINE",
    "Campaign",
    "HuntResult",
    "PlantedCampaign",
    "Power",
    "distance",
]
