"""From claims and readings to records: who is listed, what is said of them, what is left out."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from campaigns.builders import (
    SmallWorld,
    TextPayloads,
    claims_about,
    claims_of,
    comparison_of,
    found_group,
    some_group,
    some_read,
    summaries_of,
)
from gamekeeper.campaigns import HuntResult, SearchOptions
from gamekeeper.campaigns.claims import Claims
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.findings import findings
from gamekeeper.campaigns.own_evidence import OwnReadings
from gamekeeper.campaigns.path import numbered
from gamekeeper.campaigns.weigh import RankedReading, weigh
from gamekeeper.linking.card import Card, Family
from gamekeeper.signals import CARDS
from gamekeeper.verdict import Policy, Verdict, judge
from linking.builders import NO_TEXT, World

POLICY = Policy(false_discovery_rate=0.1)
PARTS = ("accounts", "readings", "links", "examples", "timeline", "map")


def result_of(
    compared: Comparison,
    claims: Claims,
    options: SearchOptions | None = None,
    weighed: list[list[RankedReading]] | None = None,
) -> HuntResult:
    chosen = options or SearchOptions(policy=POLICY)
    summaries = summaries_of(compared.rows)
    readings = weigh(claims, summaries, compared.accounts, 0) if weighed is None else weighed
    return findings(some_read(), chosen, compared, claims, readings, summaries, numbered)


@cache
def planted(*, redact: bool = False, without: frozenset[str] = frozenset()) -> HuntResult:
    """A planted campaign in a world of fifty people and a club."""
    sample = SmallWorld(1, planted=True).sample
    policy = replace(POLICY, without=without)
    options = SearchOptions(policy=policy, redact=redact)
    claims = claims_of(sample, 1, POLICY)
    return result_of(comparison_of(sample), claims, options)


# ---------------------------------------------------------------------------- who is listed, once


def test_every_account_is_listed_once() -> None:
    """Members with their campaign and its verdict, everybody else without and allowed."""
    result = planted()
    (campaign,) = result.campaigns
    accounts = result.accounts
    assert accounts["account"].is_unique().all() and len(accounts) == 74
    inside = accounts.filter(pl.col("campaign") == campaign.id)
    outside = accounts.filter(pl.col("campaign").is_null())
    assert len(inside) + len(outside) == len(accounts)
    assert tuple(inside["account"].sort()) == campaign.accounts
    assert inside["verdict"].unique().to_list() == [str(campaign.verdict)]
    assert outside["verdict"].unique().to_list() == ["allow"]
    assert accounts["exchanges"].sum() == result.exchanges


def test_accounts_come_by_falling_suspicion() -> None:
    """The first is a member, and every member has a small p-value."""
    accounts = planted().accounts
    assert accounts["p_benign"].is_sorted() and accounts["campaign"][0] == "C1"
    assert accounts.filter(pl.col("campaign") == "C1")["p_benign"].max() <= 0.05


def test_account_of_no_campaign_is_in_no_links_and_no_examples() -> None:
    """What is shown as evidence is the members'."""
    result = planted()
    members = set(result.campaigns[0].accounts)
    assert set(result.links["a"]) | set(result.links["b"]) <= members
    assert set(result.examples["account"]) == members
    drawn = result.map.filter(pl.col("campaign").is_not_null())
    assert len(drawn) and set(drawn["account"]) <= members


@pytest.mark.parametrize("people", [1, 2, 9])
def test_world_with_nothing_to_find_is_still_listed(people: int) -> None:
    """One account, two, nine: all allowed, with p-value 1, and the result says why."""
    made = World(0)
    made.people(people)
    sample = made.sample()
    result = result_of(comparison_of(sample), claims_of(sample))
    assert result.campaigns == () and len(result.accounts) == people
    assert result.accounts["p_benign"].to_list() == [1.0] * people
    assert any("to rank among" in sentence for sentence in result.could_not_show)
    assert result.links.is_empty() and result.examples.is_empty()


def test_links_beyond_those_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign has as many as there are, not as many as are kept to be drawn."""
    in_all = len(planted().links)
    monkeypatch.setattr("gamekeeper.campaigns.report_frames.LINKS_OF_CAMPAIGN", 2)
    result = planted.__wrapped__()
    assert len(result.links) == 2 < result.campaigns[0].links == in_all


# -------------------------------------------------------------------------- p-values and verdicts


def test_p_value_of_a_campaign_is_its_rank_or_below() -> None:
    """Never 0, and no larger than its rank above all decoys; its tie says the same, and readings
    that are no ties keep to ranks.
    """
    result = planted()
    (campaign,) = result.campaigns
    assert 0 < campaign.p_benign <= 1 / (1 + campaign.decoys)
    own = result.readings.filter(pl.col("subject") == campaign.id)
    tie = own.filter(pl.col("signal") == "neighbouring-content")
    assert tie["p_value"].item() == campaign.p_benign and tie["decoys"].item() == campaign.decoys
    others = own.filter(~pl.col("signal").is_in(["neighbouring-content", "memory"]))
    ranks = others["p_value"] * (1 + others["decoys"])
    assert np.allclose(ranks, ranks.round()) and (ranks.round() >= 1).all()


def test_account_readings_agree_with_the_accounts() -> None:
    """An account's p-value is one number, wherever it is shown."""
    result = planted()
    names = result.accounts.select("account", "p_benign", "campaign")
    near = result.readings.filter(pl.col("signal") == "sittings-near-a-campaign")
    both = near.join(names, left_on="subject", right_on="account")
    assert len(both) and both["p_value"].equals(both["p_benign"].rename("p_value"))
    outside = (result.accounts["campaign"].is_null()).sum()
    assert both["decoys"].unique().to_list() == [outside]


