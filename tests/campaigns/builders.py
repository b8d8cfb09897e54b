"""Small worlds without text, and logs of ordinary accounts that every signal can read."""

from dataclasses import replace

import numpy as np
import polars as pl

from gamekeeper.base.errors import Fault
from gamekeeper.campaigns.claims import Claims, FoundGroup, find_campaigns
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.ranking import Decoys, kind
from gamekeeper.encoding import Payloads
from gamekeeper.exchange import ReadSummary, conform
from gamekeeper.linking import Group, LinkSample, Ordinary
from gamekeeper.linking.card import Family
from gamekeeper.linking.memory import UNKNOWN
from gamekeeper.signals import SIGNALS
from gamekeeper.verdict import Policy
from linking.builders import World

START_S = 1_775_001_600  # a midnight, UTC
PEOPLE = 50
MEMBERS = 12


class TextPayloads(Payloads):
    """Vectors that pass for those of text: single accounts are not looked for in a tabular API."""

    are_features = False


class SmallWorld:
    """Fifty people, a club whose members keep to their own corner of one subject, and, where
    `planted`, a deck dealt to twelve accounts.
    """

    def __init__(self, seed: int, *, planted: bool, clubs: int = 1) -> None:
        world = World(seed, topics=100)
        self.people = world.people(PEOPLE, sittings=5, each=5)
        self.clubs = [world.club(12, own=0.03) for _ in range(clubs)]
        self.members = np.zeros(0, int)
        if planted:
            self.members = world.campaign(world.deck(600), MEMBERS, 0.3, sittings=6, each=6)
        self.sample = world.sample()


def claims_of(sample: LinkSample, seed: int = 0, policy: Policy | None = None) -> Claims:
    return find_campaigns(sample, policy or Policy(), seed, lambda done, total: None)


def some_group(
    payloads: np.ndarray,
    own_interest: float = 0.0,
    follow_up: float = 0.0,
    *,
    first: int = 0,
    family: Family = "content",
) -> Group:
    """A group of accounts `first`, `first` + 1, ... whose memory is known to a tenth of what is
    ordinary.
    """
    accounts = np.arange(first, first + len(payloads))
    memory = replace(
        UNKNOWN,
        own_interest=own_interest,
        own_interest_error=0.07,
        follow_up=follow_up,
        follow_up_error=0.01,
    )
    rows = np.arange(1_000 * first, 1_000 * first + int(payloads.sum()))
    return Group(family=family, accounts=accounts, rows=rows, payloads=payloads, memory=memory)


def some_decoys(strengths: np.ndarray) -> Decoys:
    """Decoys like `some_group`, of accounts that no claim has."""
    like = kind(some_group(np.full(5, 9)))
    nobody = np.arange(10**6, 10**6 + 8)
    return Decoys(
        strengths=strengths,
        kinds=(like,) * len(strengths),
        accounts=(nobody,) * len(strengths),
        searched=np.arange(10**7, 10**7 + 5 * len(strengths)),
    )


def found_group(accounts: np.ndarray, groups: tuple[Group, ...] = ()) -> FoundGroup:
    """A claim that holds, of these accounts and with one exchange of each."""
    return FoundGroup(
        accounts=accounts,
        rows=accounts,
        senders=accounts,
        p_benign=0.01,
        strength=30.0,
        decoys=np.zeros(99),
        groups=groups,
        p_ties=(0.01,) * len(groups),
    )


def claims_about(accounts: int, *found: FoundGroup) -> Claims:
    """Claims of which `found` hold; everybody else may serve as a decoy."""
    held = np.concatenate([f.accounts for f in found])
    return Claims(
        found=found,
        ordinary=Ordinary.of([]),
        tested=len(found),
        decoys=some_decoys(np.zeros(99)),
        innocent=np.setdiff1d(np.arange(accounts), held),
        p_account=np.ones(accounts),
        near_sittings=np.zeros(accounts, np.int64),
    )


