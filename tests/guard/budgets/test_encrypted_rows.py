"""Budgets of rows, over a key's life."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.guard.budgets.encrypted_rows import RowLedger
from gamekeeper.guard.store import SqliteStore
from gamekeeper.guard.store.memory import MemoryStore


def test_rows_are_taken_until_there_are_none(tmp_path: Path) -> None:
    """Requests count by their rows, not one each."""
    ledger = RowLedger(SqliteStore(tmp_path / "guard.sqlite"))
    assert [ledger.take("k", rows, 10) for rows in (4, 4, 4, 2, 1)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert ledger.spent("k") == 10


def test_a_budget_is_for_life(tmp_path: Path) -> None:
    """Another process, another day: what was spent stays spent."""
    assert RowLedger(SqliteStore(tmp_path / "guard.sqlite")).take("k", 7, 10)
    later = RowLedger(SqliteStore(tmp_path / "guard.sqlite"))
    assert later.spent("k") == 7
    assert not later.take("k", 4, 10)
    assert later.take("k", 3, 10) and later.take("other", 10, 10)


def test_what_got_no_answer_is_put_back(tmp_path: Path) -> None:
    """And may be spent again."""
    ledger = RowLedger(SqliteStore(tmp_path / "guard.sqlite"))
    assert ledger.take("k", 10, 10)
    ledger.give_back("k", 10)
    assert ledger.take("k", 10, 10)


def test_failures_do_not_fill_the_store(tmp_path: Path) -> None:
    """Each leaves two records; beyond a thousand, what fails is charged, and a budget ends that
    too.
    """
    store = MemoryStore()
    ledger = RowLedger(store)
    for _ in range(2_000):
        if ledger.take("k", 1, 10):
            ledger.give_back("k", 1)
    assert len(store.load("encrypted-rows")) < 1_100
    assert ledger.spent("k") == 10
    assert ledger.take("other", 10, 10)


@pytest.mark.parametrize("count", [2, 5])
def test_processes_cannot_overdraw_together(tmp_path: Path, count: int) -> None:
    """Each with its own memory of what was spent, on one file."""
    path = tmp_path / "guard.sqlite"
    ledgers = [RowLedger(SqliteStore(path)) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        taken = list(pool.map(lambda at: ledgers[at % count].take("k", 1, 10), range(40)))
    assert sum(taken) == 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), max_size=30), st.integers(0, 12)
)
def test_no_key_is_ever_above_its_budget(asked: list[tuple[str, int]], most: int) -> None:
    """Whatever the order; and each that fits is taken."""
    ledger = RowLedger(MemoryStore())
    spent = {"a": 0, "b": 0}
    for key, rows in asked:
        fits = spent[key] + rows <= most
        assert ledger.take(key, rows, most) == fits
        spent[key] += rows * fits
        assert ledger.spent(key) == spent[key] <= most
