"""Vectors of a classifier or tabular API: its features, each scaled by the spread it has in this log."""

import numpy as np
import polars as pl


def scale_features(features: pl.Series) -> np.ndarray:
    """Returns features, each centred on its median, in units of its interquartile range, float32, (n, d).

    A feature that never varies is 0 throughout; values beyond 10 ranges are cut there, so that one wild value
    does not become the only thing that counts.

    Args:
        features: List column, every row of the same length, finite.
    """
    raw = np.asarray(features.to_list(), dtype=np.float64)
    low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, raw.std(axis=0))
    scaled = (raw - middle) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(scaled, -10, 10), dtype=np.float32)
