import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.base.clock import day_of
from gamekeeper.guard.budgets.accounts import Account, Accounts
from gamekeeper.guard.store import Spent
from guard.builders import NOW

TODAY = day_of(NOW)


def accounts(limit: int = 10, **spent: Spent) -> Accounts:
    return Accounts(dict(spent), TODAY, limit)


def test_longest_idle_gives_way_and_keeps_what_it_spent() -> None:
    """A million accounts a day do not stay in memory, and none gets its budget twice."""
    kept = accounts(limit=2)
    kept.charge("a", Spent(requests=3))
    kept.of("b")
    kept.of("a")
    kept.of("c")  # b, idle longest, gives way
    kept.of("d")  # then a
    assert len(kept) == 2
    assert kept.of("a").spent.requests == 3
    assert kept.unsaved() == {"a": Spent(requests=3)}


def test_what_could_not_be_saved_is_taken_back() -> None:
    """Counters survive a store that is gone for a while."""
    kept = accounts()
    kept.charge("a", Spent(requests=1))
    unsaved = kept.unsaved()
    kept.charge("a", Spent(requests=2))
    kept.restore(unsaved)
    assert kept.unsaved() == {"a": Spent(requests=3)} and kept.unsaved() == {}


def test_day_that_is_past_never_comes_back() -> None:
    """A clock that is set back renews nobody's budget."""
    kept = accounts()
    kept.charge("a", Spent(requests=5))
    kept.unsaved()
    assert not kept.turn(NOW - 86_400) and kept.of("a").spent.requests == 5
    assert kept.turn(NOW + 86_400) and kept.of("a").spent.requests == 0
    assert not kept.turn(NOW)


@given(st.lists(st.floats(0, 30), max_size=60), st.floats(0.05, 5), st.integers(1, 5))
def test_bucket_never_lets_through_more_than_rate_and_burst(
    pauses: list[float], rate: float, burst: int
) -> None:
    """Requests that did not have to wait are no more than the burst and what was refilled since."""
    account = Account("a", Spent())
    now = NOW
    passed = 0
    for pause in pauses:
        now += pause
        if account.wait_s(now, [(rate, burst)]) == 0:
            passed += 1
        else:
            account.give_back()
    assert passed <= burst + rate * (now - NOW) + 1e-6


def test_slower_bucket_decides() -> None:
    """Ten a day are ten a day, however seldom they come in a minute."""
    account = Account("a", Spent())
    waits = [account.wait_s(NOW + 3600 * i, [(0.1, 3), (2 / 86_400, 2)]) for i in range(4)]
    assert waits[0] == waits[1] == 0 and waits[2] > 30_000


def test_hundred_thousand_accounts_take_little_memory() -> None:
    """Under 100 MB in the process that requests go through; names included."""
    tracemalloc.start()
    kept = accounts(limit=200_000)
    for i in range(20_000):
        kept.charge(f"account-{i:08d}", Spent(1, 2, 3, 4))
    kept.unsaved()
    bytes_each = tracemalloc.get_traced_memory()[0] / 20_000
    tracemalloc.stop()
    assert bytes_each < 1_000
