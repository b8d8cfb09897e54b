from dataclasses import replace

import numpy as np

from campaigns.uniform import require_uniform
from gamekeeper.evidence import rank_p_value
from gamekeeper.linking import LinkSample, lone_readings, spliced_readings
from linking.builders import World

NOBODY = np.zeros(0, int)


def month() -> tuple[LinkSample, np.ndarray, int, int]:
    """People, a scraper of every subject, and a reseller with as many exchanges."""
    world = World(5)
    people = world.people(80)
    scraper = world.scraper()
    reseller = world.reseller()
    return world.sample(), people, scraper, reseller


def test_scraper_follows_nothing_up_and_reseller_does() -> None:
    """What a deck asks next has nothing to do with what it asked before; a customer's next question
    has.
    """
    sample, people, scraper, reseller = month()
    usual = float(np.median([s.follow_up for s in spliced_readings(sample, people, [360] * 40, 1)]))
    readings = {r.account: r for r in lone_readings(sample, NOBODY)}
    assert readings[scraper].is_one_deck(usual) and not readings[reseller].is_one_deck(usual)


def test_scraper_is_below_every_spliced_account_and_reseller_among_them() -> None:
    """Its rank among accounts spliced from ordinary sittings is the lowest there can be."""
    sample, people, scraper, reseller = month()
    spliced = np.array([s.follow_up for s in spliced_readings(sample, people, [360] * 60, 2)])
    readings = {r.account: r.follow_up for r in lone_readings(sample, NOBODY)}
    assert readings[scraper] < spliced.min()
    assert spliced.min() < readings[reseller]


def test_spliced_accounts_are_as_broad_as_a_scraper() -> None:
    """That is what makes them its decoys."""
    sample, people, scraper, _ = month()
    spliced = np.median([s.breadth for s in spliced_readings(sample, people, [360] * 40, 3)])
    own = next(r.breadth for r in lone_readings(sample, NOBODY) if r.account == scraper)
    assert 0.9 < own / spliced < 1.1


def test_only_busy_accounts_are_read_and_skipped_ones_are_not() -> None:
    """Below 200 exchanges there is too little to tell; who is in a campaign already is not asked
    again.
    """
    sample, _, scraper, reseller = month()
    assert [r.account for r in lone_readings(sample, NOBODY)] == [scraper, reseller]
    assert [r.account for r in lone_readings(sample, np.array([scraper]))] == [reseller]


def test_nothing_to_splice_gives_no_decoys() -> None:
    """Without ordinary accounts no account can be judged."""
    assert spliced_readings(month()[0], NOBODY, [300], 1) == []


def test_same_seed_gives_the_same_decoys() -> None:
    """Ranks can be checked again."""
    sample, people, _, _ = month()
    assert spliced_readings(sample, people, [250, 300], 7) == spliced_readings(
        sample, people, [250, 300], 7
    )


def test_p_values_of_accounts_without_order_of_their_own_are_uniform() -> None:
    """An account of many people's sittings is exchangeable with those spliced from them: over 120
    months its rank is uniform, so that it is valid and wastes nothing.
    """
    p_values = []
    for seed in range(120):
        world = World(seed)
        people = np.array([world.loose_sittings(1) for _ in range(100)])
        busy = world.loose_sittings(30)
        sample = world.sample()
        own = next(r.follow_up for r in lone_readings(sample, NOBODY) if r.account == busy)
        spliced = spliced_readings(sample, people, [240] * 49, seed)
        p_values.append(rank_p_value(-own, np.array([-s.follow_up for s in spliced])))
    require_uniform(np.array(p_values))


def test_prompts_all_alike_are_read_without_an_error() -> None:
    """One text sent 300 times: no breadth, and nothing closer than anything else."""
    world = World(1)
    account = world.scraper()
    sample = world.sample()
    same = replace(sample, vectors=np.tile(sample.vectors[:1], (len(sample.vectors), 1)))
    (reading,) = lone_readings(same, NOBODY)
    assert reading.account == account and reading.breadth == 0 and reading.follow_up == 0


def test_reading_does_not_depend_on_the_other_accounts() -> None:
    """An account's rows are its own, wherever they begin."""
    alone = World(7)
    alone.scraper()
    beside = World(7)
    beside.scraper()
    beside.people(20)
    assert lone_readings(alone.sample(), NOBODY) == lone_readings(beside.sample(), NOBODY)
