"""Ids of stored objects belong to the account that they were given to."""

from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.guard.identity import ObjectIds

IDS = ObjectIds(b"k" * 32)
names = st.text(min_size=1, max_size=20)
ids = st.text(alphabet="abcdefghij0123456789_-.", min_size=1, max_size=40)


@given(names, ids)
def test_account_gets_back_what_it_was_given(account: str, id: str) -> None:
    """Whatever characters an id has."""
    assert IDS.own(account, IDS.tagged(account, id)) == id


@given(names, names, ids)
def test_no_other_account_does(one: str, other: str, id: str) -> None:
    """Nor anybody who knows the id alone."""
    if one != other:
        assert IDS.own(other, IDS.tagged(one, id)) is None
    assert IDS.own(one, id) is None


def test_name_and_id_cannot_be_cut_elsewhere() -> None:
    """`ab` + `c` is not `a` + `bc`."""
    tag = IDS.tagged("ab", "c").removeprefix("c")
    assert IDS.own("a", "bc" + tag) is None


def test_another_state_has_other_tags() -> None:
    """The key is the state's own."""
    assert ObjectIds(b"j" * 32).own("acme", IDS.tagged("acme", "resp_1")) is None
