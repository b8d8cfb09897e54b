"""The writer: what it writes, what it refuses, and how it goes on after a death."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from casebook.builders import BODY, add, lines_of, make_casebook, ticking
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.casebook import (
    Casebook,
    CasebookError,
    leaf_hash,
    read_head,
    verify_casebook,
    verify_consistency,
    verify_inclusion,
)

APPEND_FOREVER = """
import sys
from pathlib import Path
from gamekeeper.casebook import Casebook
book = Casebook.open(Path(sys.argv[1]))
while True:
    print(book.append("verdict", "acct", {"text": "x" * 500}), flush=True)
"""
FORK_AND_APPEND = """
import os, sys
from pathlib import Path
from gamekeeper.casebook import Casebook
book = Casebook.open(Path(sys.argv[1]))
child = os.fork()
if not child:
    try:
        book.append("verdict", "acct", {})
    except Exception as error:
        print(type(error).__name__, flush=True)
    os._exit(0)
os.waitpid(child, 0)
book.append("verdict", "acct", {})
book.close()
"""


def last_entry(folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(lines_of(folder / "entries.jsonl")[-1])
    return entry


def test_entries_are_plain_lines(tmp_path: Path) -> None:
    """Format and key first, then one sorted object a line, numbered from 1, with UTC times."""
    folder = make_casebook(tmp_path / "book", (2,))
    header, first, second = map(json.loads, lines_of(folder / "entries.jsonl"))
    assert header["format"] == "gamekeeper/casebook@1" and len(header["public_key"]) == 64
    assert first == {
        "body": BODY,
        "index": 1,
        "kind": "verdict",
        "subject": "acct-1",
        "time": "2026-11-02T00:30:03.250000Z",
    }
    assert second["index"] == 2


def test_reopened_casebook_continues(tmp_path: Path) -> None:
    """Same key, next index, and a head that continues the earlier one."""
    folder = make_casebook(tmp_path / "book", (5,))
    before = read_head(folder / "heads.jsonl")
    with Casebook.open(folder, clock=ticking()) as book:
        assert book.append("action", "acct-7", {"action": "delay"}) == 6
        after = book.sign()
        proof = book.prove_consistency(before.size, after.size)
    verify_consistency(before.size, after.size, before.root, after.root, proof)
    assert verify_casebook(folder).entries == 6


def test_inclusion_of_each_entry_under_each_later_head(tmp_path: Path) -> None:
    """The proofs of a writer at work hold under the heads that it signed."""
    with Casebook.open(tmp_path / "book", clock=ticking()) as book:
        heads = []
        for _ in range(12):
            add(book, 1)
            heads.append(book.sign())
        lines = (tmp_path / "book" / "entries.jsonl").read_bytes().splitlines()
        for head in heads:
            for index in range(head.size):
                proof = book.prove_inclusion(index, head.size)
                verify_inclusion(leaf_hash(lines[index]), index, head.size, proof, head.root)


def test_signing_twice_signs_once(tmp_path: Path) -> None:
    """No entry since: the same head, and no second line."""
    with Casebook.open(tmp_path / "book", clock=ticking()) as book:
        add(book, 2)
        first = book.sign()
        assert book.sign() == first and book.head().root == first.root
        add(book, 1)
        assert book.sign().size == book.head().size == 4
    # over the header, 3 lines, 4 lines
    assert len(lines_of(tmp_path / "book" / "heads.jsonl")) == 3


def test_what_is_unsigned_is_signed_on_closing(tmp_path: Path) -> None:
    """Also when the work ended in an error."""
    with pytest.raises(ZeroDivisionError), Casebook.open(tmp_path / "book") as book:
        add(book, 3)
        1 / 0  # noqa: B018
    assert verify_casebook(tmp_path / "book").entries == 3


def test_closed_casebook_takes_nothing(tmp_path: Path) -> None:
    """Closing twice does no harm."""
    book = Casebook.open(tmp_path / "book")
    book.close()
    book.close()
    for call in (lambda: book.append("verdict", "a", {}), book.sign):
        with pytest.raises(UsageError, match="closed"):
            call()


def test_second_writer_is_refused_and_the_first_named(tmp_path: Path) -> None:
    """In this process or another; when the first is done, the next may."""
    with Casebook.open(tmp_path / "book"):
        with pytest.raises(
            InputError, match=f"another process is writing(.|\n)*process {os.getpid()}"
        ):
            Casebook.open(tmp_path / "book")
        call = [sys.executable, "-c", APPEND_FOREVER, str(tmp_path / "book")]
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == 1 and "another process is writing this casebook" in done.stderr
    with Casebook.open(tmp_path / "book") as book:
        assert book.size == 1


def test_a_forked_child_may_not_write(tmp_path: Path) -> None:
    """It holds the parent's lock and file, and would number its entries as the parent does."""
    call = [sys.executable, "-c", FORK_AND_APPEND, str(tmp_path / "book")]
    done = subprocess.run(call, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "UsageError\n")
    assert verify_casebook(tmp_path / "book").entries == 1


