"""The page docs/measurements/stolen-keys.md: who steals a key and is asked to sign in, and who else is
asked.

    python benchmarks/guard/takeovers.py                  measures, prints and writes the page
                                                          (about five minutes)
    python benchmarks/guard/takeovers.py --choose         other seeds, on which defaults were
                                                          chosen; writes nothing

Histories of keys are simulated by kind of user, half a year each, a year of the seasonal one. Every
exchange goes through the guard's own judge. A thief comes between the 45th and the 75th day and has
14 days; the owner goes on. An honest user who is asked signs in again an hour later, and that
counts as one false step-up. Scenario ids are permanent: takeovers/honest-KIND,
takeovers/thief-THIEF.
"""

import argparse
import gc
import os
import re
import subprocess
import textwrap
import time
import timeit
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from gamekeeper.evidence import wilson_interval
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.identity import Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.takeover import Habits, Reading, TakeoverJudge, stolen_cards
from gamekeeper.guard.takeover.asking import Asking
from gamekeeper.guard.takeover.history import SETTLED_DAYS
from gamekeeper.simulate import simulate

PAGE = Path(__file__).parents[2] / "docs" / "measurements" / "stolen-keys.md"
DAY = 86_400.0
HOUR = 3_600.0
START = 20_454 * DAY
"""A Thursday, midnight UTC."""
THEFT_DAYS = 14
THIEF_FROM = 45
THIEF_TO = 75
COUNTRIES = (
    "US",
    "DE",
    "GB",
    "FR",
    "IN",
    "BR",
    "JP",
    "CN",
    "NG",
    "TR",
    "ID",
    "MX",
    "PL",
    "ES",
    "IT",
    "NL",
    "SE",
    "ZA",
    "AU",
    "VN",
)

Burst = tuple[float, Caller, int, float]
"""Time in seconds from the start, caller, exchanges, mean seconds between them."""


@dataclass(frozen=True)
class Net:
    """A network: country, number, and the /16 blocks that it has."""

    country: str
    asn: int
    blocks: tuple[int, ...]

    def caller(self, rng: np.random.Generator, client: str, block: int | None = None) -> Caller:
        """Returns a caller in it."""
        at = (
            self.blocks[block % len(self.blocks)]
            if block is not None
            else int(rng.choice(self.blocks))
        )
        host = (
            int(rng.integers(1 << 16))
            if block is None
            else (block * 40_503 + self.asn * 7) % (1 << 16)
        )
        return Caller(
            f"{at >> 8}.{at & 255}.{host >> 8}.{host & 255}", client, self.country, self.asn
        )


class World:
    """Networks that everybody shares: eight providers a country, five clouds, ten VPN services."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.homes = {
            c: [self._net(rng, c, 64_000 + 10 * i + n, 30) for n in range(8)]
            for i, c in enumerate(COUNTRIES)
        }
        self.clouds = [
            [self._net(rng, c, 65_000 + n, 120) for c in ("US", "DE", "JP")] for n in range(5)
        ]
        self.vpns = [[self._net(rng, c, 65_100 + n, 4) for c in COUNTRIES] for n in range(10)]

    def home(self, rng: np.random.Generator, country: str) -> Net:
        """Returns a provider of a country, the large ones more often."""
        share = np.array([5, 4, 3, 2, 1, 1, 1, 1], float)
        return self.homes[country][int(rng.choice(8, p=share / share.sum()))]

    @staticmethod
    def _net(rng: np.random.Generator, country: str, asn: int, size: int) -> Net:
        return Net(country, asn, tuple(int(b) for b in rng.integers(256, 57_000, size)))


@dataclass
class Person:
    """Somebody with a zone, a country, networks and a machine whose programs are updated."""

    world: World
    rng: np.random.Generator
    program: str
    updates: int

    def __post_init__(self) -> None:
        rng = self.rng
        self.country = str(rng.choice(COUNTRIES))
        self.zone = float(rng.integers(-8, 10))
        self.home, self.office, self.mobile = (self.world.home(rng, self.country) for _ in range(3))
        self.phase = int(rng.integers(self.updates))
        self.machine = int(rng.integers(40))
        self.block = int(rng.integers(1000))

    def client(self, day: float) -> str:
        """Returns the client's name on a day; there are forty machines in the world."""
        return f"{self.program}/{1 + int(day + self.phase) // self.updates} ({self.machine})"

    def at(self, net: Net, day: float, *, fixed: bool = True) -> Caller:
        """Returns a caller; a fixed line has one address a month."""
        block = self.block + int(day + self.block) // 30 if fixed else None
        return net.caller(self.rng, self.client(day), block)

    def clock(self, day: float, first: float, last: float) -> float:
        """Returns a moment between two hours of the local day, seconds from the start."""
        return float(day * DAY + (self.rng.uniform(first, last) - self.zone) * HOUR)

    def size(self, mean: float) -> int:
        """Returns the exchanges of a sitting."""
        return int(self.rng.geometric(1 / mean))


