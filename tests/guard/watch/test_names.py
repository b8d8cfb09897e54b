from pathlib import Path

from gamekeeper.guard.watch.names import Names


def test_campaign_keeps_its_name_while_half_of_it_stays(tmp_path: Path) -> None:
    """Also when it grows, shrinks, or the process is started again."""
    path = tmp_path / "names.json"
    assert Names(path).give([["a", "b", "c", "d"], ["x", "y"]]) == ["K1", "K2"]
    assert Names(path).give([["x", "y", "z", "w"], ["c", "d", "e", "f"]]) == ["K2", "K1"]


def test_another_campaign_gets_another_name(tmp_path: Path) -> None:
    """A name is never used again, or a decision would hold for strangers."""
    names = Names(tmp_path / "names.json")
    names.give([["a", "b", "c"]])
    assert names.give([["p", "q", "r"]]) == ["K2"]
    assert names.give([["a", "b"], ["p", "q"], ["new"]]) == ["K1", "K2", "K3"]


def test_two_halves_do_not_share_a_name(tmp_path: Path) -> None:
    """When a campaign falls in two, one keeps the name."""
    names = Names(None)
    names.give([["a", "b", "c", "d"]])
    assert names.give([["a", "b"], ["c", "d"]]) == ["K1", "K2"]
