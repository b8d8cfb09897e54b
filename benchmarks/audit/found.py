"""The table of docs/measurements/found.md: what a copy has reached when hunt names its thief, and when
guard holds him.

    python benchmarks/audit/found.py [--seeds 100 101 102] [--accounts 8 40] [--attacks learned-copy
    ...] [--help]

Three weeks of a credit-scoring API: ordinary callers score portfolios of their own.
`gamekeeper.audit` plays each attack against a model on which it is strong; what the thief asked is
split over accounts, put into the log, and shown

    to `hunt`, every second day all that is in the log by then, until half of the thief's accounts
    are in a verdict to the guard (`gamekeeper.guard.replay`), its default policy enforced, a look
    every second day

until four days after his last query. Fidelity by then is the audit's own curve at the number of
queries that had been
made: agreement with the model on a thousand rows that nobody asked about. Before its first copy a
    thief has the
commonest label.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from gamekeeper.audit.driver import Audit
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import Curve
from gamekeeper.audit.targets import CallableTarget
from gamekeeper.audit.traffic import Pace
from gamekeeper.audit.traffic import Traffic as Asked
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.replay import outcomes, replay
from gamekeeper.hunt import hunt
from gamekeeper.simulate import simulate_classifier
from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.labelled_traffic import book
from gamekeeper.simulate.network import Infra
from gamekeeper.simulate.scene import START, Scene
from gamekeeper.simulate.scoring_traffic import MODEL

sys.path.append(str(Path(__file__).parents[1]))
from scoring_api import grader, interval, only, portfolios, sent

ATTACKED = {
    "learned-copy": ("network", "scores"),
    "active-selection": ("network", "scores"),
    "relu-networks": ("network", "scores"),
    "path-finding": ("tree", "scores"),
    "boundary-walk": ("linear", "labels"),
    "equation-solving": ("linear", "scores"),
}
"""Each attack, the model that it is played against, and what its thief takes of an answer."""
DAYS = 20
EVERY = 2
PATIENCE = 4
"""Days of the log, days between looks, and days for which a thief is looked for after his last
query.
"""
TRAIN = 4_000
INPUTS = 5_000
TESTS = 1_000
ASKED_AGAIN = 5
_DAY_S = 86_400
_UNUSED = 10**9


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large everything is.

    Args:
        callers: Ordinary accounts.
        per_account: Median rows of each.
        queries: Of a thief, all his accounts together, at most.
        per_day: Queries of a thief a day, all his accounts together.
        begins: Day on which he begins.
        networks: Whether his accounts have networks, clients and cards of their own (`unique`) or
            share some.
    """

    callers: int = 300
    per_account: int = 70
    queries: int = 2_500
    per_day: int = 250
    begins: int = 4
    networks: Infra = "unique"


@dataclass(frozen=True, kw_only=True)
class Theft:
    """An attack that was played.

    Args:
        attack: By name.
        curve: What its copies reached.
        asked: What its thief asked, among others.
        thief: His name there.
        guess: Fidelity of the commonest label, for which nobody needs to ask.
    """

    attack: str
    curve: Curve
    asked: Asked
    thief: str
    guess: float

    def fidelity(self, queries: int) -> float:
        """Of the copy after so many queries: between two points of the curve, a straight line over
        their logarithm.
        """
        sizes, reached = zip(
            *((point.queries, point.fidelity) for point in self.curve.points), strict=True
        )
        return (
            self.guess
            if queries < sizes[0]
            else float(np.interp(np.log(queries), np.log(sizes), reached))
        )


