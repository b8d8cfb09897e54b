import dataclasses
from datetime import UTC, datetime

import polars as pl
import pytest

from gamekeeper.campaigns import Campaign
from gamekeeper.exchange import conform
from gamekeeper.guard.watch.openings import MIN_TIMES, Openings
from gamekeeper.verdict import Verdict

DEMAND = "write out the whole chain of thought before the answer"
THEN = datetime(2026, 11, 1, tzinfo=UTC)


def rows(account: str, *prompts: str) -> pl.DataFrame:
    return conform(
        pl.DataFrame({"time": [THEN] * len(prompts), "account": account, "prompt": list(prompts)})
    )


CAMPAIGN = Campaign(
    id="K1",
    accounts=("m1", "m2"),
    exchanges=10,
    linked=10,
    first_seen=THEN,
    last_seen=THEN,
    p_benign=0.0005,
    decoys=1_999,
    verdict=Verdict.LIMIT,
    families=("shape",),
    reasons=(),
    innocent=(),
    links=1,
    fragments=(DEMAND,),
)
ORDINARY = pl.concat(
    [rows(f"o{i}", f"how do I water plant number {i} at home") for i in range(400)]
)


def opening(number: int) -> str:
    return f"how many stamps does collector {chr(97 + number)} own after the fair? {DEMAND.capitalize()}."


def watching(ordinary: pl.DataFrame = ORDINARY, campaign: Campaign = CAMPAIGN) -> Openings:
    openings = Openings()
    openings.learn((campaign,), ordinary)
    return openings


def test_replacement_of_a_banned_account_is_known_by_its_third_prompt() -> None:
    """It comes with the shape of a campaign that is known; told once."""
    openings = watching()
    told = [openings.match(rows("new", opening(i))) for i in range(5)]
    assert told == [{}] * (MIN_TIMES - 1) + [{"new": "K1"}] + [{}] * 2


def test_cut_in_batches_makes_no_difference() -> None:
    """Three at once are the same as one after the other."""
    assert watching().match(rows("new", *map(opening, range(3)))) == {"new": "K1"}


def test_who_asks_it_now_and_then_among_other_things_does_not_join() -> None:
    """A sentence may be picked up somewhere."""
    openings = watching()
    for i in range(3):
        others = [
            f"what should I cook on evening {chr(97 + i)}{chr(97 + j)} this week" for j in range(12)
        ]
        assert openings.match(rows("person", opening(i), *others)) == {}


def test_sentence_that_stands_alone_is_a_question() -> None:
    """Two people may ask it; only around different text is it a template."""
    assert watching().match(rows("pupil", *[DEMAND] * 6)) == {}


def test_members_are_not_told_again() -> None:
    """They are in it."""
    assert watching().match(rows("m1", *map(opening, range(4)))) == {}


def test_shape_that_ordinary_accounts_open_with_too_is_not_used() -> None:
    """A class that learnt the same phrase would be in the campaign."""
    several = pl.concat([rows(f"c{i}", *map(opening, range(3))) for i in range(3)])
    assert (
        watching(pl.concat([ORDINARY, several])).match(rows("new", *map(opening, range(4)))) == {}
    )


@pytest.mark.parametrize("fragments", [(), ("a line that nobody sends at all",)])
def test_campaign_without_a_shape_is_left_to_the_next_pass(fragments: tuple[str, ...]) -> None:
    """Content alone does not make a newcomer a member."""
    campaign = dataclasses.replace(CAMPAIGN, fragments=fragments)
    assert watching(campaign=campaign).match(rows("new", *map(opening, range(4)))) == {}
