"""Rows that were delivered twice, known by a 64-bit hash of all the fields that are read of them.

Log pipelines deliver at least once: after a hiccup some rows come again, in the same file or the
next. A row that comes again is bad: it would count a request that was never made. The hashes
are kept as sorted runs whose lengths double, as in a log-structured merge tree: 8 bytes a row, and
a row is looked for in about log2(rows / 65,536) runs. Among 30 million different rows the chance
that any two share a hash is 2e-5.
"""

import numpy as np
import polars as pl

_SMALL_RUN = 65_536

TWICE = "the same row twice"
EACH_ONCE = "each request once; two requests differ in time, in content or in request_id"
TRY_ONCE = (
    "--max-bad-rows 0.01 counts them and leaves them out; or, if they are two requests, name the"
    " field that tells them apart: --field request_id=FIELD"
)


class SeenHashes:
    """64-bit hashes seen so far: 8 bytes each."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []  # uint64, sorted, the longest first

    def contain(self, hashes: np.ndarray) -> np.ndarray:
        """Returns whether each hash was added before, shape (n,)."""
        found = np.zeros(len(hashes), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            found |= run[places] == hashes
        return found

    def add(self, hashes: np.ndarray) -> None:
        """Remembers hashes, which are sorted and not there yet."""
        if len(hashes):
            self._runs.append(hashes)
        while len(self._runs) > 1 and len(self._runs[-2]) <= max(
            2 * len(self._runs[-1]), _SMALL_RUN
        ):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort()
            self._runs.append(merged)


class SeenRows:
    """All rows seen so far."""

    def __init__(self) -> None:
        self._seen = SeenHashes()

    def are_new(self, frame: pl.DataFrame) -> pl.Series:
        """Returns whether each row is seen for the first time, here or before; remembers all of
        them.
        """
        hashes = frame.hash_rows(seed=0).to_numpy()
        unique, firsts = np.unique(hashes, return_index=True)
        unseen = ~self._seen.contain(unique)
        self._seen.add(unique[unseen])
        new = np.zeros(len(hashes), dtype=bool)
        new[firsts[unseen]] = True
        return pl.Series("new", new)
