"""The exchanges that are compared with each other, as arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.encoding import Payloads
from gamekeeper.linking.copies import do_not_count, repeated_by_many
from gamekeeper.linking.neighbours import find_near, neighbours
from gamekeeper.linking.templates import shared_shapes

SITTING_GAP_S = 1_800
"""A pause after which an account's next exchange begins a new sitting; the usual session gap of web
logs.
"""


@dataclass(frozen=True, kw_only=True)
class Sharers:
    """Accounts that share an attribute.

    Args:
        what: The attribute, in words.
        accounts: Account numbers, ascending.
    """

    what: str
    accounts: np.ndarray


@dataclass(frozen=True, kw_only=True)
class LinkSample:
    """Exchanges in order of account and time.

    Args:
        accounts: Account number of each exchange, ascending, int, shape (n,).
        account_count: Number of accounts; those without an exchange in the sample count.
        time_s: Time of each, seconds since the epoch, shape (n,).
        vectors: Content vectors, float32, shape (n, d).
        prompts: Number of each prompt: equal where the texts (or features) are, int, shape (n,).
        without_text: Which have nothing that can be compared, bool, shape (n,).
        fragments: As `encoding.fragments` returns them for these rows.
        payloads: Their payloads.
        sharers: Sets of accounts that share an attribute, each with what it is.
    """

    accounts: np.ndarray
    account_count: int
    time_s: np.ndarray
    vectors: np.ndarray
    prompts: np.ndarray
    without_text: np.ndarray
    fragments: pl.DataFrame
    payloads: Payloads
    sharers: tuple["Sharers", ...] = ()

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
    def counts(self) -> np.ndarray:
        """Which exchanges count, because nobody else sent nearly the same, bool, shape (n,)."""
        return self._linked[1]

    @cached_property
    def adjacency(self) -> sp.csr_matrix:
        """Neighbours among other accounts' exchanges, float32 0/1, shape (n, n)."""
        return self._linked[0]

    @cached_property
    def _linked(self) -> tuple[sp.csr_matrix, np.ndarray]:
        rows = np.flatnonzero(~self.without_text & ~repeated_by_many(self.accounts, self.prompts))
        found = find_near(self.vectors[rows])
        copied = do_not_count(found, rows, self.accounts, self.prompts, self.payloads)
        counts = np.zeros(len(self.accounts), bool)
        counts[rows] = ~copied
        return neighbours(found, rows, ~copied, self.accounts, self.prompts), counts

    @cached_property
    def shapes(self) -> list[np.ndarray]:
        """Exchanges of each shared template, without those that are sent verbatim by others."""
        found = shared_shapes(self.fragments, self.accounts, self.account_count)
        return [rows[self.counts[rows]] for rows in found]