def test_threads_share_one_casebook(tmp_path: Path) -> None:
    """Every entry once, in one order."""
    with Casebook.open(tmp_path / "book") as book, ThreadPoolExecutor(8) as pool:
        indices = list(pool.map(lambda i: book.append("verdict", f"acct-{i}", {}), range(400)))
    assert sorted(indices) == list(range(1, 401))
    assert verify_casebook(tmp_path / "book").entries == 400


def test_killed_writer_loses_no_entry_that_it_confirmed(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: what was appended is there, and the next writer says what
    was unsigned.
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", APPEND_FOREVER, str(tmp_path / "book")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    confirmed = 0
    for _ in range(300):
        confirmed = int(writer.stdout.readline())
    writer.kill()
    writer.communicate()
    with pytest.raises(CasebookError, match="entries are not signed"):
        verify_casebook(tmp_path / "book")
    with Casebook.open(tmp_path / "book") as book:
        found = book.size - 2
    assert found >= confirmed == 300
    assert last_entry(tmp_path / "book")["kind"] == "casebook.recovered"
    assert last_entry(tmp_path / "book")["body"]["unsigned_entries"] == found
    assert verify_casebook(tmp_path / "book").unsigned == 0


def test_line_torn_at_any_byte_is_removed_and_recorded(tmp_path: Path) -> None:
    """The whole entries stay, the next writer says how many bytes it cut."""
    folder = make_casebook(tmp_path / "book", (2,))
    whole = (folder / "entries.jsonl").read_bytes()
    heads = (folder / "heads.jsonl").read_bytes()
    line = lines_of(folder / "entries.jsonl")[-1].replace(b'"index":2', b'"index":3')
    for cut in range(1, len(line)):
        (folder / "entries.jsonl").write_bytes(whole + line[:cut])
        (folder / "heads.jsonl").write_bytes(heads)
        Casebook.open(folder, clock=ticking()).close()
        assert last_entry(folder)["body"] == {
            "unsigned_entries": 0,
            "cut_entry_bytes": cut,
            "cut_head_bytes": 0,
        }
        assert verify_casebook(folder).entries == 3


def test_torn_head_is_removed_and_recorded(tmp_path: Path) -> None:
    """The entries that it would have vouched for are named as unsigned."""
    folder = make_casebook(tmp_path / "book", (2, 3))
    heads = folder / "heads.jsonl"
    heads.write_bytes(heads.read_bytes()[:-20])
    Casebook.open(folder).close()
    body = last_entry(folder)["body"]
    assert (body["unsigned_entries"], body["cut_entry_bytes"]) == (3, 0) and body[
        "cut_head_bytes"
    ] > 100
    assert verify_casebook(folder).entries == 6


@pytest.mark.parametrize("left", [0, 1, 40, 150])
def test_writer_killed_over_the_first_line_begins_again(tmp_path: Path, left: int) -> None:
    """Nothing was recorded yet, so nothing is lost."""
    folder = make_casebook(tmp_path / "book", ())
    entries = folder / "entries.jsonl"
    entries.write_bytes(entries.read_bytes()[:left])
    (folder / "heads.jsonl").unlink()
    with Casebook.open(folder) as book:
        add(book, 1)
    assert verify_casebook(folder).entries == 1


def test_file_of_another_program_is_not_changed(tmp_path: Path) -> None:
    """A folder with another `entries.jsonl` is refused."""
    for content in (b"notes", b"[1]\n", b"{" * 5_000):
        (tmp_path / "entries.jsonl").write_bytes(content)
        with pytest.raises(InputError, match="not a casebook"):
            Casebook.open(tmp_path)
        assert (tmp_path / "entries.jsonl").read_bytes() == content


def damage(folder: Path, what: str) -> None:
    entries = folder / "entries.jsonl"
    lines = lines_of(entries)
    changed = {
        "changed": [*lines[:2], lines[2].replace(b"slow", b"deny"), *lines[3:]],
        "removed": lines[:2] + lines[3:],
        "truncated": lines[:-1],
        "emptied": [],
    }
    if what in changed:
        entries.write_bytes(b"".join(changed[what]))
    if what == "heads gone":
        (folder / "heads.jsonl").unlink()
    if what == "key gone":
        (folder / "key.pem").unlink()
    if what == "other key":
        (folder / "key.pem").unlink()
        (make_casebook(folder.parent / "other") / "key.pem").rename(folder / "key.pem")
    if what == "no key":
        (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        ("changed", CasebookError, "not the ones that were signed"),
        ("removed", CasebookError, "missing, out of order"),
        ("truncated", CasebookError, "missing at the end"),
        ("emptied", InputError, "the entries are missing"),
        ("heads gone", CasebookError, "nothing is signed"),
        ("key gone", InputError, "cannot be read"),
        ("other key", CasebookError, "another public key"),
        ("no key", InputError, "not a private key"),
    ],
)
def test_damaged_casebook_is_not_written_on(
    tmp_path: Path, what: str, error: type[Exception], said: str
) -> None:
    """Nothing is repaired, nothing is added: the cause should be found first."""
    folder = make_casebook(tmp_path / "book")
    damage(folder, what)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}
    with pytest.raises(error, match=said):
        Casebook.open(folder)
    assert {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"
    } == before


