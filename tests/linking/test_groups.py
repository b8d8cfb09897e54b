"""Which accounts act as one, on vectors without text."""

from functools import cached_property

import numpy as np
import pytest

from gamekeeper.linking import (
    Group,
    Linker,
    LinkSample,
    Ordinary,
    around_accounts,
    candidates,
    claim,
    link_accounts,
    strength,
)
from linking.builders import DIM, World

USUAL = Ordinary.of([])


class Planted:
    """150 people, a deck dealt to 14 accounts at 60 % cover, and 14 people who share one topic."""

    def __init__(self, seed: int) -> None:
        world = World(seed)
        self.people = world.people(150)
        self.members = world.campaign(world.deck(60), 14, cover=0.6)
        self.fans = world.people(14, sittings=8, each=8, topics=np.array([7]))
        self.sample = world.sample()

    @cached_property
    def groups(self) -> list[Group]:
        """All candidates."""
        return list(candidates(Linker(self.sample), link_accounts(self.sample)))

    @cached_property
    def claims(self) -> list[Group]:
        """Those of strength."""
        return [group for group in claim(self.groups, USUAL, 8) if strength(group, USUAL) > 0]


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
    assert 0.25 < share < 0.55


def test_people_with_one_topic_are_no_claim(planted: Planted) -> None:
    """Their prompts lie side by side as well, but everybody's next to their own."""
    assert not any(np.isin(planted.fans, group.accounts).any() for group in planted.claims)


def test_people_alone_make_no_claim() -> None:
    """In whatever groups come up among them, accounts keep to their own subjects."""
    world = World(2)
    world.people(150)
    sample = world.sample()
    groups = list(candidates(Linker(sample), link_accounts(sample)))
    assert all(strength(group, USUAL) == 0 for group in groups)


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


def test_claims_share_no_more_than_half_of_their_accounts(planted: Planted) -> None:
    """What one claim holds another one cannot be made of."""
    taken: set[int] = set()
    for group in claim(planted.groups, USUAL, 8):
        free = set(group.accounts.tolist()) - taken
        assert len(free) >= max(8, len(group.accounts) / 2)
        taken |= free


def test_decoys_around_people_are_weaker_than_the_campaign(planted: Planted) -> None:
    """The same steps around ordinary accounts make groups that claim nothing like it."""
    linker = Linker(planted.sample)
    rng = np.random.default_rng(0)
    around = list(
        around_accounts(linker, link_accounts(planted.sample), planted.people[:60].tolist(), rng)
    )
    assert len(around) == 60
    strongest = max((strength(g, USUAL) for groups in around for g in groups), default=0.0)
    assert strongest < strength(planted.claims[0], USUAL)


@pytest.mark.parametrize("people", [0, 1, 2, 5])
def test_small_logs_make_no_groups_and_no_errors(people: int) -> None:
    """An empty sample, one account, a handful."""
    world = World(3)
    world.people(people)
    sample = world.sample()
    links = link_accounts(sample)
    assert list(candidates(Linker(sample), links)) == []
    assert (
        list(around_accounts(Linker(sample), links, range(people), np.random.default_rng(0)))
        == [[]] * people
    )


def test_rows_repeated_by_others_link_no_accounts() -> None:
    """A class that sends exactly its sheet has no neighbours left."""
    world = World(4)
    world.campaign(world.deck(5, spread=0.0), 12, cover=0.0)
    sample = world.sample()
    repeated = LinkSample(
        accounts=sample.accounts,
        account_count=sample.account_count,
        time_s=sample.time_s,
        vectors=sample.vectors,
        repeated=np.ones(len(sample.accounts), bool),
        fragments=sample.fragments,
        payloads=sample.payloads,
    )
    assert not repeated.adjacency.nnz
    assert list(candidates(Linker(repeated), link_accounts(repeated))) == []


def test_sittings_are_cut_at_pauses_and_accounts() -> None:
    """Half an hour of silence ends one; so does another account."""
    sample = LinkSample(
        accounts=np.array([0, 0, 0, 1, 1]),
        account_count=3,
        time_s=np.array([0, 1_800, 3_601, 3_602, 3_603]),
        vectors=np.eye(5, DIM, dtype=np.float32),
        repeated=np.zeros(5, bool),
        fragments=World(0).sample().fragments,
        payloads=World(0).sample().payloads,
    )
    assert sample.sitting.tolist() == [0, 0, 1, 2, 2]
    assert sample.all_sittings.tolist() == [2, 1, 0] and sample.exchanges.tolist() == [3, 2, 0]
    assert sample.sittings(np.array([1, 2, 4])).tolist() == [2, 1, 0]
