"""`gamekeeper verify casebook` as a user runs it: what it prints and how it exits."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from casebook.builders import lines_of, make_casebook, rewritten
from gamekeeper._cli import verify
from gamekeeper.base.errors import GamekeeperError
from gamekeeper.casebook import read_head, verify_entry
from gamekeeper.casebook.proofs import EntryProof

APP = typer.Typer()
APP.add_typer(verify.app, name=verify.NAME)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return make_casebook(tmp_path / "book")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(APP, ["verify", "casebook", *map(str, words)])


def code(result: Result) -> int:
    """The exit code that the command line gives the error."""
    return (
        result.exception.exit_code
        if isinstance(result.exception, GamekeeperError)
        else result.exit_code
    )


def test_what_holds_exits_0_and_says_what_was_checked(book: Path) -> None:
    """And what was not, with the option that would."""
    done = run(book)
    assert code(done) == 0
    for part in (
        "holds",
        "entries   9, 2026-11-02T00:30:01",
        "heads     4 signed",
        "--public-key",
        "--head",
    ):
        assert part in done.stdout
    kept = book.parent / "kept.json"
    kept.write_bytes(lines_of(book / "heads.jsonl")[1])
    done = run(book, "--public-key", book / "key.pub.pem", "--head", kept)
    assert (
        code(done) == 0
        and "as given" in done.stdout
        and "continues the kept head over 4 lines" in done.stdout
    )
    assert "--head" not in done.stdout
    assert run(book, "--quiet").stdout == ""


def test_json_holds_the_same(book: Path) -> None:
    """One document with a schema; the entry in it can be checked."""
    done = run(book, "--json", "--entry", "4", "--public-key", book / "key.pub.pem")
    document = json.loads(done.stdout)
    assert document["schema"] == "gamekeeper/verify-casebook@1" and document["holds"] is True
    assert (document["entries"], document["heads"], document["unsigned"]) == (9, 4, 0)
    assert (
        document["public_key_given"] is True
        and document["stamps"] == []
        and document["kept_head"] is None
    )
    entry = document["entry"]
    path = tuple(bytes.fromhex(one) for one in entry["inclusion"])
    proof = EntryProof(
        entry=entry["entry"].encode(),
        index=entry["index"],
        inclusion=path,
        head=read_head(book / "heads.jsonl"),
    )
    verify_entry(proof, (book / "key.pub.pem").read_bytes())


def test_entry_is_printed_so_that_it_cannot_steer_a_terminal(book: Path) -> None:
    """The account chose its name; escape and turning characters are shown as their codes."""
    done = run(book, "--entry", "1")
    assert code(done) == 0 and "\\u202e\\u001b[31m" in done.stdout and "acct-1" in done.stdout
    assert done.stdout.isascii() and "\x1b" not in done.stdout


def test_what_does_not_hold_exits_1_in_words_and_in_json(book: Path) -> None:
    """The faults are the same."""
    kept = book.parent / "kept.json"
    kept.write_bytes(lines_of(book / "heads.jsonl")[-1])
    forged = rewritten(book, book.parent / "forged", (3, 4, 2), verdict="allow")
    done = run(forged, "--head", kept)
    assert code(done) == 1 and done.stdout == "" and "the head that was kept" in str(done.exception)
    done = run(forged, "--head", kept, "--json")
    document = json.loads(done.stdout)
    assert code(done) == 1 and document["holds"] is False
    assert [fault["where"] for fault in document["faults"]] == ["the head that was kept"]
    assert set(document["faults"][0]) == {"where", "problem", "found", "expected", "try", "count"}


def test_unsigned_entries_pass_only_when_allowed(book: Path) -> None:
    """And are then named first."""
    heads = lines_of(book / "heads.jsonl")
    (book / "heads.jsonl").write_bytes(b"".join(heads[:3]))
    assert code(run(book)) == 1
    done = run(book, "--allow-unsigned")
    assert code(done) == 0 and "unsigned  2 entries" in done.stdout


def test_what_cannot_be_read_exits_3(book: Path) -> None:
    """No casebook, no key, no head."""
    nothing = book.parent / "nothing"
    for words in (
        (nothing,),
        (book, "--public-key", nothing),
        (book, "--head", nothing),
        (book, "--head", book),
    ):
        assert code(run(*words)) == 3
    shutil.copy(book / "entries.jsonl", book / "key.pub.pem")
    assert code(run(book)) == 3


def test_wrong_usage_exits_2(book: Path) -> None:
    """No folder, no such entry."""
    for words in ((), (book, "--entry", "0"), (book, "--entry", "10"), (book, "--entry", "one")):
        done = run(*words)
        assert code(done) == 2 and done.stdout == ""


def test_help_says_what_the_options_are_for() -> None:
    """With examples."""
    done = CliRunner().invoke(APP, ["verify", "casebook", "--help"])
    assert (
        done.exit_code == 0
        and "gamekeeper verify casebook" in done.stdout
        and "--witness-root" in done.stdout
    )
