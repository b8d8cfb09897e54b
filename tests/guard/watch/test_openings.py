import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.campaigns import Campaign
from gamekeeper.exchange import conform
from gamekeeper.guard.watch.openings import MIN_TIMES, Openings
from gamekeeper.verdict import Verdict

DEMAND = "write out the whole chain of thought before the answer"
FORMAT = "put the result into a box on the last line"
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST_USE = 5
"""Day of the window on which the campaign begins."""
NOW = BEGIN + 10 * DAY


def rows(account: str, *prompts: str, day: float = 0, system: str | None = None) -> pl.DataFrame:
    times = [BEGIN + day * DAY + timedelta(seconds=i) for i in range(len(prompts))]
    return conform(
        pl.DataFrame(
            {"time": times, "account": account, "prompt": list(prompts), "system": system},
            schema_overrides={"system": pl.String},
        )
    )


def opening(number: int, *sentences: str) -> str:
    question = f"how many stamps does collector {chr(97 + number)} own after the fair?"
    return " ".join([question, *(f"{s.capitalize()}." for s in sentences or (DEMAND,))])


CAMPAIGN = Campaign(
    id="K1",
    accounts=("m1", "m2"),
    exchanges=10,
    linked=10,
    first_seen=BEGIN,
    last_seen=BEGIN,
    p_benign=0.0005,
    decoys=1_999,
    verdict=Verdict.LIMIT,
    families=("shape",),
    reasons=(),
    innocent=(),
    links=1,
    fragments=(DEMAND,),
)
BOTH = dataclasses.replace(CAMPAIGN, fragments=(DEMAND, FORMAT))
ORDINARY = pl.concat(
    [rows(f"o{i}", f"how do I water plant number {i} at home") for i in range(400)]
)
MEMBERS = pl.concat(
    [
        rows(member, *(opening(i, DEMAND, FORMAT) for i in range(5)), day=FIRST_USE)
        for member in CAMPAIGN.accounts
    ]
)
WINDOW = pl.concat([ORDINARY, MEMBERS])


def learned(
    window: pl.DataFrame = WINDOW, campaign: Campaign = CAMPAIGN, path: Path | None = None
) -> Openings:
    openings = Openings(path)
    openings.learn((campaign,), window, NOW.timestamp())
    return openings


def sent(account: str, *prompts: str) -> pl.DataFrame:
    """After the campaign was found."""
    return rows(account, *prompts, day=11)


def joins(openings: Openings, account: str = "new", *sentences: str) -> bool:
    """Whether an account that sends the template around eight texts joins."""
    return openings.match(sent(account, *(opening(i, *sentences) for i in range(8)))) != {}


def test_replacement_of_a_banned_account_is_known_by_its_third_prompt() -> None:
    """It comes with the template of a campaign that is known; named once."""
    openings = learned()
    named = [openings.match(sent("new", opening(i))) for i in range(5)]
    assert named == [{}] * (MIN_TIMES - 1) + [{"new": "K1"}] + [{}] * 2


def test_cut_in_batches_makes_no_difference() -> None:
    """Three at once are the same as one after the other."""
    assert learned().match(sent("new", *map(opening, range(3)))) == {"new": "K1"}


def test_account_that_asks_it_now_and_then_among_other_things_does_not_join() -> None:
    """A sentence may be picked up somewhere."""
    openings = learned()
    for i in range(3):
        others = [
            f"what should I cook on evening {chr(97 + i)}{chr(97 + j)} this week" for j in range(12)
        ]
        assert openings.match(sent("person", opening(i), *others)) == {}


def test_sentence_by_itself_is_a_question() -> None:
    """Two people may ask it; only around different text is it a template."""
    assert learned().match(sent("pupil", *[DEMAND] * 6)) == {}


def test_members_are_not_named_again() -> None:
    """They are in it."""
    assert not joins(learned(), "m1")


def test_one_sentence_of_several_does_not_make_a_member() -> None:
    """Where the campaign has two of its own, an account must use both, in one prompt or in
    several.
    """
    assert not joins(learned(campaign=BOTH), "new", DEMAND)
    assert joins(learned(campaign=BOTH), "new", DEMAND, FORMAT)
    mixed = sent("new", opening(0, DEMAND), opening(1, FORMAT), opening(2, DEMAND))
    assert learned(campaign=BOTH).match(mixed) == {"new": "K1"}


