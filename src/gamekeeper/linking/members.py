"""Which accounts of a community do its work: an e-value for each.

Every prompt has a share of neighbours that lie inside the community. Prompts of its accounts have
high shares and prompts of everybody else low ones, and the ratio of the two frequencies tells how
much a share speaks for the community's work. An account's e-value is the product of these ratios
over all its prompts, so what it asked elsewhere counts against it as what it asked here counts for
it: an evaluator with thirty prompts near the campaign's and five hundred elsewhere is not a member,
while an account that has six prompts, three of them near, is one.

An account that is not a member has an e-value of 1 on average whatever it asks, if its prompts are
like those of the accounts outside; so one above 100 happens to at most one in 100 of them
(Markov's inequality), however often one looks; and only accounts of the community are asked.

Source: Vovk and Wang, E-values: calibration, combination and applications, Annals of Statistics
    2021; Ramdas et al., Game-theoretic statistics and safe anytime-valid inference, Statistical
    Science 2023.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import isotonic_regression

from gamekeeper.linking.sample import LinkSample

MEMBER = 100.0
"""The e-value from which on an account is a member."""

# shares of neighbours inside; the first level is 0
_LEVELS = np.array([1e-9, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
_BINS = len(_LEVELS) + 1
# how much of the members' work an account may do: with half of it, bystanders pass as well
_WORK = (0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What speaks for the accounts of one community.

    Args:
        accounts: Account numbers, ascending.
        log_e: Natural logarithm of each one's e-value, shape (len(accounts),).
        rows: The community's work: those of their exchanges, ascending, whose neighbours are more
            like those of its accounts than like those of others.
    """

    accounts: np.ndarray
    log_e: np.ndarray
    rows: np.ndarray

    @property
    def members(self) -> np.ndarray:
        """Accounts with enough evidence."""
        return np.asarray(self.accounts[self.log_e > np.log(MEMBER)])


class Ground:
    """The exchanges of some accounts of a sample, among which communities are weighed.

    Args:
        sample: All exchanges.
        accounts: The accounts; all of them where None. Decoys are looked for among a part.
    """

    def __init__(self, sample: LinkSample, accounts: np.ndarray | None = None) -> None:
        self.sample = sample
        within = np.ones(sample.account_count, bool)
        if accounts is not None:
            within[:] = False
            within[accounts] = True
        self._rows = np.flatnonzero(within[sample.accounts] & sample.counts)
        self._adjacency = sample.adjacency[self._rows][:, self._rows]
        self._degree = np.maximum(np.diff(self._adjacency.indptr), 1)
        self._of = sample.accounts[self._rows]
        self._starts = np.searchsorted(self._of, np.arange(sample.account_count + 1))

    def weigh(self, communities: Sequence[np.ndarray]) -> Iterator[Evidence]:
        """Yields the evidence for the accounts of each community; they share no account."""
        number = np.full(self.sample.account_count, -1)
        for place, members in enumerate(communities):
            number[members] = place
        community = number[self._of]
        inside = np.flatnonzero(community >= 0)
        ones = np.ones(len(inside), np.float32)
        shape = (len(self._of), len(communities))
        target = sp.csr_matrix((ones, (inside, community[inside])), shape=shape)
        counts = sp.csc_matrix(self._adjacency @ target)
        for place, members in enumerate(communities):
            cells = slice(counts.indptr[place], counts.indptr[place + 1])
            rows = counts.indices[cells]
            share = counts.data[cells] / self._degree[rows]
            yield self._one(members, rows, np.digitize(share, _LEVELS), community[rows] == place)

    def log_e_of_all(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the natural logarithm of every account's e-value for the work of `members`, shape
        (account_count,), 0 for accounts without an exchange that counts; and the rows, of any
        account, that are like that work, ascending.
        """
        within = np.zeros(self.sample.account_count, bool)
        within[members] = True
        inside = within[self._of]
        share = (self._adjacency @ inside.astype(np.float32)) / self._degree
        level = np.digitize(share, _LEVELS)
        ratio = _ratio(
            np.bincount(level[inside], minlength=_BINS),
            np.bincount(level[~inside], minlength=_BINS),
        )
        parts = [
            np.bincount(
                self._of,
                weights=np.log(1 - part + part * ratio[level]),
                minlength=self.sample.account_count,
            )
            for part in _WORK
        ]
        log_e = np.logaddexp.reduce(parts, axis=0) - np.log(len(parts))
        return np.asarray(log_e), self._rows[ratio[level] > 1]

    def _one(
        self, members: np.ndarray, rows: np.ndarray, level: np.ndarray, own: np.ndarray
    ) -> Evidence:
        """Evidence of one community, from the rows that have a neighbour in it."""
        begin = self._starts[members]
        sizes = self._starts[members + 1] - begin
        # rows of its accounts, one after the other
        all_rows = np.repeat(begin - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        all_rows = all_rows + np.arange(sizes.sum())
        levels = np.zeros(len(self._of), np.int8)
        levels[rows[own]] = level[own]
        of_members = levels[all_rows]
        inside = np.bincount(of_members, minlength=_BINS)
        outside = np.bincount(level[~own], minlength=_BINS)
        outside[0] += len(self._of) - len(all_rows) - (~own).sum()
        ratio = _ratio(inside, outside)
        account = np.repeat(np.arange(len(members)), sizes)
        parts = [
            np.bincount(
                account, weights=np.log(1 - part + part * ratio[of_members]), minlength=len(members)
            )
            for part in _WORK
        ]
        log_e = np.logaddexp.reduce(parts, axis=0) - np.log(len(parts))
        work = ratio[of_members] > 1
        return Evidence(accounts=members, log_e=log_e, rows=self._rows[all_rows[work]])


def _ratio(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """How much more often each level occurs inside than outside; never falls with the level."""
    often_inside = (inside + 0.5) / (inside + 0.5).sum()
    often_outside = (outside + 0.5) / (outside + 0.5).sum()
    rising = isotonic_regression(often_inside / often_outside, weights=often_outside)
    return np.asarray(rising.x)
