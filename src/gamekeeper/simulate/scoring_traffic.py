"""A month of a tabular API that scores credit applications: rows of numbers in place of prompts.

Each ordinary caller scores a portfolio of its own, with its own centre, spread and slow drift, and
sometimes scores the same case again. One caller in twenty is a validator that varies one case
column by column: regular and harmless. A campaign covers the whole input space with synthetic rows
from one deck: points of a grid, uniform points, and points between earlier ones, where an active
learner would look for the decision boundary. A single scraping account does the same.
"""

from dataclasses import dataclass

import numpy as np

from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.arrivals import (
    FloatArray,
    Starts,
    balanced_starts,
    burst_starts,
    session_starts,
    unfold,
)
from gamekeeper.simulate.labelled_traffic import LabelledTraffic, book
from gamekeeper.simulate.network import Network
from gamekeeper.simulate.scene import Scene

MODEL = "credit-score-3"
GRID_STEPS = 7


@dataclass(frozen=True, slots=True)
class Column:
    """One input of the classifier.

    Args:
        name: What it is.
        middle: Value of the typical case.
        spread: Of the logarithm if `is_log`, else of the value itself.
        is_log: Positive and skewed, as amounts are.
        digits: Decimal places that callers send.
        low: Smallest value that makes sense.
    """

    name: str
    middle: float
    spread: float
    is_log: bool
    digits: int
    low: float = 0


COLUMNS = (
    Column("age_years", 41, 12, False, 0, low=18),
    Column("income_eur", 32_000, 0.6, True, 0),
    Column("loan_eur", 12_000, 0.9, True, -2),
    Column("months", 48, 18, False, 0, low=6),
    Column("debt_ratio", 0.32, 0.13, False, 3),
    Column("open_accounts", 5, 2.2, False, 0),
    Column("years_employed", 6.0, 0.7, True, 1),
    Column("utilisation", 0.4, 0.2, False, 3),
    Column("inquiries", 2, 1.4, False, 0),
    Column("savings_eur", 4_500, 1.3, True, 0),
    Column("days_since_default", 900, 0.8, True, 0),
    Column("balance_change_eur", 0, 850, False, 2, low=-np.inf),
)
REACH = 3.0  # half-width of the swept box, in spreads


def simulate_classifier(
    *, seed: int, days: int = 30, callers: int = 120, colluders: int = 24, per_account: int = 80
) -> LabelledTraffic:
    """Simulates labelled traffic of a classifier API; `features` takes the place of `prompt`.

    Args:
        seed: Same arguments: same frames.
        days: Length of the traffic; at least 1.
        callers: Ordinary accounts.
        colluders: Accounts of the campaign "sweep".
        per_account: Median rows of an ordinary account, and mean rows of a colluder.

    Returns:
        The log and its labels. Kinds: `app` (scores its portfolio), `evaluator` (a validator),
        `campaign` (campaigns "sweep" and "lone-scraper").
    """
    scene = Scene.open(seed, days)
    accounts = [
        _validator(scene) if i % 20 == 19 else _portfolio(scene, per_account)
        for i in range(callers)
    ]
    accounts += _sweep(scene, colluders, per_account)
    accounts.append(_scraper(scene, 8 * per_account))
    return book(accounts, scene.rng)


def to_values(latent: FloatArray) -> FloatArray:
    """Turns standard scores into what callers send.

    Args:
        latent: Standard scores; 0 is the typical case. Shape (n, 12).

    Returns:
        Values in the columns' own scales and digits, shape (n, 12).
    """
    values = [
        c.middle * np.exp(c.spread * z) if c.is_log else c.middle + c.spread * z
        for c, z in zip(COLUMNS, latent.T, strict=True)
    ]
    sent = [np.maximum(v, c.low).round(c.digits) for c, v in zip(COLUMNS, values, strict=True)]
    return np.stack(sent, axis=1)


def _portfolio(scene: Scene, per_account: int) -> SimulatedAccount:
    rng = scene.rng
    count = scene.size(per_account, 0.7, 10, 1_000)
    width = len(COLUMNS)
    centre = rng.normal(0, 0.8, width)
    drift = rng.normal(0, 0.3, width)
    mixing = rng.normal(0, 0.5 / np.sqrt(width), (width, width)) + np.diag(
        rng.uniform(0.15, 0.5, width)
    )
    progress = np.linspace(0, 1, count)[:, None]
    latent = centre + drift * progress + rng.normal(size=(count, width)) @ mixing
    again = np.flatnonzero(rng.random(count) < 0.07)
    latent[again] = latent[(again * rng.random(len(again))).astype(int)]  # some earlier case
    return _account(scene, "app", to_values(latent), burst_starts, scene.internet.join())


def _validator(scene: Scene) -> SimulatedAccount:
    rng = scene.rng
    width = len(COLUMNS)
    steps = 9
    case = rng.normal(0, 0.8, width)
    latent = np.tile(case, (width * steps, 1))
    for i in range(width):
        latent[i * steps : (i + 1) * steps, i] = np.linspace(-2, 2, steps)
    return _account(scene, "evaluator", to_values(latent), session_starts, scene.internet.join())


def sweep_deck(rng: np.random.Generator, count: int) -> FloatArray:
    """Draws the rows of a sweep: grid points, uniform points, and points between earlier ones,
    shuffled.

    Returns:
        Standard scores within `REACH`, shape (count, 12).
    """
    third = count // 3
    width = len(COLUMNS)
    grid = np.linspace(-REACH, REACH, GRID_STEPS)[rng.integers(0, GRID_STEPS, (third, width))]
    uniform = rng.uniform(-REACH, REACH, (count - 2 * third, width))
    asked = np.concatenate([grid, uniform])
    ends = rng.integers(0, len(asked), (2, third))
    at = rng.choice([0.25, 0.5, 0.75], third)[:, None]
    between = at * asked[ends[0]] + (1 - at) * asked[ends[1]]
    return rng.permutation(np.concatenate([asked, between]))


def _sweep(scene: Scene, colluders: int, per_account: int) -> list[SimulatedAccount]:
    sizes = np.maximum(scene.rng.poisson(per_account, colluders), 3)
    parts = np.split(to_values(sweep_deck(scene.rng, int(sizes.sum()))), np.cumsum(sizes)[:-1])
    hub = scene.internet.hub()
    return [
        _account(
            scene, "campaign", rows, balanced_starts, scene.internet.behind(hub, "partial"), "sweep"
        )
        for rows in parts
    ]


def _scraper(scene: Scene, count: int) -> SimulatedAccount:
    rows = to_values(sweep_deck(scene.rng, count))
    return _account(scene, "campaign", rows, burst_starts, scene.internet.join(), "lone-scraper")


def _account(
    scene: Scene,
    kind: str,
    rows: FloatArray,
    starts: Starts,
    network: Network,
    campaign: str | None = None,
) -> SimulatedAccount:
    turns = np.ones(len(rows), np.int64)
    begin = np.sort(starts(scene.rng, len(rows), scene.days))
    return SimulatedAccount(
        kind=kind,
        campaign=campaign,
        network=network,
        times=unfold(scene.rng, begin, turns, scene.days),
        turns=turns,
        models=[MODEL] * len(rows),
        features=rows,
        output_tokens=1,
    )
