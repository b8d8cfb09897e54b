"""Claims and their p-values, over many small worlds of vectors without text."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.builders import (
    MEMBERS,
    SmallWorld,
    TextPayloads,
    claims_of,
    found_group,
    some_decoys,
    some_group,
)
from campaigns.uniform import require_uniform, require_valid
from gamekeeper.campaigns.claims import Claims, _disjoint
from gamekeeper.campaigns.ranking import rank_claims
from gamekeeper.encoding import Payloads
from gamekeeper.evidence import rank_p_values
from gamekeeper.linking import Group, LinkSample, Ordinary, claim, strength
from gamekeeper.verdict import Policy
from linking.builders import DIM, NO_TEXT, World

RATE = 0.1
POLICY = Policy(false_discovery_rate=RATE)
WORLDS = 16
USUAL = Ordinary.of([])


def confirmed(
    claims: list[Group], decoys: np.ndarray, ordinary: Ordinary, policy: Policy
) -> np.ndarray:
    """Which claims hold."""
    rate = policy.false_discovery_rate
    return rank_claims(claims, ordinary, some_decoys(decoys), rate).holds


@cache
def world(seed: int, planted: bool) -> tuple[SmallWorld, Claims]:
    made = SmallWorld(seed, planted=planted)
    return made, claims_of(made.sample, seed, POLICY)


def with_vectors(sample: LinkSample, vectors: np.ndarray) -> LinkSample:
    payloads = Payloads(NO_TEXT, sample.accounts, None, vectors)
    return replace(sample, vectors=vectors, payloads=payloads)


def lone_world(seed: int, *, scrapes: bool) -> tuple[LinkSample, int]:
    """People, four resellers and, where it `scrapes`, a scraper, whose number is returned too."""
    made = World(seed, topics=300)
    made.people(60, sittings=5, each=8)
    for _ in range(4):
        made.reseller(customers=30, each=8)
    scraper = made.scraper(sittings=30, each=10) if scrapes else -1
    sample = made.sample()
    return replace(
        sample, payloads=TextPayloads(NO_TEXT, sample.accounts, None, sample.vectors)
    ), scraper


def without_accounts(sample: LinkSample, left_out: np.ndarray) -> LinkSample:
    """The sample without the exchanges of some accounts; the others keep their numbers."""
    keep = ~np.isin(sample.accounts, left_out)
    vectors = sample.vectors[keep]
    return replace(
        sample,
        accounts=sample.accounts[keep],
        time_s=sample.time_s[keep],
        vectors=vectors,
        prompts=sample.prompts[keep],
        without_text=sample.without_text[keep],
        payloads=Payloads(NO_TEXT, sample.accounts[keep], None, vectors),
    )


# ------------------------------------------------------------------ the null, and beside campaigns


def test_worlds_without_a_campaign_raise_none_more_often_than_the_rate() -> None:
    """Every claim raised there is false, so a world raises one in at most one of ten; and claims
    are tested, or it would be no test.
    """
    runs = [world(seed, False)[1] for seed in range(WORLDS)]
    raised = np.mean([len(run.found) > 0 for run in runs])
    assert raised <= RATE + 3 * np.sqrt(RATE * (1 - RATE) / WORLDS)
    assert np.mean([run.tested > 0 for run in runs]) > 0.5


def test_false_discoveries_keep_their_rate_beside_a_campaign() -> None:
    """The mean share of raised claims that hold no planted member stays below the rate, and nearly
    every planted campaign is raised: control is not bought by silence.
    """
    false = []
    raised = []
    for seed in range(WORLDS):
        made, run = world(seed, True)
        real = [np.isin(made.members, f.accounts).mean() > 0.5 for f in run.found]
        false.append(1 - np.mean(real) if real else 0.0)
        raised.append(any(real))
    assert np.mean(false) <= RATE + 3 * np.std(false, ddof=1) / np.sqrt(WORLDS)
    assert np.mean(raised) >= 0.9


def test_planted_campaign_ranks_above_all_decoys() -> None:
    """Its p-value is no larger than the smallest rank."""
    smallest = []
    for seed in range(WORLDS):
        run = world(seed, True)[1]
        smallest += [f.p_benign <= 1 / (1 + len(f.decoys)) for f in run.found]
    assert np.mean(smallest) >= 0.9


def test_members_are_the_planted_accounts() -> None:
    """Over all worlds nine of ten members are found, and hardly an ordinary account."""
    found = 0
    ordinary = 0
    for seed in range(WORLDS):
        made, run = world(seed, True)
        held = np.concatenate([f.accounts for f in run.found] or [np.zeros(0, int)])
        found += np.isin(made.members, held).sum()
        ordinary += (~np.isin(held, made.members)).sum()
    assert found >= 0.9 * WORLDS * MEMBERS and ordinary <= 0.02 * found


def test_ordinary_accounts_beside_a_campaign_have_valid_p_values() -> None:
    """Ranked among each other they are small no more often than chance; those of members
    are the smallest there are, but for members that were missed.
    """
    ordinary = []
    for seed in range(WORLDS):
        made, run = world(seed, True)
        outside = np.ones(made.sample.account_count, bool)
        outside[made.members] = False
        ordinary.append(run.p_account[outside])
        for found in run.found:
            missed = len(made.members) - len(found.accounts)
            assert run.p_account[found.accounts].max() <= (3 + missed) / outside.sum()
    require_valid(ordinary)


def test_accounts_of_a_world_without_campaigns_have_no_small_p_value() -> None:
    """Nothing was found that they could be near to."""
    for seed in range(WORLDS):
        run = world(seed, False)[1]
        if not run.found:
            assert (run.p_account == 1).all() and not run.near_sittings.any()


# ------------------------------------------------------------------------ ranking claims by itself


def drawn_strengths(rng: np.random.Generator, count: int) -> np.ndarray:
    """Strengths of groups between a deck and people: most of them claim something."""
    groups = [
        some_group(rng.poisson(6, 10), rng.uniform(0, 0.25), rng.uniform(0, 0.03))
        for _ in range(count)
    ]
    return np.array([strength(group, USUAL) for group in groups])


def test_claim_drawn_like_its_decoys_has_a_uniform_p_value() -> None:
    """Not only valid but exact, where claims and decoys are made alike."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(40):
        strengths = drawn_strengths(rng, 100)
        assert (strengths > 0).mean() > 0.9
        p_values.append(rank_p_values(strengths[:1], strengths[1:])[0])
    require_uniform(np.array(p_values))


