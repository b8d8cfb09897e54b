"""Counts what a detector found in labelled traffic, over seeds.

    python benchmarks/detection/score.py TRAFFIC FOUND [TRAFFIC FOUND ...]

TRAFFIC holds labels.parquet, FOUND verdicts.parquet of `gamekeeper hunt`; several pairs are taken
as seeds of one scenario. An account is found where its verdict is not `allow`. Its campaign is
found where one reported campaign holds at least half of its accounts and consists of them by at
least half. Intervals are Wilson's, 95 %, over all accounts of all seeds; accounts of one campaign
are found or missed together, so that the true uncertainty is larger.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.evidence import wilson_interval

RARE = 1e-4
"""Share of ordinary accounts that a strict threshold may flag."""
LARGE = 12
"""Accounts of a campaign from which on it is judged by itself."""
WANTED = {"recall": 0.9, "precision": 0.95, "each": 0.8, "group": 0.9, "kind": 0.02}


def judged(traffic: Path, found: Path, seed: int = 0) -> pl.DataFrame:
    """One row an account: its label, and what `hunt` said of it.

    Returns:
        `seed`, `account`, `kind`, `campaign`, `victim`, `level` (0 allow, 1 watch, 2 above),
        `score` (higher: more suspicious) and `group` (campaign found), null where there is none.
    """
    verdicts = pl.read_parquet(found / "verdicts.parquet")
    level = (pl.col("verdict") != "allow").cast(pl.Int8) + (
        ~pl.col("verdict").is_in(["allow", "watch"])
    ).cast(pl.Int8)
    said = verdicts.select(
        "account",
        level.alias("level"),
        (-pl.col("p_benign")).alias("score"),
        pl.col("campaign").alias("group"),
    )
    return with_labels(traffic, said, seed)


def with_labels(traffic: Path, said: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Joins labels with what a detector said: `account`, `level`, `score`, `group`."""
    labels = pl.read_parquet(traffic / "labels.parquet")
    if "victim" not in labels.columns:
        labels = labels.with_columns(pl.lit(False).alias("victim"))
    rows = labels.join(said, on="account", how="left", maintain_order="left")
    missing = rows["level"].null_count()
    if missing:
        raise SystemExit(f"{traffic}: {missing} accounts have no verdict")
    return rows.select(
        pl.lit(seed).alias("seed"),
        "account",
        "kind",
        "campaign",
        "victim",
        "level",
        pl.col("score").fill_null(-np.inf),
        "group",
    )


@dataclass(frozen=True)
class Tally:
    """Counts over all seeds of a scenario.

    Args:
        rows: As `judged` returns them, seeds one after the other.
    """

    rows: pl.DataFrame

    @classmethod
    def of(cls, frames: Sequence[pl.DataFrame]) -> "Tally":
        """Puts seeds together."""
        return cls(pl.concat(frames))

    @cached_property
    def bad(self) -> pl.DataFrame:
        """Accounts of campaigns."""
        return self.rows.filter(pl.col("campaign").is_not_null())

    @cached_property
    def good(self) -> pl.DataFrame:
        """Ordinary accounts, those whom somebody frames among them."""
        return self.rows.filter(pl.col("campaign").is_null())

    def found(self, level: int = 1) -> tuple[int, int]:
        """Accounts of campaigns with a verdict of at least `level`, and all of them."""
        return int((self.bad["level"] >= level).sum()), len(self.bad)

    def accused(self, level: int = 1) -> tuple[int, int]:
        """Ordinary accounts with a verdict of at least `level`, and all of them."""
        return int((self.good["level"] >= level).sum()), len(self.good)

    def victims(self, level: int = 2) -> tuple[int, int]:
        """Framed accounts with a verdict of at least `level`, and all of them."""
        victims = self.rows.filter("victim")
        return int((victims["level"] >= level).sum()), len(victims)

    def precision(self, level: int = 1) -> tuple[int, int]:
        """Accounts of campaigns among those with a verdict of at least `level`, and these."""
        hits, _ = self.found(level)
        return hits, hits + self.accused(level)[0]

    def strict(self, rate: float = RARE) -> tuple[int, int]:
        """Accounts of campaigns whose score exceeds what a share of `rate` of the ordinary ones
        reach, and all of them.
        """
        exceeds = self.bad["score"].to_numpy() > threshold(self.good["score"].to_numpy(), rate)
        return int(exceeds.sum()), len(self.bad)

    @cached_property
    def matches(self) -> list["Match"]:
        """Best match of each campaign of each seed."""
        return [
            Match.of(rows, name)
            for _, rows in sorted(self.rows.group_by("seed"), key=lambda pair: str(pair[0]))
            for name in rows["campaign"].drop_nulls().unique().sort()
        ]

    def campaigns(self) -> tuple[int, int]:
        """Campaigns that were found, and all of them; none where the detector names no groups."""
        if self.rows["group"].dtype == pl.Null:
            return 0, 0
        return sum(match.is_found for match in self.matches), len(self.matches)

    def reported(self) -> tuple[int, int]:
        """Reported campaigns whose accounts are half of one campaign or more, and all of them."""
        groups = self.rows.drop_nulls("group").group_by("seed", "group")
        top = groups.agg(
            pl.col("campaign").drop_nulls().value_counts(name="n").struct.field("n").max(),
            pl.len(),
        )
        return int((top["n"].fill_null(0) * 2 >= top["len"]).sum()), len(top)

    def worst_kind(self) -> tuple[str, float]:
        """The ordinary kind of which the largest share is flagged, and that share."""
        kinds = self.good.group_by("kind").agg((pl.col("level") > 0).mean().alias("share"))
        worst = kinds.sort(["share", "kind"], descending=[True, False]).row(0)
        return str(worst[0]), float(worst[1])

    def holds(self) -> bool:
        """Whether all of `WANTED` hold; one account of each ordinary kind is forgiven."""
        kinds = self.good.group_by("kind").agg((pl.col("level") > 0).sum().alias("n"), pl.len())
        most = pl.max_horizontal(pl.lit(1), pl.col("len") * WANTED["kind"])
        are_spared = bool(kinds.select((pl.col("n") <= most).all()).item())
        large = [match for match in self.matches if match.size >= LARGE]
        is_found = all(match.recall >= WANTED["each"] for match in large)
        is_pure = all(match.precision >= WANTED["group"] for match in large)
        recall = _share(*self.found()) >= WANTED["recall"]
        precision = _share(*self.precision()) >= WANTED["precision"]
        return are_spared and (not len(self.bad) or (is_found and is_pure and recall and precision))


