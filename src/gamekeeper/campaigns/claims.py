"""From the sample to claims: which groups are stronger than decoys, and which accounts they hold.

    candidates -> claims that share no accounts -> rank among decoys -> false discovery control
               -> members, with what ties them -> rank of every account among ordinary ones

Decoys are claims of the same search among a part of the accounts; see `ranking` for which of them
count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gamekeeper.base.progress import OnProgress
from gamekeeper.campaigns.ranking import Decoys, rank_claims
from gamekeeper.evidence import discoveries, rank_p_values
from gamekeeper.linking import (
    Group,
    LinkSample,
    Ordinary,
    PortfolioClaim,
    Search,
    claim,
    lone_readings,
    portfolio_claims,
    precedence,
    spliced_readings,
    strength,
)
from gamekeeper.verdict import Policy

_ROUNDS = (3, 60)  # at least, at most
_ROWS_OF_ROUNDS = 400_000
_LONE_DECOYS = 9_999
_LONE_BROAD = (
    0.95  # of the spliced accounts' median breadth; narrower ones look like apps and are not judged
)
_MIN_EXCHANGES = 3  # of an account that a decoy is built around
_SAME = 0.5  # share of accounts that two families must have in common to speak of one campaign


@dataclass(frozen=True, kw_only=True)
class FoundGroup:
    """A group that decoys and false discovery control have confirmed.

    Args:
        accounts: Account numbers, ascending.
        rows: Linked exchanges, ascending.
        senders: Account number of each of `rows`.
        p_benign: Rank among the decoys.
        strength: Its statistic.
        decoys: The decoys' statistics.
        groups: What ties it, the strongest first; empty for a single account.
        p_ties: The p-value of each of `groups`.
        pooled: The claim as it was before its accounts were taken for one ordinary account; see
            `pools`.
        says: Why they were, in words.
        portfolio: What was read of a single account of a tabular API.
    """

    accounts: np.ndarray
    rows: np.ndarray
    senders: np.ndarray
    p_benign: float
    strength: float
    decoys: np.ndarray
    groups: tuple[Group, ...]
    p_ties: tuple[float, ...] = ()
    pooled: "FoundGroup | None" = None
    says: str = ""
    portfolio: PortfolioClaim | None = None


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The outcome of all claims.

    Args:
        found: Those that were confirmed, the strongest first.
        ordinary: How strongly accounts of ordinary groups of this log keep to their own subjects.
        tested: Number of claims tested.
        decoys: What they were ranked against.
        p_values: Of the claims tested, shape (tested,).
        innocent: Numbers of the accounts that may serve as decoys.
        p_account: Rank of each account among ordinary ones, shape (accounts,).
        near_sittings: Sittings of each account with exchanges near any campaign's, int, shape
            (accounts,).
    """

    found: tuple[FoundGroup, ...]
    ordinary: Ordinary
    tested: int
    decoys: Decoys
    innocent: np.ndarray
    p_account: np.ndarray
    near_sittings: np.ndarray
    p_values: np.ndarray = field(default_factory=lambda: np.zeros(0))


def find_campaigns(
    sample: LinkSample, policy: Policy, seed: int, on_progress: OnProgress
) -> Claims:
    """Finds the campaigns of a sample: candidates, ranked among decoys, then their members."""
    search = Search(sample)
    groups = list(search.candidates(policy.without))
    innocent = _innocent(sample, groups, policy)
    active = np.flatnonzero(sample.exchanges >= _MIN_EXCHANGES)
    rounds = list(
        search.rounds(
            active, _rounds(sample), np.random.default_rng(seed), policy.without, on_progress
        )
    )
    usual = Ordinary.of([])
    ordinary = Ordinary.of(g for made in rounds for g in made if not strength(g, usual))
    least = policy.min_accounts
    claims = claim(groups, ordinary, least, search.rest_of)
    made = [claim(r, ordinary, least, search.rest_of) for r in rounds]
    decoys = Decoys.of(made, ordinary, active, len(claims))
    ranked = rank_claims(claims, ordinary, decoys, policy.false_discovery_rate)
    found = _disjoint(
        [
            _found(sample, c, p, groups, ranked.decoys, ordinary)
            for c, p, holds in zip(claims, ranked.p_values, ranked.holds, strict=True)
            if holds
        ],
        sample.account_count,
    )
    found += _lone(sample, found, innocent, policy, seed)
    p_account, near_sittings = _rank_accounts(search, found, policy)
    return Claims(
        found=tuple(found),
        ordinary=ordinary,
        tested=len(claims),
        decoys=ranked.decoys,
        innocent=innocent,
        p_account=p_account,
        near_sittings=near_sittings,
        p_values=ranked.p_values,
    )


def _innocent(sample: LinkSample, groups: Sequence[Group], policy: Policy) -> np.ndarray:
    usual = Ordinary.of([])
    suspect = np.zeros(sample.account_count, bool)
    for group in groups:
        if len(group.accounts) >= policy.min_accounts and strength(group, usual) > 0:
            suspect[group.accounts] = True
    return np.flatnonzero(~suspect & (sample.exchanges >= _MIN_EXCHANGES))