def is_weekday(day: int) -> bool:
    """Returns whether the START-based day is one; the first is a Thursday."""
    return (day + 3) % 7 < 5


def some_days(
    rng: np.random.Generator, days: int, chance: float, shortest: int, longest: int
) -> range:
    """Returns a stretch of days that happens with a chance, else none."""
    if rng.random() >= chance:
        return range(0)
    first = int(rng.integers(days))
    return range(first, first + int(rng.integers(shortest, longest + 1)))


def office_worker(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Works at an office, a fifth of the days at home; holidays, perhaps a trip, a new laptop,
    deadlines, bulk jobs.
    """
    p = Person(world, rng, "sdk", 30)
    off = some_days(rng, days, 0.8, 7, 24)
    trip = some_days(rng, days, 0.3, 3, 6)
    hotel = world.home(rng, str(rng.choice(COUNTRIES)))
    laptop = int(rng.integers(days)) if rng.random() < 0.15 else -1
    late = set(rng.integers(days, size=3).tolist())
    bulk = set(rng.integers(days, size=rng.poisson(0.4)).tolist())
    for day in range(days):
        if day == laptop:
            p.machine += 1
        if day in off or (not is_weekday(day) and rng.random() < 0.9):
            continue
        where = (
            hotel
            if day in trip
            else p.home
            if rng.random() < 0.2 or not is_weekday(day)
            else p.office
        )
        for _ in range(rng.poisson(5)):
            net, fixed = (p.mobile, False) if rng.random() < 0.02 else (where, True)
            yield p.clock(day, 8.5, 18), p.at(net, day, fixed=fixed), p.size(8), 60.0
        if day in late:
            yield p.clock(day, 20, 24), p.at(p.home, day), p.size(12), 60.0
        if day in bulk:
            yield p.clock(day, 9, 17), p.at(where, day), int(rng.integers(300, 2000)), 3.0


def mobile_user(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Uses an app at home, on the way and in cafés; perhaps a trip with roaming, a new phone."""
    p = Person(world, rng, "app", 14)
    trip = some_days(rng, days, 0.5, 4, 15)
    abroad = str(rng.choice(COUNTRIES))
    phone = int(rng.integers(days)) if rng.random() < 0.25 else -1
    for day in range(days):
        if day == phone:
            p.machine += 1
        for _ in range(rng.poisson(5)):
            where = rng.choice(["home", "way", "work", "cafe"], p=[0.45, 0.35, 0.15, 0.05])
            if day in trip:
                net = world.home(rng, abroad) if rng.random() < 0.6 else p.mobile
            else:
                net = {"home": p.home, "way": p.mobile, "work": p.office}.get(
                    str(where)
                ) or world.home(rng, p.country)
            fixed = day not in trip and where in ("home", "work")
            yield p.clock(day, 7, 23.5), p.at(net, day, fixed=fixed), p.size(4), 40.0


def traveller(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Away every third week, in whichever country and zone; a VPN with five exits half of
    the time.
    """
    p = Person(world, rng, "sdk", 30)
    vpn = world.vpns[int(rng.integers(10))]
    exits = [vpn[int(i)] for i in rng.choice(len(vpn), 5, replace=False)]
    home = p.home
    home_zone = p.zone
    day = 0
    net = p.home
    until = int(rng.integers(20))
    is_away = False
    for day in range(days):
        if day >= until:
            is_away = not is_away
            until = day + int(rng.integers(3, 10) if is_away else rng.integers(8, 25))
            net = world.home(rng, str(rng.choice(COUNTRIES))) if is_away else home
            p.zone = float(rng.integers(-8, 10)) if is_away else home_zone
        for _ in range(rng.poisson(4)):
            through = exits[int(rng.integers(5))] if rng.random() < 0.5 else net
            yield p.clock(day, 8, 22), p.at(through, day, fixed=through is home), p.size(6), 60.0


def ci_job(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Runs on pushes and every night on a cloud's machines; perhaps moves to another cloud."""
    p = Person(world, rng, "ci", 45)
    cloud = int(rng.integers(5))
    moves = int(rng.integers(days)) if rng.random() < 0.1 else -1
    for day in range(days):
        if day == moves:
            cloud = (cloud + 1) % 5
            p.machine = p.machine + 1
        for _ in range(rng.poisson(9 if is_weekday(day) else 1)):
            region = int(rng.random() < 0.1)
            yield (
                p.clock(day, 8, 22),
                p.at(world.clouds[cloud][region], day, fixed=False),
                p.size(12),
                2.0,
            )
        yield (
            p.clock(day, 3, 3.1),
            p.at(world.clouds[cloud][0], day, fixed=False),
            40 + p.size(8),
            2.0,
        )
        if rng.random() < 0.01:
            yield (
                p.clock(day, 9, 20),
                p.at(world.clouds[cloud][0], day, fixed=False),
                int(rng.integers(200, 900)),
                1.0,
            )


def service(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """A product's back end on one cloud, day and night; a version a week, growth, perhaps a launch
    or a move.
    """
    p = Person(world, rng, "service", 7)
    cloud = int(rng.integers(5))
    moves = int(rng.integers(days)) if rng.random() < 0.05 else -1
    launch = int(rng.integers(days)) if rng.random() < 0.3 else -1
    growth = rng.uniform(0, 0.01)
    for day in range(days):
        if day == moves:
            cloud = (cloud + 1) % 5
            p.machine = p.machine + 1
        for hour in range(24):
            busy = 2 * (1 + growth) ** day * (1 + 0.8 * np.sin((hour + p.zone - 9) * np.pi / 12))
            n = int(rng.poisson(busy * (8 if day == launch else 1)))
            if n:
                yield (
                    day * DAY + hour * HOUR,
                    p.at(world.clouds[cloud][0], day, fixed=False),
                    n,
                    3500 / (n + 1),
                )


def team(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """One key for eight to fourteen people in up to three countries; somebody joins every 45 days
    or so.
    """
    countries = rng.choice(COUNTRIES, int(rng.integers(1, 4)), replace=False)
    people = []
    for joins in [0] * int(rng.integers(8, 15)) + np.cumsum(rng.exponential(45, 8)).astype(
        int
    ).tolist():
        p = Person(world, rng, "sdk", 30)
        p.country = str(rng.choice(countries))
        p.home = world.home(rng, p.country)
        p.office = world.homes[p.country][0]
        people.append((joins, p))
    for day in range(days):
        for joins, p in people:
            if day < joins or not is_weekday(day) or rng.random() < 0.4:
                continue
            where = p.home if rng.random() < 0.4 else p.office
            for _ in range(rng.poisson(1.5)):
                yield p.clock(day, 8, 19), p.at(where, day), p.size(6), 60.0


def seasonal(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Runs for five to ten days once a quarter; by then programs were updated, machines and clouds
    may have changed.
    """
    p = Person(world, rng, "job", 60)
    cloud = int(rng.integers(5))
    region = int(rng.integers(3))
    begin = int(rng.integers(20))
    while begin < days:
        for day in range(begin, min(days, begin + int(rng.integers(8, 20)))):
            for _ in range(2):
                yield (
                    p.clock(day, 2, 6),
                    p.at(world.clouds[cloud][region], day, fixed=False),
                    20 + p.size(60),
                    3.0,
                )
        begin += int(rng.integers(80, 101))
        if rng.random() < 0.15:
            cloud = (cloud + 1) % 5
        if rng.random() < 0.2:
            p.machine += 1


def hobbyist(world: World, rng: np.random.Generator, days: int) -> Iterator[Burst]:
    """Now and then, at any hour, mostly at home; pauses of weeks, holidays abroad."""
    p = Person(world, rng, "chat", 25)
    pauses = [some_days(rng, days, 1.0, 7, 50) for _ in range(2)]
    trip = some_days(rng, days, 0.4, 5, 15)
    hotel = world.home(rng, str(rng.choice(COUNTRIES)))
    for day in range(days):
        if any(day in pause for pause in pauses) or rng.random() > 0.35:
            continue
        net = (
            hotel if day in trip else p.home if rng.random() < 0.85 else world.home(rng, p.country)
        )
        for _ in range(1 + rng.poisson(1)):
            yield p.clock(day, 9, 26), p.at(net, day, fixed=net is p.home), p.size(10), 50.0


KINDS: dict[str, tuple[Callable[[World, np.random.Generator, int], Iterator[Burst]], int]] = {
    "office-worker": (office_worker, 180),
    "mobile-user": (mobile_user, 180),
    "traveller-with-vpn": (traveller, 180),
    "ci-job": (ci_job, 180),
    "service": (service, 180),
    "team-key": (team, 180),
    "seasonal-job": (seasonal, 360),
    "hobbyist": (hobbyist, 180),
}
"""Kind of user and days of each history."""


@dataclass(frozen=True)
class Scene:
    """What a thief finds: the owner's uses, the day, who the owner looks like."""

    world: World
    rng: np.random.Generator
    owner: list[Burst]
    begins: float

    @property
    def seen(self) -> Caller:
        """The owner's latest caller, or the first where the key was not used yet."""
        before = [(at, n) for n, (at, *_) in enumerate(self.owner) if at < self.begins]
        return (
            self.owner[max(before)[1] if before else 0][1] if self.owner else Caller(country="US")
        )

    def elsewhere(self) -> str:
        """Returns another country than the owner's latest."""
        return str(self.rng.choice([c for c in COUNTRIES if c != self.seen.country]))

    def vpn(self, country: str) -> Net:
        """Returns a VPN's exit in a country."""
        exits = self.world.vpns[int(self.rng.integers(10))]
        return exits[COUNTRIES.index(country)] if country in COUNTRIES else exits[0]


def _haste(scene: Scene, caller: Caller) -> Iterator[Burst]:
    """Two to ten thousand exchanges in one to four sittings, at 300 to 1,500 an hour."""
    rng = scene.rng
    total = int(np.exp(scene.rng.uniform(np.log(2_000), np.log(10_000))))
    pace = rng.uniform(300, 1_500)
    sittings = int(rng.integers(1, 5))
    for n in range(sittings):
        yield (
            scene.begins + n * DAY + rng.uniform(0, 6 * HOUR),
            caller,
            total // sittings,
            HOUR / pace,
        )


def stranger(scene: Scene) -> Iterator[Burst]:
    """Other country, network and client; in haste."""
    return _haste(scene, scene.vpn(scene.elsewhere()).caller(scene.rng, "curl/8.9"))


def neighbour(scene: Scene) -> Iterator[Burst]:
    """The owner's country, a provider of it, other client; in haste."""
    country = scene.seen.country or "US"
    return _haste(
        scene, scene.world.home(scene.rng, country).caller(scene.rng, "python-requests/2.33")
    )


def mimic(scene: Scene) -> Iterator[Burst]:
    """A VPN's exit in the owner's country, the owner's own client string; in haste."""
    return _haste(
        scene, scene.vpn(scene.seen.country or "US").caller(scene.rng, scene.seen.client or "")
    )


def patient(scene: Scene) -> Iterator[Burst]:
    """Other country, network and client; one exchange, a day of rest, then 25 an hour for four
    hours a day.
    """
    caller = scene.vpn(scene.elsewhere()).caller(scene.rng, "curl/8.9")
    begins = scene.begins
    yield begins, caller, 1, 1.0
    for day in range(2, THEFT_DAYS):
        yield begins + day * DAY, caller, 100, HOUR / 25


def alongside(scene: Scene) -> Iterator[Burst]:
    """Other country, network and client; 20 to 60 exchanges, minutes after each of the owner's."""
    caller = scene.vpn(scene.elsewhere()).caller(scene.rng, "curl/8.9")
    for at, _, n, gap in scene.owner:
        if scene.begins <= at < scene.begins + THEFT_DAYS * DAY:
            yield (
                at + n * gap + scene.rng.uniform(120, 480),
                caller,
                int(scene.rng.integers(20, 61)),
                20.0,
            )


def finder(scene: Scene) -> Iterator[Burst]:
    """Finds a key that its owner left 60 to 200 days ago; other country, network and client; in
    haste.
    """
    return _haste(scene, scene.vpn(scene.elsewhere()).caller(scene.rng, "curl/8.9"))


THIEVES: dict[str, Callable[[Scene], Iterator[Burst]]] = {
    f.__name__: f for f in (stranger, neighbour, mimic, patient, alongside, finder)
}


class Exchanges(NamedTuple):
    """All exchanges of a key in order of time."""

    at: np.ndarray
    caller: np.ndarray
    is_thief: np.ndarray
    callers: list[Caller]


def unfold(rng: np.random.Generator, owner: list[Burst], thief: list[Burst]) -> Exchanges:
    """Makes exchanges of bursts."""
    bursts = [*owner, *thief]
    at = [t + np.cumsum(rng.exponential(gap, n)) - gap for t, _, n, gap in bursts]
    sizes = [len(a) for a in at]
    times = np.concatenate(at) if at else np.zeros(0)
    order = np.argsort(times, kind="stable")
    which = np.repeat(np.arange(len(bursts)), sizes)[order]
    return Exchanges(START + times[order], which, which >= len(owner), [b[1] for b in bursts])


class Memory:
    """A store that keeps nothing but what this process needs."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}

    def load(self, table: str) -> dict[str, bytes]:
        """See `Store`."""
        return dict(self._tables.get(table, {}))

    def put(self, table: str, id: str, record: bytes) -> None:
        """See `Store`."""
        self._tables.setdefault(table, {})[id] = record

    def delete(self, table: str, id: str) -> bool:
        """See `Store`."""
        return self._tables.get(table, {}).pop(id, None) is not None

    def version(self) -> int:
        """See `Store`."""
        return 0


@dataclass(frozen=True)
class Told:
    """What a key's history led to.

    Args:
        asked: Times of step-ups, epoch seconds; of a theft, the first since it began.
        readings: Time and signal of each reading.
        spent: The thief's exchanges until the step-up, or all.
        wanted: All that he would have made.
        months: Of 30 days, from when the key was settled.
        begins: When the thief came, epoch seconds; infinite without one.
    """

    asked: list[float]
    readings: list[tuple[float, Reading]]
    spent: int
    wanted: int
    months: float
    begins: float


def play(seen: Exchanges, step_up: int, begins: float = float("inf")) -> Told:
    """Brings a key's exchanges before the judge, one by one, until a thief who came then is asked.

    Whoever is asked before that is the owner, who signs in again after an hour.
    """
    now = START
    spent = 0
    back_at = float("inf")
    store = Memory()
    ladder = Ladder(step_up=step_up)
    decisions = Decisions(store, ladder)  # type: ignore[arg-type]  # no counters are wanted
    judge = TakeoverJudge(
        ladder,
        decisions,
        Habits(),
        store,  # type: ignore[arg-type]
        decide=decisions.add,
        now=lambda: now,
        on_notice=lambda sentence: None,
    )
    principal = _principal(START - 1)
    asked = list[float]()
    readings = list[tuple[float, Reading]]()
    for now, which, is_thief in zip(
        seen.at.tolist(), seen.caller.tolist(), seen.is_thief.tolist(), strict=True
    ):
        if now >= back_at:
            principal = _principal(now)
            back_at = float("inf")
        spent += is_thief
        if not (found := judge.observe(principal, seen.callers[which], now)):
            continue
        readings += [(now, reading) for reading in found]
        judge.keep()
        held = decisions.step_up("a", principal.subject, now)
        if held is not None and held.since == now:
            asked.append(now)
            back_at = now + HOUR
            if now >= begins:
                break
    months = max(0.0, (seen.at[-1] - seen.at[0]) / DAY - SETTLED_DAYS) / 30 if len(seen.at) else 0.0
    return Told(
        [at for at in asked if at >= begins] if begins < float("inf") else asked,
        readings,
        spent,
        int(seen.is_thief.sum()),
        months,
        begins,
    )


def _principal(signed_in: float) -> Principal:
    return Principal(account="a", credential="k", kind="key", authenticated_at=signed_in)


def plain(seen: Exchanges) -> Exchanges:
    """The same behind a proxy that tells neither country nor network."""
    return seen._replace(callers=[replace(c, country=None, asn=None) for c in seen.callers])


def honest(kind: str, seeds: range, step_up: int, *, is_plain: bool = False) -> list[Told]:
    """Returns what the judge made of each key of a kind."""
    make, days = KINDS[kind]
    found = []
    for seed in seeds:
        rng = np.random.default_rng([seed, list(KINDS).index(kind)])
        seen = unfold(rng, list(make(World(rng), rng, days)), [])
        found.append(play(plain(seen) if is_plain else seen, step_up))
    return found


def thefts(
    kind: str, thief: str, seeds: range, step_up: int, *, is_plain: bool = False
) -> list[Told]:
    """Returns what the judge made of each theft of a key of a kind."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng([seed, list(KINDS).index(kind), 1 + list(THIEVES).index(thief)])
        world = World(rng)
        owner = list(KINDS[kind][0](world, rng, THIEF_TO + THEFT_DAYS))
        begins = rng.uniform(THIEF_FROM, THIEF_TO) * DAY
        if thief == "finder":
            owner = [b for b in owner if b[0] < begins]
            begins += rng.uniform(60, 200) * DAY
        seen = unfold(rng, owner, list(THIEVES[thief](Scene(world, rng, owner, begins))))
        in_time = seen.at < START + begins + THEFT_DAYS * DAY
        seen = Exchanges(
            seen.at[in_time], seen.caller[in_time], seen.is_thief[in_time], seen.callers
        )
        found.append(play(plain(seen) if is_plain else seen, step_up, START + begins))
    return found


def would_ask(told: Told, step_up: int, counted: frozenset[str], since: float = 0.0) -> int:
    """Times that so many of these signals would have met within a day; what was asked about does
    not count again.
    """
    asked = 0
    live = dict[str, tuple[float, Reading]]()
    for at, reading in told.readings:
        if reading.signal not in counted or at < since:
            continue
        live = {s: each for s, each in live.items() if at - each[0] < DAY} | {
            reading.signal: (at, reading)
        }
        if len(live) >= step_up and not all(each.is_hint for _, each in live.values()):
            asked = asked + 1
            live = {}
    return asked


def per_thousand(count: int, months: float) -> str:
    """A rate per 1,000 key-months with its 95 % Wilson interval, as the share of key-months that
    have one.
    """
    low, high = wilson_interval(count, max(count, round(months)))
    return f"{1000 * count / months:.1f} ({1000 * low:.1f} to {1000 * high:.1f})"


def share(hits: int, of: int, digits: int = 0) -> str:
    """A share with its 95 % Wilson interval."""
    low, high = wilson_interval(hits, of)
    return f"{hits / of:.{digits}%} ({low:.{digits}%} to {high:.{digits}%})"


def honest_table(seeds: range, step_up: int, *, is_plain: bool = False) -> list[str]:
    """Returns who is asked without reason: a row a kind, then all."""
    names = [card.name for card in stolen_cards() if card.name in BY_USE]
    lines = [
        f"| scenario | keys | key-months | false step-ups | {' | '.join(names)} |",
        "|---" * (4 + len(names)) + "|",
    ]
    all_keys = 0
    all_told = list[Told]()
    for kind in KINDS:
        told = honest(kind, seeds, step_up, is_plain=is_plain)
        all_keys = all_keys + len(told)
        all_told = all_told + told
        lines.append(_honest_row(f"takeovers/honest-{kind}{'-plain' * is_plain}", told, names))
        print(lines[-1], flush=True)
    lines.append(_honest_row("all of them", all_told, names))
    print(lines[-1], flush=True)
    return lines


def _honest_row(title: str, told: list[Told], names: list[str]) -> str:
    months = sum(each.months for each in told)
    days = Counter(
        s for each in told for s, _ in {(r.signal, int(at // DAY)) for at, r in each.readings}
    )
    found = per_thousand(sum(len(each.asked) for each in told), months)
    read = " | ".join(f"{1000 * days[name] / months:.0f}" for name in names)
    return f"| {title} | {len(told)} | {months:.0f} | {found} | {read} |"


def thief_table(seeds: range, step_up: int, *, is_plain: bool = False) -> list[str]:
    """Returns which thieves are asked: a row a thief."""
    kinds = " | ".join(KINDS)
    lines = [
        "| scenario | thefts | asked to sign in | exchanges until then, median (90 %) | share received of what was wanted "
        f"| {kinds} |",
        "|---" * (5 + len(KINDS)) + "|",
    ]
    for thief in THIEVES:
        by_kind = {kind: thefts(kind, thief, seeds, step_up, is_plain=is_plain) for kind in KINDS}
        lines.append(_thief_row(f"takeovers/thief-{thief}{'-plain' * is_plain}", by_kind))
        print(lines[-1], flush=True)
    return lines


def _thief_row(title: str, by_kind: Mapping[str, list[Told]]) -> str:
    told = [each for found in by_kind.values() for each in found]
    caught = [each.spent for each in told if each.asked]
    until = f"{np.median(caught):.0f} ({np.quantile(caught, 0.9):.0f})" if caught else ""
    got = sum(each.spent for each in told) / sum(each.wanted for each in told)
    each_kind = " | ".join(
        f"{sum(bool(t.asked) for t in found) / len(found):.0%}" for found in by_kind.values()
    )
    return f"| {title} | {len(told)} | {share(len(caught), len(told), 1)} | {until} | {got:.0%} | {each_kind} |"


KEYS = {"person": 30, "classroom": 12, "app": 2, "reseller": 1}
"""Accounts of the simulated month that share one key, by kind, so that there is enough asked to
compare.
"""
HARVEST = 60
"""Exchanges of a campaign that a thief asks within three hours of one day."""


def asking_table(seed: int) -> list[str]:
    """Returns how often the change in asking is told of honest keys, and of those with a thief's
    day.
    """
    month = simulate(seed=seed, days=30, scale=2.0)
    log = month.exchanges.join(month.labels, on="account")
    first = log.select(pl.col("time").dt.truncate("1d").min()).item()
    rng = np.random.default_rng(seed)
    harvests = [
        each for _, each in log.filter(kind="campaign").group_by("campaign", maintain_order=True)
    ]
    lines = [
        "| scenario | keys | key-days compared | found, honest | thefts | found, thefts |",
        "|---" * 6 + "|",
    ]
    for kind, size in KEYS.items():
        accounts = month.labels.filter(kind=kind)["account"].to_list()[: 60 * size]
        groups = [accounts[i : i + size] for i in range(0, len(accounts), size)]
        keys = [
            log.filter(pl.col("account").is_in(group)).with_columns(
                pl.lit(f"key{n:04d}").alias("account")
            )
            for n, group in enumerate(groups)
        ]
        days, told = looked_at(keys, first, range(10, 30))
        caught = list(rob(keys, harvests, first, rng))
        honest_share = share(told, days, 1)
        thief_share = share(sum(caught), len(caught))
        lines.append(
            f"| takeovers/asking-{kind} | {len(keys)} | {days} | {honest_share} | {len(caught)} | {thief_share} |"
        )
        print(lines[-1], flush=True)
    return lines


def looked_at(keys: list[pl.DataFrame], first: datetime, days: Iterable[int]) -> tuple[int, int]:
    """Key-days that could be compared, and those that were told of; each day is looked at as it
    ends.
    """
    rows = pl.concat(keys).sort("time")
    rows = rows.with_columns(pl.int_range(pl.len(), dtype=pl.UInt64).shuffle(0).alias("row_hash"))
    looks = Asking("auto")
    could = 0
    told = 0
    for day in days:
        end = first + timedelta(days=day + 1)
        recent = rows.filter(
            pl.col("time").is_between(end - timedelta(days=14), end, closed="left")
        )
        ago = ((pl.lit(end) - pl.col("time")).dt.total_seconds() // 86_400).alias("ago")
        busy = recent.group_by("account", ago).len().filter(pl.col("len") >= 8).group_by("account")
        enough = busy.agg((pl.col("ago") == 0).any().alias("last"), pl.len().alias("days"))
        could += len(enough.filter(pl.col("last") & (pl.col("days") >= 7)))
        told += len(looks.shifts(recent, end.timestamp()))
    return could, told


def rob(
    keys: list[pl.DataFrame],
    harvests: list[pl.DataFrame],
    first: datetime,
    rng: np.random.Generator,
) -> Iterator[bool]:
    """Puts a thief's three hours into a day of each key that can be compared then; yields whether
    that is told.
    """
    for key in keys:
        day = int(rng.integers(14, 27))
        harvest = harvests[int(rng.integers(len(harvests)))]
        taken = harvest.sample(min(HARVEST, len(harvest)), seed=int(rng.integers(1 << 31)))
        at = [first + timedelta(days=day, hours=float(h)) for h in 12 + 3 * rng.random(len(taken))]
        times = pl.Series("time", at).cast(key.schema["time"])
        robbed = pl.concat(
            [key, taken.with_columns(times, pl.lit(key["account"][0]).alias("account"))]
        )
        could, told = looked_at([robbed], first, [day])
        if could:
            yield told > 0


BY_USE = ("new-system", "far-places", "dormant-wakes", "rate-jump", "new-hours")
"""Signals that a simulated use can give."""


def speed() -> float:
    """Microseconds that `Habits.observe` takes for a use like the last."""
    habits = Habits()
    principal = _principal(START)
    caller = Caller("203.0.113.7", "sdk/1", "DE", 64_500)
    habits.observe(principal, caller, START)
    return (
        min(
            timeit.repeat(
                lambda: habits.observe(principal, caller, START + 1), number=20_000, repeat=7
            )
        )
        / 0.02
    )


def slow_speed() -> float:
    """Microseconds that it takes for one from elsewhere than the last, both known."""
    habits = Habits()
    principal = _principal(START)
    two = (
        Caller("203.0.113.7", "sdk/1", "DE", 64_500),
        Caller("198.51.100.9", "sdk/1", "DE", 64_501),
    )

    def both() -> None:
        for caller in two:
            habits.observe(principal, caller, START + 1)

    return min(timeit.repeat(both, number=2_000, repeat=5)) / 0.004


def memory(credentials: int = 100_000) -> float:
    """Bytes a credential takes: two networks, two clients and a country each, names and index
    included.
    """
    habits = Habits()
    tracemalloc.start()
    for n in range(credentials):
        principal = Principal(account="a", credential=f"{n:016x}", kind="key")
        habits.observe(principal, Caller("203.0.113.7", "sdk/1", "DE", 64_500), START)
        habits.observe(principal, Caller("198.51.100.9", "app/9", "DE", 64_501), START + HOUR)
    habits.unsaved(credentials)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / credentials


HEAD = """# Signals of stolen keys

Whether a key is used unlike itself, how often that is said of honest users, and which thieves it finds. Enough signals
of one credential within 24 hours ask its owner to sign in again, or to rotate the key; nobody is banned.
`[ladder] step_up` says how many (default {step_up}; 0 never, except a proof of possession that does not fit).
`gamekeeper list stolen-key-signals` prints the cards. This page is written by

<!-- not run: a benchmark of several minutes -->
```sh
python benchmarks/guard/takeovers.py
```

at commit {commit}, one of {cores} shared cores, {seconds:.0f} s.

**How it is measured.** Uses of keys are simulated, not recorded: kinds of users as the script describes them, half a
year each and a year of the seasonal job, every exchange judged by the guard's own code. An honest user who is asked
signs in again an hour later. A thief comes between day {first} and day {last} of a key of each kind and has {days}
days; the owner continues to use it. Rates are per 1,000 key-months of 30 days, counted from the 15th day; intervals are
Wilson's, 95 %, which takes key-months (and thefts) as independent. *All of them* gives every kind the same number of
keys, which no provider has. Signal columns are days with a reading per 1,000 key-months: they go to the casebook and the
metrics, and ask nobody by themselves.

**What was chosen where.** On other seeds (`--choose`): the number of signals, the silence of 30 days, that new hours
and networks known by the first bits of an address do not suffice by themselves, and that after a month of silence a
new system counts only from a new country. That new hours do not count after a journey was added when 27 of 1,000 months
of travellers led to a step-up there (31 on seeds that were meant for the report then). The figures here are of other seeds
again, and no rule was changed after they were looked at. The simulated users are of our own making as well, so what
they do not do is not measured.

**What it says.** {says}
"""

SAYS = """Two signals are the default: with {rate} false step-ups per 1,000 key-months the aim of at most 5 is {met}.

- Found: a thief who uses a key that its owner no longer uses ({finder}), or who asks fast from another country ({stranger});
  usually within some hundred exchanges.
- Found in part: a thief who works alongside the owner from abroad ({alongside}), and a fast one from the owner's country
  ({neighbour}).
- Hardly found: a thief who comes through the owner's country with the owner's client string ({mimic}), and one who is
  patient ({patient}): one use, a day of rest, then a slow pace. What remains against these is budgets, what they ask
  (campaigns), and keys that are bound to their sender (DPoP), of which the thief needs the private part as well.
- Most false step-ups are travellers with a VPN: {traveller} per 1,000 of their key-months. A provider with many of them
  may set `step_up = 3`, at the price of most thieves (`--choose` prints it).
- Let the proxy add country and network (`country_header`, `asn_header`): with addresses alone hardly any thief is found
  who works alongside the owner, and fewer of the others. Countries that the extra `geo` looks up were not measured
  here.
- `change-in-asking` is shown and does not count (`experimental`): it is found too often for honest keys, and new
  projects of honest users, which look like theft, are not simulated."""


def commit() -> str:
    """Returns the commit at hand, with a plus if files differ from it."""
    words = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return (
        subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        or "unknown"
    )


def write_page() -> None:
    """Measures everything and writes the page."""
    start = time.perf_counter()
    step_up = Ladder().step_up
    users = honest_table(range(5000, 5100), step_up)
    thieves = thief_table(range(5000, 5025), step_up)
    plain_users = honest_table(range(5000, 5050), step_up, is_plain=True)
    plain_thieves = thief_table(range(5000, 5012), step_up, is_plain=True)
    asked = asking_table(5001)
    costs = f"A use like the last takes {speed():.2f} us, one from elsewhere {slow_speed():.0f} us; a credential takes"
    costs = filled(
        f"{costs} {memory():.0f} bytes of memory, at 100,000 with two networks, two clients, a country each."
    )
    print(costs)
    found = {name: _cell(line, 3) for name, line in zip(THIEVES, thieves[2:], strict=True)}
    rate = _cell(users[-1], 4)
    found["traveller"] = _cell(users[2 + list(KINDS).index("traveller-with-vpn")], 4)
    says = filled(
        SAYS.format(rate=rate, met="met" if float(rate.split()[0]) <= 5 else "missed", **found)
    )
    head = HEAD.format(
        step_up=Ladder().step_up,
        commit=commit(),
        cores=os.cpu_count(),
        seconds=time.perf_counter() - start,
        first=THIEF_FROM,
        last=THIEF_TO,
        days=THEFT_DAYS,
        says=says,
    )
    parts = [
        head,
        "## Honest users, where the proxy adds country and network\n",
        *users,
        "\n## Thieves, where the proxy adds country and network\n",
        *describe(),
        *thieves,
        "\n## Honest users, with addresses alone\n",
        *plain_users,
        "\n## Thieves, with addresses alone\n",
        *plain_thieves,
        "\n## Change in asking\n",
        ASKING,
        *asked,
        "\n## Time and memory\n",
        costs,
        "\n## What is kept\n",
        KEPT,
    ]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


ASKING = f"""Measured apart, on a month of `gamekeeper.simulate`: accounts of one kind are put together until enough is
asked with one key (30 persons, 12 of a classroom, 2 programs, a reseller). Each day is looked at once, as it ends; the
guard does so at every pass, so it finds more of both. A thief asks {HARVEST} exchanges of a campaign within three
hours of one day.
"""

KEPT = """Of each credential, in the guard's state: up to 12 networks, 8 countries and 12 clients (a hash each) with
first and last day and a count, the first and latest use, histograms of pauses and of hours, the busiest hour. No
addresses, and nothing of what is asked. What is new is written within seconds (of 500 credentials at a time),
hours and times as there is time; a credential that was idle for a year is forgotten. While a step-up holds, nothing is
learnt, and what was learnt since its first signal is removed; once a person has lifted it, it is learnt, and the
guard does not ask this credential again for `lifted_days`."""


def describe() -> list[str]:
    """Returns a line a thief, and one about the columns."""
    lines = [f"- **{name}**: {(make.__doc__ or '').strip()}" for name, make in THIEVES.items()]
    return [*lines, "", "The last columns are the shares asked, by kind of the key's user.", ""]


def filled(text: str) -> str:
    """Breaks the lines of paragraphs and items anew, once figures are in."""
    parts = re.split(r"\n(?=\n|- )", text)
    return "\n".join(
        textwrap.fill(" ".join(part.split()), 120, subsequent_indent="  " * (part[:2] == "- "))
        for part in parts
    )


def _cell(line: str, column: int) -> str:
    return line.split("|")[column].strip()


def choose() -> None:
    """Prints what other numbers of signals would do, with and without new hours, on development
    seeds.
    """
    every = frozenset(card.name for card in stolen_cards())
    for is_plain in (False, True):
        users = [
            each for kind in KINDS for each in honest(kind, range(1000, 1080), 0, is_plain=is_plain)
        ]
        months = sum(each.months for each in users)
        caught = {
            t: [e for k in KINDS for e in thefts(k, t, range(1000, 1008), 0, is_plain=is_plain)]
            for t in THIEVES
        }
        for step_up in (2, 3):
            for counted in (every, every - {"new-hours"}):
                asked = per_thousand(
                    sum(would_ask(each, step_up, counted) for each in users), months
                )
                hit = {
                    t: np.mean([would_ask(e, step_up, counted, e.begins) > 0 for e in f])
                    for t, f in caught.items()
                }
                title = f"{'addresses alone, ' * is_plain}{step_up} of {len(counted)} signals"
                print(
                    title, asked, {name: f"{value:.0%}" for name, value in hit.items()}, flush=True
                )


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--choose", action="store_true", help="the seeds on which defaults were chosen"
    )
    if parser.parse_args().choose:
        choose()
    else:
        write_page()


if __name__ == "__main__":
    main()
