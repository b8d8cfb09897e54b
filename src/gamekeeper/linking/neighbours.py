"""Which accounts send prompts close to each other's.

For every prompt, its nearest neighbours among the prompts of *other* accounts, one of each account:
a prompt on a subject that one other account asks about all day is near to that account, not to
many. Prompts that do not count (see `copies`) are left out on both sides, and two rows of one
prompt are no neighbours.
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
        " many; times (1 - memory / .5) squared, the part that subjects of each account's own do"
        " not explain, and times the square of the share of neighbours that are inside"
    ),
    needs=("prompt or features",),
    look_alikes="a class on one subject, evaluators of one benchmark, an app with many tenants",
    evasions=(
        "splitting the prompts by subject over accounts (then `memory` is high, and each part is "
        "separate); cover traffic above 90 %; a few dozen accounts that ask what everybody asks"
    ),
    source=(
        "Cao et al., SynchroTrap, CCS 2014 (links between accounts through like actions); nearest "
        "neighbours as the action, hubs discounted after Radovanovic et al., JMLR 2010"
    ),
)

K = 16
"""Neighbours of an exchange, at most."""

SPARE = 32
"""Neighbours fetched beyond that, since some will be of the same account."""

_EXACT_BELOW = 20_000  # exchanges; below, every pair is compared
_ROUNDS = 8  # of k-means


def find_near(vectors: np.ndarray) -> Nearest:
    """Returns what is nearest to each vector, of any account, `K + SPARE` of them or all."""
    count = min(K + SPARE, len(vectors))
    return nearest(vectors, count, exact_below=_EXACT_BELOW, rounds=_ROUNDS)


def neighbours(
    found: Nearest, rows: np.ndarray, counts: np.ndarray, accounts: np.ndarray, prompts: np.ndarray
) -> sp.csr_matrix:
    """Returns each exchange's nearest neighbours among other accounts' that count.

    Args:
        found: What is nearest to each of `rows` among them.
        rows: Row numbers of the sample, ascending.
        counts: Which of `rows` take part, bool, shape (len(rows),).
        accounts: Account number of every row of the sample, shape (n,).
        prompts: Number of every row's prompt; two rows of one prompt are no neighbours, shape (n,).

    Returns:
        0/1 matrix, float32, shape (n, n): entry (p, q) where q is a neighbour of p.
    """
    if not len(rows):
        nothing = np.zeros(0, np.int64)
        entries = (np.zeros(0, np.float32), (nothing, nothing))
        return sp.csr_matrix(entries, shape=(len(accounts), len(accounts)))
    nearby = _scaled_locally(found)
    target = np.where(nearby >= 0, rows[nearby], -1)
    other = (target >= 0) & counts[:, None] & counts[nearby]
    other &= accounts[target] != accounts[rows][:, None]
    other &= prompts[target] != prompts[rows][:, None]
    other &= _first_of_account(np.where(other, accounts[target], -1))
    other &= np.cumsum(other, axis=1) <= K
    p, place = np.nonzero(other)
    entries = (np.ones(len(p), np.float32), (rows[p], target[p, place]))
    return sp.csr_matrix(entries, shape=(len(accounts), len(accounts)))


def _first_of_account(accounts: np.ndarray) -> np.ndarray:
    """Which of each row's neighbours is the first of its account; bool, shape (n, k)."""
    order = np.argsort(accounts, axis=1, kind="stable")
    ordered = np.take_along_axis(accounts, order, axis=1)
    first = np.ones(accounts.shape, bool)
    np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first


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
