"""A credit-scoring API that benchmarks attack: rows of its ordinary callers, and what the truth
about them is.

Rows are in standard scores, by the API's published schema
(`gamekeeper.simulate.scoring_traffic.COLUMNS`): what the victim takes, and what a thief who has read the
schema works with. `sent` turns them into what stands in the log.
"""

from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import polars as pl
from scipy.stats import t as student

from gamekeeper.simulate import LabelledTraffic, simulate_classifier
from gamekeeper.simulate.scoring_traffic import COLUMNS

GRADES = 5
CALLERS = 400
ROWS_EACH = 20
_SENT_DIGITS = 6


def portfolios(seed: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns rows of ordinary callers of another month, scaled as the victim takes them, shape
    (count, columns).
    """
    month = simulate_classifier(seed=seed, callers=CALLERS, colluders=2, per_account=ROWS_EACH)
    rows, _ = only(month, pl.col("campaign").is_null())
    return rng.permutation(scaled(rows["features"]))[:count]


def scaled(features: pl.Series) -> np.ndarray:
    """Returns rows in standard scores, by the API's published schema."""
    values = np.array(features.to_list())
    columns = [
        np.log(np.maximum(v, 0.05 * c.middle) / c.middle) / c.spread
        if c.is_log
        else (v - c.middle) / c.spread
        for c, v in zip(COLUMNS, values.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def sent(rows: np.ndarray) -> np.ndarray:
    """Returns standard scores, shape (n, columns), as values that an API which checks no range
    would be sent.
    """
    columns = [
        c.middle * np.exp(c.spread * z) if c.is_log else c.middle + c.spread * z
        for c, z in zip(COLUMNS, rows.T, strict=True)
    ]
    return np.stack(columns, axis=1).round(_SENT_DIGITS)


def grader(rng: np.random.Generator, rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Grades by a rule that is not linear; the borders part the rows evenly, one in twenty is
    graded at random.
    """
    width = rows.shape[1]
    inward = rng.normal(0, 1 / np.sqrt(width), (width, 24))
    outward = rng.normal(size=24)

    def risk(z: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(1.5 * z @ inward) @ outward)

    borders = np.quantile(risk(rows), np.linspace(0, 1, GRADES + 1)[1:-1])

    def grade(z: np.ndarray) -> np.ndarray:
        grades = np.searchsorted(borders, risk(z))
        return np.where(rng.random(len(z)) < 0.05, rng.integers(0, GRADES, len(z)), grades)

    return grade


def only(
    month: LabelledTraffic, which: pl.Expr, mark: str = ""
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns exchanges and labels of some accounts of a month, their names marked."""
    labels = month.labels.filter(which)
    rows = month.exchanges.join(labels.select("account"), on="account")
    return _marked(rows, mark), _marked(labels, mark)


def interval(values: Sequence[float]) -> str:
    """Returns the mean of shares and its 95 % interval, Student's t; the mean alone of one."""
    middle = mean(values)
    if len(values) < 2:
        return f"{middle:.1%}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{middle:.1%} ± {half:.1%}"


def _marked(frame: pl.DataFrame, mark: str) -> pl.DataFrame:
    return frame.with_columns((pl.lit(mark) + pl.col("account")).alias("account"))
