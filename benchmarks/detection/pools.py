"""Pools added to composed traffic: one app behind several keys, and people behind a relay.

Splitting a real account at random is an exact simulation of a router with several keys; giving
real conversations to the account that was idle longest is one of a relay. Both are innocent.
"""

from pathlib import Path

import numpy as np
import polars as pl

ROUTERS = ("request", "conversation", "round-robin")
KEYS = 12
RELAY_PEOPLE = 150


def with_key_pool(traffic: Path, out: Path, router: str, *, declared: bool, seed: int) -> Path:
    """Writes the traffic with its busiest app split into keys that share card and address.

    Args:
        traffic: Composed traffic.
        out: Folder to write.
        router: One of `ROUTERS`.
        declared: Whether the log names the owner of the keys.
        seed: Of the router, and of the order in which customers come.
    """
    exchanges, labels = _read(traffic)
    apps = labels.filter(pl.col("kind") == "app").join(exchanges, on="account")
    busiest = apps.group_by("account").len().sort("len", "account", descending=True)["account"][0]
    rng = np.random.default_rng(seed)
    one = exchanges.filter(pl.col("account") == busiest).sort("time")
    # composed apps ask one subject after the other; the customers of a product come in any order
    one = one.with_columns(pl.col("prompt").shuffle(seed=seed))
    key = _keys(one, router, rng)
    names = pl.Series("account", [f"{busiest}-key{number:02d}" for number in key])
    return _write(out, exchanges, labels, one.with_columns(names), [busiest], "key-pool", declared)


def with_relay(traffic: Path, out: Path, *, declared: bool, seed: int) -> Path:
    """Writes the traffic with some persons behind a relay: a conversation goes to the account idle
    longest; cards and addresses are those of the relay's accounts.
    """
    exchanges, labels = _read(traffic)
    people = labels.filter(pl.col("kind") == "person")["account"].sort()
    people = people.sample(RELAY_PEOPLE, seed=seed, shuffle=True).to_list()
    taken = exchanges.filter(pl.col("account").is_in(people)).sort("time")
    talks = taken.group_by("conversation", maintain_order=True).agg(
        pl.col("time").min().alias("begin"), pl.col("time").max().alias("end")
    )
    last = np.zeros(2 * KEYS)
    chosen = []
    for end in talks.sort("begin")["end"].dt.epoch("s"):
        chosen.append(int(last.argmin()))
        last[chosen[-1]] = end
    dealt = talks.sort("begin").select(
        "conversation", pl.Series("account", [f"relay-{seed}-{number:02d}" for number in chosen])
    )
    rows = taken.drop("account").join(dealt, on="conversation")
    own = rows.group_by("account").agg(pl.col("ip", "asn", "payment", "account_created").first())
    rows = rows.drop("ip", "asn", "payment", "account_created").join(own, on="account")
    rows = rows.with_columns(pl.lit("relay/1.0").alias("client")).select(exchanges.columns)
    return _write(out, exchanges, labels, rows, people, "relay", declared)


def _read(traffic: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (
        pl.read_parquet(traffic / "exchanges.parquet"),
        pl.read_parquet(traffic / "labels.parquet"),
    )


def _keys(rows: pl.DataFrame, router: str, rng: np.random.Generator) -> np.ndarray:
    if router == "round-robin":
        return np.arange(len(rows)) % KEYS
    if router == "request":
        return rng.integers(0, KEYS, len(rows))
    talk = rows["conversation"].rle_id().to_numpy()
    return rng.integers(0, KEYS, int(talk.max()) + 1)[talk]


def _write(
    out: Path,
    exchanges: pl.DataFrame,
    labels: pl.DataFrame,
    pooled: pl.DataFrame,
    instead_of: list[str],
    kind: str,
    declared: bool,
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    accounts = pooled["account"].unique().sort()
    gone = pl.col("account").is_in(instead_of)
    rows = pl.concat([exchanges.filter(~gone), pooled]).sort("time")
    if declared:
        is_pooled = pl.col("account").is_in(accounts.implode())
        rows = rows.with_columns(pl.when(is_pooled).then(pl.lit("org-pool")).alias("owner"))
    new = pl.DataFrame({"account": accounts, "kind": kind, "campaign": None}, schema=labels.schema)
    rows.write_parquet(out / "exchanges.parquet")
    pl.concat([labels.filter(~gone), new]).write_parquet(out / "labels.parquet")
    return out
