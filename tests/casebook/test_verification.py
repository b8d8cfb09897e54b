"""The auditor: every way to change the record, and which of them only a kept head or the right key
shows.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casebook.builders import add, lines_of, make_casebook, rewritten, ticking
from gamekeeper.base.errors import GamekeeperError, InputError, UsageError
from gamekeeper.casebook import (
    Casebook,
    CasebookError,
    SignedHead,
    read_head,
    salted_digest,
    verify_casebook,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine entries, four heads: over 1, 4, 8 and 10 lines."""
    return make_casebook(tmp_path_factory.mktemp("casebook") / "sound")


@pytest.fixture
def book(sound: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "book"))


def said(folder: Path, **given: object) -> str:
    with pytest.raises(CasebookError) as caught:
        verify_casebook(folder, **given)  # type: ignore[arg-type]
    assert caught.value.exit_code == 1
    return str(caught.value)


def change_lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(lines_of(path))))


def test_sound_casebook_holds_and_says_what_was_checked(sound: Path) -> None:
    """Entries, heads, times, key; nothing is left out."""
    verified = verify_casebook(sound)
    assert (verified.entries, verified.heads, verified.unsigned) == (9, 4, 0)
    assert verified.head == read_head(sound / "heads.jsonl") and verified.head.size == 10
    assert (verified.first_time, verified.last_time) == (
        "2026-11-02T00:30:01.250000Z",
        "2026-11-02T00:30:13.250000Z",
    )
    assert not verified.is_key_given and verified.since is None and verified.stamps == ()


def test_auditors_copy_needs_no_secret(book: Path) -> None:
    """Without private key, lock and public key file, against the key that was handed over."""
    key = (book / "key.pub.pem").read_bytes()
    for name in ("key.pem", "key.pub.pem", "lock"):
        (book / name).unlink()
    assert verify_casebook(book, public_key=key).is_key_given


