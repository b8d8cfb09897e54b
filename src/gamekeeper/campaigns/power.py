"""What a hunt that found nothing could have found: campaigns are planted and searched for.

That nothing was found says something only if something could have been. So campaigns of several
sizes, each with prompts of its own, are put into the sample at the times and the rate of the log's
own accounts, and the sample is linked again. All are planted at once, because linking is what takes
time; each is tested as if it were alone, beside the claims of the log itself:

    found    a group has more than half of its accounts from the planted campaign and holds at
             least half of that campaign, and its p-value, ranked among the log's own decoys, passes
             the false discovery control of the log's own claims and this one

A planted campaign hides nothing: no cover, no subject kept to by account. One that hides needs to
be larger, so the size that is found is the least that can be hoped for.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from gamekeeper.base.wording import counted
from gamekeeper.campaigns.claims import Claims
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.result import PlantedCampaign, Power
from gamekeeper.campaigns.units import ACCOUNT_BY_ACCOUNT
from gamekeeper.encoding import Payloads, fragments
from gamekeeper.evidence import discoveries
from gamekeeper.linking import Group, LinkSample, Search, strength
from gamekeeper.verdict import Policy

Deck = Callable[[int, int, int], Sequence[str]]
"""Makes the prompts of a planted campaign: which campaign, how many prompts, seed."""

LARGEST_SHARE = 0.25
"""Of the log's accounts: a hunt that finds no planted campaign up to this size could find none."""

_DOUBLED = 4  # sizes in a first try, from the smallest group that counts: 8, 16, 32, 64
_MOST_ACCOUNTS = 500  # planted in one campaign; a larger one is not needed to know
_LEAST_EXCHANGES = 20  # of a planted account: fewer are not worth an account
_LEAST_HELD = 0.5
_MANY = 0.5  # share of accounts that cannot serve as decoys


def measure_power(
    compared: Comparison, claims: Claims, deck: Deck, policy: Policy, seed: int
) -> Power | None:
    """Plants campaigns and searches again; None for a tabular API, which has no decks to plant.

    Args:
        compared: The sample, in which nothing was found.
        claims: The claims that were tested.
        deck: Makes the prompts of planted campaigns.
        policy: Thresholds.
        seed: Of what is planted.
    """
    if compared.content is None:
        return None
    least = max(policy.min_accounts, 1)
    most = min(max(int(LARGEST_SHARE * len(compared.accounts)), least), _MOST_ACCOUNTS)
    usual = int(np.median(compared.accounts["exchanges"].to_numpy()))
    each = min(max(usual, _LEAST_EXCHANGES), 4 * _LEAST_EXCHANGES)
    sizes = sorted({min(least * 2**step, most) for step in range(_DOUBLED)})
    planted = _planted(compared, claims, deck, policy, sizes, each, seed)
    if not any(p.found for p in planted) and most > sizes[-1]:
        planted += _planted(compared, claims, deck, policy, [most], each, seed)
    return Power(
        planted=tuple(planted),
        false_discovery_rate=policy.false_discovery_rate,
        claims=claims.tested,
        decoys=len(claims.decoys),
        why=tuple(_why(compared, claims, policy, planted)),
        remedy=tuple(_remedy(compared, claims, policy, planted)),
        untested=tuple(_untested(compared)),
    )


def _planted(
    compared: Comparison,
    claims: Claims,
    deck: Deck,
    policy: Policy,
    sizes: Sequence[int],
    each: int,
    seed: int,
) -> list[PlantedCampaign]:
    rng = np.random.default_rng(seed)
    first = compared.sample.account_count
    starts = first + np.concatenate([[0], np.cumsum(sizes)])
    prompts = [
        prompt for number, size in enumerate(sizes) for prompt in deck(number, size * each, seed)
    ]
    accounts = np.repeat(np.arange(first, starts[-1]), each)
    times = np.concatenate([_times(compared.sample, each, rng) for _ in range(sum(sizes))])
    sample = _with_rows(compared, accounts, times, prompts)
    groups = list(Search(sample).candidates(policy.without))
    return [
        PlantedCampaign(
            accounts=size,
            exchanges_each=each,
            found=_is_found(groups, np.arange(start, start + size), claims, policy),
        )
        for size, start in zip(sizes, starts, strict=False)
    ]


def _times(sample: LinkSample, count: int, rng: np.random.Generator) -> np.ndarray:
    """The times of `count` exchanges of accounts of the log: its sittings, days and pauses."""
    starts = np.concatenate([[0], np.cumsum(sample.exchanges)])
    active = np.flatnonzero(sample.exchanges)
    drawn: list[np.ndarray] = []
    missing = count
    while missing > 0:
        account = int(rng.choice(active))
        drawn.append(sample.time_s[starts[account] : starts[account + 1]][:missing])
        missing -= len(drawn[-1])
    return np.sort(np.concatenate(drawn))


