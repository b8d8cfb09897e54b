"""Readings of a campaign and their p-values, over many logs of ordinary accounts."""

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.builders import (
    START_S,
    claims_about,
    found_group,
    numbered,
    ordinary_log,
    some_group,
    summaries_of,
)
from campaigns.uniform import require_valid
from gamekeeper.campaigns.weigh import (
    COUNTED,
    RankedReading,
    _say_tie,
    families,
    matched_sets,
    weigh,
)
from gamekeeper.linking import LinkSample
from gamekeeper.linking.card import Card, Family, Maturity
from gamekeeper.linking.lone import LONE
from gamekeeper.signals import CARDS, SIGNALS
from gamekeeper.verdict import Policy, Verdict, judge
from linking.test_schedules import ACCOUNTS, dealt, idle_longest, sample_of

LOGS = 16
GROUPS = 3
MEMBERS = 10
TESTED = [name for name, signal in SIGNALS.items() if signal.card.maturity != "experimental"]
EXPERIMENTAL = [name for name in SIGNALS if name not in TESTED]


@pytest.fixture(autouse=True)
def few_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As valid as 999, and faster."""
    monkeypatch.setattr("gamekeeper.campaigns.weigh._SETS", 79)


def readings_of(
    log: pl.DataFrame, members: np.ndarray, summaries: dict[str, pl.DataFrame] | None = None
) -> dict[str, RankedReading]:
    accounts = numbered(log)
    claims = claims_about(len(accounts), found_group(members))
    weighed = weigh(claims, summaries_of(log) if summaries is None else summaries, accounts, 0)
    return {reading.card.name: reading for reading in weighed[0] if reading.card.name in SIGNALS}


@cache
def null_readings(seed: int, equally_active: bool) -> list[list[RankedReading]]:
    """Readings of three groups of ten accounts drawn at random, which have nothing to do with each
    other.
    """
    log = ordinary_log(seed, equally_active=equally_active)
    accounts = numbered(log)
    drawn = np.random.default_rng(1_000 + seed).permutation(len(accounts))[: GROUPS * MEMBERS]
    found = [found_group(np.sort(members)) for members in np.split(drawn, GROUPS)]
    claims = claims_about(len(accounts), *found)
    return weigh(claims, {n: SIGNALS[n].summarise(log) for n in TESTED}, accounts, seed)


# ------------------------------------------------------------------------------------- p-values


@pytest.mark.parametrize("equally_active", [False, True], ids=["activity differs", "activity ties"])
@pytest.mark.parametrize("name", TESTED)
def test_p_values_of_ordinary_groups_are_valid(name: str, equally_active: bool) -> None:
    """Groups drawn at random read high no more often than chance says; also where all accounts are
    exactly as active, when every account is everybody's match.
    """
    logs = [null_readings(seed, equally_active) for seed in range(LOGS)]
    p_values = [
        np.array([r.p_value for group in log for r in group if r.card.name == name]) for log in logs
    ]
    assert all(len(p) == GROUPS for p in p_values)
    require_valid(p_values)


@pytest.mark.parametrize("equally_active", [False, True], ids=["activity differs", "activity ties"])
def test_family_seldom_counts_against_an_ordinary_group(
    equally_active: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a level of a tenth each family counts against at most a tenth of the groups, whether it
    has one reading or five: it is corrected for them.
    """
    monkeypatch.setattr("gamekeeper.campaigns.weigh._SIGNIFICANT", 0.1)
    groups = [g for seed in range(LOGS) for g in null_readings(seed, equally_active)]
    for family in ("elicitation", "rhythm", "infrastructure", "pivot"):
        counted = np.mean([family in families(group) for group in groups])
        assert counted <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / len(groups)), family