def test_private_key_is_the_owners_alone(tmp_path: Path) -> None:
    """Whatever the process's mask; a key that others can read is not used."""
    mask = os.umask(0)
    try:
        folder = make_casebook(tmp_path / "book")
    finally:
        os.umask(mask)
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    (folder / "key.pem").chmod(0o644)
    with pytest.raises(InputError, match=r"other users can read(.|\n)*chmod 600"):
        Casebook.open(folder)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"readings": [1.0, {"p": float("nan")}]}, r"body\.readings\[1\]\.p is nan"),
        ({"x": float("-inf")}, r"body\.x is -inf"),
        ({"x": 1 << 70}, "cannot be written"),
        ({"x": {1, 2}}, "cannot be written"),
        ({1: "x"}, "cannot be written"),
        ({"x": "\ud800"}, "cannot be written"),
        ({"x": "y" * (1 << 20)}, "salted_digest"),
    ],
    ids=range(7),
)
def test_values_that_would_not_be_preserved_are_refused(
    tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    """Nothing of it is written, and the next entry takes its place."""
    with Casebook.open(tmp_path / "book") as book:
        with pytest.raises(UsageError, match=said):
            book.append("verdict", "acct", body)
        assert book.append("verdict", "null", {"absent": None}) == 1
    assert verify_casebook(tmp_path / "book").entries == 1


@pytest.mark.parametrize("kind", ["", "casebook.recovered", "casebook.anything"])
def test_own_kinds_are_reserved(tmp_path: Path, kind: str) -> None:
    """Nobody can put a recovery on record that did not happen."""
    with Casebook.open(tmp_path / "book") as book, pytest.raises(UsageError, match=r"casebook\."):
        book.append(kind, "acct", {})


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the line is written, then the disk is full: nothing stays, and later entries are
    whole.
    """
    write = os.write
    left = [40]

    def write_to_full_disk(file: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, data[: left[0]])
        left[0] -= written
        return written

    with Casebook.open(tmp_path / "book") as book:
        add(book, 1)
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr("os.write", write_to_full_disk)
            add(book, 1)
        add(book, 1)
    assert verify_casebook(tmp_path / "book").entries == 2


def test_head_is_not_signed_before_its_entries_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that survives a loss of power while its entries do not would accuse the writer."""

    def fail(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Casebook.open(tmp_path / "book") as book:
        add(book, 1)
        with monkeypatch.context() as patch, pytest.raises(OSError, match="Input"):
            patch.setattr("os.fsync", fail)
            book.sign()
        assert len(lines_of(tmp_path / "book" / "heads.jsonl")) == 1


def test_each_entry_is_on_the_disk_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`is_synced` costs one sync an entry; without it there is none until the next head."""
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr("os.fsync", lambda file: (synced.append(file), fsync(file))[1])
    counts = []
    for name, is_synced in (("fast", False), ("safe", True)):
        with Casebook.open(tmp_path / name, is_synced=is_synced) as book:
            before = len(synced)
            add(book, 5)
            counts.append(len(synced) - before)
    assert counts == [0, 5]


def test_change_by_another_program_stops_the_writer(tmp_path: Path) -> None:
    """Its line would be counted as ours from then on."""
    book = Casebook.open(tmp_path / "book")
    add(book, 2)
    with (tmp_path / "book" / "entries.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(InputError, match="another program"):
        add(book, 1)
    book.close()


def test_a_clock_set_back_does_not_stop_the_record(tmp_path: Path) -> None:
    """The order is that of the lines; times are what the clock said."""
    with Casebook.open(tmp_path / "book", clock=ticking(step_s=-60)) as book:
        add(book, 3)
    verified = verify_casebook(tmp_path / "book")
    assert verified.entries == 3 and verified.last_time < verified.first_time
