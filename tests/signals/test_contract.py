"""What every registered signal keeps."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.exchange import SCHEMA
from gamekeeper.linking.card import Card
from gamekeeper.linking.memory import MEMORY
from gamekeeper.linking.neighbours import CONTENT
from gamekeeper.linking.templates import SHAPE
from gamekeeper.signals import CARDS, SIGNALS, SUMMARY, add
from signals.builders import ACCOUNTS, PLANTED, START_S, counts_of, exchanges_of, planted_month

signals = pytest.mark.parametrize("name", SIGNALS)

row = st.fixed_dictionaries(
    {
        "time": st.integers(START_S, START_S + 9 * 86_400),
        "account": st.sampled_from(["a", "b", "c"]),
    },
    optional={
        "prompt": st.sampled_from(["think step by step", "rate it from 1 to 9", "hello", ""]),
        "model": st.sampled_from(["m", "n|n", ""]),
        "ip": st.sampled_from(["1", "2"]),
        "asn": st.integers(1, 3),
        "client": st.sampled_from(["c", "d"]),
        "payment": st.sampled_from(["p", "q"]),
        "account_created": st.integers(START_S - 10**7, START_S),
        "cell": st.integers(0, 4_095),
        "prompt_hash": st.integers(0, 2**64 - 1),
    },
)


def ordered(summary: pl.DataFrame) -> pl.DataFrame:
    return summary.sort("account", "key")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_is_complete(card: Card) -> None:
    """Purpose, unit, look-alikes, evasions and source: anyone who acts on a reading can ask what it
    is worth.
    """
    for field in fields(Card):
        assert getattr(card, field.name), field.name
    assert card.maturity in ("experimental", "tested", "stable", "retired")
    assert all(n in {*SCHEMA, "cell", "prompt_hash", "prompt or features"} for n in card.needs)


def test_cards_are_named_once_and_registered_by_their_names() -> None:
    """`gamekeeper list signals` shows each of them under one name."""
    assert len({card.name for card in CARDS}) == len(CARDS)
    assert all(name == signal.card.name for name, signal in SIGNALS.items())
    assert {CONTENT, SHAPE, MEMORY} <= set(CARDS)


@signals
@settings(max_examples=25, deadline=None)
@given(before=st.lists(row, max_size=12), after=st.lists(row, max_size=12))
def test_summaries_add_up(
    name: str, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    """A day and the next, added, are both days at once: batch equals stream."""
    summarise = SIGNALS[name].summarise
    parts = add(summarise(exchanges_of(before)), summarise(exchanges_of(after)))
    assert ordered(parts).equals(ordered(summarise(exchanges_of(before + after))))


@signals
def test_empty_input_gives_an_empty_summary(name: str) -> None:
    """With the columns of any other, and something to read from."""
    empty = exchanges_of([])
    summary = SIGNALS[name].summarise(empty)
    assert summary.height == 0 and dict(summary.schema) == SUMMARY
    assert counts_of(name, empty).matrix.shape == (0, 0)


@signals
def test_signal_stands_aside_where_its_column_is_missing(name: str) -> None:
    """A log without the column gives no counts, rather than counts of nothing in particular."""
    month = planted_month()
    for column in SIGNALS[name].card.needs:
        without = month.with_columns(pl.lit(None, month.schema[column]).alias(column))
        assert SIGNALS[name].summarise(without).height == 0


@signals
def test_planted_group_reads_higher_than_random_groups(name: str) -> None:
    """Larger is more like a campaign, for every signal: above all of 99 random groups of people."""
    counts = counts_of(name, planted_month())
    rng = np.random.default_rng(1)
    groups = [rng.choice(np.arange(PLANTED, ACCOUNTS), PLANTED, replace=False) for _ in range(99)]
    values = SIGNALS[name].read(counts, [np.arange(PLANTED), *groups])
    assert values.shape == (100,) and np.isfinite(values).all()
    assert values[0] > values[1:].max()


@signals
def test_members_show_by_themselves_what_their_group_shows(name: str) -> None:
    """More than people do on average, and some of them more than all people: one that used an
    address before the others does not.
    """
    counts = counts_of(name, planted_month())
    own = SIGNALS[name].own(counts, np.arange(PLANTED), np.arange(ACCOUNTS))
    assert own.shape == (ACCOUNTS,)
    assert np.nanmean(own[:PLANTED]) > np.nanmean(own[PLANTED:])
    assert np.nanmax(own[:PLANTED]) >= np.nanmax(own[PLANTED:])


@signals
def test_own_reading_does_not_depend_on_who_else_is_asked_for(name: str) -> None:
    """Of the same members, one account reads as it does among many."""
    counts = counts_of(name, planted_month())
    asked = np.array([3, 90, 7, 41])
    together = SIGNALS[name].own(counts, np.arange(PLANTED), asked)
    alone = [SIGNALS[name].own(counts, np.arange(PLANTED), asked[[i]])[0] for i in range(4)]
    assert together.tolist() == pytest.approx(alone, nan_ok=True)


@signals
def test_reading_depends_on_the_group_and_not_on_the_others_asked_for(name: str) -> None:
    """One group by itself reads as it does among many, and in whatever order its members
    are named.
    """
    counts = counts_of(name, planted_month())
    groups = [np.arange(12), np.arange(30, 50), np.array([90, 3, 41, 7])]
    together = SIGNALS[name].read(counts, groups)
    alone = [SIGNALS[name].read(counts, [group[::-1]])[0] for group in groups]
    assert together.tolist() == pytest.approx(alone)


@signals
def test_names_of_accounts_do_not_matter(name: str) -> None:
    """The same group under other names, in another order, reads the same."""
    month = planted_month()
    renamed = month.with_columns(
        pl.format("z{}", 999 - pl.col("account").str.slice(1).cast(pl.Int64)).alias("account")
    )
    value = SIGNALS[name].read(counts_of(name, month), [np.arange(12)])
    other = SIGNALS[name].read(counts_of(name, renamed), [ACCOUNTS - 1 - np.arange(12)])
    assert value.tolist() == pytest.approx(other.tolist())


@signals
def test_group_of_one_is_read_or_not_measured(name: str) -> None:
    """A number or NaN, never an error: one account has no pairs."""
    assert SIGNALS[name].read(counts_of(name, planted_month()), [np.array([5])]).shape == (1,)


@signals
def test_reading_is_said_as_a_sentence(name: str) -> None:
    """With what is ordinary in it, also where that was not measured; a high reading is said in
    other words than a low one.
    """
    for ordinary in (0.25, math.nan):
        said = SIGNALS[name].say(0.5, ordinary)
        assert "ordinary" in said and not said.endswith(".")
        said = SIGNALS[name].say_own(0.5, ordinary)
        assert "ordinary" in said and not said.endswith(".")
    assert SIGNALS[name].say_own(0.9, 0.1) != SIGNALS[name].say_own(0.0, 0.1)
    assert SIGNALS[name].say(0.9, 0.1) != SIGNALS[name].say(0.05, 0.1)