def _rounds(sample: LinkSample) -> int:
    """Rounds of decoys: many where a round is quick and finds few."""
    return int(np.clip(_ROWS_OF_ROUNDS / max(len(sample.accounts), 1), *_ROUNDS))


def _found(
    sample: LinkSample,
    group: Group,
    p_value: float,
    groups: Sequence[Group],
    decoys: Decoys,
    ordinary: Ordinary,
) -> FoundGroup:
    """The claim, with the groups of other families that tie its accounts.

    They add no accounts: who shares a template with a campaign need not be of it.
    """
    ties = [group]
    for other in sorted(groups, key=lambda g: -precedence(g, ordinary)):
        families = {tie.family for tie in ties}
        if (
            other.family not in families
            and _overlap(group, other) >= _SAME
            and strength(other, ordinary) > 0
        ):
            ties.append(other)
    rows = np.unique(np.concatenate([t.rows for t in ties]))
    rows = rows[np.isin(sample.accounts[rows], group.accounts)]
    return FoundGroup(
        accounts=group.accounts,
        rows=rows,
        senders=sample.accounts[rows],
        p_benign=float(p_value),
        strength=strength(group, ordinary),
        decoys=decoys.like(group),
        groups=tuple(ties),
        p_ties=(float(p_value), *(decoys.p_value(t, strength(t, ordinary)) for t in ties[1:])),
    )


def _overlap(a: Group, b: Group) -> float:
    both = len(np.intersect1d(a.accounts, b.accounts))
    return both / (len(a.accounts) + len(b.accounts) - both)


def _disjoint(found: Sequence[FoundGroup], account_count: int) -> list[FoundGroup]:
    """Assigns an account in several claims to the one with most of its linked exchanges.

    A claim that keeps no account is dropped.
    """
    if not found:
        return []
    held = np.array([np.bincount(f.senders, minlength=account_count) for f in found])
    best = held.argmax(axis=0)
    apart = [
        replace(
            f,
            accounts=f.accounts[best[f.accounts] == place],
            rows=f.rows[best[f.senders] == place],
            senders=f.senders[best[f.senders] == place],
        )
        for place, f in enumerate(found)
    ]
    return [f for f in apart if len(f.accounts)]


def _lone(
    sample: LinkSample, found: Sequence[FoundGroup], innocent: np.ndarray, policy: Policy, seed: int
) -> list[FoundGroup]:
    """Single accounts that ask about a broad range of subjects in no order; see `linking.lone`.

    The rows of a tabular API have no order to read: see `linking.portfolio`.
    """
    if "coverage" in policy.without:
        return []
    held = np.concatenate([f.accounts for f in found]) if found else np.zeros(0, int)
    if sample.payloads.are_features:
        claims = portfolio_claims(sample, held, innocent, policy.false_discovery_rate, seed)
        return [
            replace(
                _lone_found(sample, c.account, c.p_value, c.value, c.decoys),
                portfolio=c,
            )
            for c in claims
        ]
    readings = lone_readings(sample, held)
    if not readings:
        return []
    sizes = np.random.default_rng(seed).choice(
        [sample.exchanges[r.account] for r in readings], _LONE_DECOYS
    )
    spliced = spliced_readings(sample, innocent, sizes.tolist(), seed)
    if not spliced:
        return []
    broad = _LONE_BROAD * np.median([s.breadth for s in spliced])
    judged = [r for r in readings if r.breadth >= broad]
    decoys = np.array([-s.follow_up for s in spliced])
    values = np.array([-r.follow_up for r in judged])
    p_values = rank_p_values(values, decoys)
    confirmed = discoveries(p_values, policy.false_discovery_rate)
    chosen = [
        (r, p, v) for r, p, v, ok in zip(judged, p_values, values, confirmed, strict=True) if ok
    ]
    usual = float(np.median(-decoys))
    return [
        _lone_found(sample, r.account, float(p), float(v), decoys)
        for r, p, v in chosen
        if r.is_one_deck(usual)
    ]


def _lone_found(
    sample: LinkSample, account: int, p_value: float, value: float, decoys: np.ndarray
) -> FoundGroup:
    rows = np.flatnonzero(sample.accounts == account)
    return FoundGroup(
        accounts=np.array([account]),
        rows=rows,
        senders=sample.accounts[rows],
        p_benign=p_value,
        strength=value,
        decoys=decoys,
        groups=(),
    )


def _rank_accounts(
    search: Search, found: Sequence[FoundGroup], policy: Policy
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks every account by its strongest tie to a campaign, among accounts outside campaigns;
    and counts its sittings near a campaign.
    """
    sample = search.sample
    tie = np.full(sample.account_count, -np.inf)
    near = np.zeros(sample.account_count, np.int64)
    member = np.zeros(sample.account_count, bool)
    for each in found:
        member[each.accounts] = True
        if not each.groups:
            tie[each.accounts] = np.inf  # it was ranked by itself
        elif "content" not in policy.without:
            log_e, rows = search.evidence(each.accounts)
            tie = np.maximum(tie, log_e)
            near = np.maximum(near, sample.sittings(np.union1d(rows, each.rows)))
        else:
            tie[each.accounts] = np.inf
            near = np.maximum(near, sample.sittings(each.rows))
    tie[sample.exchanges == 0] = -np.inf  # nothing is known of them
    return rank_p_values(tie, tie[~member]), near
