"""A month of an API that scores rows of a table, with customers of many kinds and one thief.

The population is either made (`credit`: a Gaussian copula of three factors, with amounts, counts
and shares as an application has them) or taken from data that scikit-learn ships (a row and one of
its near neighbours, mixed: as many rows as are wanted, with the real dependence of the columns).

Each kind of customer draws from that population as its trade does:

    branch      a part of the population, with customers who come again, a little changed
    reseller    three to ten branches behind one account
    broker      everybody, with customers who come again
    rescorer    the same book at the end of every week
    tester      a few cases, over and over, one column changed
    validator   one case, column by column
    migration   a whole book of one bank at once; nobody comes again
    collector   everybody, and nobody comes again: what a thief with real rows looks like
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 28
_DAY_S = 86_400
_NEAR = 5  # neighbours that a real row is mixed with
ORDINARY = {
    "branch": 0.62,
    "reseller": 0.10,
    "broker": 0.08,
    "rescorer": 0.08,
    "tester": 0.06,
    "validator": 0.03,
    "migration": 0.03,
}
"""Share of each kind among ordinary accounts."""


@dataclass(frozen=True)
class Population:
    """Where rows come from.

    Args:
        draw: Returns so many rows as they are sent, shape (n, columns).
        name: Of the source.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    name: str


def population(name: str, seed: int) -> Population:
    """Returns the population called `name`: `credit`, `breast-cancer`, `diabetes`, `wine` or
    `digits`; one seed gives one population.
    """
    if name == "credit":
        return Population(_credit(np.random.default_rng(seed)), name)
    real = _real(name)
    return Population(lambda rng, count: _between_neighbours(rng, real, count), name)


def _credit(rng: np.random.Generator) -> Callable[[np.random.Generator, int], np.ndarray]:
    width = 12
    loadings = rng.normal(0, 0.75, (3, width))
    own = 1 / np.sqrt(1 + (loadings**2).sum(axis=0))
    segments = rng.normal(0, 0.8, (4, 3))

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        factors = segments[rng.integers(0, 4, count)] + rng.normal(size=(count, 3))
        latent = (factors @ loadings + rng.normal(size=(count, width))) * own
        return _as_sent(latent)

    return draw


def _as_sent(latent: np.ndarray) -> np.ndarray:
    """Amounts in tens, counts, shares with two decimals, a flag: four columns of three kinds."""
    amounts = np.round(np.exp(9 + 0.7 * latent[:, :4]), -1)
    counts = np.floor(np.maximum(0, 4 + 3 * latent[:, 4:8]))
    shares = np.round(1 / (1 + np.exp(-latent[:, 8:])), 2)
    return np.concatenate([amounts, counts, shares], axis=1)


@lru_cache
def _real(name: str) -> np.ndarray:
    from sklearn import datasets

    load = {
        "breast-cancer": datasets.load_breast_cancer,
        "diabetes": lambda: datasets.load_diabetes(scaled=False),
        "wine": datasets.load_wine,
        "digits": datasets.load_digits,
    }[name]
    return np.asarray(load().data, float)


def _between_neighbours(rng: np.random.Generator, real: np.ndarray, count: int) -> np.ndarray:
    from scipy.spatial import cKDTree

    spread = real.std(axis=0) + 1e-9
    near = cKDTree(real / spread).query(real / spread, _NEAR + 1)[1][:, 1:]
    one = rng.integers(0, len(real), count)
    other = near[one, rng.integers(0, _NEAR, count)]
    at = rng.random((count, 1))
    return np.round(real[one] * (1 - at) + real[other] * at, 3)


