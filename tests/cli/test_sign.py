"""`gamekeeper sign` and `gamekeeper verify model`, for every exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sealing.provenance.signing import make_certificate, make_key, make_model

pytestmark = pytest.mark.extra
pytest.importorskip("model_signing")
pytest.importorskip("OpenSSL")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gamekeeper", *map(str, words)], capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model, a key and a signature."""
    make_key(tmp_path)
    make_model(tmp_path)
    done = run(
        "sign", tmp_path / "model", "--key", tmp_path / "key.pem", "--out", tmp_path / "model.sig"
    )
    assert done.returncode == 0 and done.stdout == "" and "3 files" in done.stderr
    return tmp_path


def verify(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    by = words or ("--public-key", folder / "key.pub.pem")
    return run("verify", "model", folder / "model", "--signature", folder / "model.sig", *by)


def test_model_that_holds_exits_0(folder: Path) -> None:
    """As text and as JSON."""
    done = verify(folder)
    assert done.returncode == 0 and "holds" in done.stdout and "3, all signed" in done.stdout
    document = json.loads(verify(folder, "--public-key", folder / "key.pub.pem", "--json").stdout)
    assert document == {
        "schema": "gamekeeper/verify-model@1",
        "holds": True,
        "name": "model",
        "files": 3,
        "left_out": [],
        "old_format": False,
    }


def test_model_that_differs_exits_1(folder: Path) -> None:
    """Each file is named, on standard error and in the document."""
    (folder / "model" / "weights.bin").write_bytes(b"other")
    (folder / "model" / "added.py").write_text("import os")
    done = verify(folder, "--public-key", folder / "key.pub.pem", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1 and document["holds"] is False
    assert [(Path(one["where"]).name, one["problem"]) for one in document["faults"]] == [
        ("added.py", "the file is not signed"),
        ("weights.bin", "the file was changed"),
    ]
    assert "weights.bin" in done.stderr and "Traceback" not in done.stderr
    assert verify(folder, "--public-key", folder / "key.pub.pem", "--quiet").stdout == ""


def test_wrong_words_exit_2(folder: Path) -> None:
    """No signer, two signers, half an identity, a chain without a certificate."""
    for words in (
        ["--json"],
        ["--public-key", folder / "key.pub.pem", "--root", folder / "key.pub.pem"],
        ["--identity", "somebody@example.org"],
        ["--public-key", folder / "key.pub.pem", "--issuer", "https://example.org"],
    ):
        assert verify(folder, *words).returncode == 2
    words = ["--key", folder / "key.pem", "--out", folder / "x.sig", "--chain", folder / "ca.pem"]
    assert run("sign", folder / "model", *words).returncode == 2


def test_what_cannot_be_read_exits_3(folder: Path) -> None:
    """Signature, key, model."""
    assert verify(folder, "--public-key", folder / "none.pem").returncode == 3
    (folder / "model.sig").write_text("{}")
    assert verify(folder).returncode == 3
    done = run("sign", folder / "none", "--key", folder / "key.pem", "--out", folder / "x.sig")
    assert (
        done.returncode == 3 and "Traceback" not in done.stderr and not (folder / "x.sig").exists()
    )


def test_a_key_of_keypair_signs_or_says_which_one_does(folder: Path) -> None:
    """Ed25519 is for `seal --sign`, P-256 for `sign`; each verb names the key that it needs."""
    model = folder / "model"
    for words in (["owner.pem", "--signing"], ["signer.pem", "--signing", "--curve", "p256"]):
        assert run("keypair", folder / words[0], *words[1:]).returncode == 0
    done = run("sign", model, "--key", folder / "owner.pem", "--out", folder / "x.sig")
    assert done.returncode == 3 and "found     an Ed25519 key" in done.stderr
    assert "gamekeeper keypair signer.pem --signing --curve p256" in done.stderr
    signer = folder / "signer.pem"
    assert run("sign", model, "--key", signer, "--out", folder / "model.sig").returncode == 0
    assert verify(folder, "--public-key", folder / "signer.pub.pem").returncode == 0
    done = verify(folder, "--public-key", folder / "owner.pub.pem")
    assert done.returncode == 3 and "found     an Ed25519 key" in done.stderr
    assert verify(folder).returncode == 1
    done = run("keypair", folder / "b.pem", "--curve", "p256")
    assert done.returncode == 2 and "--signing" in done.stderr


def test_a_key_with_a_passphrase_signs_with_its_file(folder: Path) -> None:
    """Without a terminal it cannot be asked for."""
    lock = ["openssl", "pkey", "-in", folder / "key.pem", "-aes256", "-passout", "pass:phrase"]
    locked = folder / "locked.pem"
    if subprocess.run([*lock, "-out", locked], check=False).returncode:
        pytest.skip("needs openssl")
    locked.chmod(0o600)
    (folder / "phrase").write_text("phrase\n")
    (folder / "phrase").chmod(0o600)
    words = ["sign", folder / "model", "--key", locked, "--out", folder / "model.sig"]
    assert run(*words, "--passphrase-file", folder / "phrase").returncode == 0
    assert verify(folder).returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "gamekeeper", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "--passphrase-file" in done.stderr


def test_what_cannot_be_checked_is_no_verdict(folder: Path) -> None:
    """A certificate is asked for where a key has signed: exit 3, with the option to use."""
    done = verify(folder, "--root", folder / "key.pub.pem", "--json")
    assert done.returncode == 3 and done.stdout == ""
    assert "cannot be checked with --root" in done.stderr and "--public-key FILE" in done.stderr


def test_a_misspelt_path_to_leave_out_exits_2(folder: Path) -> None:
    """In sign and in verify; nothing is signed."""
    words = ["--key", folder / "key.pem", "--out", folder / "x.sig", "--ignore", "nosuch"]
    done = run("sign", folder / "model", *words)
    assert done.returncode == 2 and "nosuch leaves nothing out" in done.stderr
    assert not (folder / "x.sig").exists()
    done = verify(folder, "--public-key", folder / "key.pub.pem", "--ignore", "nosuch")
    assert done.returncode == 2 and "nosuch leaves nothing out" in done.stderr


def test_certificates_and_paths_left_out(folder: Path) -> None:
    """The other options, as JSON."""
    ca = make_key(folder, "ca")
    key = make_key(folder)
    make_certificate(folder / "ca.crt.pem", ca, ("ca", ca), "ca", is_ca=True)
    make_certificate(folder / "key.crt.pem", key, ("ca", ca), "signer", is_ca=False)
    (folder / "model" / ".cache").write_bytes(b"x")
    words = [
        "--key",
        folder / "key.pem",
        "--certificate",
        folder / "key.crt.pem",
        "--chain",
        folder / "ca.crt.pem",
    ]
    out = folder / "model.sig"
    done = run(
        "sign", folder / "model", *words, "--ignore", ".cache", "--out", out, "--json", "--quiet"
    )
    assert json.loads(done.stdout) == {
        "schema": "gamekeeper/sign@1",
        "model": str(folder / "model"),
        "files": 3,
        "signature": str(out),
    }
    assert done.stderr == ""
    assert verify(folder, "--root", folder / "ca.crt.pem", "--ignore", ".cache").returncode == 0
    assert verify(folder, "--root", folder / "ca.crt.pem").returncode == 1


def test_a_signature_replaces_an_earlier_one_and_nothing_else(folder: Path) -> None:
    """Not the key, the model, the passphrase, nor any other file; what is refused is unchanged."""
    (folder / "phrase").write_text("phrase\n")
    (folder / "phrase").chmod(0o600)
    (folder / "notes.txt").write_text("of the user")
    key = folder / "key.pem"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for out, code in {
        key: 2,
        folder / "model" / ".." / "key.pem": 2,
        folder / "phrase": 2,
        folder / "notes.txt": 3,
        folder / "model" / "weights.bin": 3,
    }.items():
        words = ["--key", key, "--passphrase-file", folder / "phrase", "--out", out]
        done = run("sign", folder / "model", *words)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    done = run("sign", folder / "model", "--key", key, "--out", folder / "model.sig")
    assert done.returncode == 0