@dataclass(frozen=True, kw_only=True)
class Match:
    """A campaign and the reported one that holds most of it.

    Args:
        size: Its accounts.
        recall: Share of them in the reported one.
        precision: Share of the reported one that is of the campaign.
    """

    size: int
    recall: float
    precision: float

    @property
    def is_found(self) -> bool:
        """Whether each is at least half of the other."""
        return self.recall >= 0.5 and self.precision >= 0.5

    @classmethod
    def of(cls, rows: pl.DataFrame, campaign: str) -> "Match":
        """Matches a campaign in the rows of one seed."""
        members = rows.filter(pl.col("campaign") == campaign)
        top = members["group"].drop_nulls().mode().sort()
        if not len(top):
            return cls(size=len(members), recall=0.0, precision=0.0)
        inside = rows.filter(pl.col("group") == top[0])
        both = int((inside["campaign"] == campaign).sum())
        return cls(size=len(members), recall=both / len(members), precision=both / len(inside))


def threshold(ordinary: np.ndarray, rate: float) -> float:
    """The lowest score that at most a share of `rate` of ordinary scores, shape (n,), exceed."""
    allowed = int(rate * len(ordinary) + 1e-9)
    return float(np.sort(ordinary)[::-1][allowed]) if len(ordinary) else -np.inf


HEAD = (
    "| scenario | detector | accounts found (95 %) | above watch | precision of accounts (95 %) "
    "| campaigns found | reported are campaigns | at 1e-4 of ordinary | ordinary: watched, above "
    "| worst ordinary kind | victims above watch |\n" + "|---" * 11 + "|"
)


def row(name: str, detector: str, tally: Tally) -> str:
    """A line of Markdown."""
    kind, share = tally.worst_kind()
    flagged, ordinary = tally.accused()
    above, _ = tally.accused(2)
    cells = [
        name,
        detector,
        interval(*tally.found()),
        _decimal(*tally.found(2)),
        interval(*tally.precision()),
        _of(*tally.campaigns()),
        _of(*tally.reported()),
        _decimal(*tally.strict()),
        f"{flagged - above}, {above} of {ordinary:,}",
        f"{kind} {share:.1%}",
        _of(*tally.victims()),
    ]
    return f"| {' | '.join(cells)} |"


def interval(hits: int, of: int) -> str:
    """A share with its interval, or a dash where nothing was counted."""
    if not of:
        return "-"
    low, high = wilson_interval(hits, of)
    return f"{hits / of:.3f} ({low:.3f} to {high:.3f})"


def _decimal(hits: int, of: int) -> str:
    return f"{hits / of:.3f}" if of else "-"


def _of(hits: int, of: int) -> str:
    return f"{hits} of {of}" if of else "-"


def _share(hits: int, of: int) -> float:
    return hits / of if of else 1.0


def main() -> None:
    """Prints the table of what the command line names."""
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("folders", type=Path, nargs="+", metavar="TRAFFIC FOUND")
    folders = ap.parse_args().folders
    if len(folders) % 2:
        raise SystemExit("folders come in pairs: TRAFFIC FOUND")
    for folder, name in zip(folders, ("labels", "verdicts") * len(folders), strict=False):
        if not (folder / f"{name}.parquet").exists():
            raise SystemExit(f"no {name}.parquet in {folder}")
    pairs = zip(folders[::2], folders[1::2], strict=True)
    tally = Tally.of([judged(*pair, seed) for seed, pair in enumerate(pairs)])
    print(HEAD)
    print(row(folders[0].name, "gamekeeper", tally))


if __name__ == "__main__":
    main()
