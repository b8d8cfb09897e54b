"""The prompts of planted campaigns, and what a hunt says and returns that found nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper.hunt.planting import planted_deck
from gamekeeper.simulate import LabelledTraffic
from hunt.test_hunt import row, written


def test_planted_prompts_are_all_different_and_the_same_again() -> None:
    """Two campaigns share next to none, so that neither is taken for the other."""
    decks = [planted_deck(number, 200, 3) for number in range(4)]
    assert all(len(set(deck)) == 200 for deck in decks)
    assert len(set().union(*decks)) >= 790
    assert decks[1] == planted_deck(1, 200, 3) != planted_deck(1, 200, 4)


@pytest.mark.parametrize("exit_zero", [False, True])
def test_hunt_that_could_find_nothing_says_so_first(tmp_path: Path, exit_zero: bool) -> None:
    """Exit 5, a headline of its own, and `power` for programs; a pipeline does not go green."""
    log = written(tmp_path, [row(i, f"a{i % 12}") for i in range(48)])
    words = ["hunt", log, "--out", str(tmp_path / "out"), "--encoder", "hashing"]
    done = CliRunner().invoke(app, words + ["--exit-zero"] * exit_zero)
    assert done.exit_code == (0 if exit_zero else 5), done.output
    first = done.stdout.strip().splitlines()[0]
    assert first.startswith("No campaign found, and none could have been")
    assert "because" in done.stdout and "try " in done.stdout
    power = json.loads((tmp_path / "out" / "campaigns.json").read_text())["power"]
    assert power["smallest"] is None and power["why"] and power["remedy"]
    assert power["planted"] == [
        {"accounts": 8, "exchanges_each": 20, "exchanges": 160, "found": False}
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "This does not say that nothing happened" in page


@pytest.mark.slow
def test_hunt_that_found_nothing_says_what_it_could_have_found(
    month: LabelledTraffic, tmp_path: Path
) -> None:
    """The month without its campaigns: a planted one of some size is found, exit 0."""
    people = month.labels.filter(month.labels["campaign"].is_null())
    log = written(tmp_path, month.exchanges.join(people, on="account", how="semi"))
    done = CliRunner().invoke(app, ["hunt", log, "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    power = json.loads(done.stdout)["power"]
    assert power["smallest"]["accounts"] >= 8
