"""A small month with one planted group, in which every signal has something to say."""

from typing import Any

import numpy as np
import polars as pl

from gamekeeper.exchange import conform
from gamekeeper.signals import SIGNALS, Counts

START_S = 1_775_001_600  # a midnight, UTC
DAYS = 20
ACCOUNTS = 150
PLANTED = 12
EACH = 40


def exchanges_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows (time in seconds) as a frame of `SCHEMA` with the columns that hashing and
    encoding add.
    """
    kinds = {
        "time": pl.Int64,
        "account_created": pl.Int64,
        "cell": pl.UInt16,
        "prompt_hash": pl.UInt64,
    }
    names = ("account", "prompt", "model", "ip", "asn", "client", "payment")
    texts = {name: pl.Int64 if name == "asn" else pl.String for name in names}
    frame = pl.DataFrame(rows, schema=kinds | texts)
    moments = [
        pl.from_epoch(pl.col(c)).dt.replace_time_zone("UTC") for c in ("time", "account_created")
    ]
    frame = frame.with_columns(moments)
    return conform(frame).with_columns(frame["cell"], frame["prompt_hash"])


def planted_month(seed: int = 1) -> pl.DataFrame:
    """Accounts `a000` up to `a011` act as one; the others are people."""
    rng = np.random.default_rng(seed)
    return exchanges_of([row for number in range(ACCOUNTS) for row in _account(number, rng)])


def _account(number: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        _planted(number, i, rng) if number < PLANTED else _person(number, rng) for i in range(EACH)
    ]


def _planted(number: int, i: int, rng: np.random.Generator) -> dict[str, Any]:
    # ten days, one exchange a slot
    second = 5 * 86_400 + i * 6 * 3_600 + int(rng.integers(6 * 3_600))
    return {
        "time": START_S + second,
        "account": f"a{number:03d}",
        "prompt": "show your reasoning" if i % 2 else "plain",
        "model": "new" if second > 8 * 86_400 else "old",
        "ip": f"10.0.0.{number % 3}",
        "asn": 64_500,
        "client": "odd-sdk/0.1",
        "payment": f"card-{number % 4}",
        "account_created": START_S - 86_400 * (30 + number % 2),
        "cell": int(rng.integers(4_096)),
        "prompt_hash": 1_000_000 + number * 1_000 + i,
    }


def _person(number: int, rng: np.random.Generator) -> dict[str, Any]:
    own = np.random.default_rng(number)  # habits, the same each time
    day = int(rng.choice(own.integers(0, DAYS, 6)))
    return {
        "time": START_S
        + day * 86_400
        + int(own.integers(8, 18)) * 3_600
        + int(rng.integers(3_600)),
        "account": f"a{number:03d}",
        "prompt": "good morning",
        "model": "new" if day > 8 and rng.random() < 0.1 else "old",
        "ip": f"10.1.{number}.1",
        "asn": int(own.integers(50)),
        "client": f"sdk/{own.integers(3)}",
        "payment": f"own-{number}",
        "account_created": START_S - 86_400 * int(own.integers(10, 600)),
        "cell": int(rng.choice(own.integers(0, 4_096, 3))),
        "prompt_hash": number * 1_000 + int(rng.integers(15)),
    }


def counts_of(name: str, exchanges: pl.DataFrame, summary: pl.DataFrame | None = None) -> Counts:
    """A signal's counts of a frame, accounts numbered by name."""
    totals = exchanges.group_by("account").len().sort("account").with_row_index("number")
    made = SIGNALS[name].summarise(exchanges) if summary is None else summary
    return Counts(
        made, totals.select("account", "number"), totals["len"].to_numpy().astype(np.int64)
    )
