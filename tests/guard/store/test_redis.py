"""What can go wrong with a server: it dies, hangs, wakes up, refuses, comes back empty."""

import logging
from time import monotonic

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.guard.store import SharedStore, Spent, Store, StoreGoneError, open_store
from gamekeeper.guard.store.redis import RedisStore
from guard.store.servers import Server

pytestmark = pytest.mark.extra

DAY = "2026-11-23"
NOW = 1_795_000_000.0
CALLS = {
    "load": lambda store: store.load("keys"),
    "put": lambda store: store.put("keys", "k", b"1"),
    "put_new": lambda store: store.put_new("keys", "k", b"1"),
    "delete": lambda store: store.delete("keys", "k"),
    "version": lambda store: store.version(),
    "add": lambda store: store.add(DAY, {"acme": Spent(1)}),
    "spent": lambda store: store.spent(DAY),
    "changed": lambda store: store.changed(DAY, 0),
    "first_use": lambda store: store.first_use("t", now=NOW, expires=NOW + 9),
}


def gone_after_s(store: Store, call: str) -> float:
    began = monotonic()
    with pytest.raises(StoreGoneError):
        CALLS[call](store)
    return monotonic() - began


def test_server_that_was_killed_is_gone_and_comes_back(server: Server) -> None:
    """Every call says so within two seconds, and works again by itself; what was written is still
    there.
    """
    store = RedisStore(server.url)
    store.put("keys", "kept", b"1")
    store.add(DAY, {"acme": Spent(3)})
    server.kill()
    assert max(gone_after_s(store, call) for call in CALLS) < 2
    server.start()
    assert store.load("keys") == {"kept": b"1"}
    store.add(DAY, {"acme": Spent(2)})  # the one that failed came first: 1 of it
    assert store.spent(DAY) == {"acme": Spent(5)}
    store.close()


@pytest.mark.parametrize("call", ["load", "add"])
def test_server_that_hangs_does_not_hang_the_guard(server: Server, call: str) -> None:
    """It accepts connections and answers nothing."""
    store = RedisStore(server.url)
    server.hang()
    assert gone_after_s(store, call) < 2
    server.wake()
    store.close()


def test_what_a_hanging_server_takes_in_late_counts_once(server: Server) -> None:
    """Each retry brings the same counts and more; all of them reach the server when it wakes up."""
    store = RedisStore(server.url)
    store.add(DAY, {"acme": Spent(10)})
    server.hang()
    for unsaved in (1, 2, 3):
        with pytest.raises(StoreGoneError):
            store.add(DAY, {"acme": Spent(unsaved, 7 * unsaved), "late": Spent(unsaved)})
    server.wake()
    store.add(DAY, {"acme": Spent(4, 28), "late": Spent(4)})
    assert store.spent(DAY) == {"acme": Spent(14, 28), "late": Spent(4)}
    store.add(DAY, {"acme": Spent(1)})
    assert store.spent(DAY)["acme"] == Spent(15, 28)
    store.close()


def test_only_what_changed_is_told(server: Server) -> None:
    """Once for each account, however often it was charged; in full, whoever charged it."""
    one = RedisStore(server.url)
    two = RedisStore(server.url)
    assert isinstance(one, SharedStore)
    one.add(DAY, {"a": Spent(1), "b": Spent(1), "c": Spent(1)})
    at, spent = two.changed(DAY, 0)
    assert spent == {"a": Spent(1), "b": Spent(1), "c": Spent(1)}
    assert two.changed(DAY, at).spent == {}
    one.add(DAY, {"b": Spent(1)})
    two.add(DAY, {"b": Spent(1), "d": Spent(cells=5)})
    later, spent = two.changed(DAY, at)
    assert spent == {"b": Spent(3), "d": Spent(cells=5)}
    assert two.changed(DAY, later).spent == {}
    for store in (one, two):
        store.close()


def test_server_that_lost_everything_is_asked_anew(server: Server) -> None:
    """Numbers begin again at 1 there: what one remembers of them must not hide what is new."""
    store = RedisStore(server.url)
    version = store.version()
    store.add(DAY, {f"a{n}": Spent(1) for n in range(10)})
    at = store.changed(DAY, 0).at
    store._redis.flushall()
    store.add(DAY, {"b": Spent(1)})
    assert store.changed(DAY, at).spent == {"b": Spent(1)}
    store.put("keys", "k", b"1")
    assert store.version() != version
    store.close()


def test_counters_and_used_tokens_do_not_stay_for_ever(server: Server) -> None:
    """The server's memory is bounded by what happened lately."""
    store = RedisStore(server.url)
    store.add(DAY, {"acme": Spent(1)})
    store.first_use("jti", now=NOW, expires=NOW + 60)
    lives = {key.decode(): store._redis.ttl(key) for key in store._redis.keys("gamekeeper:*")}
    assert {key for key, seconds in lives.items() if seconds == -1} == {
        "gamekeeper:format",
        "gamekeeper:version",
    }
    assert 0 < lives["gamekeeper:used:jti"] <= 60
    assert all(0 < seconds <= 3 * 86_400 for seconds in lives.values() if seconds != -1)
    store.close()


def test_state_of_another_format_is_refused(server: Server) -> None:
    """A database that something else uses, or a later version of ours."""
    first = RedisStore(server.url)
    first._redis.set("gamekeeper:format", b"gamekeeper/guard-state@9")
    first.close()
    with pytest.raises(InputError, match="guard-state@9"):
        open_store(server.url)


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@[::1", "http://u:hunter2@host/0", "redis://u:hunter2@host:port/0"]
)
def test_password_of_a_wrong_url_is_not_told(url: str, server: Server) -> None:
    """Faults end in logs and terminals."""
    with pytest.raises(InputError) as raised:
        RedisStore(url)
    assert "hunter2" not in str(raised.value) and raised.value.__suppress_context__


def test_password_is_not_told_when_the_server_is_not_there(
    caplog: pytest.LogCaptureFixture, server: Server
) -> None:
    """Nor by the store's own name."""
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreGoneError) as raised:
        RedisStore("redis://user:hunter2@127.0.0.1:9/0")
    assert "hunter2" not in f"{raised.value}{caplog.text}"
    store = RedisStore(server.url)
    assert str(server.socket) not in repr(store)
    store.close()


def test_refusal_of_the_server_is_a_store_that_is_gone(server: Server) -> None:
    """A full server, a missing right: the guard must do what its policy says for that."""
    store = RedisStore(server.url)
    store._redis.config_set("maxmemory", "1")
    with pytest.raises(StoreGoneError):
        store.put("keys", "k", b"1")
    store.close()
