"""The tables of docs/measurements/detection.md: what detectors find in composed traffic.

    python benchmarks/detection/run.py [--data DATA --tools TOOLS] [--seeds 1 2 3]
    [--scenarios NAME[@DECK] ...] [--detectors gamekeeper mmd ...] [--live 1 2 4 8 16 30]
    [--mix [MIX]] [--ablate] [--alone] [--pools]

prints Markdown. DATA holds prompt sets and arrival traces, TOOLS the composer of ordinary traffic
(compose_traffic.py, mix_dev.json); neither is part of this project, and without them texts and
traffic are of the project's own making. Every hunt runs in a process of its own. Ids of scenarios
are permanent: detection/NAME of scenarios.py, and those of mixes.py.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import live
import numpy as np
import polars as pl
import score
from bases import ordinary
from compose import WORK, compose
from hunting import Hunted, hunt
from mixes import Mixes
from published import DETECTORS
from published.traffic import Traffic
from scenarios import CORE, PRESETS, scenario
from score import Tally

OURS = "gamekeeper"
DEFAULT = Path("mix_dev.json")
"""The mix of TOOLS that is measured where none is named."""
OF_ORDINARY = 1e-3
"""Share of the ordinary accounts of another month that a published detector's threshold flags."""
REFERENCE, CALIBRATION = 1_001, 2_001
"""Seeds of the ordinary months on which a published detector learns, and gets its threshold."""
MIX_HEAD = (
    "| scenario | account recall (95 %) | account precision (95 %) | worst campaign recall "
    "| worst campaign precision | worst ordinary kind | ordinary flagged | exchanges/s | peak MB "
    "| all targets |\n" + "|---" * 10 + "|"
)


def main() -> None:
    """Prints what the command line asks for, and writes the counts."""
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.is_mix:
        print_mixes(args)
        return
    names = list(PRESETS) if args.scenarios == ["all"] else args.scenarios
    for name in names:
        scenario(name)  # a wrong name is said before hours of work
    counts = {}
    print(score.HEAD, flush=True)
    for name in names:
        months = {seed: traffic_of(args, name, seed) for seed in args.seeds}
        for detector in args.detectors:
            said = [one(args, detector, name, seed, out) for seed, out in months.items()]
            tally = Tally.of(said)
            counts[f"{name}/{detector}"] = counted(tally)
            print(score.row(f"detection/{name}", detector, tally), flush=True)
    if args.live:
        print_live(args, names)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(counts, indent=2))


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--data", type=Path, action="append", default=[])
    ap.add_argument("--tools", type=Path)
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    ap.add_argument("--scenarios", nargs="+", default=CORE, help=f"all, or of {', '.join(PRESETS)}")
    ap.add_argument(
        "--detectors", nargs="+", default=[OURS], choices=[OURS, *DETECTORS, "all"], metavar="NAME"
    )
    ap.add_argument("--live", type=float, nargs="+", metavar="DAY", help="also hunt prefixes")
    ap.add_argument(
        "--mix", type=Path, nargs="?", const=DEFAULT, help="instead: a month of many campaigns"
    )
    ap.add_argument(
        "--ablate", action="store_true", help="the mix, also without each linking family"
    )
    ap.add_argument("--alone", action="store_true", help="the mix, also each campaign alone")
    ap.add_argument("--pools", action="store_true", help="the mix, also with key pools and relays")
    ap.add_argument("--work", type=Path, default=WORK)
    ap.add_argument("--results", type=Path, default=Path("results/detection.json"))
    args = ap.parse_args()
    if bool(args.data) != bool(args.tools):
        ap.error("--data and --tools go together")
    args.is_mix = any((args.mix, args.ablate, args.alone, args.pools))
    if args.is_mix and not args.data:
        ap.error("a mix needs --data and --tools")
    if args.detectors == ["all"]:
        args.detectors = [OURS, *DETECTORS]
    return args


def one(
    args: argparse.Namespace, detector: str, name: str, seed: int, traffic: Path
) -> pl.DataFrame:
    """What a detector says of one seed of a scenario; see `score.judged`."""
    if detector != OURS:
        return score.with_labels(traffic, published(args, detector, traffic), seed)
    found = args.work / "found" / f"{name}-{source(args)}-{seed}"
    hunt(traffic / "exchanges.parquet", found)
    return score.judged(traffic, found, seed)