def test_template_that_others_used_first_is_theirs() -> None:
    """Thieves took the system prompt of a product: neither its tenants nor new ones join."""
    tenants = [
        rows(f"t{i}", *(opening(j, DEMAND, FORMAT) for j in range(3)), day=1) for i in range(2)
    ]
    openings = learned(pl.concat([WINDOW, *tenants]), BOTH)
    assert not joins(openings, "t0", DEMAND, FORMAT)
    assert not joins(openings, "new tenant", DEMAND, FORMAT)


def test_sentence_of_a_products_system_prompt_is_left_out_and_the_demand_is_learned() -> None:
    """What the thieves added is theirs."""
    tenant = rows("t", *(opening(j, FORMAT) for j in range(4)), day=1)
    openings = learned(pl.concat([WINDOW, tenant]), BOTH)
    assert not joins(openings, "new tenant", FORMAT)
    assert joins(openings, "replacement", DEMAND)


@pytest.mark.parametrize("copiers", [1, 3])
def test_copying_the_template_later_does_not_make_the_guard_blind(copiers: int) -> None:
    """A thief could have accounts outside do that; members that no pass found do it anyway."""
    copies = [
        rows(f"c{i}", opening(0), f"what else is there to see in town {i}", day=FIRST_USE + 1)
        for i in range(copiers)
    ]
    assert joins(learned(pl.concat([WINDOW, *copies])))


def test_where_nobody_can_say_who_was_first_a_sentence_of_several_others_is_not_learned() -> None:
    """The window begins with the campaign: those who use it too may be a product's tenants."""
    window = WINDOW.filter(pl.col("time") >= BEGIN + FIRST_USE * DAY)
    late = ORDINARY.with_columns(pl.col("time") + FIRST_USE * DAY)
    others = [
        rows(f"t{i}", opening(i), "what is the weather like", day=FIRST_USE + 1) for i in range(2)
    ]
    assert joins(learned(pl.concat([window, late, *others[:1]])))
    assert not joins(learned(pl.concat([window, late, *others])))


def test_template_that_ordinary_accounts_send_too_is_not_used() -> None:
    """A class that learnt the same phrase would be in the campaign."""
    several = [rows(f"c{i}", *map(opening, range(3)), day=FIRST_USE + 1) for i in range(3)]
    assert not joins(learned(pl.concat([WINDOW, *several])))


def test_replacements_do_not_make_the_template_somebody_elses() -> None:
    """Accounts that joined are not accounts outside, when more of the template is learned."""
    openings = learned()
    assert joins(openings, "r1") and joins(openings, "r2")
    replaced = [
        rows(r, *(opening(i, DEMAND, FORMAT) for i in range(4)), day=1) for r in ("r1", "r2")
    ]
    openings.learn((BOTH,), pl.concat([WINDOW, *replaced]), NOW.timestamp() + 300)
    assert not joins(openings, "r3", DEMAND) and joins(openings, "r4", DEMAND, FORMAT)


@pytest.mark.parametrize("fragments", [(), ("a line that nobody sends at all",)])
def test_campaign_without_a_template_is_left_to_the_next_pass(fragments: tuple[str, ...]) -> None:
    """Content alone does not make a newcomer a member."""
    campaign = dataclasses.replace(CAMPAIGN, fragments=fragments)
    assert not joins(learned(campaign=campaign))


def test_restart_forgets_neither_templates_nor_what_accounts_sent(tmp_path: Path) -> None:
    """The log is matched again: two prompts before the restart and one after it are three; what was
    sent before the template was learned does not count.
    """
    path = tmp_path / "campaign-openings.json"
    earlier = rows("old", *map(opening, range(5)), day=9)
    two = sent("new", opening(0), opening(1))
    assert learned(path=path).match(two) == {}
    again = Openings(path)
    assert again.match(pl.concat([WINDOW, earlier, two])) == {}
    assert again.match(sent("new", opening(2))) == {"new": "K1"}
    assert Openings(path).match(sent("new", *map(opening, range(3)))) == {}
    assert path.stat().st_mode & 0o077 == 0


def test_file_that_cannot_be_read_does_not_end_the_process(tmp_path: Path) -> None:
    """Templates are learned again by the next pass."""
    path = tmp_path / "campaign-openings.json"
    path.write_bytes(b'{"format": "gamekeeper/campaign-openings@9"}')
    assert joins(learned(path=path))


def test_campaign_that_no_pass_finds_any_more_is_forgotten_after_the_days_of_the_window() -> None:
    """A pass that misses it once forgets nothing."""
    openings = learned()
    openings.learn((), WINDOW, NOW.timestamp() + 300)
    assert joins(openings)
    openings.learn((), WINDOW, NOW.timestamp() + 15 * 86_400)
    assert not joins(openings, "later")
