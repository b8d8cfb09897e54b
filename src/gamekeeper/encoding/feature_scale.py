"""Vectors of a classifier or tabular API: its features, each scaled by its spread in this log."""

from dataclasses import dataclass

import numpy as np
import polars as pl

_LARGEST = 1e100


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """The middle and spread by which features are scaled, each float64, shape (d,).

    The middle is the median; the spread is the interquartile range, or the standard deviation where
    that is 0.
    """

    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: pl.Series) -> "FeatureScale":
        """Measures middle and spread of a list column; rows have one length and finite values."""
        raw = _values(features)
        low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75], axis=0)
        spread = np.where(high > low, high - low, raw.std(axis=0))
        return cls(middle, np.where(spread > 0, spread, 1.0))

    def scaled(self, features: pl.Series) -> np.ndarray:
        """Returns features, centred, in units of their spread, float32, (n, d).

        A feature that never varies is 0 everywhere; values beyond 10 ranges are clipped, so that
        one extreme value does not outweigh everything else.
        """
        raw = _values(features)
        # in units of a spread next to nothing a value may be infinite, which is clipped too
        with np.errstate(over="ignore"):
            scaled = (raw - self.middle) / self.spread
        return np.asarray(np.clip(scaled, -10, 10), dtype=np.float32)


def _values(features: pl.Series) -> np.ndarray:
    # squares and differences of larger values overflow
    return np.clip(np.asarray(features.to_list(), dtype=np.float64), -_LARGEST, _LARGEST)


def scale_features(features: pl.Series) -> np.ndarray:
    """Returns features scaled by their own spread, see `FeatureScale`."""
    return FeatureScale.of(features).scaled(features)
