"""The table of budgets in docs/how-to/tabular-apis.md: what a daily budget leaves of a copy.

    python benchmarks/tabular/budget.py [--seeds 300 301] [--fidelity 0.9] [--help]

The audit attacks a network that grades applications; `AuditResult.largest_budget` says how many
queries keep every attack at or below the fidelity. That number, divided by the days that the model
is served, is `[identity.budget] requests` of the guard. Then another thief, with inputs that the
audit did not have, asks as fast as it may through one account and through five, in a replayed month
of ordinary portfolios. Printed: what it is answered, the agreement of the copy that it trains, and
how many ordinary accounts are refused an answer.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "audit")]
from found import DAYS, INPUTS, TRAIN, Setting, Theft, audited, booked, trained

from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.replay import replay
from gamekeeper.simulate import simulate_classifier
from scoring_api import grader, only, portfolios

ATTACKS = ("learned-copy", "active-selection")
PER_DAY = 125
"""Queries a day that the thief would like to make, all accounts together."""
AUDITS = 2
"""Each with inputs of its own; the smallest budget counts."""


def rows(seed: int, fidelity: float, accounts: tuple[int, ...]) -> Iterator[str]:
    """Yields the lines of one seed."""
    rng = np.random.default_rng(seed)
    known = portfolios(seed + 20_000, TRAIN, rng)
    victim = trained("network", known, grader(rng, known)(known), seed)
    queries = min(
        audited(
            victim, "network", portfolios(seed + 30_000 + own, INPUTS, rng), Setting(), ATTACKS, own
        )
        .run()
        .largest_budget(fidelity)
        or 0
        for own in range(AUDITS)
    )
    if not queries:
        yield f"| {seed} | none bounds it |" + " – |" * 6
        return
    month = simulate_classifier(seed=seed, days=DAYS, callers=300, per_account=70)
    ordinary, _ = only(month, pl.col("campaign").is_null())
    # whose inputs, seed and copies are not the audit's
    thief = audited(
        victim, "network", portfolios(seed + 40_000, INPUTS, rng), Setting(), ATTACKS, seed + 1
    )
    curves = {(c.attack, c.believes): c for c in thief.run().defended[0].curves}
    for attack in ATTACKS:
        theft = Theft(
            attack=attack,
            curve=curves[attack, "scores"],
            asked=thief.traffic,
            thief=f"{attack}-scores-0",
            guess=0.0,
        )
        for split in accounts:
            yield _row(seed, queries, theft, split, ordinary)


def _row(seed: int, queries: int, theft: Theft, accounts: int, ordinary: pl.DataFrame) -> str:
    per_day = max(1, queries // (DAYS * accounts))
    policy = GuardPolicy.model_validate(
        {"format": "gamekeeper/policy@1", "identity": {"budget": {"requests": per_day}}}
    )
    asked, _ = booked(theft, replace(Setting(), per_day=PER_DAY, begins=0), accounts, seed)
    end = ordinary["time"].min() + timedelta(days=DAYS)
    log = pl.concat([ordinary, asked.select(ordinary.columns)]).filter(pl.col("time") < end)
    played = replay(log, policy, every_s=DAYS * 86_400, enforce=True).exchanges
    thieves = played["account"].str.starts_with("t-")
    answered = int((thieves & played["is_answered"]).sum())
    refused = played.filter(~thieves & (pl.col("action") == "budget"))
    each = f"| {seed} | {queries:,} | {theft.attack} | {accounts} | {per_day} | {answered:,} |"
    share = f"{refused['account'].n_unique():,} of {ordinary['account'].n_unique():,}"
    return f"{each} {theft.fidelity(answered):.1%} | {share} |"


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[300, 301])
    options.add_argument("--accounts", type=int, nargs="+", default=[1, 5])
    options.add_argument("--fidelity", type=float, default=0.9)
    chosen = options.parse_args()
    print(
        "| seed | audit's budget | thief | accounts | requests a day | answered | fidelity | ordinary refused |"
    )
    print("|" + "---|" * 8)
    for seed in chosen.seeds:
        for line in rows(seed, chosen.fidelity, tuple(chosen.accounts)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