def confirmed_in_one_world(rng: np.random.Generator, real: int) -> np.ndarray:
    """Which of 10 claims drawn like the decoys, and `real` much stronger ones, hold."""
    groups = [some_group(rng.poisson(6, 10), rng.uniform(0, 0.25)) for _ in range(10 + 99 + real)]
    decoys = np.array([strength(group, USUAL) for group in groups[10:109]])
    strong = [some_group(100 + rng.poisson(6, 40), 0.0) for _ in range(real)]
    return confirmed([*groups[:10], *strong], decoys, USUAL, POLICY)


@pytest.mark.parametrize("real", [0, 5])
def test_ranked_claims_keep_the_false_discovery_rate(real: int) -> None:
    """With none and with five real ones among them; the real ones hold throughout."""
    rng = np.random.default_rng(2)
    worlds = 120
    shares = []
    for _ in range(worlds):
        holds = confirmed_in_one_world(rng, real)
        shares.append(holds[:10].sum() / max(holds.sum(), 1))
        assert holds[10:].all()
    assert np.mean(shares) <= RATE + 3 * max(np.std(shares, ddof=1), 0.1) / np.sqrt(worlds)


def test_claim_of_no_strength_never_holds() -> None:
    """Even where no decoy has any: accounts that keep to their own subjects are not a campaign."""
    ordinary = some_group(np.full(10, 9), own_interest=0.7, follow_up=0.1)
    assert strength(ordinary, USUAL) == 0
    assert not confirmed([ordinary], np.zeros(199), USUAL, Policy(false_discovery_rate=0.5)).any()


def test_tie_with_a_decoy_counts_against_the_claim() -> None:
    """A claim exactly as strong as a tenth of its decoys does not hold at a twentieth."""
    group = some_group(np.full(10, 9))
    decoys = np.zeros(99)
    policy = Policy(false_discovery_rate=0.05)
    assert confirmed([group], decoys, USUAL, policy).all()
    decoys[:10] = strength(group, USUAL)
    assert not confirmed([group], decoys, USUAL, policy).any()


# --------------------------------------------------------------------------- strength and choosing

payloads = st.lists(st.integers(0, 60), min_size=5, max_size=20).map(np.array)


