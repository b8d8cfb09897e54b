"""Where to look for groups: communities by content, shared templates, shared attributes.

Communities are looked for at several sizes, because a campaign may have a dozen accounts or
thousands. Every candidate is put to the same tests, and decoys are made by the same steps among
ordinary accounts, so looking in more places finds more by chance in both.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from gamekeeper.linking.graph import RESOLUTIONS, account_graph, parts
from gamekeeper.linking.groups import MIN_ACCOUNTS, MIN_ROWS, Group, groups_of
from gamekeeper.linking.members import Ground
from gamekeeper.linking.sample import LinkSample

PART = 0.75
"""Share of the ordinary accounts among which a round of decoys looks."""


@dataclass(frozen=True)
class Search:
    """One sample and its graph of accounts."""

    sample: LinkSample

    @cached_property
    def graph(self) -> sp.csr_matrix:
        """Links between accounts by content."""
        return account_graph(self.sample)

    def candidates(self, without: Collection[str] = ()) -> Iterator[Group]:
        """Yields groups that may be campaigns; they may overlap, and a campaign may come in several
        sizes.

        Args:
            without: Families that must not tie a group: `content`, `shape`, `infrastructure`.
        """
        everybody = np.arange(self.sample.account_count)
        if "content" not in without:
            yield from self._communities(everybody, RESOLUTIONS)
        if "shape" not in without:
            for rows in self.sample.shapes:
                yield from groups_of(self.sample, rows, "shape")
        if "infrastructure" not in without:
            for shared in self.sample.sharers:
                rows = self._rows_of(shared.accounts)
                yield from groups_of(self.sample, rows, "infrastructure", shared.what)

    def rounds(
        self,
        ordinary: np.ndarray,
        count: int,
        rng: np.random.Generator,
        without: Collection[str] = (),
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[list[Group]]:
        """Yields the candidates of a search among ordinary accounts alone, for each of `count`
        rounds; a round takes three quarters of them.

        Args:
            ordinary: Account numbers, ascending.
            count: Rounds.
            rng: Draws the accounts of each round.
            without: As in `candidates`.
            on_progress: Called with rounds made, and wanted.
        """
        shared = list(self._shared_by(ordinary, without))
        for number in range(count):
            groups = list(shared)
            if "content" not in without:
                part = np.sort(rng.choice(ordinary, int(PART * len(ordinary)), replace=False))
                # sizes between the usual ones, or the same communities would come again
                between = np.exp(rng.uniform(-0.5, 0.5, len(RESOLUTIONS)))
                groups += self._communities(part, np.array(RESOLUTIONS) * between)
            on_progress(number + 1, count)
            yield groups

    def _shared_by(self, ordinary: np.ndarray, without: Collection[str]) -> Iterator[Group]:
        """Groups by templates and attributes that are mostly of ordinary accounts."""
        held = np.zeros(self.sample.account_count, bool)
        held[ordinary] = True
        if "shape" not in without:
            for rows in self.sample.shapes:
                own = rows[held[self.sample.accounts[rows]]]
                if 2 * len(own) > len(rows):
                    yield from groups_of(self.sample, own, "shape")
        if "infrastructure" not in without:
            for shared in self.sample.sharers:
                accounts = shared.accounts[held[shared.accounts]]
                if 2 * len(accounts) > len(shared.accounts):
                    rows = self._rows_of(accounts)
                    yield from groups_of(self.sample, rows, "infrastructure", shared.what)

    def _communities(self, accounts: np.ndarray, resolutions: Iterable[float]) -> Iterator[Group]:
        every = len(accounts) == self.sample.account_count
        ground = self._ground if every else Ground(self.sample, accounts)
        for resolution in resolutions:
            found = parts(self.graph, accounts, resolution)
            large = [part for part in found if len(part) >= MIN_ACCOUNTS]
            for evidence in ground.weigh(large):
                members = evidence.members
                work = evidence.rows[np.isin(self.sample.accounts[evidence.rows], members)]
                if len(members) >= MIN_ACCOUNTS and len(work) >= MIN_ROWS:
                    yield from groups_of(self.sample, work, "content")

    @cached_property
    def _ground(self) -> Ground:
        return Ground(self.sample)

    def evidence(self, accounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the e-value, as its natural logarithm, of every account for the work of
        `accounts`, shape (account_count,), and the exchanges of anybody that are like that work.
        """
        return self._ground.log_e_of_all(accounts)

    def rest_of(self, group: Group, accounts: np.ndarray) -> Iterator[Group]:
        """Yields the groups that some accounts of a group make by themselves."""
        rows = group.rows[np.isin(self.sample.accounts[group.rows], accounts)]
        yield from groups_of(self.sample, rows, group.family, group.what)

    def _rows_of(self, accounts: np.ndarray) -> np.ndarray:
        held = np.zeros(self.sample.account_count, bool)
        held[accounts] = True
        return np.flatnonzero(held[self.sample.accounts] & self.sample.counts)
