"""Where to look for groups: communities of accounts at several sizes, shared templates, what splits
apart.

Content links two accounts where their prompts are neighbours more often than their activity
explains. Leiden communities of that graph, without its thin parts, are rough seeds; `Linker.grow`
makes groups of them or lets them go, so a seed may be wrong but not missing. Decoys are made by the
same steps around ordinary accounts.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from gamekeeper.linking.communities import communities, core_numbers
from gamekeeper.linking.groups import Group, Linker
from gamekeeper.linking.sample import LinkSample

_RESOLUTIONS = (1.0, 3.0, 9.0, 27.0)  # campaigns of thousands of accounts and of a dozen
_MIN_LIFT = 3.0  # times the expected weight of a link
_MIN_PROMPTS = 3  # prompts that make a link
_CORE = 3  # a seed account has as many links inside the seed's core: chains do not
_MIN_SEED = 5
_MOST_LINKED = 30  # accounts around the one that a decoy is built on


@dataclass(frozen=True, kw_only=True)
class AccountLinks:
    """Links between accounts by content: `a[i] < b[i]`; `lift[i]` is weight over what activity
    explains.
    """

    a: np.ndarray
    b: np.ndarray
    lift: np.ndarray
    accounts: int

    @cached_property
    def by_account(self) -> sp.csr_matrix:
        """Lifts, symmetric, shape (accounts, accounts)."""
        half = sp.coo_matrix((self.lift, (self.a, self.b)), shape=(self.accounts, self.accounts))
        return sp.csr_matrix(half + half.T)

    def around(self, account: int, rng: np.random.Generator) -> np.ndarray:
        """Returns `account` and a random half of those most linked to it, so that it can be asked
        again.
        """
        row = self.by_account[[account]]
        most = row.indices[np.argsort(-row.data, kind="stable")[:_MOST_LINKED]]
        return np.append(most[rng.random(len(most)) < 0.5], account)

    def seeds(self, resolution: float) -> Iterator[np.ndarray]:
        """Yields communities' accounts that lie in the graph's core."""
        if not len(self.a):
            return
        number = communities(
            self.accounts, self.a, self.b, np.log(self.lift), resolution=resolution
        )
        core = np.flatnonzero(core_numbers(self.accounts, self.a, self.b) >= _CORE)
        for members in _split_by(core, number[core]):
            if len(members) >= _MIN_SEED:
                yield members


def link_accounts(sample: LinkSample, rows: np.ndarray | None = None) -> AccountLinks:
    """Links accounts by the neighbours among `rows` (all exchanges where None)."""
    pairs = (sample.adjacency if rows is None else sample.adjacency[rows][:, rows]).tocoo()
    accounts = sample.accounts if rows is None else sample.accounts[rows]
    weight = 1 / np.sqrt(np.maximum(np.bincount(pairs.col, minlength=len(accounts)), 1))[pairs.col]
    shape = (sample.account_count, sample.account_count)
    directed = sp.coo_matrix(
        (weight, (accounts[pairs.row], accounts[pairs.col])), shape=shape
    ).tocsr()
    prompts = np.unique(pairs.row.astype(np.int64) * sample.account_count + accounts[pairs.col])
    ends = (accounts[prompts // sample.account_count], prompts % sample.account_count)
    support = sp.coo_matrix((np.ones(len(prompts)), ends), shape=shape).tocsr()
    return _beyond_activity(directed, support)


def _beyond_activity(directed: sp.csr_matrix, support: sp.csr_matrix) -> AccountLinks:
    out = np.asarray(directed.sum(axis=1)).ravel()
    into = np.asarray(directed.sum(axis=0)).ravel()
    both = sp.triu(directed + directed.T, k=1).tocoo()
    prompts = (support + support.T).tocsr()
    a = both.row
    b = both.col
    expected = (out[a] * into[b] + out[b] * into[a]) / max(directed.sum(), 1e-9)
    lift = both.data / np.maximum(expected, 1e-12)
    linked = (
        (lift > _MIN_LIFT) & (np.asarray(prompts[a, b]).ravel() >= _MIN_PROMPTS)
        if len(a)
        else np.zeros(0, bool)
    )
    return AccountLinks(a=a[linked], b=b[linked], lift=lift[linked], accounts=directed.shape[0])


def candidates(
    linker: Linker, links: AccountLinks, without: Collection[str] = ()
) -> Iterator[Group]:
    """Yields groups that may be campaigns, each once; they may overlap, and a campaign may come in
    several sizes.

    Args:
        linker: Of the sample.
        links: Links between its accounts.
        without: Families that must not tie a group: `content`, `shape`.
    """
    seen: set[int] = set()
    for group in _grown(linker, links) if "content" not in without else ():
        if (
            id(group) not in seen
        ):  # the linker keeps groups, and hands out the same one for the same rows
            seen.add(id(group))
            yield group
            yield from split(linker, group)
    for rows in linker.sample.shapes if "shape" not in without else ():
        if group_of_shape := linker.purify(rows, "shape"):
            yield group_of_shape


def _grown(linker: Linker, links: AccountLinks) -> Iterator[Group]:
    for resolution in _RESOLUTIONS:
        for seed in links.seeds(resolution):
            if group := linker.grow(seed):
                yield group


def split(linker: Linker, group: Group) -> Iterator[Group]:
    """Yields the parts of a group whose accounts link among themselves: two campaigns near each
    other.
    """
    links = link_accounts(linker.sample, group.rows)
    if not len(links.a):
        return
    number = communities(links.accounts, links.a, links.b, np.log(links.lift), resolution=1.0)
    parts = [p for p in _split_by(group.accounts, number[group.accounts]) if len(p) >= _MIN_SEED]
    if len(parts) < 2:
        return
    for accounts in parts:
        rows = group.rows[np.isin(linker.sample.accounts[group.rows], accounts)]
        if part := linker.purify(rows, group.family):
            yield part


def around_accounts(
    linker: Linker, links: AccountLinks, accounts: Iterable[int], rng: np.random.Generator
) -> Iterator[list[Group]]:
    """Yields, for each account, the groups that the same steps make around it: by content, by
    templates.
    """
    shaped: dict[int, Group | None] = {}
    holders = _template_holders(linker.sample)
    for account in accounts:
        templates = holders[[account]].indices.tolist()
        for t in templates:
            if t not in shaped:
                shaped[t] = linker.purify(linker.sample.shapes[t], "shape")
        by_content = linker.grow(links.around(account, rng))
        found = [by_content, *(shaped[t] for t in templates)]
        yield [g for g in found if g is not None]


def _template_holders(sample: LinkSample) -> sp.csr_matrix:
    """Which account holds which shared template, shape (accounts, templates)."""
    rows = np.concatenate(sample.shapes) if sample.shapes else np.zeros(0, int)
    template = np.repeat(np.arange(len(sample.shapes)), [len(s) for s in sample.shapes])
    shape = (sample.account_count, len(sample.shapes))
    return sp.coo_matrix(
        (np.ones(len(rows)), (sample.accounts[rows], template)), shape=shape
    ).tocsr()


def _split_by(values: np.ndarray, number: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return [np.sort(part) for part in np.split(values[order], cuts)] if len(values) else []