def _with_rows(
    compared: Comparison, accounts: np.ndarray, times: np.ndarray, prompts: Sequence[str]
) -> LinkSample:
    """The sample with the planted exchanges behind it; what was encoded is not encoded again."""
    assert compared.content is not None
    old = compared.sample
    texts = pl.DataFrame({"system": [None] * len(prompts), "prompt": prompts}, schema=_TEXTS)
    pieces = fragments(pl.concat([compared.rows.select("system", "prompt"), texts]))
    numbers = np.concatenate([old.accounts, accounts])
    return LinkSample(
        accounts=numbers,
        account_count=int(numbers.max()) + 1,
        time_s=np.concatenate([old.time_s, times]),
        vectors=np.concatenate([old.vectors, compared.content.encode(list(prompts))]),
        prompts=np.concatenate([old.prompts, _new_numbers(old.prompts, len(prompts))]),
        without_text=np.concatenate([old.without_text, np.zeros(len(prompts), bool)]),
        fragments=pieces,
        payloads=Payloads(pieces, numbers, compared.content),
    )


def _new_numbers(known: np.ndarray, count: int) -> np.ndarray:
    return np.arange(count) + int(known.max(initial=-1)) + 1


_TEXTS = {"system": pl.String, "prompt": pl.String}


def _is_found(groups: Sequence[Group], members: np.ndarray, claims: Claims, policy: Policy) -> bool:
    inside = [len(np.intersect1d(group.accounts, members)) for group in groups]
    its_own = [
        claims.decoys.p_value(group, strength(group, claims.ordinary))
        for group, held in zip(groups, inside, strict=True)
        if held >= _LEAST_HELD * len(members) and held > len(group.accounts) / 2
    ]
    p_value = min(its_own, default=1.0)
    tested = np.append(claims.p_values, p_value)
    return bool(discoveries(tested, policy.false_discovery_rate)[-1])


def _best_p(claims: Claims) -> float:
    return claims.decoys.least_p


def _needed_rate(claims: Claims) -> float:
    """The false discovery rate at which one claim above all decoys would hold by itself."""
    return _best_p(claims) * (claims.tested + 1)


def _why(
    compared: Comparison, claims: Claims, policy: Policy, planted: Sequence[PlantedCampaign]
) -> list[str]:
    sentences = []
    ordinary = len(claims.innocent)
    accounts = len(compared.accounts)
    if _needed_rate(claims) > policy.false_discovery_rate * (1 + 1e-12):
        beside = f" beside the {counted(claims.tested, 'group')} tested" if claims.tested else ""
        sentences.append(
            f"not even the best possible p-value, {_best_p(claims):.2g} with"
            f" {counted(len(claims.decoys), 'decoy')}, could pass{beside} at a false discovery rate"
            f" of {policy.false_discovery_rate:g}"
        )
    if ordinary < _MANY * accounts:
        sentences.append(
            f"{f'only {ordinary:,}' if ordinary else 'none'} of"
            f" {counted(accounts, compared.called)} can serve as ordinary ones: the others are too"
            " little active, or in groups that look like campaigns themselves"
        )
    missed = [p for p in planted if not p.found]
    if missed and not sentences:
        sentences.append(
            "planted campaigns of "
            + ", ".join(f"{p.accounts:,}" for p in missed)
            + f" accounts, {missed[0].exchanges_each:,} exchanges each, did not differ enough from"
            " the log's ordinary groups"
        )
    return sentences


def _untested(compared: Comparison) -> list[str]:
    """What is left open, because every planted account has an owner of its own."""
    if not compared.has_owners:
        return []
    return ["a campaign whose accounts all belong to one owner would not be seen, of any size"]


def _remedy(
    compared: Comparison, claims: Claims, policy: Policy, planted: Sequence[PlantedCampaign]
) -> list[str]:
    if any(p.found for p in planted):
        return []
    remedies = ["hunt a longer period or the logs of more accounts together"]
    if compared.has_owners:
        remedies.append(ACCOUNT_BY_ACCOUNT)
    if len(claims.innocent) < _MANY * len(compared.accounts):
        remedies.append(
            "name the field of the narrowest caller with --account-field, such as the key or the"
            " end user in place of the app"
        )
    needed = _needed_rate(claims)
    if policy.false_discovery_rate < needed <= _MOST_RATE:
        remedies.append(
            f"with --fdr {_rounded_up(needed):g} a single campaign could be found; more of what is"
            " found may then be ordinary"
        )
    return remedies


_MOST_RATE = 0.2  # a rate above this finds more than it can vouch for


def _rounded_up(rate: float) -> float:
    return float(np.ceil(rate * 100) / 100)
