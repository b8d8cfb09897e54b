"""What counts against one member of a campaign: only what it shows itself."""

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.builders import (
    SmallWorld,
    claims_about,
    found_group,
    moments,
    numbered,
    ordinary_log,
    some_group,
)
from gamekeeper.campaigns.own_evidence import is_others_template, own_readings, own_tie
from gamekeeper.campaigns.weigh import COUNTED, families_of_members, weigh
from gamekeeper.linking import LinkSample
from gamekeeper.signals import SIGNALS, Counts
from gamekeeper.verdict import Member, Policy, Verdict

ORDINARY = 200
FRAMERS = 16
VICTIM = ORDINARY  # the framers follow
MEMBERS = np.arange(VICTIM, VICTIM + 1 + FRAMERS)
TESTED = [
    name
    for name, signal in SIGNALS.items()
    if signal.card.maturity != "experimental" and signal.card.family in COUNTED
]
START_S = 1_775_001_600


def network(first_s: np.ndarray, opened: np.ndarray | None = None, *, common: int = 0) -> Counts:
    """Counts of a value that the members share; every ordinary account has one of its own.

    Args:
        first_s: When each of `MEMBERS` first used it, NaN for never.
        opened: When each of them was opened.
        common: Ordinary accounts that come to use it later.
    """
    accounts = ORDINARY + len(MEMBERS)
    own = [(number, f"own-{number}", 0.0) for number in range(accounts)]
    shared = [(int(n), "shared", float(t)) for n, t in zip(MEMBERS, first_s, strict=True) if t == t]
    later = [(number, "shared", 2e6) for number in range(common)]
    numbers, keys, times = zip(*own, *shared, *later, strict=True)
    summary = pl.DataFrame(
        {
            "account": [str(number) for number in numbers],
            "key": keys,
            "count": np.ones(len(keys)),
            "first_seen": moments(START_S + np.array(times).astype(int)),
        }
    )
    named = pl.DataFrame({"account": [str(n) for n in range(accounts)], "number": range(accounts)})
    known = None if opened is None else np.concatenate([np.full(ORDINARY, np.nan), opened])
    return Counts(summary, named, np.full(accounts, 30), known)


times = st.lists(st.integers(1, 10**6), min_size=FRAMERS, max_size=FRAMERS)
shared = pytest.mark.parametrize("name", ["shared-ip", "shared-client", "shared-payment"])


@shared
@given(framers=times, late=st.booleans())
def test_victim_whose_network_is_shared_later_shows_nothing(
    name: str, framers: list[int], late: bool
) -> None:
    """However many come after it. Where the log begins too late to show that, its age does."""
    if late:
        first_s = np.array([max(framers) + 1, *framers])
        opened = np.array([1, *(2 + t % 7 for t in framers)])
    else:
        first_s = np.array([min(framers) - 1, *framers])
        opened = None
    summary = network(first_s.astype(float), opened)
    own = own_readings(SIGNALS[name], summary, MEMBERS, np.arange(ORDINARY))
    assert own.values[0] == 0 and not own.counts()[0]


@shared
@given(framers=st.permutations(range(1, FRAMERS + 1)))
def test_those_who_join_a_network_of_members_show_it(name: str, framers: list[int]) -> None:
    """All but the first two; a member that never used it shows nothing."""
    summary = network(np.array([np.nan, *framers]))
    own = own_readings(SIGNALS[name], summary, MEMBERS, np.arange(ORDINARY))
    assert own.counts().tolist() == [False, *(place > 2 for place in framers)]
    assert (own.p_values[own.counts()] == 1 / (1 + ORDINARY)).all()


