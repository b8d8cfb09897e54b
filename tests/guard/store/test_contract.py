"""What every store does, whether one machine has it or replicas share it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gamekeeper.guard.store import SlowedState, SlowedStore, Spent, SqliteStore, Store, open_store
from gamekeeper.guard.store.memory import MemoryStore
from guard.store.servers import Server

DAY = "2026-11-23"
NOW = 1_795_000_000.0
Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.extra)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store again and again, as replicas or the command line do."""
    state = str(tmp_path)
    if request.param == "redis":
        server: Server = request.getfixturevalue("server")
        state = server.url
    stores: list[Store] = []

    def open_again() -> Store:
        stores.append(open_store(state))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


def at_once(count: int, call: Callable[[], bool]) -> int:
    """How often a call said yes, made by so many threads at once."""
    with ThreadPoolExecutor(count) as pool:
        return sum(each.result() for each in [pool.submit(call) for _ in range(count)])


def test_record_comes_back_as_it_was(opened: Open) -> None:
    """Any bytes under any name, in its own table, for whoever opens the store next."""
    one = opened()
    record = bytes(range(256))
    one.put("keys", "a:b c/ä", record)
    one.put("decisions", "a:b c/ä", b"other")
    assert opened().load("keys") == {"a:b c/ä": record}
    assert one.load("lifted") == {}


def test_record_is_replaced_and_removed(opened: Open) -> None:
    """Removing tells whether there was one."""
    store = opened()
    store.put("keys", "k", b"1")
    store.put("keys", "k", b"2")
    assert store.load("keys") == {"k": b"2"}
    assert store.delete("keys", "k") is True
    assert store.delete("keys", "k") is False
    assert store.load("keys") == {}


def test_new_record_never_replaces_one(opened: Open) -> None:
    """The first stands."""
    store = opened()
    assert store.put_new("keys", "k", b"1") is True
    assert opened().put_new("keys", "k", b"2") is False
    assert store.load("keys") == {"k": b"1"}


def test_one_of_eight_writes_the_new_record(opened: Open) -> None:
    """A secret that all replicas share is drawn once."""
    one = opened()
    two = opened()
    stores = iter([one, two] * 4)
    assert at_once(8, lambda: next(stores).put_new("keys", "secret", b"x")) == 1


@pytest.mark.parametrize("change", ["put", "put_new", "delete"])
def test_version_changes_when_another_connection_writes(opened: Open, change: str) -> None:
    """That is how a replica learns of a decision, and of a key that was revoked."""
    mine = opened()
    others = opened()
    mine.put("decisions", "old", b"1")
    before = mine.version()
    assert mine.version() == before
    {
        "put": lambda: others.put("decisions", "new", b"2"),
        "put_new": lambda: others.put_new("decisions", "new", b"2"),
        "delete": lambda: others.delete("decisions", "old"),
    }[change]()
    assert mine.version() != before


def test_counters_of_two_replicas_add_up(opened: Open) -> None:
    """Each sends what it counted itself."""
    one = opened()
    two = opened()
    one.add(DAY, {"acme": Spent(1, 20, 300, 4), "umbrella": Spent(requests=1)})
    two.add(DAY, {"acme": Spent(2, 10, 0, 0)})
    one.add(DAY, {"acme": Spent(1, 0, 0, 1)})
    for store in (one, two):
        assert store.spent(DAY) == {"acme": Spent(4, 30, 300, 5), "umbrella": Spent(requests=1)}


def test_counters_of_a_day_stay_its_own(opened: Open) -> None:
    """Midnight begins anew."""
    store = opened()
    store.add(DAY, {"acme": Spent(1)})
    assert store.spent("2026-11-24") == {}


def test_counters_from_eight_threads_lose_nothing(opened: Open) -> None:
    """Two replicas flush at the same moment, often."""
    stores = [opened(), opened()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: stores[n % 2].add(DAY, {"acme": Spent(1, n, 0, 0)}), range(64)))
    assert stores[0].spent(DAY) == {"acme": Spent(64, sum(range(64)), 0, 0)}


def test_account_may_have_any_printable_name(opened: Open) -> None:
    """A name with the signs that a store might use itself."""
    names = {f"requests:a{sign}b": Spent(1, 2, 3, 4) for sign in ":*{}'% 🦊"}
    store = opened()
    store.add(DAY, names)
    assert store.spent(DAY) == names


def test_many_accounts_come_back_whole(opened: Open) -> None:
    """More than are sent or asked for at once."""
    many = {f"a{n}": Spent(1, n, 0, 0) for n in range(12_001)}
    store = opened()
    store.add(DAY, many)
    assert store.spent(DAY) == many


def test_token_is_used_for_the_first_time_once(opened: Open) -> None:
    """A proof that is replayed to another replica at the same moment does not count there."""
    one = opened()
    two = opened()
    stores = iter([one, two] * 4)
    assert at_once(8, lambda: next(stores).first_use("jti", now=NOW, expires=NOW + 60)) == 1
    assert one.first_use("another", now=NOW, expires=NOW + 60) is True


def test_state_of_another_format_is_not_touched(tmp_path: Path) -> None:
    """Rather no guard than one that reads its state wrongly."""
    import sqlite3

    from gamekeeper.base.errors import InputError

    SqliteStore(tmp_path / "guard.sqlite").close()
    with sqlite3.connect(tmp_path / "guard.sqlite") as db:
        db.execute("update meta set value = 'gamekeeper/guard-state@9'")
    db.close()
    with pytest.raises(InputError, match="guard-state@9"):
        open_store(str(tmp_path))


def test_count_neither_overflows_nor_falls_below_nothing(opened: Open) -> None:
    """One account's absurd count must not keep those of others from being stored, ever."""
    store = opened()
    for _ in range(3):
        store.add(DAY, {"acme": Spent(1, 2**53, -7), "other": Spent(1)})
    assert store.spent(DAY) == {"acme": Spent(3, 2**53, 0), "other": Spent(3)}
    store.add(DAY, {"acme": Spent(-9, -5)})
    assert store.spent(DAY)["acme"] == Spent(0, 2**53 - 5, 0)


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_buckets_of_slowed_accounts_come_back_and_old_ones_go(kind: str, tmp_path: Path) -> None:
    """To the last bit: what is rounded up would be a token more."""
    store = SqliteStore(tmp_path / "s.sqlite") if kind == "sqlite" else MemoryStore()
    assert isinstance(store, SlowedStore)
    old = SlowedState(NOW - 100, (1.0, 2.0))
    state = SlowedState(NOW + 0.1, (-1 / 3, 2e-17), 7)
    store.keep_slowed({"old": old, "a": SlowedState(NOW, (3.0,))}, NOW - 200)
    store.keep_slowed({"a": state}, NOW - 50)
    assert store.slowed() == {"a": state}
    store.close()
    if kind == "sqlite":
        again = SqliteStore(tmp_path / "s.sqlite")
        assert again.slowed() == {"a": state}
        again.close()
