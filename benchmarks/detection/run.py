"""The tables of docs/measurements/detection.md: what hunt finds in composed traffic, and at what
speed.

    python benchmarks/detection/run.py --data DATA --tools TOOLS [--seeds 1 2 3] [--mix MIX]
    [--ablate] [--alone] [--pools]

DATA holds prompt sets and arrival traces, TOOLS the composer and the scorer (compose_traffic.py,
score_hunt.py, mix_dev.json); neither is part of this project. Every hunt runs in a process of its
own, so that its time and peak memory are its own. Scenario ids are permanent: detection/mix-SEED,
detection/without-FAMILY, detection/alone-NAME, detection/key-pool-ROUTER-OWNER,
detection/relay-OWNER (OWNER: declared or undeclared).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from pools import ROUTERS, with_key_pool, with_relay

from gamekeeper.evidence import wilson_interval

ABLATED = ("content", "shape")
"""Families that tie accounts; the others only raise the verdict of what these have tied."""
WANTED = [
    "--recall",
    ".9",
    "--precision",
    ".95",
    "--each",
    ".8",
    "--group",
    ".9",
    "--kind-max",
    ".02",
]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One hunt, scored.

    Args:
        scenario: Permanent id.
        hits: Accounts of campaigns that were flagged.
        positives: Accounts of campaigns.
        false_alarms: Ordinary accounts that were flagged.
        ordinary: Ordinary accounts.
        worst_recall: Of campaigns with 12 accounts or more, in their best match.
        worst_precision: The same.
        worst_kind: Ordinary kind with the largest share flagged.
        worst_kind_share: That share.
        rate: Exchanges a second, reading and encoding included.
        peak_mb: Peak memory.
        holds: Whether the scorer's wanted figures all hold.
    """

    scenario: str
    hits: int
    positives: int
    false_alarms: int
    ordinary: int
    worst_recall: float
    worst_precision: float
    worst_kind: str
    worst_kind_share: float
    rate: float
    peak_mb: float
    holds: bool

    def row(self) -> str:
        """As a line of Markdown."""
        recall = self.hits / max(self.positives, 1)
        low, high = wilson_interval(self.hits, self.positives)
        precision = self.hits / max(self.hits + self.false_alarms, 1)
        p_low, p_high = wilson_interval(self.hits, self.hits + self.false_alarms)
        return (
            f"| {self.scenario} | {recall:.3f} ({low:.3f} to {high:.3f}) "
            f"| {precision:.3f} ({p_low:.3f} to {p_high:.3f}) "
            f"| {self.worst_recall:.2f} | {self.worst_precision:.2f} | {self.worst_kind} {self.worst_kind_share:.1%} "
            f"| {self.false_alarms} of {self.ordinary} | {self.rate:,.0f} | {self.peak_mb:,.0f} "
            f"| {'yes' if self.holds else 'no'} |"
        )


HEAD = (
    "| scenario | account recall (95 %) | account precision (95 %) | worst campaign recall | worst campaign precision "
    "| worst ordinary kind | ordinary flagged | exchanges/s | peak MB | all targets |\n|"
    + "---|"
    * 10
)


