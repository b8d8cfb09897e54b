"""Vectors of a classifier or tabular API: its features, each scaled by the spread it has in this
log.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Middle and spread of each feature, float64, shape (d,): the median and the interquartile
    range.
    """

    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: pl.Series) -> "FeatureScale":
        """Measures features; a list column, every row of the same length, finite."""
        raw = np.asarray(features.to_list(), dtype=np.float64)
        low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75], axis=0)
        spread = np.where(high > low, high - low, raw.std(axis=0))
        return cls(middle, np.where(spread > 0, spread, 1.0))

    def scaled(self, features: pl.Series) -> np.ndarray:
        """Returns features, centred, in units of their spread, float32, (n, d).

        A feature that never varies is 0 throughout; values beyond 10 ranges are cut there, so that
        one wild value does not become the only thing that counts.
        """
        raw = np.asarray(features.to_list(), dtype=np.float64)
        return np.asarray(np.clip((raw - self.middle) / self.spread, -10, 10), dtype=np.float32)


def scale_features(features: pl.Series) -> np.ndarray:
    """Returns features scaled by their own spread, see `FeatureScale`."""
    return FeatureScale.of(features).scaled(features)
