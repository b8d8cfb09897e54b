"""The first pass: batches come in, totals, summaries and a sample of each account stay.

What stays is the same in whatever order and in however many batches the log comes: totals and
summaries add up, and an account's sample is its exchanges with the smallest hashes (bottom-k), so
that two days' samples merge into the sample of both. Memory is bounded by accounts and by
`MAX_SAMPLE`, not by the log.

Source: Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007.
"""

from collections.abc import Iterable

import polars as pl

from gamekeeper.signals import SIGNALS, SUMMARY, add

MAX_SAMPLE = 400_000
"""Exchanges that are compared with each other; above this, every account's sample is halved until
they fit.
"""

_LARGEST_SAMPLE = 1_024  # exchanges of one account
_TEXT_CHARS = 4_000  # no encoder looks further
_IDENTITY = ("time", "prompt", "system", "model", "conversation", "turn")
_KEPT = ("account", "time", "model", "system", "prompt", "features", "prompt_hash", "row_hash")
_NAMED: dict[str, pl.DataType | type[pl.DataType]] = {
    "account": pl.String,
    "name": pl.String,
    "exchanges": pl.UInt32,
    "last_seen": pl.Datetime("us", "UTC"),
}


class Intake:
    """Totals, summaries and a bounded sample of the exchanges that come in, batch by batch.

    Args:
        signals: Names of the signals that are summarised over all exchanges.
        max_sample: Exchanges in the sample, at most, in all.
    """

    def __init__(self, signals: Iterable[str], max_sample: int = MAX_SAMPLE) -> None:
        self._max_sample = max_sample
        self._per_account = _LARGEST_SAMPLE
        self._samples: list[pl.DataFrame] = []
        self._waiting = 0
        self._totals: list[pl.DataFrame] = []
        self._summaries: dict[str, list[pl.DataFrame]] = {name: [] for name in signals}
        self._owners = [pl.DataFrame(schema=_NAMED)]
        self._aliases = [pl.DataFrame(schema=_NAMED)]

    def take(self, exchanges: pl.DataFrame) -> None:
        """Adds a batch, a frame of `exchange.SCHEMA`."""
        hashed = with_hashes(exchanges)
        self._totals.append(_totals(hashed))
        self._owners.append(_named(hashed, "owner"))
        self._aliases.append(_latest(_named(hashed, "alias")))
        for name, parts in self._summaries.items():
            parts.append(SIGNALS[name].summarise(hashed))
        self._samples.append(
            hashed.with_columns(pl.col("prompt", "system").str.slice(0, _TEXT_CHARS)).select(_KEPT)
        )
        self._waiting += len(hashed)
        if self._waiting > self._max_sample // 2:
            self.compact()

    def absorb(self, other: "Intake") -> None:
        """Adds what another intake took in, such as another day's; `other` stays as it is.

        The same as if both had been taken in by one, as long as neither had to halve its samples.
        """
        self._totals += other._totals
        for name, parts in self._summaries.items():
            parts += other._summaries[name]
        self._owners += other._owners
        self._aliases += other._aliases
        self._samples += other._samples
        self._waiting += sum(map(len, other._samples))
        self._per_account = min(self._per_account, other._per_account)

    @property
    def totals(self) -> pl.DataFrame:
        """Columns `account`, `exchanges`, `first_seen`, `last_seen`."""
        return _add_totals(self._totals)

    @property
    def owners(self) -> pl.DataFrame:
        """Columns `account` and `owner`: who answers for most of an account's exchanges.

        An account is left out if no owner has more than half of its exchanges that name one.
        """
        named = _add_named(self._owners)
        most = named.filter(pl.col("exchanges") * 2 > pl.col("exchanges").sum().over("account"))
        return most.select("account", pl.col("name").alias("owner"))

    @property
    def aliases(self) -> pl.DataFrame:
        """Columns `account` and `alias`: what an account was called last."""
        return _latest(pl.concat(self._aliases)).select("account", pl.col("name").alias("alias"))

    @property
    def most_of_account(self) -> int:
        """Exchanges of one account in the sample, at most."""
        return self._per_account

    @property
    def summaries(self) -> dict[str, pl.DataFrame]:
        """Summary of each signal over all exchanges."""
        return {
            n: add(*parts) if parts else pl.DataFrame(schema=SUMMARY)
            for n, parts in self._summaries.items()
        }

    @property
    def sample(self) -> pl.DataFrame:
        """The sample, in no particular order."""
        self.compact()
        return self._samples[0]

    def compact(self) -> None:
        """Merges what has come in; memory falls back to what stays."""
        self._waiting = 0
        self._totals = [self.totals]
        self._owners = [_add_named(self._owners)]
        self._aliases = [_latest(pl.concat(self._aliases))]
        for name, parts in self._summaries.items():
            self._summaries[name] = [add(*parts)]
        merged = pl.concat(self._samples)
        rank = merged.select(pl.col("row_hash").rank("ordinal").over("account")).to_series()
        while (
            merged_size := int((rank <= self._per_account).sum())
        ) > self._max_sample and self._per_account > 1:
            self._per_account //= 2
        self._samples = [
            merged.filter(rank <= self._per_account) if merged_size < len(merged) else merged
        ]


def with_hashes(exchanges: pl.DataFrame) -> pl.DataFrame:
    """Adds `prompt_hash` (of the prompt or features) and `row_hash` (of the exchange without its
    account).
    """
    text = pl.col("features").list.eval(pl.element().cast(pl.String)).list.join(",")
    asked = pl.coalesce("prompt", text)
    return exchanges.with_columns(
        # an exchange without text repeats nothing: two of them are not the same prompt
        pl.when(asked.is_not_null()).then(asked.hash(11)).alias("prompt_hash"),
        pl.struct(*_IDENTITY, text.alias("features")).hash(13).alias("row_hash"),
    )


def _totals(exchanges: pl.DataFrame) -> pl.DataFrame:
    return exchanges.group_by("account").agg(
        pl.len().cast(pl.UInt32).alias("exchanges"),
        pl.col("time").min().alias("first_seen"),
        pl.col("time").max().alias("last_seen"),
    )


def _named(exchanges: pl.DataFrame, column: str) -> pl.DataFrame:
    """How often, and when last, each account came with each value of `column`."""
    if column not in exchanges.columns or exchanges[column].null_count() == len(exchanges):
        return pl.DataFrame(schema=_NAMED)
    named = exchanges.drop_nulls(column).group_by("account", pl.col(column).alias("name"))
    return named.agg(
        pl.len().cast(pl.UInt32).alias("exchanges"), pl.col("time").max().alias("last_seen")
    )


def _add_named(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return (
        pl.concat(parts)
        .group_by("account", "name")
        .agg(pl.col("exchanges").sum(), pl.col("last_seen").max())
    )


def _latest(named: pl.DataFrame) -> pl.DataFrame:
    """The name that was seen last of each account; at the same moment, the last by alphabet."""
    return named.sort("last_seen", "name").unique("account", keep="last", maintain_order=True)


def _add_totals(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return (
        pl.concat(parts)
        .group_by("account")
        .agg(pl.col("exchanges").sum(), pl.col("first_seen").min(), pl.col("last_seen").max())
    )