def traffic_of(args: argparse.Namespace, name: str, seed: int) -> Path:
    """The folder of one seed of a scenario, composed again."""
    base = ordinary(args.work, seed, args.data, args.tools)
    out = args.work / f"traffic-{name}-{source(args)}-{seed}"
    return compose(base, scenario(name), out, seed=seed, data=args.data, name=name)


def source(args: argparse.Namespace) -> str:
    """Whose texts."""
    return "real" if args.data else "own"


def published(args: argparse.Namespace, detector: str, traffic: Path) -> pl.DataFrame:
    """What a published detector says of each account, with a threshold from another month."""
    reference, calibration = (
        month(ordinary(args.work, seed, args.data, args.tools)) for seed in (REFERENCE, CALIBRATION)
    )
    subject = month(traffic)
    scores = DETECTORS[detector](subject, reference)
    is_flagged = scores > threshold(detector, calibration, reference)
    return pl.DataFrame(
        {
            "account": subject.accounts,
            "level": is_flagged.astype(np.int8) * 2,
            "score": scores,
            "group": None,
        }
    )


@lru_cache
def threshold(detector: str, calibration: Traffic, reference: Traffic) -> float:
    """The score that `OF_ORDINARY` of a month's ordinary accounts exceed."""
    return score.threshold(DETECTORS[detector](calibration, reference), OF_ORDINARY)


@lru_cache(maxsize=8)
def month(folder: Path) -> Traffic:
    """Traffic, whose vectors are made once."""
    return Traffic.read(folder)


def counted(tally: Tally) -> dict[str, Sequence[int]]:
    """The counts behind a line, as (hits, of)."""
    return {
        "found": tally.found(),
        "above_watch": tally.found(2),
        "strict": tally.strict(),
        "campaigns": tally.campaigns(),
        "reported": tally.reported(),
        "accused": tally.accused(),
        "accused_above_watch": tally.accused(2),
        "victims_above_watch": tally.victims(),
    }


def print_live(args: argparse.Namespace, names: Iterable[str]) -> None:
    """Hours and exchanges before the verdict, by growing prefixes of the first seed."""
    seed = args.seeds[0]
    print(f"\n{live.HEAD}", flush=True)
    for name in names:
        work = args.work / f"live-{name}-{source(args)}-{seed}"
        lived = live.live(traffic_of(args, name, seed), work, args.live)
        print(live.row(f"detection/{name}-{seed}", lived), flush=True)


def print_mixes(args: argparse.Namespace) -> None:
    """Months of many campaigns."""
    mix = args.tools / DEFAULT if args.mix in (None, DEFAULT) else args.mix
    mixes = Mixes(mix=mix, data=args.data, tools=args.tools, work=args.work)
    wanted = [mixes.whole]
    wanted += [mixes.ablated] if args.ablate else []
    wanted += [mixes.alone] if args.alone else []
    wanted += [mixes.pools] if args.pools else []
    print(MIX_HEAD, flush=True)
    for asked in wanted:
        for seed in args.seeds:
            for name, traffic, options in asked(seed):
                hunted = hunt(traffic / "exchanges.parquet", args.work / "found" / name, *options)
                tally = Tally.of([score.judged(traffic, hunted.found, seed)])
                print(mix_row(f"detection/{name}", tally, hunted), flush=True)


def mix_row(name: str, tally: Tally, hunted: Hunted) -> str:
    """A line of Markdown about one month; below it, the levels of pooled accounts."""
    large = [match for match in tally.matches if match.size >= score.LARGE]
    kind, share = tally.worst_kind()
    exchanges = pl.read_parquet(hunted.found / "verdicts.parquet")["exchanges"].sum()
    flagged, ordinary_accounts = tally.accused()
    cells = [
        name,
        score.interval(*tally.found()),
        score.interval(*tally.precision()),
        f"{min((match.recall for match in large), default=1.0):.2f}",
        f"{min((match.precision for match in large), default=1.0):.2f}",
        f"{kind} {share:.1%}",
        f"{flagged} of {ordinary_accounts}",
        f"{exchanges / hunted.seconds:,.0f}",
        f"{hunted.peak_mb:,.0f}",
        "yes" if tally.holds() else "no",
    ]
    pooled = tally.good.filter(pl.col("kind").is_in(["key-pool", "relay"]))
    levels = dict(pooled.group_by("level").len().sort("level").iter_rows())
    said = f"\n  pool by level (0 allow, 1 watch, 2 above): {levels}" if levels else ""
    return f"| {' | '.join(cells)} |{said}"


if __name__ == "__main__":
    main()
