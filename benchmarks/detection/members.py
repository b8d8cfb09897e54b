"""Accounts that a scenario adds to ordinary traffic: when they call, from where, and as which rows.

An account is a list of sittings, a sitting a list of conversations (`Talk`). Providers, programs
and ages of accounts are drawn from those of the ordinary people in the traffic, so that nothing but
what a scenario says tells its accounts from others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import polars as pl

from gamekeeper.simulate.arrivals import DAY_S, balanced_starts, burst_starts

MOMENT = pl.Datetime("us", "UTC")
TALKS_END = 0.22
"""Chance that a sitting ends after an exchange."""
LONGEST_PAUSE_S = 1_500.0


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One conversation.

    Args:
        texts: The messages of its user, in order.
        is_stolen: Whether the first is a task of the thief's deck.
        system: System prompt of all calls.
    """

    texts: Sequence[str]
    is_stolen: bool = False
    system: str | None = None


Sitting = Sequence[Talk]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Where an account calls from; `created` is in seconds since the epoch."""

    ip: str
    asn: int
    client: str
    payment: str
    created: float


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account to be added.

    Args:
        kind: As labelled.
        campaign: Its campaign, or None.
        network: Where it calls from.
        talks: Its conversations, in order of their start.
        times: Of every message, seconds from the start of the traffic, shape (n,).
        owner: Who answers for it.
        victim: Whether somebody wants it to be accused.
    """

    kind: str
    campaign: str | None
    network: Network
    talks: Sequence[Talk]
    times: np.ndarray
    owner: str | None = None
    victim: bool = False

    @property
    def size(self) -> int:
        """Number of its exchanges."""
        return len(self.times)