def ordinary_log(seed: int, accounts: int = 160, *, equally_active: bool = False) -> pl.DataFrame:
    """A log in which every account has habits of its own and none has to do with another.

    It has the columns that hashing and encoding add, so that every signal can be summarised.
    """
    rng = np.random.default_rng(seed)
    drawn = np.maximum(rng.lognormal(2.8, 0.6, accounts).astype(int), 3)
    sizes = np.full(accounts, 18) if equally_active else drawn
    account = np.repeat(np.arange(accounts), sizes)
    rows = len(account)
    day = rng.integers(0, 20, (accounts, 6))[account, rng.integers(0, 6, rows)]
    hour = rng.integers(0, 24, accounts)[account]
    time = START_S + day * 86_400 + hour * 3_600 + rng.integers(0, 3_600, rows)
    created = START_S - 86_400 * rng.integers(1, 400, accounts)[account]
    asks = rng.random(rows) < rng.beta(0.5, 4, accounts)[account]
    moves = (day > 8) & (rng.random(rows) < rng.beta(0.5, 3, accounts)[account])
    cells = rng.integers(0, 60, (accounts, 5))[account, rng.integers(0, 5, rows)]
    columns = {
        "account": [f"a{number:04d}" for number in account],
        "time": moments(time),
        "account_created": moments(created),
        "prompt": np.where(asks, "think step by step", "good morning"),
        "model": np.where(moves, "new", "old"),
        "ip": [f"10.0.0.{n}" for n in rng.integers(0, accounts // 2, accounts)[account]],
        "asn": rng.integers(0, 30, accounts)[account],
        "client": [f"sdk/{n}" for n in np.minimum(rng.zipf(1.5, accounts), 20)[account]],
        "payment": [f"card-{n}" for n in rng.integers(0, accounts, accounts)[account]],
    }
    frame = conform(pl.DataFrame(columns))
    hashes = account * 1_000 + rng.integers(0, 30, rows)
    return frame.with_columns(
        pl.Series("cell", cells.astype(np.uint16)),
        pl.Series("prompt_hash", hashes.astype(np.uint64)),
    )


def moments(seconds: np.ndarray) -> pl.Series:
    return pl.from_epoch(pl.Series(seconds)).dt.replace_time_zone("UTC")


def numbered(log: pl.DataFrame) -> pl.DataFrame:
    """Totals of the accounts of a log, numbered by name, as `Comparison.accounts`."""
    return (
        log.group_by("account")
        .agg(
            pl.len().cast(pl.UInt32).alias("exchanges"),
            pl.col("time").min().alias("first_seen"),
            pl.col("time").max().alias("last_seen"),
        )
        .sort("account")
        .with_row_index("number")
    )


def summaries_of(log: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {name: signal.summarise(log) for name, signal in SIGNALS.items()}


def comparison_of(sample: LinkSample) -> Comparison:
    """A sample with what a hunt knows beside it: names, times, prompts that hold a secret word."""
    log = pl.DataFrame(
        {
            "account": [f"a{number:04d}" for number in sample.accounts],
            "time": moments(START_S + sample.time_s),
            "prompt": [f"confidential question {i}" for i in range(len(sample.accounts))],
            "system": [f"confidential system {i}" for i in range(len(sample.accounts))],
            "model": ["m"] * len(sample.accounts),
        }
    )
    rows = conform(log).with_columns(
        pl.Series("number", sample.accounts.astype(np.uint32)),
        pl.int_range(pl.len(), dtype=pl.UInt64).alias("prompt_hash"),
        pl.int_range(pl.len(), dtype=pl.UInt64).alias("row_hash"),
        pl.lit(0, pl.UInt16).alias("cell"),
    )
    accounts = numbered(log)
    account = pl.col("account")
    members = accounts.with_columns(
        account.alias("unit"),
        account.alias("label"),
        pl.lit(None, pl.String).alias("owner"),
        pl.lit(None, pl.String).alias("alias"),
    )
    return Comparison(
        rows=rows, accounts=accounts, members=members, sample=sample, encoders=("none/1",)
    )


def some_read() -> ReadSummary:
    """What was read of a log, with a fault whose excerpt holds text of a prompt."""
    fault = Fault(
        where="log.jsonl:1",
        problem="is not a number",
        found="confidential excerpt",
        expected="a number",
    )
    return ReadSummary(
        files=("log.jsonl",),
        formats={"log.jsonl": "gamekeeper"},
        rows=1,
        bad_rows=0,
        duplicate_rows=0,
        cut_prompts=0,
        columns_seen=frozenset({"time", "account", "prompt", "model", "system"}),
        faults=(fault,),
    )