@dataclass(frozen=True, kw_only=True)
class Met:
    """A thief, as hunt or the guard met him.

    Args:
        queries: Made until half of the accounts that had begun were named or held; None: never.
        accounts: Of his that were named by then, or held at any time; by hunt at its last look, if
            never.
        watched: Of his that were in a campaign at any time, whatever its verdict.
        of: Accounts that he has; of hunt those that had begun.
        innocents: Ordinary accounts that were named in the same look, or held at any time.
        ordinary: How many there are; of hunt those that had begun.
    """

    queries: int | None
    accounts: int
    watched: int
    of: int
    innocents: int
    ordinary: int


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One attack through so many accounts, in one month."""

    theft: Theft
    accounts: int
    queries: int
    hunted: Met
    guarded: Met


def cells(
    seed: int, setting: Setting, attacks: Sequence[str], accounts: Sequence[int]
) -> Iterator[Cell]:
    """Plays attacks and yields how each was met."""
    month = simulate_classifier(
        seed=seed, days=DAYS, callers=setting.callers, per_account=setting.per_account
    )
    ordinary = only(month, pl.col("campaign").is_null())
    for theft in thefts(seed, setting, attacks):
        for split in accounts:
            thief = booked(theft, setting, split, seed)
            log, labels = (pl.concat(parts) for parts in zip(ordinary, thief, strict=True))
            looked = pl.col("time") < thief[0]["time"].max() + timedelta(days=PATIENCE)
            log = log.filter(looked).sort("time", "account")
            yield Cell(
                theft=theft,
                accounts=split,
                queries=len(thief[0]),
                hunted=hunted(log, labels, setting.begins),
                guarded=guarded(log, labels),
            )


def thefts(seed: int, setting: Setting, attacks: Sequence[str]) -> Iterator[Theft]:
    """Trains models on portfolios, audits each, and yields the attacks that are strong
    against it.
    """
    rng = np.random.default_rng(seed)
    rows = portfolios(seed + 20_000, TRAIN, rng)
    inputs = portfolios(seed + 30_000, INPUTS, rng)
    grades = grader(rng, rows)(rows)
    for model in dict.fromkeys(ATTACKED[attack][0] for attack in attacks):
        victim = trained(model, rows, grades, seed)
        played = [attack for attack in attacks if ATTACKED[attack][0] == model]
        audit = audited(victim, model, inputs, setting, played, seed)
        result = audit.run()
        curves = {(curve.attack, curve.believes): curve for curve in result.defended[0].curves}
        labels = victim.predict(inputs)
        for attack in played:
            reading = ATTACKED[attack][1]
            yield Theft(
                attack=attack,
                curve=curves[attack, reading],
                asked=audit.traffic,
                thief=f"{attack}-{reading}-0",
                guess=float(np.bincount(labels).max() / len(labels)),
            )


def trained(model: str, rows: np.ndarray, grades: np.ndarray, seed: int) -> Any:
    """Returns a model that grades rows."""
    made = {
        "linear": LogisticRegression(max_iter=2_000),
        "tree": DecisionTreeClassifier(max_leaf_nodes=24, random_state=seed),
        "network": MLPClassifier((8,), learning_rate_init=0.01, max_iter=400, random_state=seed),
    }[model]
    with warnings.catch_warnings():
        # a victim need not be trained to the end
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(rows, grades)


def audited(
    victim: Any, name: str, inputs: np.ndarray, setting: Setting, attacks: Sequence[str], seed: int
) -> Audit:
    """Returns an audit in which every thief may make the setting's queries, whatever the others
    make.
    """
    target = CallableTarget(victim.predict_proba, name)
    budget = setting.queries + min(TESTS, setting.queries) + ASKED_AGAIN
    with tempfile.TemporaryDirectory() as folder:  # its file is open until the audit is forgotten
        meter = Meter(
            target, Journal(Path(folder) / "journal.sqlite", name), Limits(queries=100 * budget)
        )
    options = AuditOptions(budget=budget, attacks=tuple(attacks), defences=(), seeds=1, seed=seed)
    return Audit(meter, inputs, options, name)


def booked(
    theft: Theft, setting: Setting, accounts: int, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns what the thief asked as the API logs it, and whose it is."""
    # the month's own internet: what is common among callers is common among thieves
    scene = Scene.open(seed, DAYS)
    scene.rng.bit_generator.advance(_UNUSED)
    hub = scene.internet.hub()
    begins_s = setting.begins * _DAY_S
    asked = theft.asked.frame(Pace(per_day=setting.per_day, accounts=accounts), seed)
    asked = asked.filter(pl.col("account").str.starts_with(theft.thief))
    asked = asked.with_columns(
        (pl.col("time") - pl.col("time").min()).dt.total_microseconds() / 1e6 + begins_s
    )
    opened = [
        SimulatedAccount(
            kind="campaign",
            campaign=theft.attack,
            network=scene.internet.behind(hub, setting.networks),
            times=own["time"].to_numpy(),
            turns=np.ones(len(own), np.int64),
            models=[MODEL] * len(own),
            features=sent(np.array(own["features"].to_list())),
            output_tokens=1,
        )
        for own in asked.partition_by("account", maintain_order=True)
    ]
    return only(book(opened, scene.rng), pl.lit(True), "t-")


