"""The table of openings in docs/measurements/guard-fidelity.md: who is watched, and who gets more,
after a campaign's template is known.

    python benchmarks/guard/openings.py [--seeds 41 42]

Months of simulated traffic (`gamekeeper.simulate`) before the guard's own code, enforced:

 - replacements: a campaign that asks for written reasoning is found; from the 18th day on it works
   with new accounts, each of which asks ten times in two days; a pass every two days
 - a product: 16 accounts put its system prompt around a deck of tasks, while 8 tenants use it;
   afterwards it gets 20 new tenants. In `later` the thieves come five days after the tenants, in
   `together` both are there when the log begins, so that nobody can say who was first. A pass every five days; there are so many other accounts
   that 8 tenants are few among them.

A row counts accounts that were held at `watch` or more, and at `slow` or more, at any time;
`after` is the median number of exchanges that they had sent by then, the last one included.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.replay import Replayed, replay
from gamekeeper.simulate import LabelledTraffic, lexicon
from gamekeeper.simulate.account_kinds import (
    Benchmarks,
    Household,
    SimulatedAccount,
    app,
    classroom,
    framework,
    office,
    person,
)
from gamekeeper.simulate.arrivals import DAY_S, session_starts, unfold
from gamekeeper.simulate.campaigns import CampaignPlan, campaign
from gamekeeper.simulate.labelled_traffic import book
from gamekeeper.simulate.scene import Scene
from gamekeeper.simulate.voices import Person

DAYS = 30
MANY = ((person, 1_800), (app, 40), (framework, 60))
FEW = (
    (person, 360),
    (app, 24),
    (framework, 36),
    (office, 3),
    (classroom, 1),
    (Benchmarks(), 2),
)
PRODUCT = (
    "You are the house assistant of a garden centre in the north. Recommend only what is in stock"
    " this week."
)
REASONING = CampaignPlan(
    name="reasoning",
    language="en",
    deck="math",
    accounts=40,
    per_account=45,
    cover=0.3,
    infra="unique",
    form="cot",
)
DECK = CampaignPlan(
    name="deck", language="en", deck="task", accounts=16, per_account=30, cover=0, infra="shared"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of accounts of one kind.

    Args:
        accounts: How many.
        watched: Exchanges that each had sent when it was first held at `watch` or more.
        slowed: The same at `slow` or more.
    """

    accounts: int
    watched: tuple[int, ...]
    slowed: tuple[int, ...]


def later(accounts: list[SimulatedAccount], days: float, kind: str) -> list[SimulatedAccount]:
    """Returns accounts that begin so many days later, labelled as `kind`."""
    return [
        replace(each, times=each.times + days * DAY_S, kind=kind, campaign=kind)
        for each in accounts
    ]


def ordinary(scene: Scene, households: Sequence[tuple[Household, int]]) -> list[SimulatedAccount]:
    """Draws the ordinary accounts of a month."""
    return [
        account
        for open_accounts, count in households
        for _ in range(count)
        for account in open_accounts(scene)
    ]


def replacements(seed: int) -> LabelledTraffic:
    """Composes the month in which a campaign goes on with new accounts."""
    scene = Scene.open(seed, DAYS)
    accounts = ordinary(scene, FEW)
    first = replace(scene, days=13)
    accounts += later(campaign(first, REASONING, 1), 5, "first accounts")
    plan = replace(REASONING, accounts=12, per_account=10)
    for day in range(18, 28):
        accounts += later(campaign(replace(scene, days=2), plan, 1), day, "replacements")
    return book(accounts, scene.rng)


def product(seed: int, begins: float) -> LabelledTraffic:
    """Composes the month in which thieves use the system prompt of a product from a day on."""
    scene = Scene.open(seed, DAYS)
    accounts = ordinary(scene, MANY)
    accounts += later([tenant(scene, DAYS, 30) for _ in range(8)], 0, "tenants")
    thieves = campaign(replace(scene, days=11), DECK, 1)
    accounts += later(
        [replace(each, systems=[PRODUCT] * len(each.times)) for each in thieves], begins, "thieves"
    )
    accounts += later(
        [tenant(replace(scene, days=14), 14, 14) for _ in range(20)], 16, "new tenants"
    )
    return book(accounts, scene.rng)


def tenant(scene: Scene, days: int, exchanges: int) -> SimulatedAccount:
    """Draws a tenant of the product: its system prompt and one person's interests."""
    turns = scene.split(exchanges)
    voice = Person(lexicon.draw_language(scene.dice), scene.dice)
    starts = np.sort(session_starts(scene.rng, len(turns), days))
    times = unfold(scene.rng, starts, turns, days)
    return SimulatedAccount(
        kind="tenant",
        network=scene.internet.join(),
        times=times,
        turns=turns,
        models=scene.habitual_models(times),
        prompts=[text for n in turns for text in voice.conversation(int(n))],
        systems=[PRODUCT] * len(times),
    )


def played(traffic: LabelledTraffic, every_days: float) -> dict[str, Row]:
    """Gives a month to the guard; returns what became of whom."""
    replayed = replay(traffic.exchanges, GuardPolicy(), every_s=every_days * DAY_S)
    kinds = traffic.labels.with_columns(pl.col("campaign").fill_null("ordinary"))
    slowed = dict(replayed.held.select("account", "slowed").iter_rows())
    return {
        str(kind): Row(
            accounts=len(part),
            watched=_sent_by(replayed, part["account"], replayed.watched),
            slowed=_sent_by(replayed, part["account"], slowed),
        )
        for (kind,), part in kinds.group_by("campaign")
    }


def _sent_by(replayed: Replayed, accounts: pl.Series, held: dict[str, datetime]) -> tuple[int, ...]:
    """How many exchanges each account that was held had sent by then."""
    at = pl.DataFrame(
        [(account, held[account]) for account in accounts if account in held],
        schema={"account": pl.String, "held": pl.Datetime("us", "UTC")},
        orient="row",
    )
    sent = replayed.exchanges.join(at, on="account").filter(pl.col("time") <= pl.col("held"))
    return tuple(sent.group_by("account").len()["len"])


def run(seed: int) -> dict[str, dict[str, Row]]:
    """Returns what became of whom in each month of a seed."""
    with threadpool_limits(1):
        return {
            "replacements": played(replacements(seed), 2),
            "product, later": played(product(seed, 5), 5),
            "product, together": played(product(seed, 0), 5),
        }


def table(found: dict[int, dict[str, dict[str, Row]]]) -> Iterator[str]:
    """Yields the table, a row a kind of account, month and seed."""
    yield "| month | accounts | seed | of | watched or more | after | slowed or more | after |"
    yield "|" + "---|" * 8
    for month in next(iter(found.values())):
        for kind in sorted(found[next(iter(found))][month]):
            for seed, months in found.items():
                row = months[month][kind]
                numbers = (row.accounts, *_cell(row.watched), *_cell(row.slowed))
                yield f"| {month} | {kind} | {seed} | " + " | ".join(map(str, numbers)) + " |"


def _cell(sent: tuple[int, ...]) -> tuple[str, str]:
    return str(len(sent)), f"{median(sent):g}" if sent else "–"


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[41, 42])
    chosen = options.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(chosen.seeds, pool.map(run, chosen.seeds), strict=True))
    print("\n".join(table(found)))
    print(f"{time.monotonic() - began:,.0f} s")


if __name__ == "__main__":
    main()