@given(payloads=payloads, place=st.integers(0, 19), more=st.integers(1, 9))
def test_strength_never_falls_with_an_exchange(payloads: np.ndarray, place: int, more: int) -> None:
    """Of any member, as long as the group's memory stays what it was."""
    grown = payloads.copy()
    grown[place % len(payloads)] += more
    assert strength(some_group(grown), USUAL) > strength(some_group(payloads), USUAL)


@given(payloads=payloads, joins=st.integers(0, 60))
def test_strength_never_falls_with_a_member(payloads: np.ndarray, joins: int) -> None:
    """A member without payload adds nothing and takes nothing."""
    joined = strength(some_group(np.append(payloads, joins)), USUAL)
    alone = strength(some_group(payloads), USUAL)
    assert joined > alone if joins else joined == pytest.approx(alone)


@given(payloads=payloads, less=st.floats(0, 0.6), more=st.floats(0, 0.6))
def test_strength_never_rises_with_memory(payloads: np.ndarray, less: float, more: float) -> None:
    """The more its accounts keep to their own subjects, the weaker is the claim."""
    low, high = sorted((less, more))
    weak = strength(some_group(payloads, own_interest=high), USUAL)
    assert weak <= strength(some_group(payloads, own_interest=low), USUAL)


@pytest.mark.parametrize("measure", ["own_interest", "follow_up"])
def test_memory_that_was_not_measured_gives_no_strength(measure: str) -> None:
    """Absence of a measurement is not absence of memory."""
    group = some_group(np.full(10, 9))
    unknown = replace(group, memory=replace(group.memory, **{measure: float("nan")}))
    assert strength(group, USUAL) > 0 and strength(unknown, USUAL) == 0


def rest_of(group: Group, accounts: np.ndarray) -> list[Group]:
    """The group of some of its accounts."""
    kept = np.isin(group.accounts, accounts)
    return [replace(group, accounts=accounts, payloads=group.payloads[kept])]


@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(5, 15)), max_size=12),
    minimum=st.integers(5, 12),
    seed=st.integers(0, 9),
)
def test_chosen_claims_do_not_depend_on_the_order_of_candidates(
    spans: list[tuple[int, int]], minimum: int, seed: int
) -> None:
    """They share no accounts, and each has enough of them."""
    groups = [
        some_group(np.full(size, 3 + place), first=first)
        for place, (first, size) in enumerate(spans)
    ]
    chosen = claim(groups, USUAL, minimum, rest_of)
    order = np.random.default_rng(seed).permutation(len(groups))
    again = claim([groups[i] for i in order], USUAL, minimum, rest_of)
    assert [g.accounts.tolist() for g in again] == [g.accounts.tolist() for g in chosen]
    held = np.concatenate([g.accounts for g in chosen] or [np.zeros(0, int)])
    assert len(np.unique(held)) == len(held)
    assert all(len(g.accounts) >= minimum for g in chosen)


