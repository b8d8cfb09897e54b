"""How often `linking.schedules` reads pools as dealt, and ordinary groups.

    python benchmarks/detection/schedule_readings.py [--seeds 20] [--first 1000] [--ordinary 100]

Customers are people of `simulate.arrivals`; one of them, the thief, sends a share of the traffic in
crowds or evenly. The 24 accounts may also carry a cover: traffic of people of their own. Ordinary
groups of 12, 24 or 40 accounts share hours, weekends, busy days, a week, or jobs by the clock.
Scenario ids are permanent: schedule/SCHEDULER-SHARE-COVER, schedule/ordinary-KIND.
"""

import argparse
from collections.abc import Callable

import numpy as np
from schedulers import SCHEDULERS, Scheduler

from gamekeeper.evidence import exact_interval
from gamekeeper.linking.schedules import Sittings, read_sittings
from gamekeeper.simulate.arrivals import balanced_starts, burst_starts, session_starts, unfold

DAYS = 30
DAY_S = 86_400.0
GAP_S = 1_800.0
BEGIN_S = 1_775_001_600.0  # 1 April 2026
ACCOUNTS = 24
LEVEL = 0.01
SHARES = (0.5, 0.3, 0.2, 0.1, 0.05)
COVERS = (0.2, 0.5, 0.8)


