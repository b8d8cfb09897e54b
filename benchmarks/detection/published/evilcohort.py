"""EvilCohort: communities of accounts that are used from the same addresses.

A graph of accounts, weighted by the number of addresses that two share; edges below a threshold are
dropped; Louvain communities of enough accounts are malicious.

For a log of many accounts: edges need one shared address (the paper: ten, of bots that change
theirs daily; an account here has one). The score is the size of an account's community.

Source: Stringhini et al., USENIX Security 2015, section 3. Checked: cliques of accounts with common
    addresses come out as communities, accounts alone as none. Its figures are of private logs.
"""

import igraph
import numpy as np
import polars as pl
import scipy.sparse as sp

from published.traffic import Traffic

SHARED = 1


def evilcohort(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores each account by the size of its community."""
    used = subject.exchanges.select(pl.Series("who", subject.account), "ip").drop_nulls().unique()
    if not len(used):
        return np.full(len(subject.accounts), -np.inf)
    address = used["ip"].rank("dense").to_numpy().astype(np.int64) - 1
    shape = (len(subject.accounts), int(address.max()) + 1)
    ones = np.ones(len(used), np.float32)
    return community_sizes(sp.csr_matrix((ones, (used["who"].to_numpy(), address)), shape=shape))


def community_sizes(used: sp.csr_matrix) -> np.ndarray:
    """Size of each account's Louvain community.

    Args:
        used: 0/1, accounts by addresses.
    """
    common = sp.triu(used @ used.T, k=1).tocoo()
    strong = common.data >= SHARED
    edges = np.stack([common.row[strong], common.col[strong]], axis=1)
    graph = igraph.Graph(n=used.shape[0], edges=edges)
    found = graph.community_multilevel(weights=common.data[strong].tolist())
    sizes = np.array(found.sizes())
    return np.asarray(sizes[found.membership], float)