def test_network_that_one_in_twenty_ordinary_accounts_has_is_not_charged() -> None:
    """A victim shares a common client with its framers by chance."""
    first_s = np.arange(1.0, 2 + FRAMERS)[::-1]
    summary = network(first_s, common=ORDINARY // 20)
    own = own_readings(SIGNALS["shared-client"], summary, MEMBERS, np.arange(ORDINARY))
    assert own.values[0] > 0 and not own.counts().any()


@cache
def counted_by_chance(name: str) -> float:
    """Share of members of groups drawn at random that show the reading of a signal."""
    counted = []
    for seed in range(12):
        log = ordinary_log(seed)
        accounts = numbered(log)
        members = np.sort(np.random.default_rng(seed).permutation(len(accounts))[:30])
        claims = claims_about(len(accounts), found_group(members, (some_group(np.full(30, 5)),)))
        (readings,) = weigh(claims, {name: SIGNALS[name].summarise(log)}, accounts, seed)
        counted += [r.own.counts() for r in readings if r.card.name == name and r.own is not None]
    return float(np.mean(counted))


@pytest.mark.parametrize("name", TESTED)
def test_ordinary_members_seldom_show_a_reading(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """About one in 150, which the number of ordinary accounts allows, of accounts that have nothing
    to do with each other.
    """
    monkeypatch.setattr("gamekeeper.campaigns.weigh._SETS", 19)
    assert counted_by_chance(name) <= 0.01 + 4 * np.sqrt(0.01 / 360)


# ----------------------------------------------------------------------------------------- templates


def templated(uses: list[tuple[int, int]]) -> LinkSample:
    """A small world in which accounts use one sentence: pairs of account and time."""
    sample = SmallWorld(2, planted=False).sample
    rows = []
    taken: set[int] = set()
    for account, time_s in uses:
        row = next(
            int(r) for r in np.flatnonzero(sample.accounts == account) if int(r) not in taken
        )
        taken.add(row)
        sample.time_s[row] = time_s
        rows.append(row)
    pieces = {"row": rows, "fragment": [7] * len(rows)}
    kinds = {"row": pl.UInt32, "fragment": pl.UInt64}
    return replace(sample, fragments=pl.DataFrame(pieces, schema=kinds))


def tied(sample: LinkSample, members: np.ndarray) -> tuple[list[bool], bool]:
    rows = sample.fragments["row"].to_numpy()
    rows = np.sort(rows[np.isin(sample.accounts[rows], members)])
    group = some_group(np.full(len(members), 1), family="shape")
    group = replace(group, accounts=members, rows=rows)
    own = own_tie(group, members, sample)
    assert own is not None
    return own.counts().tolist(), is_others_template(group, members, sample)


def test_members_who_take_up_a_template_are_charged_with_it() -> None:
    """All but the two who used it first: one of them may be the product that it was taken from."""
    members = np.arange(8)
    sample = templated([(account, 1_000 + account) for account in range(8)])
    assert tied(sample, members) == ([False, False] + [True] * 6, False)


@pytest.mark.parametrize(("earlier", "is_others"), [(2, False), (3, True)])
def test_template_that_others_used_first_is_theirs(earlier: int, is_others: bool) -> None:
    """Three uses outside before the first inside make it no evidence against anybody."""
    outside = [(20, 10 + time_s) for time_s in range(earlier)]
    sample = templated([*outside, *((account, 1_000 + account) for account in range(8))])
    charged, others = tied(sample, np.arange(8))
    assert others is is_others and any(charged) is not is_others


def test_network_as_a_tie_is_read_by_its_own_signals() -> None:
    """That a candidate was named by what its accounts share says nothing of who had it first."""
    group = some_group(np.full(8, 5), family="infrastructure")
    assert own_tie(group, np.arange(8), SmallWorld(2, planted=False).sample) is None


# ------------------------------------------------------------------------------------------ verdicts


def test_what_was_not_read_of_members_counts_against_none() -> None:
    """A family by which the campaign counts is charged to those who show it."""
    log = ordinary_log(1)
    members = np.arange(30, 40)
    found = found_group(members, (some_group(np.full(10, 9), first=30),))
    (readings,) = weigh(claims_about(160, found), {}, numbered(log), 0)
    assert families_of_members(readings, ("content",), 10) == [()] * 10


def test_member_that_shows_nothing_is_watched() -> None:
    """It is in a campaign, and loses nothing by that."""
    assert Member.judged("a", (), Policy()).verdict is Verdict.WATCH
    assert Member.judged("a", ("content", "rhythm"), Policy()).verdict is Verdict.SLOW