def person(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times of one person's exchanges, and the conversation of each."""
    turns = rng.geometric(0.35, int(np.clip(rng.lognormal(1.6, 0.8), 2, 80))).astype(np.int64)
    times = unfold(rng, session_starts(rng, len(turns), DAYS), turns, DAYS)
    return times, np.repeat(np.arange(len(turns)), turns)


def thief(rng: np.random.Generator, exchanges: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of a thief's exchanges, in crowds or evenly, and the conversation of each."""
    turns = np.full(max(1, exchanges // 3), 3, np.int64)
    starts = balanced_starts if rng.random() < 0.5 else burst_starts
    times = unfold(rng, np.sort(starts(rng, len(turns), DAYS)), turns, DAYS)
    return times, np.repeat(np.arange(len(turns)), turns)


def pool(rng: np.random.Generator, deal: Scheduler, share: float, cover: float) -> Sittings:
    """Sittings of a relay's accounts."""
    customers = [person(rng) for _ in range(int(rng.integers(80, 201)))]
    exchanges = sum(len(times) for times, _ in customers)
    customers.append(thief(rng, int(exchanges * share / (1 - share))))
    begin = []
    end = []
    dealt_times = []
    for times, talk in customers:
        parts = np.split(times, np.flatnonzero(np.diff(talk)) + 1)
        begin += [part[0] for part in parts]
        end += [part[-1] for part in parts]
        dealt_times += parts
    order = np.argsort(begin)
    account = np.zeros(len(begin), np.int64)
    sessions = np.arange(len(begin))
    account[order] = deal(np.array(begin)[order], np.array(end)[order], sessions, ACCOUNTS, rng)
    own = [[dealt_times[i] for i in np.flatnonzero(account == a)] for a in range(ACCOUNTS)]
    return sittings([covered(rng, parts, cover) for parts in own])


def covered(rng: np.random.Generator, parts: list[np.ndarray], cover: float) -> np.ndarray:
    """An account's exchanges among those of people who use it besides."""
    wanted = sum(map(len, parts)) * cover / (1 - cover)
    while wanted > 0:
        times = person(rng)[0][: int(np.ceil(wanted))]
        parts = [*parts, times]
        wanted -= len(times)
    return np.concatenate(parts) if parts else np.zeros(0)


def sittings(accounts: list[np.ndarray]) -> Sittings:
    """Cuts each account's exchanges where it pauses."""
    account = []
    start = []
    end = []
    for number, times in enumerate(map(np.sort, accounts)):
        for part in np.split(times, np.flatnonzero(np.diff(times) > GAP_S) + 1):
            if len(part):
                account.append(number)
                start.append(part[0])
                end.append(part[-1])
    order = np.argsort(start)
    return Sittings(
        account=np.array(account)[order],
        start_s=BEGIN_S + np.array(start)[order],
        end_s=BEGIN_S + np.array(end)[order],
        accounts=len(accounts),
    )


def visits(rng: np.random.Generator, weights: np.ndarray, hour: float, spread: float) -> np.ndarray:
    """Exchanges of an account on days drawn by weight, around an hour."""
    count = int(np.clip(rng.lognormal(2.7, 0.7), 5, 90))
    day = rng.choice(DAYS, count, p=weights / weights.sum())
    starts = day * DAY_S + (hour + rng.normal(0, spread, count)) % 24 * 3_600
    turns = rng.geometric(0.25, count).astype(np.int64)
    return unfold(rng, starts, turns, DAYS)


def people(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Strangers, each with hours of their own."""
    return [visits(rng, np.ones(DAYS), rng.uniform(0, 24), 3.0) for _ in range(count)]


def one_zone(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Strangers of one time zone, fewer of them at weekends."""
    weights = np.where(weekend(), 0.4, 1.0)
    hour = rng.uniform(0, 24)
    return [visits(rng, weights, hour, 2.5) for _ in range(count)]


def office(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Colleagues: office hours, no weekends, holidays and days on which there is much to do."""
    weights = np.where(weekend(), 0.01, 1.0) * rng.lognormal(0, 0.6, DAYS)
    weights *= rng.random(DAYS) > 0.07
    hour = rng.uniform(0, 24)
    return [visits(rng, weights, hour + rng.normal(0, 0.7), 2.2) for _ in range(count)]


def classroom(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """A course of twelve days, busier towards its end."""
    weights = np.zeros(DAYS)
    first = int(rng.integers(0, DAYS - 12))
    weights[first : first + 12] = np.linspace(0.4, 2, 12)
    hour = rng.uniform(0, 24)
    return [visits(rng, weights, hour, 2.5) for _ in range(count)]


def apps(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Services with customers, night and day."""
    return [
        burst_starts(rng, int(np.clip(rng.lognormal(5, 0.8), 40, 400)), DAYS) for _ in range(count)
    ]


def jobs(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Jobs by the clock, on fixed weekdays."""
    accounts = []
    for _ in range(count):
        days = np.flatnonzero(np.isin(np.arange(DAYS) % 7, rng.choice(7, 3, replace=False)))
        starts = days * DAY_S + rng.uniform(0, 24) * 3_600 + rng.normal(0, 300, len(days))
        accounts.append(unfold(rng, starts, np.full(len(days), 5, np.int64), DAYS))
    return accounts


def mixed(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Users of one client: some of each."""
    kinds = rng.choice([people, office, apps, jobs], count)
    return [kind(rng, 1)[0] for kind in kinds]


def weekend() -> np.ndarray:
    """Which days are, bool."""
    return (int(BEGIN_S // DAY_S) + np.arange(DAYS) + 3) % 7 >= 5


ORDINARY: tuple[Callable[[np.random.Generator, int], list[np.ndarray]], ...] = (
    people,
    one_zone,
    office,
    classroom,
    apps,
    jobs,
    mixed,
)


def row(scenario: str, groups: list[Sittings], seed: int) -> tuple[int, int]:
    """Reads groups and prints a line of Markdown."""
    rng = np.random.default_rng([seed, 1])
    readings = [read_sittings(group, rng) for group in groups]
    read = [one for one in readings if one is not None]
    found = sum(one.p_value <= LEVEL for one in read)
    low, high = exact_interval(found, len(groups))
    print(
        f"| {scenario} | {found} of {len(groups)} ({low:.3f} to {high:.3f}) "
        f"| {len(groups) - len(read)} | {np.median([len(g.start_s) for g in groups]):.0f} |",
        flush=True,
    )
    return found, len(groups)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="pools of each scenario")
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument("--ordinary", type=int, default=100, help="groups of each ordinary kind")
    args = parser.parse_args()
    print("| scenario | read as dealt at .01 (95 %) | too few to read | sittings |\n|" + "---|" * 4)
    plans = [(share, 0.0) for share in SHARES] + [(0.2, cover) for cover in COVERS]
    for share, cover in plans:
        for name, deal in SCHEDULERS.items():
            pools = [
                pool(np.random.default_rng([args.first + s, 0]), deal, share, cover)
                for s in range(args.seeds)
            ]
            row(f"schedule/{name}-{share}-{cover}", pools, args.first)
    for kind in ORDINARY:
        groups = []
        for s in range(args.ordinary):
            rng = np.random.default_rng([args.first + s, 2])
            groups.append(sittings(kind(rng, int(rng.choice([12, 24, 40])))))
        row(f"schedule/ordinary-{kind.__name__.replace('_', '-')}", groups, args.first)


if __name__ == "__main__":
    main()
