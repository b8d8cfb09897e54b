"""The exchanges that are compared with each other, as arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.encoding import Payloads
from gamekeeper.linking.neighbours import neighbours
from gamekeeper.linking.templates import shared_shapes

SITTING_GAP_S = 1_800
"""A pause after which an account's next exchange begins a new sitting; the usual session gap of web
logs.
"""

_NEIGHBOURS = 16


@dataclass(frozen=True, kw_only=True)
class LinkSample:
    """Exchanges in order of account and time.

    Args:
        accounts: Account number of each exchange, ascending, int, shape (n,).
        account_count: Number of accounts; those without an exchange in the sample count.
        time_s: Time of each, seconds since the epoch, shape (n,).
        vectors: Content vectors, float32, shape (n, d).
        repeated: Sent verbatim by another account too, bool, shape (n,).
        fragments: As `encoding.fragments` returns them for these rows.
        payloads: Their payloads.
    """

    accounts: np.ndarray
    account_count: int
    time_s: np.ndarray
    vectors: np.ndarray
    repeated: np.ndarray
    fragments: pl.DataFrame
    payloads: Payloads

    @cached_property
    def exchanges(self) -> np.ndarray:
        """Exchanges of each account, shape (account_count,)."""
        return np.bincount(self.accounts, minlength=self.account_count)

    @cached_property
    def sitting(self) -> np.ndarray:
        """Number of the sitting that each exchange belongs to, shape (n,); ascending."""
        new = np.diff(self.accounts, prepend=-1) != 0
        new |= np.diff(self.time_s, prepend=0) > SITTING_GAP_S
        return np.cumsum(new) - 1

    def sittings(self, rows: np.ndarray) -> np.ndarray:
        """Returns in how many sittings each account sent any of `rows` (ascending),
        (account_count,).
        """
        first = np.diff(self.sitting[rows], prepend=-1) != 0
        return np.bincount(self.accounts[rows[first]], minlength=self.account_count)

    @cached_property
    def all_sittings(self) -> np.ndarray:
        """Sittings of each account, shape (account_count,)."""
        return self.sittings(np.arange(len(self.accounts)))

    @cached_property
    def adjacency(self) -> sp.csr_matrix:
        """Neighbours among other accounts' exchanges, float32 0/1, shape (n, n)."""
        return neighbours(self.vectors, self.accounts, ~self.repeated, k=_NEIGHBOURS)

    @cached_property
    def degree(self) -> np.ndarray:
        """Neighbours of each exchange, at least 1, shape (n,)."""
        return np.maximum(np.diff(self.adjacency.indptr), 1)

    @cached_property
    def shapes(self) -> list[np.ndarray]:
        """Exchanges of each shared template, without those that are sent verbatim by others."""
        found = shared_shapes(self.fragments, self.accounts, self.account_count)
        return [rows[~self.repeated[rows]] for rows in found]