@pytest.mark.parametrize("name", ["entries.jsonl", "heads.jsonl"])
def test_any_one_changed_byte_is_noticed(sound: Path, tmp_path: Path, name: str) -> None:
    """At each place of the file, the header, the digits of a signature and the last line feed among
    them.
    """
    book = Path(shutil.copytree(sound, tmp_path / "book"))
    content = (sound / name).read_bytes()
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << place % 8
        (book / name).write_bytes(spoilt)
        with pytest.raises(GamekeeperError) as caught:
            verify_casebook(book)
        assert caught.value.exit_code in (1, 3)
    (book / name).write_bytes(content)
    assert verify_casebook(book).entries == 9


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_piece_replaced_by_any_other_is_noticed(
    sound: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Bytes changed, cut out or put in, anywhere in the record."""
    book = tmp_path / "book"
    shutil.copytree(sound, book, dirs_exist_ok=True)
    content = (sound / "entries.jsonl").read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 30)))
    spoilt = content[:start] + data.draw(st.binary(max_size=30)) + content[stop:]
    (book / "entries.jsonl").write_bytes(spoilt)
    if spoilt == content:
        verify_casebook(book)
    else:
        with pytest.raises(GamekeeperError):
            verify_casebook(book)


def test_changed_entry_is_narrowed_down_by_the_heads(book: Path) -> None:
    """A change that keeps the line's form: between the last head that holds and the first that does
    not.
    """
    change_lines(
        book / "entries.jsonl",
        lambda all_: [*all_[:5], all_[5].replace(b"slow", b"deny"), *all_[6:]],
    )
    text = said(book)
    assert "heads.jsonl:3: the entries are not the ones that were signed" in text
    assert (
        "look at lines 5 to 8 of entries.jsonl" in text
        and "2 of 4 rows have the same fault" in text
    )


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda all_: all_[:4] + all_[5:], 5),
        (lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]], 5),
        (lambda all_: [*all_[:4], all_[3], *all_[4:]], 5),
        (lambda all_: [all_[0], *all_[2:]], 2),
    ],
    ids=["removed", "reordered", "doubled", "first removed"],
)
def test_removed_reordered_or_doubled_entry_is_named_by_line(
    book: Path, change: Callable[[list[bytes]], list[bytes]], first: int
) -> None:
    """Says the place, what was found and what was expected."""
    change_lines(book / "entries.jsonl", change)
    text = said(book)
    assert f"entries.jsonl:{first}: an entry is missing, out of order or inserted" in text
    assert f'expected  "index":{first - 1}' in text and "not the ones that were signed" in text


def test_removed_entry_with_the_rest_renumbered_is_detected(book: Path) -> None:
    """The numbers fit again; the roots do not."""

    def renumbered(all_: list[bytes]) -> list[bytes]:
        moved = [
            line.replace(b'"index":%d' % (i + 1), b'"index":%d' % i)
            for i, line in enumerate(all_[4:], start=3)
        ]
        return all_[:3] + moved

    change_lines(book / "entries.jsonl", renumbered)
    text = said(book)
    assert "put in" not in text and "entries are missing at the end" in text


def test_truncated_record_with_a_later_head_is_noticed(book: Path) -> None:
    """Says how many lines there were, and when that was signed."""
    change_lines(book / "entries.jsonl", lambda all_: all_[:-3])
    text = said(book)
    assert "heads.jsonl:3: entries are missing at the end" in text
    assert (
        "7 lines in entries.jsonl" in text
        and "8 lines, signed at 2026-11-02T00:30:11.250000Z" in text
    )


def test_two_ways_to_write_one_entry_are_not_one(book: Path) -> None:
    """A key given twice or a space would let two readers see two things."""
    forms = (
        (b'"kind":"verdict"', b'"kind":"action","kind":"verdict"'),
        (b'"index":9', b'"index": 9'),
        (b"0.001", b"0.0010"),
    )
    sound = lines_of(book / "entries.jsonl")
    for old, new in forms:
        (book / "entries.jsonl").write_bytes(b"".join([*sound[:9], sound[9].replace(old, new)]))
        assert "not canonical JSON" in said(book)


def test_later_heads_taken_away_do_not_free_the_entries(book: Path) -> None:
    """Else a change behind the first head would take nothing but a shorter file of heads."""
    change_lines(book / "heads.jsonl", lambda all_: all_[:2])
    change_lines(
        book / "entries.jsonl", lambda all_: [*all_[:-1], all_[-1].replace(b"slow", b"deny")]
    )
    text = said(book)
    assert (
        "entries.jsonl:5: entries are not signed" in text
        and "6 lines after the last signed head" in text
    )
    assert verify_casebook(book, allow_unsigned=True).unsigned == 6


def test_casebook_without_heads_is_never_valid(book: Path) -> None:
    """Missing or empty."""
    (book / "heads.jsonl").write_bytes(b"")
    assert "nothing is signed" in said(book, allow_unsigned=True)
    (book / "heads.jsonl").unlink()
    assert "nothing is signed" in said(book, allow_unsigned=True)


def test_heads_out_of_order_are_noticed(book: Path) -> None:
    """Each vouches for more lines than the one before."""
    change_lines(book / "heads.jsonl", lambda all_: [all_[0], all_[2], all_[1], all_[3]])
    assert "heads.jsonl:3: the head is out of order" in said(book)


def test_casebook_at_work_may_be_checked(tmp_path: Path) -> None:
    """With what is not signed yet allowed, and counted."""
    with Casebook.open(tmp_path / "book", clock=ticking()) as writer:
        add(writer, 2)
        writer.sign()
        add(writer, 3)
        assert "3 lines after" in said(tmp_path / "book")
        verified = verify_casebook(tmp_path / "book", allow_unsigned=True)
        assert (verified.entries, verified.unsigned) == (5, 3)


def test_head_signed_by_another_key_is_noticed(book: Path, tmp_path: Path) -> None:
    """A true head over the same lines, with a signature by another key."""
    true = read_head(book / "heads.jsonl")
    stranger = read_head(make_casebook(tmp_path / "stranger") / "heads.jsonl")
    forged = SignedHead(
        size=true.size, root=true.root, time=true.time, signature=stranger.signature
    )
    change_lines(book / "heads.jsonl", lambda all_: [*all_[:-1], forged.to_line() + b"\n"])
    assert "heads.jsonl:4: the head is not signed by this casebook's key" in said(book)


def test_head_with_another_time_is_noticed(book: Path) -> None:
    """The time is signed too."""
    change_lines(
        book / "heads.jsonl",
        lambda all_: [*all_[:-1], all_[-1].replace(b"2026-11-02", b"2025-11-02")],
    )
    assert "heads.jsonl:4: the head is not signed by this casebook's key" in said(book)


def test_casebook_rewritten_with_another_key_passes_only_without_the_right_key(
    book: Path, tmp_path: Path
) -> None:
    """The key has to come from outside: the file's own word proves only that it fits itself."""
    right_key = (book / "key.pub.pem").read_bytes()
    forged = make_casebook(tmp_path / "forged", verdict="allow")
    assert verify_casebook(forged).entries == 9
    text = said(forged, public_key=right_key)
    assert (
        "entries.jsonl:1: another public key" in text
        and "not signed by this casebook's key" in text
    )


def test_public_key_file_that_was_swapped_is_noticed(book: Path, tmp_path: Path) -> None:
    """Who takes the key from the folder is to take the one that signed."""
    shutil.copy(make_casebook(tmp_path / "other") / "key.pub.pem", book / "key.pub.pem")
    assert "key.pub.pem: another public key" in said(book)


@pytest.mark.parametrize("batches", [(3, 4, 2), (9,), (3, 4, 2, 30), (30,)], ids=str)
def test_history_rewritten_by_the_holder_of_the_key_fails_against_a_kept_head(
    book: Path, tmp_path: Path, batches: tuple[int, ...]
) -> None:
    """Every signature in it is genuine; only the head that somebody kept says that it was
    different.
    """
    forged = rewritten(book, tmp_path / "forged", batches, verdict="allow")
    key = (book / "key.pub.pem").read_bytes()
    assert verify_casebook(forged, public_key=key).entries >= 9
    kept = read_head(book / "heads.jsonl")
    assert "the head that was kept: the entries are not the ones that were signed" in said(
        forged, public_key=key, since=kept
    )
    assert verify_casebook(book, public_key=key, since=kept).since == kept


def test_end_cut_off_and_signed_again_fails_against_a_kept_head(book: Path) -> None:
    """Entries and heads are cut alike, so that the rest fits."""
    kept = read_head(book / "heads.jsonl")
    change_lines(book / "entries.jsonl", lambda all_: all_[:8])
    change_lines(book / "heads.jsonl", lambda all_: all_[:3])
    assert verify_casebook(book).entries == 7
    assert "the head that was kept: entries are missing at the end" in said(book, since=kept)


def test_kept_head_of_another_casebook_is_refused(book: Path, tmp_path: Path) -> None:
    """It was signed by another key, so it says nothing of this one."""
    other = read_head(make_casebook(tmp_path / "other") / "heads.jsonl")
    assert "the head that was kept: the head is not signed by this casebook's key" in said(
        book, since=other
    )


def test_signature_of_another_casebook_with_the_same_key_does_not_fit(
    book: Path, tmp_path: Path
) -> None:
    """The header is a leaf too, so even an empty casebook has its own root."""
    twin = rewritten(book, tmp_path / "twin", (3, 4, 2), verdict="slow ")
    shutil.copy(twin / "heads.jsonl", book / "heads.jsonl")
    assert "not the ones that were signed" in said(book)


def test_all_that_differs_is_said_at_once(book: Path) -> None:
    """One report, one entry for each kind and file."""
    change_lines(
        book / "entries.jsonl", lambda all_: [*all_[:2], b"\x1b[2Jnonsense\n", *all_[3:-1]]
    )
    change_lines(book / "heads.jsonl", lambda all_: [*all_, b"[]\n"])
    text = said(book)
    for part in (
        "entries.jsonl:3: the line is not JSON",
        "heads.jsonl:5: the line is not a signed head",
        "heads.jsonl:2: the entries are not the ones",
        "heads.jsonl:4: entries are missing at the end",
    ):
        assert part in text
    assert "\x1b" not in text


def test_line_without_end_is_not_read_into_memory_whole(book: Path) -> None:
    """It is refused in pieces of a mebibyte."""
    with (book / "entries.jsonl").open("ab") as file:
        file.write(b"x" * (3 << 20))
    assert "entries.jsonl:11: the line is not JSON" in said(book)


@pytest.mark.parametrize(
    "content", [None, b"", b"{}\n", b"not a casebook\n", b'{"format":"gamekeeper/casebook@2"}\n']
)
def test_files_that_are_not_a_casebook_are_refused(tmp_path: Path, content: bytes | None) -> None:
    """Exit 3, with what was expected."""
    if content is not None:
        (tmp_path / "entries.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"gamekeeper/casebook@1") as caught:
        verify_casebook(tmp_path)
    assert caught.value.exit_code == 3


def test_files_that_are_not_a_key_or_head_are_refused(book: Path, tmp_path: Path) -> None:
    """Neither passes for nothing given."""
    for key in (b"", b"\x00" * 32, (book / "key.pem").read_bytes()):
        with pytest.raises(InputError, match="not a public key"):
            verify_casebook(book, public_key=key)
    for content in (b"", b"[]", b'{"format":"gamekeeper/casebook-head@1","size":1}'):
        (tmp_path / "head").write_bytes(content)
        with pytest.raises(InputError, match="not a signed head"):
            read_head(tmp_path / "head")


def test_salted_digest_tells_texts_and_salts_apart() -> None:
    """The same text under another salt cannot be recognised; half a surrogate pair is let
    through.
    """
    salts = bytes(16), b"\x01" * 16
    assert len({salted_digest(text, salt) for text in ("a", "b", "\ud800") for salt in salts}) == 6
    with pytest.raises(UsageError, match="16 bytes"):
        salted_digest("a", b"short")
