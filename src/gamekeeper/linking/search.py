"""Nearest neighbours of every vector among all, by products of matrices.

Few vectors are compared pair by pair. Many are first divided into lists, each the vectors nearest
to one of about sqrt(n) centres (k-means), and a vector is compared with those of the nearest lists
alone. Squared distances come out of one product each: of (-2q, 1) and (v, |v|^2), short of |q|^2,
which is the same for all neighbours of q.

Source: Sivic and Zisserman, Video Google, ICCV 2003 (inverted lists); Johnson, Douze and Jegou,
    Billion-scale similarity search with GPUs, 2017, whose IndexFlatL2 and IndexIVFFlat it replaces
    (docs/decisions/0012-a-light-install.md).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

_PROBES = 8  # lists searched of sqrt(n): recall of true neighbours about .75 to .9
_TRAINED = 64  # vectors for each centre that k-means looks at
_GROUP = 16  # columns whose smallest value stands for them
_ROWS = 512  # of a product with all vectors: its size is bounded
_QUERIES = 8_192  # searched in lists at a time: more take more memory and no less time
_THREADS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Nearest:
    """Neighbours of each vector, itself among them, the nearest first.

    Args:
        squares: Squared distances, float32, shape (n, k); infinite where there is no neighbour.
        rows: Which vector it is, int64, shape (n, k); -1 where there is no neighbour.
    """

    squares: np.ndarray
    rows: np.ndarray


def nearest(vectors: np.ndarray, k: int, *, exact_below: int, rounds: int) -> Nearest:
    """Returns the `k` nearest neighbours of every vector.

    Args:
        vectors: float32, shape (n, d).
        k: Neighbours of a vector, itself included; at most n.
        exact_below: From this many vectors on, lists are searched.
        rounds: Rounds of k-means.
    """
    found = Nearest(
        squares=np.full((len(vectors), k), np.inf, np.float32),
        rows=np.full((len(vectors), k), -1, np.int64),
    )
    # threads of ours and of the product's at once wait for each other: twice the processor's time
    with _libraries().limit(limits=1, user_api="blas"):
        if len(vectors) < exact_below:
            _compare_all(vectors, found)
        else:
            _compare_lists(vectors, found, rounds)
    np.maximum(found.squares, 0, out=found.squares)  # rounding
    return found


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _compare_all(vectors: np.ndarray, found: Nearest) -> None:
    squares = _squares(vectors)
    queries = _as_queries(vectors)
    targets = _as_targets(vectors, squares)
    k = found.rows.shape[1]

    def compare(rows: slice) -> None:
        distances = queries[rows] @ targets
        columns = _smallest(distances, k)
        values = np.take_along_axis(distances, columns, axis=1) + squares[rows, None]
        _write(found, rows, values, columns)

    _each(compare, len(vectors), _ROWS)


def _compare_lists(vectors: np.ndarray, found: Nearest, rounds: int) -> None:
    centres = _centres(vectors, rounds)
    probes = _nearest_centres(vectors, centres, min(_PROBES, len(centres)))
    squares = _squares(vectors)
    queries = _as_queries(vectors)
    order = np.argsort(probes[:, 0], kind="stable")
    starts = np.searchsorted(probes[order, 0], np.arange(len(centres) + 1))
    targets = np.hstack([vectors[order], squares[order, None]])
    k = found.rows.shape[1]

    def compare(rows_asked: slice) -> None:
        # of the same and of neighbouring lists, which share their probes
        asked = order[rows_asked]
        values = np.full((*probes[asked].shape, k), np.inf, np.float32)
        rows = np.full(values.shape, -1, np.int64)
        wanted = probes[asked].ravel()
        by_list = np.argsort(wanted, kind="stable")
        bounds = np.searchsorted(wanted[by_list], np.arange(len(centres) + 1))
        for one in np.flatnonzero(np.diff(bounds) * np.diff(starts)):
            query, probe = np.divmod(by_list[bounds[one] : bounds[one + 1]], probes.shape[1])
            members = slice(starts[one], starts[one + 1])
            distances = queries[asked[query]] @ targets[members].T
            columns = _smallest(distances, k)
            width = columns.shape[1]
            values[query, probe, :width] = np.take_along_axis(distances, columns, axis=1)
            rows[query, probe, :width] = order[members][columns]
        values = values.reshape(len(asked), -1)
        best = _smallest(values, k)
        near = np.take_along_axis(values, best, axis=1) + squares[asked, None]
        _write(found, asked, near, np.take_along_axis(rows.reshape(len(asked), -1), best, axis=1))

    _each(compare, len(vectors), _QUERIES)


def _each(step: Callable[[slice], None], count: int, size: int) -> None:
    """Runs `step` for every `size` rows; numpy leaves the interpreter to others meanwhile."""
    parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    if len(parts) == 1:
        step(parts[0])
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(step, parts))


def _write(
    found: Nearest, rows: slice | np.ndarray, values: np.ndarray, columns: np.ndarray
) -> None:
    order = np.argsort(values, axis=1)
    found.squares[rows] = np.take_along_axis(values, order, axis=1)
    found.rows[rows] = np.take_along_axis(columns, order, axis=1)


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors))


def _as_queries(vectors: np.ndarray) -> np.ndarray:
    return np.hstack([-2 * vectors, np.ones((len(vectors), 1), np.float32)])


def _as_targets(vectors: np.ndarray, squares: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.hstack([vectors, squares[:, None]]).T)


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """Returns the columns of the `k` smallest values of each row, in no order.

    Of many columns, groups are compared first, by their smallest value: the k smallest values are
    in the k groups whose smallest are smallest.
    """
    rows, count = values.shape
    if k == 1:
        return np.asarray(values.argmin(axis=1))[:, None]
    if count <= k:
        return np.broadcast_to(np.arange(count), values.shape)
    groups = count // _GROUP
    if groups < 4 * k:
        return np.argpartition(values, k - 1, axis=1)[:, :k]
    whole = groups * _GROUP
    lowest = values[:, :whole].reshape(rows, _GROUP, groups).min(axis=1)
    best = np.argpartition(lowest, k - 1, axis=1)[:, :k]
    in_groups = (best[:, :, None] + np.arange(0, whole, groups)).reshape(rows, -1)
    beside = np.broadcast_to(np.arange(whole, count), (rows, count - whole))
    columns = np.hstack([in_groups, beside])
    near = np.argpartition(np.take_along_axis(values, columns, axis=1), k - 1, axis=1)[:, :k]
    return np.take_along_axis(columns, near, axis=1)


def _centres(vectors: np.ndarray, rounds: int) -> np.ndarray:
    """Returns sqrt(n) centres by k-means over a sample, float32, shape (lists, d)."""
    rng = np.random.default_rng(0)
    lists = int(np.sqrt(len(vectors)))
    count = min(len(vectors), _TRAINED * lists)
    sample = vectors[rng.choice(len(vectors), count, replace=False)]
    centres = sample[:lists]
    for _ in range(rounds):
        home = _nearest_centres(sample, centres, 1)[:, 0]
        ones = np.ones(count, np.float32)
        members = sp.csr_matrix((ones, (home, np.arange(count))), shape=(lists, count))
        sizes = np.bincount(home, minlength=lists)[:, None]
        means = (members @ sample) / np.maximum(sizes, 1)
        centres = np.where(sizes > 0, means, centres).astype(np.float32)
    return np.asarray(centres)


def _nearest_centres(vectors: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """Returns the numbers of the `count` nearest centres, the nearest first, shape (n, count)."""
    found = np.empty((len(vectors), count), np.int64)
    targets = _as_targets(centres, _squares(centres))

    def compare(rows: slice) -> None:
        distances = _as_queries(vectors[rows]) @ targets
        columns = _smallest(distances, count)
        order = np.argsort(np.take_along_axis(distances, columns, axis=1), axis=1)
        found[rows] = np.take_along_axis(columns, order, axis=1)

    _each(compare, len(vectors), _QUERIES // 8)
    return found
