"""The graph of accounts by content, and its communities.

An edge is as heavy as two accounts' prompts are each other's neighbours, each neighbour discounted
by how many prompts have it. No edge is too thin to count: thin campaigns have thin edges, and what
activity explains is left to the objective of the communities, which compares every edge with what
the weights of its two ends lead to expect.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from gamekeeper.linking.communities import communities
from gamekeeper.linking.sample import LinkSample

RESOLUTIONS = (1.0, 3.0, 9.0, 27.0)
"""Campaigns of thousands of accounts and of a dozen."""

_MOST_EDGES = 64  # of an account that are kept, the heaviest; more find the same communities


def account_graph(sample: LinkSample) -> sp.csr_matrix:
    """Returns the weights of links between accounts, symmetric, shape (accounts, accounts)."""
    pairs = sample.adjacency.tocoo()
    into = np.maximum(np.bincount(pairs.col, minlength=len(sample.accounts)), 1)
    weight = 1 / np.sqrt(into)[pairs.col]
    shape = (sample.account_count, sample.account_count)
    ends = (sample.accounts[pairs.row], sample.accounts[pairs.col])
    directed = sp.coo_matrix((weight, ends), shape=shape).tocsr()
    return _heaviest(sp.csr_matrix(directed + directed.T))


def _heaviest(graph: sp.csr_matrix) -> sp.csr_matrix:
    """Each account's heaviest edges, kept where either end keeps them."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    order = np.lexsort((graph.indices, -graph.data, rows))
    place = np.arange(len(order)) - graph.indptr[rows]
    kept = order[place < _MOST_EDGES]
    ends = (rows[kept], graph.indices[kept])
    half = sp.coo_matrix((graph.data[kept], ends), shape=graph.shape).tocsr()
    return sp.csr_matrix(half.maximum(half.T))


def parts(graph: sp.csr_matrix, accounts: np.ndarray, resolution: float) -> Iterator[np.ndarray]:
    """Yields the communities of the graph between `accounts`, account numbers, ascending."""
    edges = sp.triu(graph[accounts][:, accounts], k=1).tocoo()
    if not edges.nnz:
        return
    number = communities(len(accounts), edges.row, edges.col, edges.data, resolution=resolution)
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    for members in np.split(accounts[order], cuts):
        yield np.sort(members)
