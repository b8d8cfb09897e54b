"""Schedules: which account of a group starts the next sitting."""

from collections.abc import Callable

import numpy as np
import pytest

from gamekeeper.linking import LinkSample
from gamekeeper.linking.schedules import (
    MIN_SITTINGS,
    SCHEDULE,
    ScheduleReading,
    Sittings,
    _by_days,
    _by_weeks,
    _days,
    _Hours,
    _idle_and_used,
    _turns,
    own_p_values,
    read_members,
    read_schedule,
    read_sittings,
)

DAY_S = 86_400
MONDAY_S = 1_775_433_600  # 6 April 2026
ACCOUNTS = 12

Chooser = Callable[[np.ndarray, np.ndarray, np.random.Generator], int]
"""The account for the next conversation, by when each was used last and how much."""


def dealt(choose: Chooser, seed: int, conversations: int = 420, days: int = 28) -> Sittings:
    """Conversations of many customers, each given to an account by software."""
    rng = np.random.default_rng(seed)
    start = MONDAY_S + np.sort(rng.uniform(0, days * DAY_S, conversations))
    end = start + rng.exponential(500, conversations)
    last, used = np.full(ACCOUNTS, -np.inf), np.zeros(ACCOUNTS)
    account = np.zeros(conversations, np.int64)
    for number in range(conversations):
        account[number] = choose(last, used, rng)
        last[account[number]] = end[number]
        used[account[number]] += end[number] - start[number] + 60
    return Sittings(account=account, start_s=start, end_s=end, accounts=ACCOUNTS)


def office(seed: int, days: int = 28) -> Sittings:
    """People of one office: its hours, no weekends, and days on which there is much to do."""
    rng = np.random.default_rng(seed)
    busy = rng.lognormal(0, 0.8, days) * (np.arange(days) % 7 < 5)
    drawn = rng.choice(days, 420, p=busy / busy.sum())
    start = np.sort(MONDAY_S + drawn * DAY_S + rng.normal(13, 2, 420) * 3_600)
    account = rng.integers(0, ACCOUNTS, 420)
    return Sittings(account=account, start_s=start, end_s=start + 300, accounts=ACCOUNTS)


def nightly_jobs(seed: int) -> Sittings:
    """Independent jobs, each at a fixed hour of fixed weekdays: one always follows another."""
    rng = np.random.default_rng(seed)
    starts, accounts = [], []
    for account in range(ACCOUNTS):
        weekdays, hour = rng.choice(7, 3, replace=False), rng.uniform(0, 6)
        on = np.flatnonzero(np.isin(np.arange(42) % 7, weekdays))
        starts.append(MONDAY_S + on * DAY_S + hour * 3_600 + rng.normal(0, 120, len(on)))
        accounts.append(np.full(len(on), account))
    start, account = np.concatenate(starts), np.concatenate(accounts)
    order = np.argsort(start)
    return Sittings(
        account=account[order], start_s=start[order], end_s=start[order] + 60, accounts=ACCOUNTS
    )


def read(sittings: Sittings, decoys: int = 199) -> ScheduleReading:
    reading = read_sittings(sittings, np.random.default_rng(9), decoys)
    assert reading is not None
    return reading


def idle_longest(last: np.ndarray, used: np.ndarray, rng: np.random.Generator) -> int:
    return int(last.argmin())


def used_least(last: np.ndarray, used: np.ndarray, rng: np.random.Generator) -> int:
    return int(used.argmin())


def at_random(last: np.ndarray, used: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.integers(ACCOUNTS))


@pytest.mark.parametrize("choose", [idle_longest, used_least])
@pytest.mark.parametrize("seed", [1, 2])
def test_accounts_dealt_by_software_are_told(choose: Chooser, seed: int) -> None:
    """No decoy comes near, whatever the customers do."""
    reading = read(dealt(choose, seed))
    assert reading.p_value == 2 / 200 and reading.statistic > reading.ordinary + 1
    assert reading.which in ("idle", "used", "turn")


