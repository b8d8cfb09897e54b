"""Accounts that share a client, a network, a card or their first days: candidates without content.

A relay's customers ask about everything, so its accounts form no community by content. What its
accounts have in common still names them as a candidate, to be put to the same tests of memory as
any other. To be named proves nothing: offices, schools and the users of one SDK are named too.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from scipy.stats import poisson

from gamekeeper.linking.sample import Sharers

MIN_ACCOUNTS = 8
_MAX_SHARE = 0.05  # of all accounts; a more common value distinguishes nobody
_MAX_FLOOR = 200  # accounts; in a small log a share alone would cap too low
_SHARED = {
    "ip": "an address",
    "payment": "a means of payment",
    "client": "a client fingerprint",
    "asn": "a network (AS)",
}
_BURST_DAYS = 3
_BURST_P = 1e-4  # chance that so many accounts are opened in so few days


def find_sharers(rows: pl.DataFrame, account_count: int) -> tuple[Sharers, ...]:
    """Finds sets of accounts that share something.

    Args:
        rows: Columns `number` (the account) and any of `ip`, `payment`, `client`, `asn`,
            `account_created`.
        account_count: Number of accounts.

    Returns:
        Each set of accounts once, under the first attribute that names it.
    """
    seen: set[bytes] = set()
    found = []
    for shared in (*_by_value(rows, account_count), *_by_first_days(rows, account_count)):
        key = shared.accounts.tobytes()
        if key not in seen:
            seen.add(key)
            found.append(shared)
    return tuple(found)


def _by_value(rows: pl.DataFrame, account_count: int) -> Iterator[Sharers]:
    most = max(_MAX_FLOOR, _MAX_SHARE * account_count)
    for column, what in _SHARED.items():
        if column not in rows.columns or rows[column].null_count() == len(rows):
            continue
        held = rows.select("number", column).drop_nulls().unique()
        by_value = held.group_by(column).agg(pl.col("number").sort())
        rare = by_value.filter(pl.col("number").list.len().is_between(MIN_ACCOUNTS, most))
        for numbers in rare.sort(column)["number"].to_list():
            yield Sharers(what=what, accounts=np.asarray(numbers, dtype=np.int64))


def _by_first_days(rows: pl.DataFrame, account_count: int) -> Iterator[Sharers]:
    """Accounts opened within days of each other, far more than on other days."""
    if "account_created" not in rows.columns:
        return
    opened = rows.group_by("number").agg(pl.col("account_created").min()).drop_nulls()
    if len(opened) < MIN_ACCOUNTS:
        return
    opened = opened.sort("account_created", "number")
    day = opened["account_created"].dt.epoch("d").to_numpy()
    numbers = opened["number"].to_numpy().astype(np.int64)
    most = max(_MAX_FLOOR, _MAX_SHARE * account_count)
    for shift in (0, 1):
        part = (day + shift) // _BURST_DAYS
        _, first, count = np.unique(part, return_index=True, return_counts=True)
        usual = float(np.median(count))
        burst = (count >= MIN_ACCOUNTS) & (count <= most)
        burst &= poisson.sf(count - 1, max(usual, 1.0)) < _BURST_P
        for begin, size in zip(first[burst], count[burst], strict=True):
            yield Sharers(
                what=f"their first days (within {_BURST_DAYS})",
                accounts=np.sort(numbers[begin : begin + size]),
            )
