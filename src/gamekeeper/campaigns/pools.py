"""Groups that share a means of payment or an address, judged as if they were one account.

One product behind twelve keys looks like a campaign: prompts are interchangeable between the keys,
because a router deals them. Its card and address do not tell it from a thief who pays for all
accounts with one card. What tells them apart is what the accounts ask *together*. As one account, a
product's customers ask the same few things again, or follow up on what they asked; a deck that is
worth copying repeats nothing and follows up on nothing:

    ordinary as a whole    novelty below `_REPEATS` of that of ordinary accounts joined together,
                           or at least half of the follow-up that those have

Such a pool is linked as one account from then on, and is a reason to look (`watch`), not to act.
A pool of which neither can be shown is not ordinary, and its claim is weighed as any other.

Source: this project; measured in docs/measurements/detection.md. The readings are those of
    `linking.lone`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from gamekeeper.campaigns.claims import Claims, FoundGroup
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.linking import MIN_JOINED, JoinedReading, joined_ordinary, joined_reading

SHARED = {"shared-payment": "a means of payment", "shared-ip": "an address"}
"""Signals whose values name a pool, and what they are called."""

_MOST = 0.5
_JOINED = 99
# of the novelty of ordinary accounts joined together: 95 % of single apps are below, and the
# campaigns that were measured above (docs/explanation/how-hunt-works.md)
_REPEATS = 0.7
_MOST_ROWS = 2_000  # of a spliced account: more measure nothing better


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Accounts of one claim that share something and look ordinary as a whole.

    Args:
        claim: The claim as it was confirmed.
        units: Keys of the units in the pool.
        accounts: Their accounts.
        says: Why it is taken for one ordinary account, in words.
    """

    claim: FoundGroup
    units: tuple[str, ...]
    accounts: tuple[str, ...]
    says: str


def ordinary_pools(
    compared: Comparison, claims: Claims, summaries: Mapping[str, pl.DataFrame], seed: int
) -> list[Pool]:
    """Returns the pools among the claims that look ordinary as a whole.

    Args:
        compared: The sample.
        claims: What was found in it.
        summaries: Of the signals, by unit.
        seed: Of the accounts that are joined for comparison.
    """
    if compared.content is None:
        return []  # the rows of an ordinary portfolio have no order either
    holders = {name: _holders(summaries[name], compared) for name in SHARED if name in summaries}
    pools = []
    for found in claims.found:
        name, members = _shared_by_most(found, holders)
        if name is None:
            continue
        says = _ordinary(compared, claims, members, SHARED[name], seed)
        if says is not None:
            keys = tuple(compared.accounts["account"].gather(members))
            accounts = tuple(compared.accounts_of(members)["account"].sort())
            pools.append(Pool(claim=found, units=keys, accounts=accounts, says=says))
    return pools


def with_pools(claims: Claims, compared: Comparison, pools: Sequence[Pool]) -> Claims:
    """Returns the claims with every pool, linked as one account by now, among what was found."""
    numbers = dict(compared.members.select("account", "number").iter_rows())
    by_unit = {numbers[pool.accounts[0]]: pool for pool in pools}
    # a pool is not a single account that scrapes as well
    found = [f for f in claims.found if f.groups or int(f.accounts[0]) not in by_unit]
    found += [_found_pool(compared, unit, pool) for unit, pool in by_unit.items()]
    return replace(claims, found=tuple(found))


def _found_pool(compared: Comparison, unit: int, pool: Pool) -> FoundGroup:
    rows = np.flatnonzero(compared.sample.accounts == unit)
    return replace(
        pool.claim,
        accounts=np.array([unit]),
        rows=rows,
        senders=compared.sample.accounts[rows],
        groups=(),
        pooled=pool.claim,
        says=pool.says,
    )


def _holders(summary: pl.DataFrame, compared: Comparison) -> list[np.ndarray]:
    """The units (numbers) that share a value, for each value that several share."""
    numbers = compared.accounts.select("account", "number")
    shared = summary.join(numbers, on="account").group_by("key").agg(pl.col("number").sort())
    several = shared.filter(pl.col("number").list.len() > 1).sort("key")
    return [np.asarray(held, dtype=np.int64) for held in several["number"].to_list()]


def _shared_by_most(
    found: FoundGroup, holders: Mapping[str, Sequence[np.ndarray]]
) -> tuple[str | None, np.ndarray]:
    """What most of a claim's accounts share with hardly anybody else, and who of them does."""
    best: tuple[str | None, np.ndarray] = (None, np.zeros(0, np.int64))
    if not found.groups:
        return best
    for name, values in holders.items():
        for held in values:
            inside = np.intersect1d(found.accounts, held)
            # an address that many others have too is a carrier's, and names no pool
            names_it = len(inside) > _MOST * max(len(found.accounts), len(held))
            if names_it and len(inside) > len(best[1]):
                best = (name, inside)
    return best


def _ordinary(
    compared: Comparison, claims: Claims, members: np.ndarray, what: str, seed: int
) -> str | None:
    """Says why accounts look like one ordinary account; None where they do not."""
    sample = compared.sample
    size = int(sample.exchanges[members].sum())
    if size < MIN_JOINED:
        return None
    ordinary = joined_ordinary(sample, claims.innocent, min(size, _MOST_ROWS), _JOINED, seed)
    if not ordinary:
        return None
    reading = joined_reading(sample, members, seed)
    follow_up = float(np.median([one.follow_up for one in ordinary]))
    novelty = float(np.median([one.novelty for one in ordinary]))
    if reading.novelty < _REPEATS * novelty:
        like = "ask the same few things again, as customers of one app do"
    elif not reading.is_one_deck(follow_up):
        like = "follow up on what was asked, as customers do"
    else:
        return None
    return (
        f"{len(members)} of its accounts share {what}, and as if they were one account they {like}"
        f"{_figures(reading, novelty, follow_up)}"
    )


def _figures(reading: JoinedReading, novelty: float, follow_up: float) -> str:
    return (
        f" (novelty {reading.novelty:.2f}, follow-up {reading.follow_up:+.2f}; ordinary accounts"
        f" joined together: {novelty:.2f}, {follow_up:+.2f})"
    )
