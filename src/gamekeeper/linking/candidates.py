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
from gamekeeper.linking.members import MEMBER, Ground
from gamekeeper.linking.sample import LinkSample

_PART = 0.75  # of the ordinary accounts, among which decoys are looked for
_MOST_ROUNDS = 12


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

    def decoys(
        self,
        ordinary: np.ndarray,
        count: int,
        rng: np.random.Generator,
        without: Collection[str] = (),
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[list[Group]]:
        """Returns the groups made of each decoy: communities of ordinary accounts, their templates
        and what they share.

        Args:
            ordinary: Account numbers, ascending.
            count: Decoys wanted; fewer come where there are few ordinary accounts.
            rng: Draws the accounts of each round.
            without: As in `candidates`.
            on_progress: Called with decoys made, and wanted.
        """
        made: list[list[Group]] = []
        held = np.zeros(self.sample.account_count, bool)
        held[ordinary] = True
        if "shape" not in without:
            for rows in self.sample.shapes:
                own = rows[held[self.sample.accounts[rows]]]
                if 2 * len(own) > len(rows):
                    made.append(list(groups_of(self.sample, own, "shape")))
        if "infrastructure" not in without:
            for shared in self.sample.sharers:
                accounts = shared.accounts[held[shared.accounts]]
                if 2 * len(accounts) > len(shared.accounts):
                    rows = self._rows_of(accounts)
                    made.append(list(groups_of(self.sample, rows, "infrastructure", shared.what)))
        for _ in range(_MOST_ROUNDS if "content" not in without else 0):
            if len(made) >= count:
                break
            part = np.sort(rng.choice(ordinary, int(_PART * len(ordinary)), replace=False))
            for resolution in RESOLUTIONS:
                # a size between the usual ones, or the same communities would come again
                near = resolution * float(np.exp(rng.uniform(-0.5, 0.5)))
                made += self._each_community(part, near)
                on_progress(min(len(made), count), count)
        return made

    def _communities(
        self, accounts: np.ndarray, resolutions: Iterable[float]
    ) -> Iterator[Group]:
        for resolution in resolutions:
            for groups in self._each_community(accounts, resolution):
                yield from groups

    def _each_community(self, accounts: np.ndarray, resolution: float) -> list[list[Group]]:
        large = [p for p in parts(self.graph, accounts, resolution) if len(p) >= MIN_ACCOUNTS]
        if not large:
            return []
        every = len(accounts) == self.sample.account_count
        ground = self._ground if every else Ground(self.sample, accounts)
        made = []
        for evidence in ground.weigh(large):
            members = evidence.members
            work = evidence.rows[np.isin(self.sample.accounts[evidence.rows], members)]
            if len(members) >= MIN_ACCOUNTS and len(work) >= MIN_ROWS:
                made.append(list(groups_of(self.sample, work, "content")))
            else:
                made.append([])
        return made

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