def some_reading(family: Family, p_value: float, card: Card = CARDS[0]) -> RankedReading:
    return RankedReading(
        card=replace(card, family=family, name=f"some-{family}"),
        value=1.0,
        ordinary=0.5,
        ordinary_high=0.8,
        p_value=p_value,
        decoys=999,
        says=f"about {family}",
        own=own_readings([True] * 9),
    )


def own_readings(counts: list[bool]) -> OwnReadings:
    """Of nine members, of which some show it."""
    nothing = np.zeros(len(counts))
    return OwnReadings(
        values=nothing + 1,
        ordinary=nothing,
        ordinary_high=nothing,
        p_values=nothing + 0.01,
        decoys=nothing + 99,
        has_it=np.array(counts),
    )


def one_campaign(readings: list[RankedReading], *, single: bool = False) -> HuntResult:
    sample = SmallWorld(2, planted=False).sample
    rows = np.flatnonzero(np.isin(sample.accounts, np.arange(9)))
    groups = () if single else (some_group(np.full(9, 5)),)
    claim = found_group(np.arange(9), groups)
    claim = replace(claim, rows=rows, senders=sample.accounts[rows])
    claims = claims_about(sample.account_count, claim)
    return result_of(comparison_of(sample), claims, weighed=[readings])


@pytest.mark.parametrize(
    ("p_values", "counted"),
    [
        ({"content": 0.001, "rhythm": 0.01, "infrastructure": 0.01}, 3),
        ({"content": 0.001, "rhythm": 0.01, "coverage": 0.001}, 2),
        ({"content": 0.001, "rhythm": 0.02}, 1),
    ],
)
def test_verdict_follows_from_the_families(p_values: dict[Family, float], counted: int) -> None:
    """Those at a hundredth or less count, coverage never does; reasons are what is significant at
    a twentieth, in their order.
    """
    (campaign,) = one_campaign([some_reading(f, p) for f, p in p_values.items()]).campaigns
    assert len(campaign.families) == counted
    assert campaign.verdict is judge(campaign.families, POLICY)
    assert campaign.reasons == tuple(f"about {family}" for family in p_values)


def test_verdict_of_a_member_follows_from_what_it_shows_itself() -> None:
    """The campaign's is the highest; who shows one family of it is watched."""
    shared = replace(
        some_reading("infrastructure", 0.001), own=own_readings([False] * 3 + [True] * 6)
    )
    result = one_campaign([some_reading("content", 0.001), shared])
    (campaign,) = result.campaigns
    assert campaign.families == ("content", "infrastructure")
    assert campaign.verdict is Verdict.SLOW
    verdicts = [member.verdict for member in campaign.members]
    assert verdicts == [Verdict.WATCH] * 3 + [Verdict.SLOW] * 6
    listed = result.accounts.filter(pl.col("campaign") == "C1").sort("account")
    assert listed["verdict"].to_list() == [str(verdict) for verdict in verdicts]
    assert listed["families"].to_list()[0] == ["content"]
    own = result.readings.filter(pl.col("subject") == campaign.accounts[0])
    counts = dict(own.select("signal", "counts").drop_nulls().iter_rows())
    assert counts == {"some-content": True, "some-infrastructure": False}


def test_content_and_what_is_asked_for_are_one_piece_of_evidence() -> None:
    """Who copies the prompts of an account copies both."""
    readings = [some_reading("content", 0.001), some_reading("elicitation", 0.001)]
    (campaign,) = one_campaign(readings).campaigns
    assert campaign.families == ("content", "elicitation")
    assert campaign.verdict is Verdict.WATCH


def test_reading_that_is_not_significant_is_no_reason() -> None:
    """It is shown among the readings all the same; so is an experimental one."""
    weak = some_reading("rhythm", 0.2)
    untested = some_reading("coverage", 0.001, replace(CARDS[0], maturity="experimental"))
    result = one_campaign([some_reading("content", 0.001), weak, untested])
    assert result.campaigns[0].reasons == ("about content",)
    shown = result.readings.filter(pl.col("subject") == "C1")["signal"].to_list()
    assert shown == ["some-content", "some-rhythm", "some-coverage"]


def test_innocent_explanation_is_given_once() -> None:
    """Signals that the same users would explain share one sentence, which names them all."""
    result = one_campaign([some_reading("content", 0.001), some_reading("rhythm", 0.001)])
    assert result.campaigns[0].innocent == (f"some-content, some-rhythm: {CARDS[0].look_alikes}",)