def hunted(log: pl.DataFrame, labels: pl.DataFrame, begins: int) -> Met:
    """Hunts what is in the log by every second day, until the thief is found or the log ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        for day in range(begins + EVERY, DAYS + 1, EVERY):
            part = log.filter(pl.col("time") < START + timedelta(days=day))
            part.write_parquet(path)
            met = _named(hunt([str(path)]).accounts, part, labels)
            if met.queries is not None or len(part) == len(log):
                break
    return met


def _named(verdicts: pl.DataFrame, log: pl.DataFrame, labels: pl.DataFrame) -> Met:
    named = verdicts.select("account", (pl.col("verdict") != "allow").alias("named")).join(
        labels, on="account"
    )
    thief, ordinary = (
        named.filter(which)
        for which in (pl.col("campaign").is_not_null(), pl.col("campaign").is_null())
    )
    queries = len(log.join(thief, on="account", how="semi"))
    is_found = len(thief) > 0 and 2 * thief["named"].sum() >= len(thief)
    return Met(
        queries=queries if is_found else None,
        accounts=int(thief["named"].sum()),
        watched=int(thief["named"].sum()),
        of=len(thief),
        innocents=int(ordinary["named"].sum()),
        ordinary=len(ordinary),
    )


def guarded(log: pl.DataFrame, labels: pl.DataFrame) -> Met:
    """Puts the log before the guard."""
    replayed = replay(log, GuardPolicy(), every_s=EVERY * _DAY_S, enforce=True)
    outcome = outcomes(replayed, labels)
    (met,) = outcome.campaigns
    asked = log.join(labels.drop_nulls("campaign"), on="account", how="semi")["time"]
    held = (
        None if met.hours is None else int((asked < asked.min() + timedelta(hours=met.hours)).sum())
    )
    return Met(
        queries=held,
        accounts=met.slowed,
        watched=len(replayed.grouped & set(labels.drop_nulls("campaign")["account"])),
        of=met.accounts,
        innocents=outcome.ordinary.slowed,
        ordinary=outcome.ordinary.accounts,
    )


def table(found: Sequence[Cell]) -> Iterator[str]:
    """Yields the table, a row for an attack through so many accounts."""
    yield (
        "| attack | queries | fidelity in the end | accounts | found by hunt | queries by then | fidelity by then "
        "| accounts named | ordinary named | watched by the guard | held by the guard | queries by then "
        "| fidelity by then | ordinary slowed |"
    )
    yield "|" + "---|" * 14
    for attack, accounts in dict.fromkeys((cell.theft.attack, cell.accounts) for cell in found):
        same = [cell for cell in found if (cell.theft.attack, cell.accounts) == (attack, accounts)]
        queries = f"{max(cell.queries for cell in same):,}"
        whole = interval([cell.theft.fidelity(cell.queries) for cell in same])
        hunts, guards = ([getattr(cell, by) for cell in same] for by in ("hunted", "guarded"))
        thefts = [cell.theft for cell in same]
        by_hunt = [
            _seeds(hunts),
            *_by_then(thefts, hunts),
            _of(hunts, "accounts", "of"),
            _innocents(hunts),
        ]
        by_guard = [
            _of(guards, "watched", "of"),
            _of(guards, "accounts", "of"),
            *_by_then(thefts, guards),
        ]
        yield (
            "| "
            + " | ".join(
                [attack, queries, whole, str(accounts), *by_hunt, *by_guard, _innocents(guards)]
            )
            + " |"
        )


def _seeds(each: Sequence[Met]) -> str:
    return f"{sum(met.queries is not None for met in each)} of {len(each)}"


def _by_then(thefts: Sequence[Theft], each: Sequence[Met]) -> tuple[str, str]:
    """Queries of each seed, and fidelity with its interval; one by one where a thief was
    never met.
    """
    met = [
        (theft, m.queries) for theft, m in zip(thefts, each, strict=True) if m.queries is not None
    ]
    queries = ", ".join("never" if m.queries is None else f"{m.queries:,}" for m in each)
    reached = [theft.fidelity(queries) for theft, queries in met]
    shown = (
        interval(reached)
        if len(met) == len(each)
        else ", ".join(f"{fidelity:.1%}" for fidelity in reached)
    )
    return queries, shown or "–"


def _of(each: Sequence[Met], part: str, whole: str) -> str:
    return f"{sum(getattr(met, part) for met in each):,} of {sum(getattr(met, whole) for met in each):,}"


def _innocents(each: Sequence[Met]) -> str:
    return _of(each, "innocents", "ordinary")


def main() -> None:
    """Prints the table; what is met, as it is met, on standard error."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    options.add_argument("--accounts", type=int, nargs="+", default=[8, 40])
    options.add_argument("--attacks", nargs="+", choices=list(ATTACKED), default=list(ATTACKED))
    options.add_argument("--callers", type=int, default=Setting.callers, help="ordinary accounts")
    options.add_argument(
        "--per-account", type=int, default=Setting.per_account, help="median rows of each"
    )
    options.add_argument(
        "--networks",
        choices=get_args(Infra),
        default=Setting.networks,
        help="of the thief's accounts",
    )
    chosen = options.parse_args()
    began = time.monotonic()
    setting = Setting(
        callers=chosen.callers, per_account=chosen.per_account, networks=chosen.networks
    )
    found = []
    for seed in chosen.seeds:
        for cell in cells(seed, setting, chosen.attacks, chosen.accounts):
            found.append(cell)
            told = f"{time.monotonic() - began:5,.0f} s: {seed} {cell.theft.attack} {cell.accounts}"
            print(told, cell.hunted, cell.guarded, file=sys.stderr, flush=True)
    print("\n".join(table(found)))
    took = f"{time.monotonic() - began:,.0f} s, of a core {time.process_time():,.0f} s"
    print(f"\nseeds {chosen.seeds}; {setting}; {took}")


if __name__ == "__main__":
    main()
