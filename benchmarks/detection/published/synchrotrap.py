"""SynchroTrap: accounts that act on the same objects at the same times are one operation.

An action is (account, object, time); two accounts' actions match where the object is the same and
the times differ by less than `T_SIM_S`. Accounts are as similar as the Jaccard index of their
actions; pairs above a threshold are tied, and large components are reported.

For a log of many accounts: an object is an address, a system prompt or a prompt that was sent
exactly so; times are cut into steps of `T_SIM_S`. An account's score is the highest threshold at
which it is in a component of at least `FEWEST` (the paper reports groups of 200 of a billion
users).

Source: Cao, Yang, Yu, Palow, CCS 2014, sections 3 and 4. Checked against its definition: the Jaccard
    index of matched actions, and its case of loosely synchronised accounts among independent ones.
    Its figures are of a network's private logs.
"""

import numpy as np
import polars as pl
import scipy.sparse as sp

from published.groups import Components
from published.traffic import Traffic

T_SIM_S = 3_600
FEWEST = 7
OBJECTS = ("ip", "system", "prompt")
MOST = 500
"""Accounts that act on one object in one step, above which it says nothing (a hot object)."""


def synchrotrap(subject: Traffic, reference: Traffic) -> np.ndarray:
    """Scores each account by the similarity at which it joins a group."""
    return joined_at(similarities(actions(subject)), len(subject.accounts))


def actions(subject: Traffic) -> sp.csr_matrix:
    """Which account acted on which object in which step: 0/1, shape (accounts, actions)."""
    step = pl.col("time").dt.epoch("s") // T_SIM_S
    who = pl.Series("who", subject.account)
    parts = [
        subject.exchanges.select(
            who, pl.concat_str(pl.lit(name), pl.col(name), step, separator="\x00").alias("action")
        ).drop_nulls()
        for name in OBJECTS
        if name in subject.exchanges.columns
    ]
    pairs = pl.concat(parts).unique()
    action = pairs["action"].rank("dense").to_numpy().astype(np.int64) - 1
    ones = np.ones(len(pairs), np.float32)
    shape = (len(subject.accounts), int(action.max()) + 1)
    return sp.csr_matrix((ones, (pairs["who"].to_numpy(), action)), shape=shape)


def similarities(acted: sp.csr_matrix) -> sp.coo_matrix:
    """Jaccard index of every two accounts that share an action, upper triangle."""
    size = np.asarray(acted.sum(axis=1)).ravel()
    by = np.asarray(acted.sum(axis=0)).ravel()
    shared = acted[:, (by > 1) & (by <= MOST)]
    both = sp.triu(shared @ shared.T, k=1).tocoo()
    union = size[both.row] + size[both.col] - both.data
    return sp.coo_matrix((both.data / union, (both.row, both.col)), shape=both.shape)


def joined_at(similarity: sp.coo_matrix, accounts: int) -> np.ndarray:
    """The highest threshold at which each account is in a component of `FEWEST` or more."""
    components = Components(accounts)
    scores = np.zeros(accounts)
    for edge in np.argsort(-similarity.data, kind="stable"):
        members = components.tie(int(similarity.row[edge]), int(similarity.col[edge]))
        if len(members) >= FEWEST:
            fresh = [number for number in members if not scores[number]]
            scores[fresh] = similarity.data[edge]
    return scores