def test_single_account_is_watched_whatever_is_read_of_it() -> None:
    """One account has no second family of its own: nothing is taken from it."""
    readings = [some_reading(f, 0.001) for f in ("coverage", "rhythm", "elicitation", "pivot")]
    (campaign,) = one_campaign(readings, single=True).campaigns
    assert campaign.verdict is Verdict.WATCH and campaign.families == ("coverage",)


# ----------------------------------------------------------------------------------- what is left out


def everything(result: HuntResult) -> str:
    tables = [json.dumps(getattr(result, part).rows(), default=str) for part in PARTS]
    return "\n".join([*tables, repr(replace(result, **dict.fromkeys(PARTS)))])


def test_redacted_result_holds_no_text_of_a_prompt() -> None:
    """Not in a table, not in a fault's excerpt, not in a reason; without redaction it does."""
    assert "confidential" in everything(planted())
    hidden = planted(redact=True)
    assert hidden.redacted and len(hidden.examples) and "confidential" not in everything(hidden)
    assert hidden.accounts.equals(planted().accounts)
    assert hidden.readings.equals(planted().readings)


@pytest.mark.parametrize("family", ["content", "shape"])
def test_family_left_out_is_in_no_reading_and_no_link(family: str) -> None:
    """What accounts have in content is not shown of them either."""
    result = planted(without=frozenset({family}))
    accounts = set(result.accounts["account"])
    of_accounts = result.readings.filter(pl.col("subject").is_in(accounts))
    assert family not in set(of_accounts["family"]) | set(result.links["family"])


def test_column_that_the_log_lacks_is_named() -> None:
    """With the signals that were skipped for it; a log with all columns has none to name."""
    said = planted().could_not_show
    assert any("payment" in s and "shared-payment" in s and "skipped" in s for s in said)


def test_sampled_log_says_how_much_was_compared() -> None:
    """Content is compared on a sample where the log is larger."""
    sample = SmallWorld(2, planted=False).sample
    compared = comparison_of(sample)
    larger = replace(compared, accounts=compared.accounts.with_columns(pl.col("exchanges") * 10))
    result = result_of(larger, claims_of(sample))
    rows = len(sample.accounts)
    assert any(f"{rows:,} of {10 * rows:,}" in s for s in result.could_not_show)
    assert result.exchanges == 10 * rows and result.linked_sample == rows


def test_too_few_decoys_for_the_rate_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """At one in ten thousand, a handful of decoys cannot confirm one claim by itself."""
    monkeypatch.setattr("gamekeeper.campaigns.claims._ROUNDS", (2, 2))
    sample = SmallWorld(1, planted=True).sample
    strict = Policy(false_discovery_rate=1e-4)
    claims = claims_of(sample, 1, strict)
    result = result_of(comparison_of(sample), claims, SearchOptions(policy=strict))
    assert claims.tested and result.campaigns == ()
    assert any("decoys" in sentence for sentence in result.could_not_show)


# --------------------------------------------------------------------------------------- pictures


def test_timeline_adds_up_to_the_members_exchanges() -> None:
    """No exchange of a member is drawn twice or left out; every campaign has every span."""
    result = planted()
    (campaign,) = result.campaigns
    spans = result.timeline.filter(pl.col("campaign") == campaign.id)
    assert spans["exchanges"].sum() == campaign.exchanges
    assert spans["time"].is_unique().all() and spans["time"].is_sorted()
    assert (spans["ordinary"] >= 0).all() and spans["ordinary"].sum() > 0


def test_links_are_pairs_of_two_members_counted_once() -> None:
    """In one order, with a positive weight; their number is the campaign's."""
    result = planted()
    links = result.links
    assert links.select("campaign", "a", "b", "family").is_unique().all()
    assert (links["a"] != links["b"]).all() and (links["exchanges"] > 0).all()
    swapped = links.join(links, left_on=["a", "b", "family"], right_on=["b", "a", "family"])
    assert swapped.is_empty() and len(links) == result.campaigns[0].links


def test_map_of_exchanges_all_alike_is_one_point() -> None:
    """A log of one text repeated has no two directions to draw, and no error."""
    made = World(0)
    made.people(9)
    sample = made.sample()
    same = np.tile(sample.vectors[:1], (len(sample.vectors), 1))
    alike = replace(
        sample, vectors=same, payloads=TextPayloads(NO_TEXT, sample.accounts, None, same)
    )
    drawn = result_of(comparison_of(alike), claims_of(alike)).map
    assert len(drawn) == len(sample.accounts)
    assert np.allclose(drawn["x"], 0, atol=1e-5) and np.allclose(drawn["y"], 0, atol=1e-5)


def test_examples_are_a_few_of_every_member() -> None:
    """At most three each, so that no busy member fills the page."""
    per_member = planted().examples.group_by("account").len()
    assert per_member["len"].max() == 3 and per_member["len"].min() >= 1
