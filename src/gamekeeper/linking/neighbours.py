"""Which accounts send prompts close to each other's.

For every prompt, its nearest neighbours among the prompts of *other* accounts. Prompts that another
account sent verbatim are left out on both sides: a campaign seldom pays for one answer twice, and a
class repeats its sheet.
"""

import numpy as np
import scipy.sparse as sp

from gamekeeper.linking.card import Card
from gamekeeper.linking.search import Nearest, nearest

CONTENT = Card(
    name="neighbouring-content",
    family="content",
    purpose=(
        "How many prompts of a group have their nearest neighbours inside the group, in other"
        " accounts."
    ),
    unit=(
        "sum over accounts of log2(1 + linked prompts), so that one busy account does not count for"
        " many; times 1 - memory, the part that subjects of each account's own do not explain"
    ),
    needs=("prompt or features",),
    look_alikes="a class on one subject, evaluators of one benchmark, an app with many tenants",
    evasions=(
        "splitting the prompts by subject over accounts (then `memory` is high, and each part is "
        "separate); cover traffic above 90 %"
    ),
    source=(
        "Cao et al., SynchroTrap, CCS 2014 (links between accounts through like actions); nearest "
        "neighbours as the action, hubs discounted after Radovanovic et al., JMLR 2010"
    ),
)

_EXACT_BELOW = 20_000  # exchanges; below, every pair is compared
_SPARE = 32  # neighbours fetched beyond k, since some will be of the same account
_ROUNDS = 8  # of k-means


def neighbours(
    vectors: np.ndarray, accounts: np.ndarray, keep: np.ndarray, *, k: int
) -> sp.csr_matrix:
    """Finds each exchange's nearest neighbours among other accounts'.

    Args:
        vectors: float32, shape (n, d).
        accounts: Account number of each exchange, shape (n,).
        keep: Which exchanges take part, bool, shape (n,).
        k: Neighbours of an exchange, at most.

    Returns:
        0/1 matrix, float32, shape (n, n): entry (p, q) where q is a neighbour of p.
    """
    rows = np.flatnonzero(keep)
    if len(rows) <= 1:
        none = np.zeros(0, np.int64)
        return sp.csr_matrix(
            (none.astype(np.float32), (none, none)), shape=(len(vectors), len(vectors))
        )
    found = nearest(
        vectors[rows],
        min(k + _SPARE, len(rows)),
        exact_below=_EXACT_BELOW,
        rounds=_ROUNDS,
    )
    nearby = _scaled_locally(found)
    target = np.where(nearby >= 0, rows[nearby], -1)
    other = (target >= 0) & (accounts[target] != accounts[rows][:, None])
    other &= np.cumsum(other, axis=1) <= k
    p, place = np.nonzero(other)
    entries = (np.ones(len(p), np.float32), (rows[p], target[p, place]))
    return sp.csr_matrix(entries, shape=(len(vectors), len(vectors)))


def _scaled_locally(found: Nearest) -> np.ndarray:
    """Orders neighbours by distance in units of both ends' own distance to their neighbours.

    Where traffic is dense everything is near; a query from where nobody else asks has neighbours of
    its own kind only on its own scale. Source: Zelnik-Manor and Perona, Self-tuning spectral
    clustering, NIPS 2004.
    """
    squares = found.squares
    scale = np.clip(squares[:, squares.shape[1] // 2], 1e-9, 1e9)  # infinite where few were found
    scaled = np.where(found.rows >= 0, squares / scale[found.rows], np.inf)
    return np.take_along_axis(found.rows, np.argsort(scaled, axis=1, kind="stable"), axis=1)
