"""FRAUDAR: dense blocks of accounts and objects, whatever else the accounts do as camouflage.

Of a bipartite graph, the block with the highest mean suspiciousness: the sum of its edges' weights
over its nodes, where an edge to an object of degree d weighs 1 / log(d + 5), so that objects which
everybody uses weigh little. Greedy: the node whose removal costs least is removed, until none is
left, and the best block on the way is kept. Further blocks after the edges of the first are gone.

For a log of many accounts: objects are addresses, cards, system prompts, and prompts that are sent
exactly so. (With cells of the space of prompts for objects, the densest block is that of the most
active accounts, whatever they ask.) An account's score is the density of the first block it is in.

Source: Hooi et al., KDD 2016, algorithm 1 and section 4. Checked against the example of its authors'
    code, a 20 by 20 block planted in a sparse graph, and against its theorems: at least half of the
    best block's density, and camouflage does not lower that of a block.
"""

import heapq

import numpy as np
import polars as pl
import scipy.sparse as sp

from published.traffic import Traffic

BLOCKS = 4
OBJECTS = ("ip", "payment", "system", "prompt")


def fraudar(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores each account by the density of its densest block."""
    left = objects(subject).tolil()
    scores = np.zeros(len(subject.accounts))
    for _ in range(BLOCKS):
        accounts, things, density = densest_block(left.tocsr())
        if not len(accounts):
            break
        scores[accounts] = np.maximum(scores[accounts], density)
        for account in accounts:
            left[account, things] = 0
    return scores


def objects(subject: Traffic) -> sp.csr_matrix:
    """Which account used which object: 0/1, accounts by objects."""
    names = [
        name + "=" + subject.exchanges[name].cast(pl.String)
        for name in OBJECTS
        if name in subject.exchanges.columns
    ]
    who = pl.Series("who", subject.account)
    pairs = pl.concat(pl.DataFrame([who, thing.alias("thing")]) for thing in names)
    pairs = pairs.drop_nulls().unique()
    thing = pairs["thing"].rank("dense").to_numpy().astype(np.int64) - 1
    ones = np.ones(len(pairs))
    return sp.csr_matrix((ones, (pairs["who"].to_numpy(), thing)))


def densest_block(graph: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, float]:
    """The greedy block: its rows, its columns, and its density.

    Args:
        graph: 0/1, rows by columns.
    """
    graph.eliminate_zeros()
    rows, columns = graph.shape
    degree = np.asarray(graph.sum(axis=0)).ravel()
    weights = graph.multiply(1 / np.log(degree + 5)).tocsr()
    both = sp.bmat([[None, weights], [weights.T, None]]).tocsr()
    cost = np.asarray(both.sum(axis=1)).ravel()
    heap = [(value, node) for node, value in enumerate(cost)]
    heapq.heapify(heap)
    total = cost.sum() / 2
    gone = np.zeros(rows + columns, bool)
    removed = []
    best = total / max(len(cost), 1)
    best_at = 0
    while len(removed) < len(cost) - 1:
        value, node = heapq.heappop(heap)
        if gone[node] or value != cost[node]:
            continue
        gone[node] = True
        removed.append(node)
        total -= cost[node]
        for place in range(both.indptr[node], both.indptr[node + 1]):
            other = both.indices[place]
            if not gone[other]:
                cost[other] -= both.data[place]
                heapq.heappush(heap, (cost[other], other))
        density = total / (len(cost) - len(removed))
        if density > best:
            best = density
            best_at = len(removed)
    inside = np.ones(rows + columns, bool)
    inside[removed[:best_at]] = False
    return np.flatnonzero(inside[:rows]), np.flatnonzero(inside[rows:]), float(best)
