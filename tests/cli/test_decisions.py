"""`gamekeeper decisions`, each verb for each exit code."""

import json
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gamekeeper._cli import decisions as cli
from gamekeeper.base.errors import GamekeeperError
from gamekeeper.casebook import Casebook, verify_casebook
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import SqliteStore
from guard.builders import Kept, make_decision, make_tracked

WHO = ("--why", "they asked", "--by", "ada")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "guard.sqlite").close()
    return tmp_path


def run(state: Path, *words: str) -> tuple[int, str]:
    """Exit code, and what was printed or said."""
    app = typer.Typer()
    app.add_typer(cli.app, name=cli.NAME)
    result = CliRunner().invoke(app, ["decisions", *words, "--state", str(state)])
    if isinstance(result.exception, GamekeeperError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def read(state: Path, *words: str) -> dict[str, object]:
    code, out = run(state, *words, "--json")
    assert code == 0, out
    document: dict[str, object] = json.loads(out)
    return document


def seen(state: Path, kept: Kept | None = None) -> Decisions:
    """The decisions as a guard on the same store sees them."""
    decisions = Decisions(SqliteStore(state / "guard.sqlite"), Ladder(), (kept or Kept()).record)
    decisions.refresh(time.time())
    return decisions


def test_a_running_guard_sees_what_was_added(state: Path) -> None:
    """What the command line decides holds for the account in a guard that looked before."""
    kept = Kept()
    guard = seen(state, kept)

    run(state, "add", "account:acme", "slow", *WHO)
    guard.refresh(time.time())

    held = guard.of("acme", time.time())
    assert held is not None
    assert (str(held.verdict), held.by, held.reasons) == ("slow", "ada", ("they asked",))
    assert [kind for kind, _, _ in kept.entries] == ["decision"]


def test_the_same_decision_is_never_made_twice(state: Path) -> None:
    """The second time says that it is not new, and a shorter time does not shorten it."""
    first = read(state, "add", "account:acme", "slow", *WHO, "--hours", "24")
    second = read(state, "add", "account:acme", "slow", *WHO, "--hours", "1")

    assert (first["is_new"], second["is_new"]) == (True, False)
    assert second["decision"] == first["decision"]
    assert len(seen(state).all) == 1


def test_deleting_lifts_in_the_guard_with_the_reason_on_record(state: Path) -> None:
    """A guard that knew the decision records who lifted it and why."""
    id = read(state, "add", "account:acme", "deny", *WHO)["decision"]["id"]  # type: ignore[index]
    kept = Kept()
    guard = seen(state, kept)

    code, _ = run(state, "delete", id, "--why", "a class", "--by", "bo")
    guard.refresh(time.time())

    assert code == 0
    assert guard.of("acme", time.time()) is None
    kind, subject, body = kept.entries[-1]
    assert (kind, subject, body["by"], body["why"]) == (
        "decision-lifted",
        "account:acme",
        "bo",
        "a class",
    )


def test_without_a_guard_the_command_line_keeps_the_casebook(state: Path) -> None:
    """Who made and who lifted a decision, and why, is in the record although no guard stood; the
    record holds.
    """
    Casebook.open(state / "casebook").close()
    added = read(state, "add", "account:acme", "slow", *WHO)["decision"]
    assert isinstance(added, dict)

    assert run(state, "delete", added["id"], "--why", "a class", "--by", "bea")[0] == 0

    entries = [
        json.loads(line) for line in (state / "casebook" / "entries.jsonl").read_text().splitlines()
    ]
    made, lifted = entries[-2:]
    assert (made["kind"], made["subject"], made["body"]["by"]) == (
        "decision",
        "account:acme",
        "ada",
    )
    assert (lifted["kind"], lifted["body"]["by"], lifted["body"]["why"]) == (
        "decision-lifted",
        "bea",
        "a class",
    )
    verify_casebook(state / "casebook")


def test_beside_a_guard_the_command_line_leaves_the_casebook_to_it(state: Path) -> None:
    """A casebook that a guard writes gets no second hand, and the decision is made all the same."""
    with Casebook.open(state / "casebook") as casebook:
        before = casebook.size

        assert run(state, "add", "account:acme", "slow", *WHO)[0] == 0

    assert len((state / "casebook" / "entries.jsonl").read_text().splitlines()) == before


def test_a_campaign_must_have_been_found(state: Path) -> None:
    """Its decision holds for its members; a campaign that nobody found is a wrong use."""
    seen(state).track([make_tracked("K1", ("a", "b"))], time.time())

    assert run(state, "add", "campaign:K2", "slow", *WHO)[0] == 2
    assert run(state, "add", "campaign:K1", "deny", *WHO)[0] == 0

    held = seen(state).of("b", time.time())
    assert held is not None
    assert held.verdict == "deny"


def test_list_is_strictest_first_and_leaves_out_what_ended(state: Path) -> None:
    """What ended is not listed, nor removed: the guard ends it and records that."""
    guard = seen(state)
    guard.add(make_decision(account="old", since=1.0, until=2.0))
    run(state, "add", "account:a", "watch", *WHO)
    run(state, "add", "account:b", "deny", *WHO)

    rows = read(state, "list")["decisions"]

    assert [row["subject"] for row in rows] == ["account:b", "account:a"]  # type: ignore[attr-defined]


def test_a_hostile_name_does_not_steer_the_terminal(state: Path) -> None:
    """Escape sequences and right-to-left marks in an account's name are shown, not sent."""
    run(state, "add", "account:x\x1b[2J\u202eevil\n", "slow", *WHO)

    _, out = run(state, "list")

    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("add", "acme", "slow", *WHO),
        ("add", "account:acme", "allow", *WHO),
        ("add", "account:acme", "slow", *WHO, "--hours", "0"),
        ("add", "account:acme", "slow", *WHO, "--hours", "nan"),
        ("add", "account:acme", "slow", *WHO, "--challenge", "proof"),
        ("add", "account:acme", "challenge", *WHO, "--challenge", "tea"),
        ("add", "account:acme", "slow", "--why", "x", "--by", "guard"),
        ("add", "account:acme", "slow", "--why", " ", "--by", "ada"),
        ("add", "account:acme", "slow"),
        ("delete", "nothing", *WHO),
        ("delete", "nothing", "--why", "", "--by", "ada"),
    ],
)
def test_wrong_use_is_refused_and_changes_nothing(state: Path, words: tuple[str, ...]) -> None:
    """Exit code 2, and nothing holds."""
    assert run(state, *words)[0] == 2
    assert seen(state).all == {}


def test_a_state_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Exit code 3; a mistyped folder does not become an empty state."""
    code, said = run(tmp_path / "none", "list")

    assert code == 3
    assert "no such folder" in said and not (tmp_path / "none").exists()
    assert not (tmp_path / "none").exists()
