"""How long until a verdict, and how much of the deck is out by then.

A log is hunted again with each of a few growing prefixes, as if hunt ran at these days and not in
between: an account's hours run from its first exchange to the end of the first prefix that has a
verdict on it, so that they are an upper bound in steps of the prefixes. The guard, which looks
after every few exchanges, is measured on its own page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from hunting import hunt

from gamekeeper.simulate.arrivals import DAY_S


@dataclass(frozen=True, kw_only=True)
class Lived:
    """When the accounts of a campaign had a verdict.

    Args:
        days: Ends of the prefixes.
        found: Share of the accounts seen so far that had one, by prefix.
        hours: From first exchange to verdict, median over accounts; infinite for most missed.
        exchanges: The same in exchanges of the account.
        out: Share of the deck's exchanges made before their account's verdict.
    """

    days: Sequence[float]
    found: Sequence[float]
    hours: float
    exchanges: float
    out: float


def live(traffic: Path, work: Path, days: Sequence[float]) -> Lived:
    """Hunts growing prefixes of a log."""
    log = pl.read_parquet(traffic / "exchanges.parquet")
    labels = pl.read_parquet(traffic / "labels.parquet").filter(pl.col("campaign").is_not_null())
    begin = log["time"].dt.epoch("s").min() // DAY_S * DAY_S
    ours = log.join(labels, on="account", how="semi").with_columns(
        at=(pl.col("time").dt.epoch("s") - begin) / DAY_S
    )
    verdict = dict.fromkeys(labels["account"], np.inf)
    found = []
    for day in days:
        flagged = _flagged(log, begin + day * DAY_S, work / f"prefix-{day:g}")
        for account in flagged & verdict.keys():
            verdict[account] = min(verdict[account], float(day))
        seen = ours.filter(pl.col("at") < day)["account"].n_unique()
        found.append(sum(v <= day for v in verdict.values()) / max(seen, 1))
    until = pl.DataFrame(
        {"account": list(verdict), "until": pl.Series(list(verdict.values()), dtype=pl.Float64)}
    )
    return _lived(days, found, ours.join(until, on="account"), traffic, until, begin)


def _flagged(log: pl.DataFrame, end: float, work: Path) -> set[str]:
    work.mkdir(parents=True, exist_ok=True)
    prefix = log.filter(pl.col("time").dt.epoch("s") < end)
    prefix.write_parquet(work / "exchanges.parquet")
    hunt(work / "exchanges.parquet", work / "found")
    verdicts = pl.read_parquet(work / "found" / "verdicts.parquet")
    return set(verdicts.filter(pl.col("verdict") != "allow")["account"])


def _lived(
    days: Sequence[float],
    found: Sequence[float],
    ours: pl.DataFrame,
    traffic: Path,
    until: pl.DataFrame,
    begin: float,
) -> Lived:
    each = ours.group_by("account").agg(
        ((pl.col("until").first() - pl.col("at").min()) * 24).alias("hours"),
        (pl.col("at") < pl.col("until")).sum().alias("exchanges"),
        pl.col("until").first(),
    )
    asked = pl.when(pl.col("until").is_finite()).then("exchanges").otherwise(np.inf)
    stolen = pl.read_parquet(traffic / "stolen.parquet").join(until, on="account")
    at = (stolen["time"].dt.epoch("s") - begin) / DAY_S
    return Lived(
        days=days,
        found=found,
        hours=float(each["hours"].median()),
        exchanges=float(each.select(asked.median()).item()),
        out=float((at < stolen["until"]).mean()) if len(stolen) else np.nan,
    )


HEAD = (
    "| scenario | found by day | hours before the verdict, median | exchanges before it, median "
    "| of the deck, out before it |\n" + "|---" * 5 + "|"
)


def row(name: str, lived: Lived) -> str:
    """A line of Markdown."""
    steps = ", ".join(f"{d:g}: {f:.2f}" for d, f in zip(lived.days, lived.found, strict=True))
    return f"| {name} | {steps} | {lived.hours:.0f} | {lived.exchanges:.0f} | {lived.out:.0%} |"
