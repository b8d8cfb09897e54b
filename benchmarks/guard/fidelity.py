"""The thief's table in docs/measurements/guard-fidelity.md: what a copy reaches with the guard off,
dry and enforcing.

    python benchmarks/guard/fidelity.py [--seeds 31 32 33 34]

A month of a credit-scoring API: ordinary callers score portfolios of their own, and a thief sweeps
the input space through many accounts that each ask little. The month goes before the guard's own
code (`gamekeeper.guard.replay`); what it lets through, with what it withholds withheld by the
route's own code, is what the thief trains a copy on. Fidelity is agreement with the victim on rows
of ordinary portfolios that nobody asked about.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from defences import Net, one_hot
from gamekeeper.defences import make_defence
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.replay import CampaignOutcome, OrdinaryOutcome, outcomes, replay
from gamekeeper.guard.routes import Withheld
from gamekeeper.guard.routes.classifier import ClassifierRoute
from gamekeeper.guard.routes.query import Query
from gamekeeper.simulate import simulate_classifier

sys.path.append(str(Path(__file__).parents[1]))
from scoring_api import CALLERS, GRADES, grader, interval, only, portfolios, scaled

COLLUDERS = 40
PER_ACCOUNT = 150
PER_COLLUDER = 300
TRAIN = 4_000
TEST = 4_000
CAMPAIGN = "sweep"
SETTINGS = ("off", "dry run", "enforce", "enforce, 2 a day")


@dataclass(frozen=True, kw_only=True)
class World:
    """A month, who is who in it, and the victim they ask."""

    log: pl.DataFrame
    labels: pl.DataFrame
    victim: Net
    test: np.ndarray
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Thief:
    """What came of it: agreement of the copy, with all it got and with what it had when half its
    accounts were held.
    """

    fidelity: float
    had: float
    met: CampaignOutcome | None
    truth: OrdinaryOutcome | None


def build(seed: int) -> World:
    """Composes the month; the victim learns from portfolios of another month, the test is of a
    third.
    """
    callers = simulate_classifier(seed=seed, callers=CALLERS, colluders=2, per_account=PER_ACCOUNT)
    sweep = simulate_classifier(
        seed=seed + 10_000, callers=2, colluders=COLLUDERS, per_account=PER_COLLUDER
    )
    parts = [
        only(callers, pl.col("campaign").is_null()),
        only(sweep, pl.col("campaign") == CAMPAIGN, "t-"),
    ]
    rng = np.random.default_rng(seed)
    rows = portfolios(seed + 20_000, TRAIN, rng)
    test = portfolios(seed + 30_000, TEST, rng)
    grade = grader(rng, rows)
    victim = Net(rows, np.eye(GRADES)[grade(rows)], rng)
    accuracy = float((victim(test).argmax(1) == grade(test)).mean())
    log, labels = (pl.concat(frames) for frames in zip(*parts, strict=True))
    return World(
        log=log.sort("time", "account"), labels=labels, victim=victim, test=test, accuracy=accuracy
    )


def steal(world: World, setting: str, seed: int) -> Thief:
    """Sends the month through the guard, and trains a copy on what the thief got."""
    asked = world.log.join(world.labels, on="account", maintain_order="left").filter(
        pl.col("campaign") == CAMPAIGN
    )
    x = scaled(asked["features"])
    scores = world.victim(x)
    if setting == "off":
        whole = _fidelity(world, x, scores, seed)
        return Thief(fidelity=whole, had=whole, met=None, truth=None)
    policy = _policy(setting)
    replayed = replay(world.log, policy, enforce=setting != "dry run")
    outcome = outcomes(replayed, world.labels)
    met = next(met for met in outcome.campaigns if met.campaign == CAMPAIGN)
    got = replayed.exchanges.join(world.labels, on="account", maintain_order="left").filter(
        pl.col("campaign") == CAMPAIGN
    )
    scores = _given(asked["features"], scores, (got["action"] == "withhold").to_numpy(), policy)
    answered = got["is_answered"].to_numpy()
    hours = np.inf if met.hours is None else met.hours
    early = ((got["time"] - got["time"][0]).dt.total_seconds() / 3600 < hours).to_numpy() & answered
    return Thief(
        fidelity=_fidelity(world, x[answered], scores[answered], seed),
        had=_fidelity(world, x[early], scores[early], seed),
        met=met,
        truth=outcome.ordinary,
    )


def _policy(setting: str) -> GuardPolicy:
    policy = GuardPolicy()
    if setting != "enforce, 2 a day":
        return policy
    slow = policy.ladder.slow.model_copy(update={"requests_per_day": 2})
    return policy.model_copy(update={"ladder": policy.ladder.model_copy(update={"slow": slow})})


def _given(
    features: pl.Series, scores: np.ndarray, is_limited: np.ndarray, policy: GuardPolicy
) -> np.ndarray:
    """Scores as they left: those of limited answers stripped by the route itself."""
    limit = policy.ladder.limit
    route = ClassifierRoute("/v1/score")
    withheld = Withheld(scores=make_defence(limit.scores, bytes(32)))
    given = scores.copy()
    for row in np.flatnonzero(is_limited):
        given[row] = _stripped(route, withheld, features[int(row)], scores[row])
    return given


def _stripped(
    route: ClassifierRoute, withheld: Withheld, row: pl.Series, scores: np.ndarray
) -> np.ndarray:
    query = Query(features=(tuple(row),))
    return np.array(
        route.strip({"predictions": [scores.tolist()]}, withheld, query)["predictions"][0]
    )


def _fidelity(world: World, x: np.ndarray, scores: np.ndarray, seed: int) -> float:
    """The better of two copies: from scores as they are, and from labels alone."""
    truth = world.victim(world.test).argmax(1)
    copies = [Net(x, targets, np.random.default_rng(seed)) for targets in (scores, one_hot(scores))]
    return max(float((copy(world.test).argmax(1) == truth).mean()) for copy in copies)


def run(seed: int) -> tuple[float, list[Thief]]:
    """Returns the victim's accuracy and what a thief reached in each setting."""
    with threadpool_limits(1):
        world = build(seed)
        return world.accuracy, [steal(world, setting, seed) for setting in SETTINGS]