def test_one_account_until_its_quota_is_used_up_is_told() -> None:
    """One is in use while the others rest: in turn by the third of a day, all day long."""
    rng = np.random.default_rng(3)
    start = MONDAY_S + np.sort(rng.uniform(0, 28 * DAY_S, 900))
    order = rng.permuted(np.tile(np.arange(ACCOUNTS), (28, 1)), axis=1).reshape(-1)
    account = order[((start - MONDAY_S) // (DAY_S / ACCOUNTS)).astype(int)]
    sittings = Sittings(account=account, start_s=start, end_s=start + 1_000, accounts=ACCOUNTS)
    reading = read(sittings)
    assert reading.which == "apart" and reading.p_value <= 0.02


@pytest.mark.parametrize("ordinary", [office, nightly_jobs, lambda s: dealt(at_random, s)])
def test_accounts_on_their_own_are_ordinary(ordinary: Callable[[int], Sittings]) -> None:
    """Common hours, weekends and busy days, and jobs by the clock, are not a schedule."""
    assert min(read(ordinary(seed), 99).p_value for seed in range(6)) > 0.02


def test_ordinary_group_costs_few_decoys() -> None:
    """Twenty decoys as strong settle it: p is then a share of at most a hundred."""
    few, many = read(office(1), 999), read(office(1), 9_999)
    assert few == many


def test_too_few_accounts_sittings_or_days_are_not_read() -> None:
    """None, and not "ordinary"."""
    whole = dealt(idle_longest, 1)
    few = MIN_SITTINGS - 1
    short = Sittings(
        account=whole.account[:few],
        start_s=whole.start_s[:few],
        end_s=whole.end_s[:few],
        accounts=ACCOUNTS,
    )
    three = Sittings(
        account=whole.account % 3, start_s=whole.start_s, end_s=whole.end_s, accounts=3
    )
    two_days = dealt(idle_longest, 1, days=2)
    for sittings in (short, three, two_days):
        assert read_sittings(sittings, np.random.default_rng(0)) is None


def test_innocents_in_the_group_of_a_pool_do_not_show_it_themselves() -> None:
    """The group is dealt, and it is the pool's accounts that show it: not the office's."""
    pool, people = dealt(idle_longest, 7), office(7)
    start = np.concatenate([pool.start_s, people.start_s])
    order = np.argsort(start)
    both = Sittings(
        account=np.concatenate([pool.account, people.account + ACCOUNTS])[order],
        start_s=start[order],
        end_s=np.concatenate([pool.end_s, people.end_s])[order],
        accounts=2 * ACCOUNTS,
    )
    assert read(both).p_value == 2 / 200
    own = own_p_values(both, np.random.default_rng(9), 99)
    assert (own[:ACCOUNTS] <= 0.05).mean() > 0.8
    assert (own[ACCOUNTS:] > 0.05).all()


def test_account_with_too_few_sittings_is_not_read_by_itself() -> None:
    """NaN, and not "innocent"."""
    pool = dealt(idle_longest, 8)
    kept = (pool.account > 0) | (np.cumsum(pool.account == 0) <= 4)
    few = Sittings(
        account=pool.account[kept],
        start_s=pool.start_s[kept],
        end_s=pool.end_s[kept],
        accounts=ACCOUNTS,
    )
    own = own_p_values(few, np.random.default_rng(9), 19)
    assert np.isnan(own[0]) and not np.isnan(own[1:]).any()


def test_moved_days_keep_hours_weeks_and_what_is_at_the_ends() -> None:
    """Weeks keep the weekday; days keep the week, and working days apart from weekends."""
    sittings = dealt(at_random, 4)
    day = _days(sittings)
    weeks = _by_weeks(sittings, day).draw(np.random.default_rng(0), 50)
    days = _by_days(sittings, day).draw(np.random.default_rng(0), 50)
    assert weeks.any() and not (weeks % 7).any()
    assert days.any() and ((day + 3) // 7 == (day + days + 3) // 7).all()
    assert (((day + 3) % 7 >= 5) == ((day + days + 3) % 7 >= 5)).all()
    for moved in (weeks, days):
        for account in range(ACCOUNTS):
            own = sittings.account == account
            there = (day + moved)[:, own]
            assert (there.min(axis=1) == day[own].min()).all()
            assert (there.max(axis=1) == day[own].max()).all()


def test_places_change_only_among_accounts_that_could_have_had_them() -> None:
    """Each account keeps its number of sittings in each window, and never meets itself there."""
    sittings = dealt(at_random, 5)
    changes = _Hours(sittings, 7_200)
    window = (sittings.start_s // 7_200).astype(int)
    drawn = changes.draw(np.random.default_rng(0), 20)
    assert changes.movable and (drawn != sittings.account).any()
    was = sorted(zip(window, sittings.account, strict=True))
    for accounts in drawn:
        assert sorted(zip(window, accounts, strict=True)) == was
        again = Sittings(
            account=accounts, start_s=sittings.start_s, end_s=sittings.end_s, accounts=ACCOUNTS
        )
        assert _Hours(again, 7_200).movable == changes.movable


def test_traces_are_what_they_say() -> None:
    """Against a count by hand: idle of A B C A is 0 to all for the last; A B twice is one pair."""
    account = np.array([[0, 1, 2, 0, 1]])
    idle, used = _idle_and_used(account, np.ones((1, 5)), 3)
    # first starts count by account number: 0, 1 and 2 ranks; then two others since, twice
    assert idle == (0 + 1 + 2 + 2 + 2) / (5 * 2)
    # others used more: 0; A; A and B; none; A
    assert used == (0 + 1 + 2 + 0 + 1) / (5 * 2)
    assert _turns(np.array([[0, 1, 2, 0, 1, 0, 1, 1, 1]]), 3) == 3


def sample_of(pool: Sittings) -> LinkSample:
    """Its sittings as exchanges of accounts 1, 3, 5, ..., and a stranger's."""
    times = np.concatenate([pool.start_s, pool.end_s]).astype(np.int64)
    accounts = np.concatenate([pool.account, pool.account]) * 2 + 1
    strangers = MONDAY_S + np.arange(200) * 9_000
    times = np.concatenate([times, strangers])
    accounts = np.concatenate([accounts, np.zeros(200, np.int64)])
    order = np.lexsort((times, accounts))
    return LinkSample(
        accounts=accounts[order],
        account_count=2 * ACCOUNTS,
        time_s=times[order],
        vectors=np.zeros((len(times), 2), np.float32),
        prompts=np.arange(len(times)),
        without_text=np.zeros(len(times), bool),
        fragments=None,  # type: ignore[arg-type] # no text is read
        payloads=None,  # type: ignore[arg-type]
    )


def test_sample_is_read_by_its_accounts() -> None:
    """A group within a sample reads as the same sittings do by themselves."""
    sample = sample_of(dealt(idle_longest, 6))
    members = np.arange(ACCOUNTS) * 2 + 1
    reading = read_schedule(sample, members, np.random.default_rng(9), 199)
    assert reading is not None and reading.p_value == 2 / 200
    assert f"of {ACCOUNTS} accounts" in reading.says
    own = read_members(sample, members, np.random.default_rng(9), 19)
    assert own.shape == members.shape and np.nanmedian(own) <= 0.05
    read_sittings_of = Sittings.of(sample, members)
    assert (np.diff(read_sittings_of.start_s) >= 0).all()
    assert set(read_sittings_of.account) == set(range(ACCOUNTS))


def test_card_says_who_looks_alike() -> None:
    """One operator is not a thief."""
    assert SCHEDULE.family == "schedule" and "one operator" in SCHEDULE.look_alikes