DAY = 86_400
HABITS: dict[str, tuple[str, pl.Expr]] = {
    "shared-ip": ("ip", pl.lit("10.9.9.9")),
    "shared-asn": ("asn", pl.lit(64_500)),
    "shared-client": ("client", pl.lit("odd/1")),
    "shared-payment": ("payment", pl.lit("card-x")),
    "sign-up-burst": ("account_created", pl.from_epoch(pl.lit(START_S - 50 * DAY))),
    "elicitation": ("prompt", pl.lit("think step by step")),
    "pivot": ("model", pl.lit("new")),
    "even-pace": (
        "time",
        pl.from_epoch(START_S + pl.int_range(pl.len()).over("account") * (DAY // 4)),
    ),
    "shared-envelope": ("time", pl.from_epoch(pl.lit(START_S + 9 * DAY))),
}
"""What each signal is about: a column, and the members' values of it."""


def with_habit(log: pl.DataFrame, members: np.ndarray, name: str) -> pl.DataFrame:
    """The log with what the signal `name` is about planted in the members."""
    column, values = HABITS[name]
    kind = log.schema[column]
    if isinstance(kind, pl.Datetime):
        values = values.dt.replace_time_zone("UTC")
    early = pl.col("time") < pl.from_epoch(pl.lit(START_S + 9 * DAY)).dt.replace_time_zone("UTC")
    planted = pl.when(named(members)).then(values.cast(kind)).otherwise(column).alias(column)
    # no model is new before its release
    model = pl.when(early).then(pl.lit("old")).otherwise("model").alias("model")
    return log.with_columns(planted).with_columns(model)


def named(members: np.ndarray) -> pl.Expr:
    return pl.col("account").is_in([f"a{number:04d}" for number in members])


@pytest.mark.parametrize("name", TESTED)
def test_planted_habit_ranks_above_all_decoys(name: str) -> None:
    """Validity is not bought by silence: each signal shows what it is about with the smallest
    p-value there is.
    """
    members = np.arange(30, 30 + MEMBERS)
    reading = readings_of(with_habit(ordinary_log(1), members, name), members)[name]
    assert reading.p_value == 1 / (1 + reading.decoys)
    assert reading.value > reading.ordinary_high >= reading.ordinary


# -------------------------------------------------------------------------------- matched accounts


def sets_for(exchanges: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    innocent = np.setdiff1d(np.arange(len(exchanges)), members)
    return matched_sets(members, innocent, exchanges, np.random.default_rng(0))


activity = st.lists(st.integers(1, 40), min_size=20, max_size=120).map(np.array)


@given(exchanges=activity, count=st.integers(1, 8))
def test_matched_sets_hold_ordinary_accounts_only(exchanges: np.ndarray, count: int) -> None:
    """Each account once in a set, in order, no member, and no more accounts than members."""
    members = np.arange(count)
    for drawn in sets_for(exchanges, members):
        assert 1 <= len(drawn) <= count and (np.diff(drawn) > 0).all()
        assert drawn.min() >= count and drawn.max() < len(exchanges)


def test_matched_accounts_are_about_as_active() -> None:
    """Those of the middle come from its neighbourhood, and the busiest from the busiest quarter."""
    exchanges = np.arange(1, 201)
    middle = np.concatenate(sets_for(exchanges, np.arange(98, 103)))
    busiest = np.concatenate(sets_for(exchanges, np.arange(195, 200)))
    assert abs(np.mean(exchanges[middle]) - 101) < 4 and np.ptp(exchanges[middle]) <= 60
    assert exchanges[busiest].min() > 140


@pytest.mark.parametrize("kind", ["all alike", "busiest"])
def test_no_ordinary_account_is_in_nearly_every_set(kind: str) -> None:
    """Sets that share an account are one decoy many times over: each account is drawn at most as
    often as one of a window of 51.
    """
    exchanges = np.full(100, 7) if kind == "all alike" else np.arange(100)
    sets = sets_for(exchanges, np.arange(90, 100))
    share = np.bincount(np.concatenate(sets), minlength=100)[:90] / len(sets)
    expected = 10 / 51
    error = np.sqrt(expected * (1 - expected) / len(sets))
    assert share.max() <= expected + 4.5 * error
    assert (share > 0).sum() >= (85 if kind == "all alike" else 45)


def test_too_few_ordinary_accounts_give_no_readings() -> None:
    """Below two for each member nothing is matched, and only what tied the campaign is read."""
    log = ordinary_log(1, accounts=30)
    assert readings_of(log, np.arange(11)) == {}
    assert readings_of(log, np.arange(10)) != {}


# ------------------------------------------------------------------------------ what is not measured


def test_column_that_the_log_lacks_gives_no_reading() -> None:
    """Absence is not a value; the other signals are read all the same."""
    log = ordinary_log(1).with_columns(pl.lit(None, pl.String).alias("payment"))
    readings = readings_of(log, np.arange(10))
    assert "shared-payment" not in readings and "shared-ip" in readings


def test_summary_that_was_not_handed_over_is_not_read() -> None:
    """A family left out by the policy comes without its summaries."""
    log = ordinary_log(1)
    summaries = {
        n: s for n, s in summaries_of(log).items() if SIGNALS[n].card.family != "infrastructure"
    }
    read = readings_of(log, np.arange(10), summaries)
    assert read and all(r.card.family != "infrastructure" for r in read.values())


def test_reading_without_measured_decoys_is_skipped() -> None:
    """Where only the members have a date of opening, nothing shows what is ordinary: a burst among
    them is not evidence.
    """
    log = ordinary_log(1)
    members = np.arange(40, 50)
    dated = with_habit(log, members, "sign-up-burst")
    only = dated.with_columns(
        pl.when(named(members)).then("account_created").alias("account_created")
    )
    assert readings_of(dated, members)["sign-up-burst"].p_value < 0.02
    assert "sign-up-burst" not in readings_of(only, members)


def test_decoy_that_was_not_measured_is_not_counted() -> None:
    """With dates for few ordinary accounts some sets have no two of them: those are no decoys."""
    log = ordinary_log(1)
    members = np.arange(40, 50)
    some = named(np.arange(20, 50))
    sparse = with_habit(log, members, "sign-up-burst").with_columns(
        pl.when(some).then("account_created").alias("account_created")
    )
    reading = readings_of(sparse, members)["sign-up-burst"]
    assert 0 < reading.decoys < 79 and reading.p_value >= 1 / (1 + reading.decoys)
    assert np.isfinite([reading.ordinary, reading.ordinary_high]).all()


def test_group_that_cannot_be_measured_has_no_reading() -> None:
    """A single account has no pairs: nothing is said of what it shares."""
    readings = readings_of(ordinary_log(1), np.array([5]))
    assert not {"shared-ip", "shared-envelope", "sign-up-burst"} & readings.keys()
    assert "elicitation" in readings


# ------------------------------------------------------------------------------------------- order


def test_readings_come_strongest_first() -> None:
    """What tied the campaign, then the rest by their distance from what is ordinary: at the floor
    of p all are equal.
    """
    log = ordinary_log(1)
    members = np.arange(30, 40)
    found = found_group(members, (some_group(np.full(10, 9), first=30),))
    weighed = weigh(claims_about(160, found), summaries_of(log), numbered(log), 0)[0]
    assert [r.card.name for r in weighed[:2]] == ["neighbouring-content", "memory"]
    distances = [r.distance for r in weighed[2:]]
    assert distances == sorted(distances, reverse=True) and len(set(distances)) > 5


def test_names_of_accounts_do_not_matter_to_readings() -> None:
    """Only numbers do, and they come from what an account sent."""
    log = ordinary_log(2)
    renamed = log.with_columns(("z" + pl.col("account")).alias("account"))
    members = np.arange(10, 20)
    assert {n: r.p_value for n, r in readings_of(log, members).items()} == {
        n: r.p_value for n, r in readings_of(renamed, members).items()
    }


def test_shape_and_content_are_both_said_to_tie() -> None:
    """A tie by two families has a reading of each; memory has one, and is not a counted family."""
    content = some_group(np.full(10, 9), first=30)
    shape = replace(content, family="shape")
    log = ordinary_log(1)
    found = found_group(np.arange(30, 40), (content, shape))
    readings = weigh(claims_about(160, found), {}, numbered(log), 0)[0]
    assert [r.card.family for r in readings] == ["content", "shape", "coverage"]
    assert families(readings) == ("content", "shape")
    assert "coverage" not in COUNTED


# ---------------------------------------------------------------------------------------- families


def some_card(name: str, family: Family, maturity: Maturity = "tested") -> Card:
    return replace(CARDS[0], name=name, family=family, maturity=maturity)


def some_reading(card: Card, p_value: float) -> RankedReading:
    return RankedReading(
        card=card, value=1.0, ordinary=0.5, ordinary_high=0.8, p_value=p_value, decoys=999, says="."
    )


def test_family_counts_once_however_many_readings_it_has() -> None:
    """Four attributes of one network are one kind of evidence."""
    cards = [signal.card for signal in SIGNALS.values() if signal.card.family == "infrastructure"]
    assert len(cards) >= 4
    assert families([some_reading(card, 0.001) for card in cards]) == ("infrastructure",)


def test_family_is_corrected_for_its_readings() -> None:
    """One reading at a hundredth counts alone, and not as the best of two."""
    first = some_reading(some_card("one", "rhythm"), 0.01)
    second = some_reading(some_card("two", "rhythm"), 0.9)
    assert families([first]) == ("rhythm",)
    assert families([first, second]) == ()
    assert families([replace(first, p_value=0.005), second]) == ("rhythm",)


@pytest.mark.parametrize("maturity", ["experimental", "retired"])
def test_reading_that_is_not_tested_neither_counts_nor_corrects(maturity: Maturity) -> None:
    """Its family does not count by it, and is not held back by it."""
    untested = some_reading(some_card("new", "rhythm", maturity), 1e-6)
    assert families([untested]) == ()
    assert families([untested, some_reading(some_card("old", "rhythm"), 0.01)]) == ("rhythm",)


@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_experimental_signal_is_shown_and_not_counted(name: str) -> None:
    """It is read of every campaign, whatever it says of it."""
    assert families([some_reading(SIGNALS[name].card, 1e-6)]) == ()
    assert name in readings_of(ordinary_log(1), np.arange(10))


def test_coverage_is_never_counted() -> None:
    """Memory is what made content count; counted again it would be one fact for two."""
    assert families([some_reading(some_card("memory", "coverage", "stable"), 1e-6)]) == ()


@given(
    p_values=st.dictionaries(st.sampled_from(COUNTED), st.floats(0, 1), max_size=6),
    seed=st.integers(0, 9),
)
def test_families_come_in_one_order_and_decide_the_verdict(
    p_values: dict[Family, float], seed: int
) -> None:
    """Whatever the order of the readings; one more family never softens the verdict."""
    readings = [some_reading(some_card(f, f), p) for f, p in p_values.items()]
    order = np.random.default_rng(seed).permutation(len(readings))
    counted = families([readings[i] for i in order])
    assert counted == tuple(f for f in COUNTED if p_values.get(f, 1.0) <= 0.01)
    steps = [judge(counted[:n], Policy()).step for n in range(len(counted) + 1)]
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("count", "verdict"),
    [(0, Verdict.ALLOW), (1, Verdict.WATCH), (2, Verdict.SLOW), (3, Verdict.LIMIT)],
)
def test_number_of_families_decides_the_verdict(count: int, verdict: Verdict) -> None:
    """One family is watched, two are slowed, three are limited."""
    assert judge(COUNTED[:count], Policy()) is verdict


def test_tie_is_told_in_numbers_of_the_campaign_as_it_is_listed() -> None:
    """Of twelve accounts that a template ties, three are not of the campaign."""
    group = some_group(np.full(12, 5))
    found = found_group(np.arange(9), (group,))
    found = replace(found, rows=group.rows[:45], senders=np.repeat(np.arange(9), 5))
    says = _say_tie(group, found, "owner")
    assert says.startswith("45 prompts of 9 owners are closer to each other's")
    assert says.endswith("(also true of 3 more, not of the campaign)")
    whole = replace(found, accounts=np.arange(12), rows=group.rows)
    assert _say_tie(group, whole, "account").endswith("than to those of other accounts")


def test_single_account_is_read_in_numbers_and_words_that_agree() -> None:
    """A share of pairs, larger than that of spliced accounts, with a card of its own."""
    found = replace(found_group(np.arange(1), ()), strength=-0.02, decoys=np.full(99, -0.32))
    (reading,) = weigh(claims_about(3, found), {}, numbered(ordinary_log(0)), 0)[0]
    assert reading.card is LONE and "group" not in reading.card.look_alikes
    assert (reading.value, reading.ordinary) == pytest.approx((0.48, 0.18))
    assert "48% of the pairs" in reading.says and "18%" in reading.says


# ----------------------------------------------------------------------------------- schedules


def schedule_of(sample: LinkSample) -> RankedReading:
    members = np.arange(ACCOUNTS) * 2 + 1
    found = found_group(members, (replace(some_group(np.full(ACCOUNTS, 9)), accounts=members),))
    claims = claims_about(2 * ACCOUNTS, found)
    ((reading,),) = [
        [r for r in readings if r.card.name == "schedule"]
        for readings in weigh(claims, {}, numbered_accounts(2 * ACCOUNTS), 0, sample=sample)
    ]
    return reading


def numbered_accounts(count: int) -> pl.DataFrame:
    """Accounts equally active."""
    numbers = pl.Series("number", range(count), dtype=pl.UInt32)
    return pl.DataFrame([numbers]).with_columns(
        pl.format("a{}", "number").alias("account"), pl.lit(9, pl.UInt32).alias("exchanges")
    )


def test_pool_that_is_dealt_reads_as_one_operator() -> None:
    """The reading is shown, and counts for nothing: keys of one owner are dealt as well."""
    reading = schedule_of(sample_of(dealt(idle_longest, 6)))
    assert reading.p_value <= 0.01 and reading.value > reading.ordinary_high
    assert reading.says.startswith("one operator: ") and not reading.is_tested
    assert families([reading]) == ()


def test_sittings_at_random_say_nothing() -> None:
    """The same sittings, each of an account drawn by lot."""
    pool = dealt(idle_longest, 6)
    drawn = np.random.default_rng(1).permutation(pool.account)
    reading = schedule_of(sample_of(replace(pool, account=drawn)))
    assert reading.p_value > 0.01 and "one operator" not in reading.says


def test_without_a_sample_no_schedule_is_read() -> None:
    """Nor of a single account."""
    found = found_group(np.arange(3))
    (readings,) = weigh(claims_about(160, found), {}, numbered_accounts(160), 0)
    assert all(r.card.name != "schedule" for r in readings)
