"""Heads lodged with a witness: a real responder, real stamps, and every way in which one does not
fit.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from casebook.authority import Authority
from casebook.builders import add, lines_of, make_casebook, rewritten
from gamekeeper._cli import verify
from gamekeeper.base.errors import InputError, MissingExtraError, UsageError
from gamekeeper.casebook import Casebook, CasebookError, read_head, request_stamp, verify_casebook

needs_responder = pytest.mark.skipif(
    not shutil.which("openssl"), reason="the test's time-stamping authority is openssl"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    pytest.importorskip("rfc3161_client")
    serving = Authority(tmp_path_factory.mktemp("tsa") / "authority")
    yield serving
    serving.close()


@pytest.fixture
def stamped(authority: Authority, tmp_path: Path) -> Path:
    """A casebook whose last head is stamped."""
    authority.mood = "honest"
    folder = make_casebook(tmp_path / "book")
    request_stamp(folder, read_head(folder / "heads.jsonl"), authority.url)
    return folder


def said(folder: Path, root: bytes | None) -> str:
    with pytest.raises(CasebookError) as caught:
        verify_casebook(folder, witness_root=root)
    return str(caught.value)


def cut_back(folder: Path) -> None:
    """Takes the last entries and their head away, so that the rest fits."""
    for name, kept in (("entries.jsonl", 8), ("heads.jsonl", 3)):
        (folder / name).write_bytes(b"".join(lines_of(folder / name)[:kept]))


@pytest.mark.extra
@needs_responder
def test_stamped_head_holds_and_its_time_is_the_witnesss(
    authority: Authority, stamped: Path
) -> None:
    """With the authority's certificate the stamp is checked, without it only counted."""
    (stamp,) = verify_casebook(stamped, witness_root=authority.root).stamps
    assert stamp.size == 10 and stamp.time is not None and stamp.time.endswith("Z")
    (stamp,) = verify_casebook(stamped).stamps
    assert stamp.time is None


@pytest.mark.extra
@needs_responder
def test_stamp_can_be_checked_without_gamekeeper(authority: Authority, stamped: Path) -> None:
    """As the module's docstring says."""
    (stamp,) = (stamped / "witness").glob("*.tsr")
    (stamped / "root.pem").write_bytes(authority.root)
    call = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        stamp.with_suffix(".head"),
        "-in",
        stamp,
        "-CAfile",
    ]
    done = subprocess.run([*call, stamped / "root.pem"], capture_output=True, text=True)
    assert "Verification: OK" in done.stdout + done.stderr


@pytest.mark.extra
@needs_responder
def test_casebook_continues_after_its_stamps(authority: Authority, stamped: Path) -> None:
    """Two stamps of different heads, and the same head stamped twice, all belong to it."""
    with Casebook.open(stamped) as book:
        add(book, 2)
        head = book.sign()
        assert request_stamp(stamped, head, authority.url) != request_stamp(
            stamped, head, authority.url
        )
    assert [one.size for one in verify_casebook(stamped, witness_root=authority.root).stamps] == [
        10,
        12,
        12,
    ]


@pytest.mark.extra
@needs_responder
def test_truncation_shows_by_the_stamped_head(authority: Authority, stamped: Path) -> None:
    """Entries and heads are cut alike; what the witness stamped was longer."""
    cut_back(stamped)
    for root in (None, authority.root):
        text = said(stamped, root)
        assert "entries are missing at the end" in text and "10 lines, signed at" in text


@pytest.mark.extra
@needs_responder
def test_rewritten_history_shows_by_the_stamped_head(stamped: Path, tmp_path: Path) -> None:
    """The holder of the key signs another history of the same length; the stamp is over the
    first.
    """
    forged = rewritten(stamped, tmp_path / "forged", (3, 4, 2), verdict="allow")
    shutil.copytree(stamped / "witness", forged / "witness")
    assert "not the ones that were signed" in said(forged, None)


@pytest.mark.extra
@needs_responder
def test_stamp_of_another_head_does_not_fit(authority: Authority, stamped: Path) -> None:
    """A shorter head put in place of the stamped one, both genuine."""
    cut_back(stamped)
    (head,) = (stamped / "witness").glob("*.head")
    head.write_bytes(lines_of(stamped / "heads.jsonl")[-1])
    assert "the stamp is invalid" in said(stamped, authority.root)