@settings(max_examples=50)
@given(
    held=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_account_of_several_claims_is_left_to_one(held: list[list[tuple[int, int]]]) -> None:
    """To that with most of its exchanges; rows go with their account, no account is lost, and a
    claim that keeps none is dropped.
    """
    found = []
    for exchanges in held:
        senders = np.array(sorted(account for account, _ in exchanges))
        group = replace(found_group(np.unique(senders)), rows=np.arange(len(senders)))
        found.append(replace(group, senders=senders))
    apart = _disjoint(found, 10)
    accounts = np.concatenate([f.accounts for f in apart])
    assert sorted(accounts) == sorted({a for f in found for a in f.accounts.tolist()})
    for group in apart:
        assert len(group.accounts) and set(group.senders) == set(group.accounts.tolist())
        assert len(group.rows) == len(group.senders)
        for account in group.accounts:
            own = (group.senders == account).sum()
            assert all(own >= (other.senders == account).sum() for other in found)


# -------------------------------------------------------------- a world changed in one place alone


@pytest.mark.parametrize("seed", [1, 2])
def test_one_member_less_leaves_the_others(seed: int) -> None:
    """The claim holds without it, is weaker, and does not name it."""
    made, before = world(seed, True)
    gone = made.members[0]
    after = claims_of(without_accounts(made.sample, made.members[:1]), seed, POLICY)
    assert len(after.found) == len(before.found) == 1
    assert gone in before.found[0].accounts and gone not in after.found[0].accounts
    assert np.isin(made.members[1:], after.found[0].accounts).mean() >= 0.8
    assert after.found[0].strength < before.found[0].strength
    assert after.p_account[gone] == 1


def dealt(seed: int, count: int, last_sittings: int) -> tuple[World, np.ndarray]:
    """`count` accounts of one deck, of which the last has `last_sittings` sittings; the others are
    the same for the same seed.

    There are many people: accounts that send a third of a log are not linked more often than their
    activity explains.
    """
    made = World(seed, topics=400)
    made.people(130, sittings=5, each=5)
    deck = made.deck(1_200)
    first = made.campaign(deck[:800], count - 1, 0.3, sittings=6, each=6)
    last = made.campaign(deck[800:], 1, 0.3, sittings=last_sittings, each=6)
    return made, np.append(first, last)


def strongest(made: World, seed: int) -> tuple[set[int], float]:
    found = claims_of(made.sample(), seed, POLICY).found[0]
    return set(found.accounts.tolist()), found.strength


@pytest.mark.parametrize("seed", [1, 2])
def test_member_that_goes_on_stays_a_member(seed: int) -> None:
    """Three times as many sittings with the same deck do not clear it, nor anybody else."""
    before, members = dealt(seed, 12, 6)
    after, _ = dealt(seed, 12, 18)
    held = strongest(before, seed)[0]
    assert members[-1] in held
    still = strongest(after, seed)[0]
    assert members[-1] in still and len(still) >= len(held) - 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_larger_campaign_is_a_stronger_claim(seed: int) -> None:
    """Half as many accounts again with the same deck are found with the others."""
    few, members = dealt(seed, 12, 6)
    many, more = dealt(seed, 18, 6)
    small, weak = strongest(few, seed)
    large, strong = strongest(many, seed)
    assert strong > weak
    assert len(large & set(more.tolist())) > len(small & set(members.tolist()))


@pytest.mark.parametrize("seed", [1, 2])
def test_one_ordinary_account_less_changes_no_member(seed: int) -> None:
    """Who else is in the log matters only through what is ordinary."""
    made, before = world(seed, True)
    after = claims_of(without_accounts(made.sample, made.people[:1]), seed, POLICY)
    assert [f.accounts.tolist() for f in after.found] == [f.accounts.tolist() for f in before.found]


def test_claim_below_the_least_size_is_not_made() -> None:
    """Seven accounts of one deck are too few at eight, and enough at seven."""
    made = World(1, topics=100)
    made.people(150, sittings=5, each=5)
    few = made.campaign(made.deck(1_200), 7, 0.0, sittings=6, each=8)
    sample = made.sample()
    assert claims_of(sample, policy=POLICY).found == ()
    found = claims_of(sample, policy=replace(POLICY, min_accounts=7)).found
    assert [f.accounts.tolist() for f in found] == [few.tolist()]


def test_same_sample_and_seed_give_the_same_claims() -> None:
    """Ranks can be checked again."""
    made, before = world(1, True)
    after = claims_of(made.sample, 1, POLICY)
    assert np.array_equal(after.p_account, before.p_account)
    assert np.array_equal(after.found[0].decoys, before.found[0].decoys)


# ---------------------------------------------------------------------------- ties and small worlds


def require_whole(claims: Claims, accounts: int) -> None:
    assert claims.p_account.shape == claims.near_sittings.shape == (accounts,)
    assert not len(claims.p_account) or 0 < claims.p_account.min() <= claims.p_account.max() <= 1


@pytest.mark.parametrize("people", [0, 1, 2, 7, 8])
def test_small_worlds_make_no_claim(people: int) -> None:
    """An empty sample, one account, and fewer than any group needs."""
    made = World(0)
    made.people(people)
    run = claims_of(made.sample())
    assert run.found == () and run.tested == 0
    require_whole(run, people)


@pytest.mark.parametrize("kind", ["campaign", "scraper"])
def test_world_without_ordinary_accounts_raises_nothing(kind: str) -> None:
    """Without ordinary accounts to rank among, the strongest group has p-value 1."""
    made = World(1)
    if kind == "campaign":
        made.campaign(made.deck(1_200), 12, 0.0)
    else:
        made.scraper()
    run = claims_of(made.sample())
    assert run.found == ()
    require_whole(run, 12 if kind == "campaign" else 1)


def test_exchanges_all_alike_make_no_claim() -> None:
    """One vector for everybody: nearest neighbours are arbitrary, and must not become a
    campaign.
    """
    sample = SmallWorld(1, planted=True).sample
    same = np.tile(sample.vectors[:1], (len(sample.vectors), 1))
    run = claims_of(with_vectors(sample, same))
    assert run.found == ()
    require_whole(run, sample.account_count)


def test_exchanges_without_content_make_no_claim() -> None:
    """Empty prompts have vectors of zeros."""
    sample = SmallWorld(1, planted=True).sample
    run = claims_of(with_vectors(sample, np.zeros((len(sample.vectors), DIM), np.float32)))
    assert run.found == ()


def test_accounts_of_one_sitting_are_found() -> None:
    """Accounts that are burnt after a sitting never come back."""
    made = World(1, topics=100)
    made.people(100, sittings=4, each=4)
    members = made.campaign(made.deck(600), MEMBERS, 0.0, sittings=3, each=6)
    sample = made.sample()
    run = claims_of(replace(sample, time_s=np.arange(len(sample.time_s))), 1, POLICY)
    assert [f.accounts.tolist() for f in run.found] == [members.tolist()]


def test_exchanges_at_one_time_make_no_claim() -> None:
    """Nobody knows whether they follow up on each other."""
    sample = SmallWorld(1, planted=True).sample
    run = claims_of(replace(sample, time_s=np.zeros_like(sample.time_s)))
    assert run.found == ()
    require_whole(run, sample.account_count)


def test_exchanges_repeated_by_others_make_no_claim() -> None:
    """What many others sent word for word ties no accounts."""
    sample = SmallWorld(1, planted=True).sample
    assert claims_of(replace(sample, prompts=np.arange(len(sample.accounts)) % 40)).found == ()


def test_account_without_an_exchange_in_the_sample_is_ranked_last() -> None:
    """Accounts whose exchanges were all left out of the sample have a p-value too: 1."""
    made, before = world(1, True)
    more = replace(made.sample, account_count=made.sample.account_count + 3)
    after = claims_of(more, 1, POLICY)
    assert after.p_account[-3:].tolist() == [1, 1, 1]
    assert [f.accounts.tolist() for f in after.found] == [f.accounts.tolist() for f in before.found]


# ------------------------------------------------------------------------------- families left out


def test_content_left_out_ties_nothing() -> None:
    """In a world without templates nothing is left to be found, and no account is ranked by it."""
    made, before = world(1, True)
    run = claims_of(made.sample, 1, Policy(without=frozenset({"content"})))
    assert before.found and run.found == () and run.tested == 0
    assert (run.p_account == 1).all() and not run.near_sittings.any()


@pytest.mark.parametrize("left_out", [frozenset(), frozenset({"coverage"})])
def test_single_account_is_found_unless_coverage_is_left_out(left_out: frozenset[str]) -> None:
    """Its only evidence is of the family `coverage`."""
    sample, scraper = lone_world(1, scrapes=True)
    found = claims_of(sample, policy=replace(POLICY, without=left_out)).found
    assert [f.accounts.tolist() for f in found] == ([] if left_out else [[scraper]])


def test_single_accounts_keep_the_false_discovery_rate() -> None:
    """Resellers are taken for scrapers in no more worlds than the rate allows; a scraper among them
    is found nearly always, and ranks above its decoys.
    """
    worlds = 6
    false = [
        len(claims_of(lone_world(s, scrapes=False)[0], s, POLICY).found) for s in range(worlds)
    ]
    assert np.mean(np.array(false) > 0) <= RATE + 3 * np.sqrt(RATE * (1 - RATE) / worlds)
    hits = 0
    for seed in range(worlds):
        sample, scraper = lone_world(seed, scrapes=True)
        found = claims_of(sample, seed, POLICY).found
        hits += any(f.accounts.tolist() == [scraper] for f in found)
    assert hits >= 0.9 * worlds


def test_crowd_around_a_campaign_comes_after_it() -> None:
    """A campaign with everybody who asks about its subjects is stronger, because it is large."""
    core = replace(some_group(np.full(40, 30)), inside=0.45)
    crowd = replace(some_group(np.full(141, 20)), inside=0.3)
    assert strength(crowd, USUAL) > strength(core, USUAL)
    chosen = claim([crowd, core], USUAL, 8, lambda group, accounts: [])
    assert [len(group.accounts) for group in chosen] == [40]