@dataclass(kw_only=True)
class Ordinary:
    """The traffic to which accounts are added.

    Args:
        exchanges: The log.
        labels: Account, kind and campaign.
        rng: Randomness of networks and models.
    """

    exchanges: pl.DataFrame
    labels: pl.DataFrame
    rng: np.random.Generator
    start: float = field(init=False)
    days: int = field(init=False)
    people: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        moments = self.exchanges["time"].dt.epoch("s")
        self.start = float(moments.min() // DAY_S * DAY_S)
        self.days = int(np.ceil((moments.max() - self.start) / DAY_S))
        persons = self.labels.filter(pl.col("kind") == "person")
        calls = self.exchanges.join(persons, on="account", how="semi", maintain_order="left")
        columns = pl.col("asn", "ip", "client", "payment", "account_created", "model").first()
        own = calls.group_by("account", maintain_order=True).agg(columns, pl.len())
        self.people = own.with_columns(pl.col("account_created").dt.epoch("s").alias("created"))

    def join(self) -> Network:
        """Draws an account's own network."""
        rng = self.rng
        drawn = self.people.sample(3, with_replacement=True, seed=int(rng.integers(2**31)))
        return Network(
            ip=".".join(map(str, rng.integers(1, 255, 4))),
            asn=drawn["asn"][0],
            client=drawn["client"][1],
            payment=f"card-{rng.integers(10**12):012x}",
            created=float(drawn["created"][2]),
        )

    def hub(self) -> Network:
        """Draws what a thief's accounts may share."""
        return replace(self.join(), created=self.start - self.rng.uniform(6, 60) * DAY_S)

    def behind(self, hub: Network, share: str) -> Network:
        """Draws a network that shares all, about a third or none of its parts with `hub`."""
        own = self.join()
        if share == "unique":
            return own
        names = np.array(["ip", "asn", "client", "payment"])
        names = names[self.rng.random(4) < (1.0 if share == "shared" else 0.35)]
        created = hub.created + self.rng.uniform(0, 5) * DAY_S
        return replace(own, created=created, **{str(name): getattr(hub, name) for name in names})


def sittings_of(talks: Sequence[Talk], most: int | None, rng: np.random.Generator) -> list[Sitting]:
    """Cuts conversations into sittings of about 1 / `TALKS_END` exchanges, `most` at most."""
    sizes = np.array([len(talk.texts) for talk in talks])
    ends = rng.random(len(talks)) < 1 - (1 - TALKS_END) ** sizes
    if most is not None:
        cuts = rng.permutation(np.flatnonzero(ends[:-1]))[: most - 1]
        ends = np.zeros(len(talks), bool)
        ends[cuts] = True
    bounds = [0, *(np.flatnonzero(ends[:-1]) + 1).tolist(), len(talks)]
    return [talks[begin:end] for begin, end in pairwise(bounds) if end > begin]


def timed(
    sittings: Sequence[Sitting], rhythm: str, days: float, rng: np.random.Generator
) -> tuple[list[Talk], np.ndarray]:
    """Sets the times of an account's conversations.

    Args:
        sittings: In any order.
        rhythm: `person`: sittings on random days around an hour of one's own. `balanced`, `app`:
            each conversation by itself, evenly or in bursts.
        days: Length.
        rng: Randomness.

    Returns:
        The conversations in order of their start, and the time of each message.
    """
    if rhythm == "person":
        starts = _person_starts(len(sittings), days, rng)
    else:
        sittings = [[talk] for sitting in sittings for talk in sitting]
        draw = balanced_starts if rhythm == "balanced" else burst_starts
        starts = np.sort(draw(rng, len(sittings), days))
    placed = []
    for start, sitting in zip(starts, sittings, strict=True):
        sizes = [len(talk.texts) for talk in sitting]
        pauses = np.minimum(rng.lognormal(4.2, 1.1, sum(sizes)), LONGEST_PAUSE_S)
        pauses[0] = 0.0
        times = start + np.cumsum(pauses)
        times -= max(0.0, times[-1] - (days * DAY_S - 1))
        placed += zip(sitting, np.split(times, np.cumsum(sizes)[:-1]), strict=True)
    placed.sort(key=lambda talk_and_times: talk_and_times[1][0])
    return [talk for talk, _ in placed], np.concatenate([times for _, times in placed])


def _person_starts(count: int, days: float, rng: np.random.Generator) -> np.ndarray:
    home = rng.uniform(0, 24)
    hours = (home + rng.normal(9, 3.2, count)) % 24
    return rng.integers(0, max(1, int(days)), count) * DAY_S + hours * 3_600


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Traffic with a scenario in it.

    Args:
        exchanges: The log, in order of time.
        labels: Account, kind, campaign, victim, and how many exchanges are of a thief's deck.
        stolen: Account and time of every exchange that is of a thief's deck.
    """

    exchanges: pl.DataFrame
    labels: pl.DataFrame
    stolen: pl.DataFrame


def added(ordinary: Ordinary, accounts: Sequence[Account], victims: Sequence[str]) -> Composed:
    """Adds accounts to ordinary traffic; `victims` are accounts that it holds already."""
    names = _names(ordinary, len(accounts))
    rows = pl.concat([_rows(ordinary, a, n) for a, n in zip(accounts, names, strict=True)])
    stolen = rows.filter("stolen").select("account", "time").sort("time", "account")
    taken = stolen.group_by("account").len("stolen")
    own = pl.DataFrame(
        {
            "account": names,
            "kind": [a.kind for a in accounts],
            "campaign": pl.Series([a.campaign for a in accounts], dtype=pl.String),
            "victim": [a.victim for a in accounts],
        }
    )
    is_victim = pl.col("account").is_in(list(victims)).alias("victim")
    labels = pl.concat([ordinary.labels.select("account", "kind", "campaign", is_victim), own])
    labels = labels.join(taken, on="account", how="left").with_columns(
        pl.col("stolen").fill_null(0).cast(pl.Int64)
    )
    log = ordinary.exchanges
    if "owner" not in log.columns and any(a.owner for a in accounts):
        log = log.with_columns(pl.lit(None, pl.String).alias("owner"))
    exchanges = pl.concat([log, _as_log(rows, log)]).sort("time", "account", "turn")
    return Composed(exchanges=exchanges, labels=labels.sort("account"), stolen=stolen)


def _names(ordinary: Ordinary, count: int) -> list[str]:
    taken = set(ordinary.labels["account"])
    numbers = ordinary.rng.choice(10**6, count + len(taken), replace=False)
    return [n for n in (f"acct_{number:06d}" for number in numbers) if n not in taken][:count]


def _rows(ordinary: Ordinary, account: Account, name: str) -> pl.DataFrame:
    rng = ordinary.rng
    sizes = np.array([len(talk.texts) for talk in account.talks])
    number = np.repeat(np.arange(len(sizes)), sizes)
    turn = np.arange(account.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stolen = np.repeat([talk.is_stolen for talk in account.talks], sizes) & (turn == 0)
    network = account.network
    systems = [talk.system for talk in account.talks for _ in talk.texts]
    model = ordinary.people["model"][int(rng.integers(len(ordinary.people)))]
    return pl.DataFrame(
        {
            "time": _moments(ordinary.start + account.times),
            "account": [name] * account.size,
            "prompt": [text for talk in account.talks for text in talk.texts],
            "model": [model] * account.size,
            "system": pl.Series(systems, dtype=pl.String),
            "conversation": [f"{name}-c{n + 1}" for n in number],
            "turn": turn,
            "output_tokens": np.maximum(rng.lognormal(5.3, 0.8, account.size), 1) // 1,
            "n": [1] * account.size,
            "logprobs": [False] * account.size,
            "ip": [network.ip] * account.size,
            "asn": [network.asn] * account.size,
            "client": [network.client] * account.size,
            "payment": [network.payment] * account.size,
            "account_created": _moments(np.full(account.size, network.created)),
            "owner": pl.Series([account.owner] * account.size, dtype=pl.String),
            "stolen": stolen,
        }
    )


def _moments(seconds: np.ndarray) -> pl.Series:
    return pl.Series((seconds * 1e6).astype(np.int64)).cast(MOMENT)


def _as_log(rows: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    tokens = pl.col("prompt").str.len_chars() + pl.col("system").str.len_chars().fill_null(0)
    rows = rows.with_columns((tokens / 4).ceil().clip(4).alias("input_tokens"))
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in log.schema.items()
    )