@pytest.mark.extra
@needs_responder
def test_stamp_of_a_stranger_does_not_fit(stamped: Path, tmp_path: Path) -> None:
    """Anybody can run an authority; the certificate tells whose stamp it is."""
    stranger = Authority(tmp_path / "stranger")
    try:
        assert "the stamp is invalid" in said(stamped, stranger.root)
    finally:
        stranger.close()


@pytest.mark.extra
@needs_responder
def test_changed_stamp_is_noticed(authority: Authority, stamped: Path) -> None:
    """Wherever the hash, the time or the signature is changed, and whatever is not a stamp
    at all.
    """
    (stamp,) = (stamped / "witness").glob("*.tsr")
    content = stamp.read_bytes()
    at_time = content.index(b"Z", content.index(b"\x18\x0f")) - 1
    at_hash = content.index(b"\x04\x20") + 2
    for place in (at_time, at_hash, len(content) - 1):
        stamp.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert "the stamp is invalid" in said(stamped, authority.root)
    for spoilt in (b"", b"\x30\x00", content[: len(content) // 2]):
        stamp.write_bytes(spoilt)
        assert "the stamp is invalid" in said(stamped, authority.root)


@pytest.mark.extra
@needs_responder
@pytest.mark.parametrize("missing", [".head", ".tsr"])
def test_half_a_stamp_is_noticed(authority: Authority, stamped: Path, missing: str) -> None:
    """Neither half says anything alone."""
    next((stamped / "witness").glob(f"*{missing}")).unlink()
    assert "half of a stamp is missing" in said(stamped, authority.root)


@pytest.mark.extra
@needs_responder
@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("refusing", "the witness refused the time stamp"),
        ("repeating", "the witness stamped something else"),
        ("babbling", "is not a time stamp"),
        ("failing", "the witness does not answer"),
    ],
)
def test_answer_that_does_not_fit_is_not_kept(
    authority: Authority, stamped: Path, mood: str, words: str
) -> None:
    """Nothing is written; the error says who answered what."""
    kept = sorted(path.name for path in (stamped / "witness").iterdir())
    authority.mood = mood
    with pytest.raises(InputError, match=words) as caught:
        request_stamp(stamped, read_head(stamped / "heads.jsonl"), authority.url)
    assert authority.url in str(caught.value) and "\x1b" not in str(caught.value)
    assert sorted(path.name for path in (stamped / "witness").iterdir()) == kept


@pytest.mark.extra
@needs_responder
def test_command_line_checks_stamps(authority: Authority, stamped: Path) -> None:
    """Shows the witness's time, or that the stamp was not checked."""
    app = typer.Typer()
    app.add_typer(verify.app, name=verify.NAME)
    (stamped / "root.pem").write_bytes(authority.root)
    words = ["verify", "casebook", str(stamped)]
    assert "stamp not checked, give --witness-root" in CliRunner().invoke(app, words).stdout
    done = CliRunner().invoke(app, [*words, "--witness-root", str(stamped / "root.pem")])
    assert done.exit_code == 0 and "witness   10 lines: 20" in done.stdout


@pytest.mark.extra
def test_missing_witness_and_wrong_kind_of_address_are_reported(tmp_path: Path) -> None:
    """No answer is an error with a way on; a file is never read for an address."""
    pytest.importorskip("rfc3161_client")
    folder = make_casebook(tmp_path / "book")
    head = read_head(folder / "heads.jsonl")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken but not listening: nobody answers
        with pytest.raises(InputError, match="does not answer"):
            request_stamp(folder, head, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    for url in ("file:///etc/hostname", "tsa.example", "ftp://tsa.example/"):
        with pytest.raises(UsageError, match="http or https"):
            request_stamp(folder, head, url)
    assert not (folder / "witness").exists()


def test_without_the_extra_its_name_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A casebook is written and checked without it; only stamps need it."""
    folder = make_casebook(tmp_path / "book")
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(MissingExtraError, match=r"\.\[witness\]"):
        request_stamp(folder, read_head(folder / "heads.jsonl"), "http://127.0.0.1:9/")
    assert verify_casebook(folder).entries == 9


def test_file_that_is_not_a_certificate_is_refused(tmp_path: Path) -> None:
    """Also when there is no stamp to check."""
    folder = make_casebook(tmp_path / "book")
    with pytest.raises(InputError, match="not a certificate"):
        verify_casebook(folder, witness_root=b"nonsense")