def compose(args: argparse.Namespace, mix: Path, seed: int, out: Path) -> Path:
    """Composes traffic, once."""
    if not (out / "labels.parquet").exists():
        data = [word for folder in args.data for word in ("--data", str(folder))]
        command = [sys.executable, str(args.tools / "compose_traffic.py"), *data, "--mix", str(mix)]
        subprocess.run(
            [*command, "--seed", str(seed), "--out", str(out)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return out


def measure(args: argparse.Namespace, scenario: str, traffic: Path, *extra: str) -> Outcome:
    """Hunts traffic in a process of its own and scores what came out."""
    found = args.work / "found" / scenario.replace("/", "-")
    command = [
        sys.executable,
        "-m",
        "gamekeeper",
        "hunt",
        str(traffic / "exchanges.parquet"),
        "--out",
        str(found),
    ]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--exit-zero", "--quiet", *extra])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(
            f"hunt failed with {os.waitstatus_to_exitcode(status)}: {' '.join(command)}"
        )
    scorer = [sys.executable, str(args.tools / "score_hunt.py"), str(traffic), str(found), *WANTED]
    holds = subprocess.run(scorer, stdout=subprocess.DEVNULL).returncode == 0
    return score(scenario, traffic, found, seconds, usage, holds)


def score(
    scenario: str,
    traffic: Path,
    found: Path,
    seconds: float,
    usage: resource.struct_rusage,
    holds: bool,
) -> Outcome:
    """Counts hits and false alarms."""
    labels = pl.read_parquet(traffic / "labels.parquet")
    verdicts = pl.read_parquet(found / "verdicts.parquet")
    rows = labels.join(verdicts, on="account", how="left", suffix="_found").with_columns(
        flagged=pl.col("verdict") != "allow"
    )
    bad = rows.filter(pl.col("campaign").is_not_null())
    good = rows.filter(pl.col("campaign").is_null())
    matches = [best_match(name, rows) for name in bad["campaign"].unique().sort()]
    large = [m for m in matches if m[0] >= 12]
    kinds = (
        good.group_by("kind")
        .agg(pl.col("flagged").mean())
        .sort("flagged", "kind", descending=[True, False])
    )
    return Outcome(
        scenario=scenario,
        hits=int(bad["flagged"].sum()),
        positives=len(bad),
        false_alarms=int(good["flagged"].sum()),
        ordinary=len(good),
        worst_recall=min((m[1] for m in large), default=1.0),
        worst_precision=min((m[2] for m in large), default=1.0),
        worst_kind=kinds["kind"][0],
        worst_kind_share=kinds["flagged"][0],
        rate=float(verdicts["exchanges"].sum()) / seconds,
        peak_mb=usage.ru_maxrss / 1024,
        holds=holds,
    )


def best_match(campaign: str, rows: pl.DataFrame) -> tuple[int, float, float]:
    """Accounts of a campaign, and recall and precision of the found one that holds most of them."""
    members = rows.filter(pl.col("campaign") == campaign)
    top = members["campaign_found"].drop_nulls().mode().sort()
    if not len(top):
        return len(members), 0.0, 0.0
    inside = rows.filter(pl.col("campaign_found") == top[0])
    both = inside.filter(pl.col("campaign") == campaign)
    return len(members), len(both) / len(members), len(both) / len(inside)


def only(mix: Path, name: str | None, out: Path) -> Path:
    """Writes a mix with one of the campaigns left, or none."""
    spec = json.loads(mix.read_text())
    spec["campaigns"] = [c for c in spec["campaigns"] if c["name"] == name]
    out.write_text(json.dumps(spec))
    return out


def pools(args: argparse.Namespace, traffic: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """Yields the traffic with a key pool or a relay in it, by name."""
    for declared in (False, True):
        owner = "declared" if declared else "undeclared"
        for router in ROUTERS:
            name = f"key-pool-{router}-{owner}"
            out = args.work / f"traffic-{name}-{seed}"
            yield name, with_key_pool(traffic, out, router, declared=declared, seed=seed)
        out = args.work / f"traffic-relay-{owner}-{seed}"
        yield f"relay-{owner}", with_relay(traffic, out, declared=declared, seed=seed)


def verdicts_of_pool(args: argparse.Namespace, scenario: str, traffic: Path) -> dict[str, int]:
    """How many accounts of the pool have each verdict: none may be above `watch`."""
    found = pl.read_parquet(args.work / "found" / scenario.replace("/", "-") / "verdicts.parquet")
    labels = pl.read_parquet(traffic / "labels.parquet")
    pooled = labels.filter(pl.col("kind").is_in(["key-pool", "relay"]))
    counts = found.join(pooled, on="account", how="semi").group_by("verdict").len()
    return dict(counts.sort("verdict").iter_rows())


def scenarios(args: argparse.Namespace) -> list[Outcome]:
    """Runs what was asked for, printing each line as it comes."""
    outcomes = []

    def show(outcome: Outcome) -> None:
        outcomes.append(outcome)
        print(outcome.row(), flush=True)

    for seed in args.seeds:
        traffic = compose(args, args.mix, seed, args.work / f"traffic-{args.mix.stem}-{seed}")
        show(measure(args, f"detection/{args.mix.stem}-{seed}", traffic))
        for family in ABLATED if args.ablate else ():
            show(measure(args, f"detection/without-{family}-{seed}", traffic, "--without", family))
        for name, pooled in pools(args, traffic, seed) if args.pools else ():
            outcome = measure(args, f"detection/{name}-{seed}", pooled)
            show(outcome)
            print(
                f"  {name}-{seed}: {verdicts_of_pool(args, outcome.scenario, pooled)}", flush=True
            )
    names = [c["name"] for c in json.loads(args.mix.read_text())["campaigns"]]
    for name in [*names, None] if args.alone else []:
        mix = only(args.mix, name, args.work / f"alone-{name}.json")
        for seed in args.seeds:
            traffic = compose(args, mix, seed, args.work / f"traffic-alone-{name}-{seed}")
            show(measure(args, f"detection/alone-{name or 'nobody'}-{seed}", traffic))
    return outcomes


def main() -> None:
    """Prints the table and writes results.json."""
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument(
        "--data", type=Path, action="append", required=True, help="folder of prompt sets and traces"
    )
    ap.add_argument(
        "--tools", type=Path, required=True, help="folder of compose_traffic.py and score_hunt.py"
    )
    ap.add_argument(
        "--mix", type=Path, help="what traffic to compose; TOOLS/mix_dev.json if not given"
    )
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    ap.add_argument(
        "--ablate", action="store_true", help="also leave out each family of evidence in turn"
    )
    ap.add_argument(
        "--alone", action="store_true", help="also each campaign alone in the log, and none"
    )
    ap.add_argument(
        "--pools", action="store_true", help="also one app behind several keys, and a relay"
    )
    ap.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "gamekeeper-bench")
    ap.add_argument("--results", type=Path, default=Path("results/detection.json"))
    args = ap.parse_args()
    args.mix = args.mix or args.tools / "mix_dev.json"
    args.work.mkdir(parents=True, exist_ok=True)
    print(HEAD)
    outcomes = scenarios(args)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps([asdict(o) for o in outcomes], indent=2))


if __name__ == "__main__":
    main()
