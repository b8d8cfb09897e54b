"""A map that never grows beyond its bound."""

from gamekeeper.guard.identity.bounded import Bounded


def test_the_least_recently_used_goes_first() -> None:
    """Looking at an entry uses it; asking for one that is not there changes nothing."""
    bounded: Bounded[str, int] = Bounded(2)
    bounded.put("a", 1)
    bounded.put("b", 2)
    assert (bounded.get("a"), bounded.get("c")) == (1, None)
    bounded.put("c", 3)
    assert [bounded.get(key) for key in "abc"] == [1, None, 3]


def test_it_never_holds_more_than_its_capacity() -> None:
    """By whichever door entries come."""
    bounded: Bounded[int, int] = Bounded(10)
    for n in range(1_000):
        bounded.put(n, n)
        bounded.put_new(-n, n)
        assert len(bounded) <= 10


def test_a_new_entry_is_told_from_one_that_is_there() -> None:
    """What is there stays as it is, until it is dropped."""
    bounded: Bounded[str, int] = Bounded(2)
    assert bounded.put_new("a", 1) and not bounded.put_new("a", 2)
    assert bounded.get("a") == 1
    bounded.drop("a")
    bounded.drop("a")
    assert bounded.put_new("a", 3) and bounded.get("a") == 3
    bounded.clear()
    assert len(bounded) == 0
