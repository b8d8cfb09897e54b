"""Which accounts act as one, on vectors without text."""

from functools import cached_property

import numpy as np
import pytest

from gamekeeper.linking import Group, LinkSample, Ordinary, Search, claim, strength
from linking.builders import DIM, World

USUAL = Ordinary.of([])


class Planted:
    """150 people, a deck dealt to 14 accounts at 50 % cover, and 14 people who share one topic."""

    def __init__(self, seed: int) -> None:
        world = World(seed, topics=100)
        self.people = world.people(150)
        self.members = world.campaign(world.deck(800), 14, cover=0.5)
        self.fans = world.people(14, sittings=8, each=8, topics=np.array([7]))
        self.sample = world.sample()
        self.search = Search(self.sample)

    @cached_property
    def groups(self) -> list[Group]:
        """All candidates."""
        return list(self.search.candidates())

    @cached_property
    def claims(self) -> list[Group]:
        """Those of strength."""
        made = claim(self.groups, USUAL, 8, self.search.rest_of)
        return [group for group in made if strength(group, USUAL) > 0]


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted(1)


def test_one_deck_over_many_accounts_is_found_under_cover(planted: Planted) -> None:
    """Nearly all members, no other account, and first of all claims although most of what they send is
    cover.
    """
    found = planted.claims[0]
    assert np.isin(planted.members, found.accounts).mean() >= 0.85
    assert np.isin(found.accounts, planted.members).mean() >= 0.9


def test_cover_traffic_is_not_linked(planted: Planted) -> None:
    """A member's other exchanges simply do not belong."""
    sample = planted.sample
    found = planted.claims[0]
    share = len(found.rows) / sample.exchanges[found.accounts].sum()
    assert 0.35 < share < 0.7


def test_people_with_one_topic_are_no_claim(planted: Planted) -> None:
    """Their prompts lie side by side as well, but everybody's next to their own."""
    assert not any(np.isin(planted.fans, group.accounts).any() for group in planted.claims)


def test_people_alone_make_no_claim() -> None:
    """In whatever groups come up among them, accounts keep to their own subjects."""
    world = World(2)
    world.people(150)
    assert all(strength(group, USUAL) == 0 for group in Search(world.sample()).candidates())


def test_group_is_described_in_order(planted: Planted) -> None:
    """Accounts and rows ascend, every row is a member's, and payloads are counted for each."""
    for group in planted.groups:
        assert (np.diff(group.accounts) > 0).all() and (np.diff(group.rows) > 0).all()
        assert np.array_equal(np.unique(planted.sample.accounts[group.rows]), group.accounts)
        assert group.payloads.shape == group.accounts.shape and group.payloads.sum() == len(
            group.rows
        )


def test_same_sample_gives_the_same_groups(planted: Planted) -> None:
    """Nothing is drawn that a seed does not hold."""
    again = Planted(1).groups
    assert [g.rows.tolist() for g in again] == [g.rows.tolist() for g in planted.groups]


def test_claims_share_no_account(planted: Planted) -> None:
    """What one claim holds another one cannot be made of."""
    taken: set[int] = set()
    for group in claim(planted.groups, USUAL, 8, planted.search.rest_of):
        assert len(group.accounts) >= 8 and not taken & set(group.accounts.tolist())
        taken |= set(group.accounts.tolist())


def test_groups_of_people_are_weaker_than_the_campaign(planted: Planted) -> None:
    """The same steps among ordinary accounts make groups that claim nothing like it."""
    ordinary = np.concatenate([planted.people, planted.fans])
    rounds = list(planted.search.rounds(ordinary, 6, np.random.default_rng(0)))
    assert len(rounds) == 6 and all(np.isin(g.accounts, ordinary).all() for r in rounds for g in r)
    strongest = max((strength(g, USUAL) for groups in rounds for g in groups), default=0.0)
    assert strongest < strength(planted.claims[0], USUAL)


@pytest.mark.parametrize("people", [0, 1, 2, 5])
def test_small_logs_make_no_groups_and_no_errors(people: int) -> None:
    """An empty sample, one account, a handful."""
    world = World(3)
    world.people(people)
    search = Search(world.sample())
    assert list(search.candidates()) == []
    assert list(search.rounds(np.arange(people), 2, np.random.default_rng(0))) == [[], []]


def with_prompts(sample: LinkSample, prompts: np.ndarray) -> LinkSample:
    """The same exchanges, some with one text."""
    return LinkSample(
        accounts=sample.accounts,
        account_count=sample.account_count,
        time_s=sample.time_s,
        vectors=sample.vectors,
        prompts=prompts,
        without_text=sample.without_text,
        fragments=sample.fragments,
        payloads=sample.payloads,
    )


def test_prompts_of_many_accounts_link_none() -> None:
    """A class that sends exactly its sheet has no neighbours left."""
    world = World(4)
    world.campaign(world.deck(800), 12, cover=0.0)
    sample = world.sample()
    assert list(Search(sample).candidates())
    sheet = with_prompts(sample, np.arange(len(sample.accounts)) % 64)
    assert not sheet.adjacency.nnz and list(Search(sheet).candidates()) == []


def test_sittings_are_cut_at_pauses_and_accounts() -> None:
    """Half an hour of silence ends one; so does another account."""
    sample = LinkSample(
        accounts=np.array([0, 0, 0, 1, 1]),
        account_count=3,
        time_s=np.array([0, 1_800, 3_601, 3_602, 3_603]),
        vectors=np.eye(5, DIM, dtype=np.float32),
        prompts=np.arange(5),
        without_text=np.zeros(5, bool),
        fragments=World(0).sample().fragments,
        payloads=World(0).sample().payloads,
    )
    assert sample.sitting.tolist() == [0, 0, 1, 2, 2]
    assert sample.all_sittings.tolist() == [2, 1, 0] and sample.exchanges.tolist() == [3, 2, 0]
    assert sample.sittings(np.array([1, 2, 4])).tolist() == [2, 1, 0]