def table(found: list[list[Thief]]) -> Iterator[str]:
    """Yields the table, a row a setting."""
    yield (
        "| guard | fidelity | with what it had at the verdict | hours to the verdict | wanted | before | after "
        "| refused | accounts held | ordinary slowed | ordinary refused |"
    )
    yield "|" + "---|" * 11
    for at, setting in enumerate(SETTINGS):
        thieves = [seed[at] for seed in found]
        yield f"| {setting} | {interval([t.fidelity for t in thieves])} | " + _rest(thieves) + " |"


def _rest(thieves: list[Thief]) -> str:
    met = [t.met for t in thieves if t.met is not None]
    truth = [t.truth for t in thieves if t.truth is not None]
    if not met:
        return " | ".join(["–"] * 9)
    hours = ", ".join("never" if m.hours is None else f"{m.hours:,.0f}" for m in met)
    counts = [
        f"{mean(getattr(m, name) for m in met):,.0f}"
        for name in ("exchanges", "before", "after", "refused")
    ]
    held = f"{sum(m.slowed for m in met)} of {sum(m.accounts for m in met)}"
    harmed = [
        f"{sum(getattr(t, name) for t in truth)} of {sum(t.accounts for t in truth):,}"
        for name in ("slowed", "refused")
    ]
    return " | ".join([interval([t.had for t in thieves]), hours, *counts, held, *harmed])


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33, 34])
    chosen = options.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(run, chosen.seeds))
    print(
        f"victim right on {interval([accuracy for accuracy, _ in found])} of rows; seeds {chosen.seeds}"
    )
    print("\n".join(table([thieves for _, thieves in found])))
    print(f"{time.monotonic() - began:,.0f} s")


if __name__ == "__main__":
    main()