class Customers:
    """Draws the rows and hours of ordinary accounts.

    Args:
        population: Of the API.
        rng: Of everything.
    """

    def __init__(self, population: Population, rng: np.random.Generator) -> None:
        self._rng = rng
        self._pool = population.draw(rng, 20_000)
        self._middle = self._pool.mean(axis=0)
        self._spread = self._pool.std(axis=0) + 1e-9
        scaled = (self._pool - self._middle) / self._spread
        # portfolios differ along what the population varies in
        axes = np.linalg.svd(scaled, full_matrices=False)[2][:3]
        self._place = scaled @ axes.T
        self._place /= self._place.std(axis=0)

    def rows(self, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns rows, shape (count, columns), and their times in seconds, ascending."""
        made = getattr(self, f"_{kind}")(count)
        runs = {"rescorer": 4, "migration": 1}.get(kind, 0)
        return made, self._batch(count, runs) if runs else self._office(count)

    def _branch(self, count: int) -> np.ndarray:
        return self._come_again(self._pool[self._part(count)], self._rng.uniform(0.03, 0.2))

    def _reseller(self, count: int) -> np.ndarray:
        customers = int(self._rng.integers(3, 11))
        parts = [self._part(-(-count // customers)) for _ in range(customers)]
        rows = self._pool[self._rng.permutation(np.concatenate(parts))[:count]]
        return self._come_again(rows, self._rng.uniform(0.03, 0.2))

    def _broker(self, count: int) -> np.ndarray:
        return self._come_again(self._collector(count), self._rng.uniform(0.08, 0.2))

    def _collector(self, count: int) -> np.ndarray:
        return self._pool[self._rng.integers(0, len(self._pool), count)]

    def _migration(self, count: int) -> np.ndarray:
        return self._pool[self._part(count, broad=True)]

    def _rescorer(self, count: int) -> np.ndarray:
        book = self._pool[self._part(max(1, -(-count // 4)), broad=True)]
        weeks = [self._changed(book, 0.3) for _ in range(4)]
        return np.concatenate(weeks)[:count]

    def _tester(self, count: int) -> np.ndarray:
        cases = self._collector(int(self._rng.integers(2, 9)))
        return self._changed(cases[self._rng.integers(0, len(cases), count)], 0.1)

    def _validator(self, count: int) -> np.ndarray:
        width = self._pool.shape[1]
        rows = np.repeat(self._collector(1), count, axis=0)
        column = np.arange(count) * width // count
        rows[np.arange(count), column] = self._pool[
            self._rng.integers(0, len(self._pool), count), column
        ]
        return rows

    def _part(self, count: int, *, broad: bool = False) -> np.ndarray:
        """Rows of the population near some place in it, with replacement by weight."""
        centre = self._place[self._rng.integers(len(self._place))]
        width = self._rng.uniform(1.0, 1.6) if broad else self._rng.uniform(0.3, 1.0)
        weight = np.exp(-((self._place - centre) ** 2).sum(axis=1) / (2 * width**2))
        return self._rng.choice(len(self._pool), count, p=weight / weight.sum())

    def _come_again(self, rows: np.ndarray, share: float) -> np.ndarray:
        again = np.flatnonzero(self._rng.random(len(rows)) < share)
        again = again[again > 0]
        rows = rows.copy()
        rows[again] = self._changed(rows[(again * self._rng.random(len(again))).astype(int)], 0.3)
        return rows

    def _changed(self, rows: np.ndarray, share: float) -> np.ndarray:
        """Some columns of each row moved a little, in its own digits."""
        moved = self._rng.random(rows.shape) < share
        step = self._rng.normal(0, 0.15, rows.shape) * self._spread
        return np.where(moved, np.round(rows + step, 2), rows)

    def _office(self, count: int) -> np.ndarray:
        """Weekdays, 8 to 18 o'clock in the customer's own zone."""
        zone = self._rng.integers(-2, 3)
        days = self._rng.choice([d for d in range(DAYS) if d % 7 < 5], count)
        hours = np.clip(self._rng.normal(13, 2.5, count), 6, 20) + zone
        return np.sort(days * _DAY_S + hours * 3_600)

    def _batch(self, count: int, runs: int) -> np.ndarray:
        """One run a week: a row a second."""
        first = self._rng.integers(0, 7)
        at = [(first + 7 * run) * _DAY_S + 3 * 3_600 for run in range(runs)]
        parts = np.array_split(np.arange(count), runs)
        return np.concatenate([a + np.arange(len(p)) for a, p in zip(at, parts, strict=True)])


def ordinary(
    customers: Customers, accounts: int, rng: np.random.Generator, median: int = 90
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Returns kind, rows and times of each ordinary account."""
    kinds = rng.choice(list(ORDINARY), accounts, p=list(ORDINARY.values()))
    sizes = np.clip(rng.lognormal(np.log(median), 0.8, accounts), 10, 1_000).astype(int)
    return [(str(k), *customers.rows(str(k), int(n))) for k, n in zip(kinds, sizes, strict=True)]


def stolen(name: str, population: Population, rng: np.random.Generator, count: int) -> np.ndarray:
    """Returns the rows of a thief, in the order in which they are asked.

    Args:
        name: `uniform` and `grid` fill the box that the API accepts; `marginals` draws each column
            by itself; `joint` are rows of people; `jittered` are such rows, each changed a little,
            `active` those halfway between two of them, where answers differ.
        population: Of the API.
        rng: Of the draw.
        count: Rows.
    """
    known = population.draw(rng, 4_000)
    low, high = np.quantile(known, [0.005, 0.995], axis=0)
    if name == "uniform":
        return rng.uniform(low, high, (count, known.shape[1])).round(2)
    if name == "grid":
        return low + (high - low) * rng.integers(0, 7, (count, known.shape[1])) / 6
    if name == "marginals":
        return np.stack([rng.choice(column, count) for column in known.T], axis=1)
    rows = population.draw(rng, count)
    if name == "jittered":
        return np.round(rows + rng.normal(0, 0.2, rows.shape) * known.std(axis=0), 2)
    if name == "active":
        return np.round((rows + population.draw(rng, count)) / 2, 2)
    return rows


def log(
    accounts: Sequence[tuple[str, np.ndarray, np.ndarray]], prefix: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns exchanges and labels (`account`, `kind`) as gamekeeper reads them."""
    frames = []
    for number, (_, rows, times) in enumerate(accounts):
        at = [START + timedelta(seconds=float(t)) for t in times]
        frames.append(
            pl.DataFrame(
                {
                    "time": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
                    "account": [f"{prefix}{number}"] * len(rows),
                    "features": pl.Series(rows.tolist(), dtype=pl.List(pl.Float64)),
                }
            )
        )
    labels = pl.DataFrame(
        {
            "account": [f"{prefix}{number}" for number in range(len(accounts))],
            "kind": [kind for kind, _, _ in accounts],
        }
    )
    return pl.concat(frames), labels


def thief_accounts(
    name: str,
    population: Population,
    rng: np.random.Generator,
    queries: int,
    accounts: int,
    per_day: int = 250,
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Returns a thief's accounts: rows dealt in turn, asked in office hours at `per_day` in all."""
    rows = stolen(name, population, rng, queries)
    days = max(1, -(-queries // per_day))
    times = np.sort(rng.uniform(0, days, queries))
    times = (3 + np.floor(times)) * _DAY_S + (8 + 10 * (times % 1)) * 3_600
    return [(name, rows[a::accounts], times[a::accounts]) for a in range(accounts)]
