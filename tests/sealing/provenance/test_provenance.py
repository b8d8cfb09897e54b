import json
import os
import random
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.sealing.faults import SealError
from gamekeeper.sealing.provenance import (
    CertificateSigner,
    PublicKeySigner,
    SigstoreSigner,
    sign_model,
    verify_model,
)
from gamekeeper.sealing.provenance._tree import ModelTree
from sealing.provenance.signing import (
    library,
    make_certificate,
    make_key,
    make_model,
    old_statement,
    payload_of,
    write_bundle,
)

pytestmark = pytest.mark.extra
pytest.importorskip("model_signing")
pytest.importorskip("OpenSSL")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model, and a key pair beside it."""
    make_key(tmp_path)
    return make_model(tmp_path)


def signed(model: Path, **options: Any) -> Path:
    signature = model.parent / "model.sig"
    sign_model(model, signature, model.parent / "key.pem", **options)
    return signature


def by_key(model: Path, name: str = "key") -> PublicKeySigner:
    return PublicKeySigner(model.parent / f"{name}.pub.pem")


def faults_of(
    model: Path, signature: Path, signer: Any = None, **options: Any
) -> list[tuple[str, str]]:
    """What does not hold: each problem, and the last part of where it is."""
    with pytest.raises(SealError) as caught:
        verify_model(model, signature, signer or by_key(model), **options)
    return [(fault.problem, Path(fault.where).name) for fault in caught.value.faults]


def unreadable(model: Path, signature: Path, signer: Any = None) -> str:
    with pytest.raises(InputError) as caught:
        verify_model(model, signature, signer or by_key(model))
    return str(caught.value)


def as_if_by_sigstore(signature: Path) -> Path:
    """A bundle of the form that Sigstore makes; its certificate is none."""
    bundle = json.loads(signature.read_text())
    bundle["verificationMaterial"] = {"certificate": {"rawBytes": "AA=="}, "tlogEntries": []}
    path = signature.with_name("sigstore.sig")
    path.write_text(json.dumps(bundle))
    return path


def their_verdict(model: Path, signature: Path, *options: str) -> int:
    key = model.parent / "key.pub.pem"
    return library(
        "verify", "key", model, "--signature", signature, "--public_key", key, *options
    ).returncode


def signed_by_them(model: Path, *options: str | Path) -> Path:
    signature = model.parent / "theirs.sig"
    key = model.parent / "key.pem"
    done = library("sign", "key", model, "--signature", signature, "--private_key", key, *options)
    assert done.returncode == 0, done.stderr
    return signature


def change(model: Path) -> None:
    (model / "weights.bin").write_bytes(b"other")


def rename(model: Path) -> None:
    (model / "weights.bin").rename(model / "heavier.bin")


def remove(model: Path) -> None:
    (model / "layers" / "head.bin").unlink()
    (model / "layers" / "tail.bin").write_bytes(b"tail")


def add(model: Path) -> None:
    (model / "layers" / "tail.bin").write_bytes(b"tail")


def swap(model: Path) -> None:
    (model / "weights.bin").rename(model / "w")
    (model / "config.json").rename(model / "weights.bin")
    (model / "w").rename(model / "config.json")


CHANGES: list[tuple[Callable[[Path], None], list[tuple[str, str]]]] = [
    (change, [("the file was changed", "weights.bin")]),
    (rename, [("the file is not signed", "heavier.bin"), ("the file is missing", "weights.bin")]),
    (remove, [("the file is missing", "head.bin"), ("the file is not signed", "tail.bin")]),
    (add, [("the file is not signed", "tail.bin")]),
    (swap, [("the file was changed", "config.json"), ("the file was changed", "weights.bin")]),
]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_signed_model_verifies(model: Path, curve: ec.EllipticCurve) -> None:
    """By its public key, under another name too; all its files count."""
    make_key(model.parent, curve=curve)
    signature = signed(model)
    verified = verify_model(model, signature, by_key(model))
    assert (verified.name, verified.files, verified.left_out, verified.is_old) == (
        "model",
        3,
        (),
        False,
    )
    moved = model.rename(model.parent / "renamed")
    assert verify_model(moved, signature, by_key(moved)).files == 3


@pytest.mark.parametrize(("spoil", "faults"), CHANGES)
def test_what_differs_is_listed(
    model: Path, spoil: Callable[[Path], None], faults: list[tuple[str, str]]
) -> None:
    """File by file."""
    signature = signed(model)
    spoil(model)
    assert faults_of(model, signature) == faults


def test_many_differences_are_counted(model: Path) -> None:
    """A hundred are listed."""
    signature = signed(model)
    for number in range(150):
        (model / f"added-{number:03}.bin").write_bytes(b"x")
    with pytest.raises(SealError, match="150 files, of which the first 100 are listed"):
        verify_model(model, signature, by_key(model))
    assert len(faults_of(model, signature)) == 101


@pytest.mark.parametrize(("spoil", "faults"), CHANGES)
def test_library_agrees_on_what_we_sign(
    model: Path, spoil: Callable[[Path], None], faults: list[tuple[str, str]]
) -> None:
    """Its command line takes the signature, and refuses it after each change."""
    signature = signed(model)
    assert their_verdict(model, signature) == 0
    spoil(model)
    assert their_verdict(model, signature) != 0


@pytest.mark.parametrize(("spoil", "faults"), CHANGES)
def test_we_agree_on_what_the_library_signs(
    model: Path, spoil: Callable[[Path], None], faults: list[tuple[str, str]]
) -> None:
    """Its command line has signed."""
    signature = signed_by_them(model)
    assert verify_model(model, signature, by_key(model)).files == 3
    spoil(model)
    assert faults_of(model, signature) == faults


def test_single_file_verifies_both_ways(model: Path) -> None:
    """A file is a model too, under any name."""
    file = model.parent / "one.bin"
    file.write_bytes(b"weights")
    ours = signed(file)
    theirs = signed_by_them(file)
    assert their_verdict(file, ours) == 0
    for signature in (ours, theirs):
        file.write_bytes(b"weights")
        assert verify_model(file, signature, by_key(file)).files == 1
        file.write_bytes(b"others")
        assert faults_of(file, signature) == [("the file was changed", "one.bin")]


def test_signature_in_the_folder_verifies_both_ways(model: Path) -> None:
    """It cannot sign itself, and says so."""
    ours = model / "model.sig"
    sign_model(model, ours, model.parent / "key.pem")
    assert payload_of(ours)["predicate"]["serialization"]["ignore_paths"] == ["model.sig"]
    assert their_verdict(model, ours) == 0
    assert verify_model(model, ours, by_key(model)).left_out == ("model.sig",)
    ours.unlink()
    theirs = signed_by_them(model).rename(model / "theirs.sig")
    assert verify_model(model, theirs, by_key(model)).files == 3


def test_signature_kept_elsewhere_does_not_excuse_a_file_of_its_name(model: Path) -> None:
    """A file cannot hide under a name that the signature excludes."""
    sign_model(model, model / "model.sig", model.parent / "key.pem")
    kept = shutil.copy(model / "model.sig", model.parent / "kept.sig")
    (model / "model.sig").write_text("import os")
    assert faults_of(model, Path(kept)) == [("the file is not signed", "model.sig")]


def test_what_the_library_leaves_out_for_git_is_not_passed_over(model: Path) -> None:
    """Its default ignores git's files when it signs and when it verifies."""
    signature = signed_by_them(model)
    (model / ".git" / "hooks").mkdir(parents=True)
    (model / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh")
    (model / ".gitattributes").write_text("* text")
    assert their_verdict(model, signature) == 0
    names = [
        ("the file is not signed", "post-checkout"),
        ("the file is not signed", ".gitattributes"),
    ]
    assert faults_of(model, signature) == names
    assert (
        verify_model(model, signature, by_key(model), ignored=[".git", ".gitattributes"]).files == 3
    )


def test_signed_git_files_require_an_option_of_the_library(model: Path) -> None:
    """They are signed like all others."""
    (model / ".gitattributes").write_text("* text")
    signature = signed(model)
    assert their_verdict(model, signature) != 0
    assert their_verdict(model, signature, "--no-ignore-git-paths") == 0
    assert verify_model(model, signature, by_key(model)).files == 4
    (model / ".gitattributes").write_text("* binary")
    assert faults_of(model, signature) == [("the file was changed", ".gitattributes")]


def test_excluded_files_are_named_in_the_error(model: Path) -> None:
    """And taken only if the caller leaves it out too."""
    (model / "cache").mkdir()
    (model / "cache" / "x.bin").write_bytes(b"x")
    signature = signed_by_them(model, "--ignore-paths", model / "cache")
    with pytest.raises(SealError, match="the signer excluded it"):
        verify_model(model, signature, by_key(model))
    assert verify_model(model, signature, by_key(model), ignored=["cache"]).files == 3
    ours = signed(model, ignored=["cache"])
    assert their_verdict(model, ours) == 0
    assert faults_of(model, ours) == [("the file is not signed", "x.bin")]


def test_leaving_out_what_is_signed_excuses_nothing(model: Path) -> None:
    """It is said that the file was signed; missing is only what is not there."""
    signature = signed(model)
    for ignored, name in (("weights.bin", "weights.bin"), ("layers", "head.bin")):
        assert faults_of(model, signature, ignored=[ignored]) == [
            ("the file is signed, but left out now", name)
        ]
    (model / "layers" / "head.bin").unlink()
    assert faults_of(model, signature, ignored=["layers"]) == [("the file is missing", "head.bin")]


@pytest.mark.parametrize("path", ["/etc", "../x", ".", "a/../../b"])
def test_path_out_of_the_model_cannot_be_excluded(model: Path, path: str) -> None:
    """When signing and when verifying."""
    signature = signed(model)
    with pytest.raises(UsageError, match="leaves nothing out"):
        signed(model, ignored=[path])
    with pytest.raises(UsageError, match="leaves nothing out"):
        verify_model(model, signature, by_key(model), ignored=[path])


def test_paths_are_excluded_as_a_shell_completes_them(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When signing and when verifying, as `model_signing` takes them."""
    (model / "cache").mkdir()
    (model / "cache" / "x.bin").write_bytes(b"x")
    monkeypatch.chdir(model.parent)
    for path in ("model/cache", "model/cache/", "cache/"):
        signature = signed(model, ignored=[path])
        assert payload_of(signature)["predicate"]["serialization"]["ignore_paths"] == ["cache"]
        assert verify_model(model, signature, by_key(model), ignored=[path]).files == 3
        assert their_verdict(model, signature) == 0


def test_a_path_that_the_signer_excluded_need_not_be_there(model: Path) -> None:
    """A verifier names the same path everywhere; a misspelt one is an error."""
    (model / ".cache").write_bytes(b"x")
    signature = signed(model, ignored=[".cache"])
    (model / ".cache").unlink()
    assert verify_model(model, signature, by_key(model), ignored=[".cache"]).files == 3
    with pytest.raises(UsageError, match=r"\.cahce leaves nothing out"):
        verify_model(model, signature, by_key(model), ignored=[".cahce"])


def make_link(model: Path) -> None:
    (model / "link.bin").symlink_to(model / "weights.bin")


def make_linked_folder(model: Path) -> None:
    (model / "elsewhere").symlink_to(model.parent, target_is_directory=True)


def make_empty_folder(model: Path) -> None:
    (model / "empty").mkdir()


def make_pipe(model: Path) -> None:
    os.mkfifo(model / "pipe")


def make_odd_name(model: Path) -> None:
    (model / "\x1b[31m.bin").write_bytes(b"x")


@pytest.mark.parametrize(
    "spoil", [make_link, make_linked_folder, make_empty_folder, make_pipe, make_odd_name]
)
def test_what_a_signature_cannot_hold_is_refused(
    model: Path, spoil: Callable[[Path], None]
) -> None:
    """Neither signed nor passed over; the library sees no empty folders."""
    signature = signed(model)
    before = signature.read_bytes()
    spoil(model)
    with pytest.raises(SealError, match="a signature cannot cover this") as caught:
        verify_model(model, signature, by_key(model))
    assert "\x1b" not in str(caught.value)
    with pytest.raises(InputError, match="a signature cannot cover this"):
        signed(model)
    assert signature.read_bytes() == before


def test_wrong_key_is_refused(model: Path) -> None:
    """Whatever the model holds."""
    make_key(model.parent, "other")
    assert faults_of(model, signed(model), by_key(model, "other")) == [
        ("the signature is invalid", "model.sig")
    ]


def test_signature_of_another_model_is_refused(model: Path) -> None:
    """It holds, but for other files."""
    other = make_model(model.parent / "b")
    make_key(other.parent)
    change(other)
    shutil.copy(model.parent / "key.pub.pem", other.parent)
    assert faults_of(other, signed(model)) == [("the file was changed", "weights.bin")]


def test_changed_statement_is_refused(model: Path) -> None:
    """The files in it are those of the model, but nobody has signed that."""
    signature = signed(model)
    bundle = json.loads(signature.read_text())
    statement = payload_of(signature)
    change(model)
    statement["predicate"]["resources"] = [
        one for one in statement["predicate"]["resources"] if one["name"] != "weights.bin"
    ]
    (model / "weights.bin").unlink()
    bundle["dsseEnvelope"]["payload"] = b64encode(json.dumps(statement).encode()).decode()
    signature.write_text(json.dumps(bundle))
    assert faults_of(model, signature) == [("the signature is invalid", "model.sig")]


def test_truncated_signature_cannot_be_read(model: Path) -> None:
    """At any length."""
    signature = signed(model)
    content = signature.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        signature.write_bytes(content[:length])
        assert "not a signature of a model" in unreadable(model, signature)


@pytest.mark.parametrize("content", [
    b"[]", b"null", b"{}", b'{"dsseEnvelope": 5}', b'{"dsseEnvelope": {"payload": "%"}}', b"[" * 99_999, b"\xff",
    b'{"dsseEnvelope": {"payload": "e30="}}', b'{"a": 1, "a": 2}',
])  # fmt: skip
def test_file_that_is_not_a_signature_is_refused(model: Path, content: bytes) -> None:
    """Neither as JSON nor as a bundle."""
    (model.parent / "x.sig").write_bytes(content)
    assert "not a signature of a model" in unreadable(model, model.parent / "x.sig")


def test_repeated_name_in_the_bundle_is_refused(model: Path) -> None:
    """Two readers may each take another one."""
    signature = signed(model)
    text = signature.read_text()
    signature.write_text(text.replace('{"mediaType"', '{"mediaType":"x","mediaType"', 1))
    assert signature.read_text() != text and "occurs twice" in unreadable(model, signature)


@pytest.mark.parametrize("path", ["mediaType", "verificationMaterial", "dsseEnvelope.signatures"])
def test_bundle_with_a_part_missing_holds_nothing(model: Path, path: str) -> None:
    """Read or not, it verifies nothing."""
    signature = signed(model)
    bundle = json.loads(signature.read_text())
    *folders, name = path.split(".")
    part = bundle
    for folder in folders:
        part = part[folder]
    del part[name]
    signature.write_text(json.dumps(bundle))
    with pytest.raises((InputError, SealError)):
        verify_model(model, signature, by_key(model))


def test_endless_signature_is_not_read(model: Path) -> None:
    """4 GB of nothing; a pipe without a writer; a folder."""
    with (model.parent / "x.sig").open("wb") as file:
        file.truncate(4 << 30)
    assert "too long" in unreadable(model, model.parent / "x.sig")
    os.mkfifo(model.parent / "pipe.sig")
    assert "no plain file" in unreadable(model, model.parent / "pipe.sig")
    assert "cannot be read" in unreadable(model, model)


def test_missing_files_are_reported(model: Path) -> None:
    """Signature, key, model."""
    signature = signed(model)
    assert "no.sig" in unreadable(model, model.parent / "no.sig")
    assert "no.pem" in unreadable(model, signature, PublicKeySigner(model.parent / "no.pem"))
    assert "the model cannot be read" in unreadable(model.parent / "no", signature, by_key(model))


def write_pem(path: Path, key: Any, password: bytes | None = None) -> Path:
    """Writes a private key, for its owner only."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    path.chmod(0o600)
    return path


OTHER_KEYS = {
    "an Ed25519 key": ed25519.Ed25519PrivateKey.generate(),
    "an RSA key": rsa.generate_private_key(public_exponent=65_537, key_size=2_048),
    "a key on the curve secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "an X25519 key": x25519.X25519PrivateKey.generate(),
}


@pytest.mark.parametrize("kind", OTHER_KEYS)
def test_key_of_another_kind_is_named(model: Path, kind: str) -> None:
    """With the command that makes the right one, and no word of a library."""
    key = OTHER_KEYS[kind]
    signature = signed(model)
    public = model.parent / "other.pub.pem"
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    said = unreadable(model, signature, PublicKeySigner(public))
    assert f"found     {kind}" in said and "Error" not in said
    with pytest.raises(InputError, match=f"found     {kind}") as caught:
        sign_model(model, model.parent / "x.sig", write_pem(model.parent / "other.pem", key))
    assert "gamekeeper keypair signer.pem --signing --curve p256" in str(caught.value)
    assert not (model.parent / "x.sig").exists()


def test_the_other_half_of_a_key_and_other_files_are_named(
    model: Path, certified: dict[str, Path]
) -> None:
    """A private key to verify with, a public one to sign with, a certificate for a key, text."""
    signature = signed(model)
    folder = model.parent
    for path, found in (
        (folder / "key.pem", "PRIVATE KEY"),
        (certified["key"], "CERTIFICATE"),
        (model / "config.json", "no PEM block"),
    ):
        assert f"found     {found}" in unreadable(model, signature, PublicKeySigner(path))
    (folder / "key.pub.pem").chmod(0o600)
    with pytest.raises(InputError, match="found     PUBLIC KEY"):
        sign_model(model, folder / "x.sig", folder / "key.pub.pem")


def test_key_with_the_parameters_of_its_curve_signs(model: Path) -> None:
    """As `openssl ecparam -genkey` writes it without -noout."""
    path = model.parent / "key.pem"
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    path.write_text(parameters + path.read_text())
    assert verify_model(model, signed(model), by_key(model)).files == 3


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_key_with_a_passphrase_signs_with_it(model: Path, form: PrivateFormat) -> None:
    """Given as text or asked for; without it, with another, or with one for no lock it is refused."""
    key = make_key(model.parent)
    locked = model.parent / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"phrase")))
    locked.chmod(0o600)
    signature = model.parent / "model.sig"
    for password in ("phrase", lambda: "phrase"):
        sign_model(model, signature, locked, password=password)
        assert verify_model(model, signature, by_key(model)).files == 3
    with pytest.raises(InputError, match="the key has a passphrase"):
        sign_model(model, signature, locked)
    with pytest.raises(InputError, match="another passphrase"):
        sign_model(model, signature, locked, password="other")
    with pytest.raises(UsageError, match="has no passphrase"):
        signed(model, password="phrase")


def test_passphrase_is_not_asked_for_where_there_is_none(model: Path) -> None:
    """A key without a lock signs without a question."""

    def ask() -> str:
        raise AssertionError

    assert signed(model, password=ask)


def test_signing_key_that_others_can_read_is_refused(model: Path) -> None:
    """By the rule of all private keys."""
    (model.parent / "key.pem").chmod(0o644)
    with pytest.raises(InputError, match="other users can read the secret"):
        signed(model)


def test_nothing_is_half_written(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, the earlier signature stays."""
    signature = signed(model)
    before = signature.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    add(model)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space"):
        signed(model)
    assert signature.read_bytes() == before


def test_a_file_beside_the_signature_is_signed_like_any_other(model: Path) -> None:
    """Whatever its name: nothing but an earlier signature is replaced or removed."""
    (model / "model.sig.new").write_bytes(b"of the user")
    sign_model(model, model / "model.sig", model.parent / "key.pem")
    assert verify_model(model, model / "model.sig", by_key(model)).files == 4
    assert (model / "model.sig.new").read_bytes() == b"of the user"


@pytest.mark.parametrize("kind", ["key", "link to the key", "certificate", "chain", "model"])
def test_a_signature_never_replaces_an_input(
    model: Path, certified: dict[str, Path], kind: str
) -> None:
    """By identity: a hard link is the key too."""
    key = model.parent / "key.pem"
    linked = model.parent / "linked.pem"
    linked.hardlink_to(key)
    out = {
        "key": key,
        "link to the key": linked,
        "certificate": certified["key"],
        "chain": certified["ca"],
        "model": model / "weights.bin",
    }
    source = model / "weights.bin" if kind == "model" else model
    before = snapshot(model.parent)
    with pytest.raises(UsageError, match="this is the input itself"):
        sign_model(
            source,
            out[kind],
            key,
            certificate=certified["key"],
            chain=[certified["ca"]],
        )
    assert snapshot(model.parent) == before


@pytest.mark.parametrize("name", ["weights.bin", "config.json", "layers", "empty", "dangling"])
def test_a_file_that_is_not_a_signature_is_not_replaced(model: Path, name: str) -> None:
    """A file of the model would be lost, and left unsigned."""
    (model / "empty").touch()
    (model / "dangling").symlink_to("nowhere")
    before = snapshot(model)
    with pytest.raises(InputError, match="already in use"):
        sign_model(model, model / name, model.parent / "key.pem")
    assert snapshot(model) == before


def snapshot(folder: Path) -> dict[str, bytes]:
    """The content of every file."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_file_that_vanishes_meanwhile_is_reported(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's signature is doubted for it."""
    signature = signed(model)
    tree = ModelTree(files=[model / "config.json", model / "gone.bin"])
    monkeypatch.setattr("gamekeeper.sealing.provenance.verify.list_files", lambda *_: tree)
    assert "the model cannot be read" in unreadable(model, signature)


def test_empty_model_is_not_signed(tmp_path: Path) -> None:
    """A signature over nothing would hold for nothing."""
    make_key(tmp_path)
    (tmp_path / "model").mkdir()
    with pytest.raises(InputError, match="there is nothing to sign"):
        signed(tmp_path / "model")


@pytest.mark.parametrize("is_old", [True, False])
def test_signature_of_an_older_version_verifies(
    model: Path, capsys: pytest.CaptureFixture[str], is_old: bool
) -> None:
    """Of 0.2, and of 1.0 without a word on the key; the library's warning does not get between
    results.
    """
    key = make_key(model.parent)
    signature = model.parent / "old.sig"
    write_bundle(signature, key, old_statement(model), is_old=is_old)
    assert verify_model(model, signature, by_key(model)).is_old
    assert capsys.readouterr().out == ""
    change(model)
    assert faults_of(model, signature) == [("the file was changed", "weights.bin")]


def test_signed_statement_of_another_kind_is_refused(model: Path) -> None:
    """Signed by the right key, for another purpose, or with a name twice."""
    key = make_key(model.parent)
    signature = model.parent / "x.sig"
    statement = old_statement(model)
    write_bundle(
        signature,
        key,
        statement | {"predicateType": "https://slsa.dev/provenance/v1"},
        is_old=False,
    )
    assert "a statement of the type" in unreadable(model, signature)
    write_bundle(
        signature, key, statement | {"_type": "https://in-toto.io/Statement/v9"}, is_old=False
    )
    assert faults_of(model, signature) == [("the signature is invalid", "x.sig")]
    write_bundle(signature, key, statement | {"subject": statement["subject"] * 2}, is_old=False)
    assert "occurs twice" in unreadable(model, signature)
    write_bundle(signature, key, statement | {"subject": []}, is_old=False)
    assert "it does not sign any file" in unreadable(model, signature)


def test_signature_by_shards_verifies(model: Path) -> None:
    """As others make them; a changed shard names its file, and an empty file, which has none, is
    not passed over.
    """
    from model_signing import hashing, signing

    signature = model.parent / "shards.sig"
    shards = hashing.Config().use_shard_serialization(shard_size=1_024)
    config = signing.Config().use_elliptic_key_signer(private_key=model.parent / "key.pem")
    config.set_hashing_config(shards).sign(model, signature)
    assert verify_model(model, signature, by_key(model)).files == 3
    with (model / "weights.bin").open("r+b") as file:
        file.seek(5_000)
        file.write(b"?")
    (model / "__init__.py").touch()
    assert faults_of(model, signature) == [
        ("the file is not signed", "__init__.py"),
        ("the file was changed", "weights.bin"),
    ]


@pytest.mark.parametrize("algorithm", ["blake2", "blake3"])
def test_other_digests_verify(model: Path, algorithm: Any) -> None:
    """As others make them."""
    from model_signing import hashing, signing

    signature = model.parent / "x.sig"
    config = signing.Config().use_elliptic_key_signer(private_key=model.parent / "key.pem")
    config.set_hashing_config(hashing.Config().use_file_serialization(hashing_algorithm=algorithm))
    config.sign(model, signature)
    assert verify_model(model, signature, by_key(model)).files == 3
    change(model)
    assert faults_of(model, signature) == [("the file was changed", "weights.bin")]


@pytest.fixture
def certified(model: Path) -> dict[str, Path]:
    """A root, a signer's certificate under it, and a root of somebody else."""
    folder = model.parent
    ca = make_key(folder, "ca")
    other = make_key(folder, "other-ca")
    key = make_key(folder)
    paths = {name: folder / f"{name}.crt.pem" for name in ("ca", "other-ca", "key")}
    make_certificate(paths["ca"], ca, ("ca", ca), "ca", is_ca=True)
    make_certificate(paths["other-ca"], other, ("other-ca", other), "other-ca", is_ca=True)
    make_certificate(paths["key"], key, ("ca", ca), "signer", is_ca=False)
    return paths


def test_certificate_verifies_by_its_root(model: Path, certified: dict[str, Path]) -> None:
    """And by no other."""
    signature = signed(model, certificate=certified["key"], chain=[certified["ca"]])
    assert verify_model(model, signature, CertificateSigner((certified["ca"],))).files == 3
    assert faults_of(model, signature, CertificateSigner((certified["other-ca"],))) == [
        ("the signature is invalid", "model.sig")
    ]
    change(model)
    assert faults_of(model, signature, CertificateSigner((certified["ca"],))) == [
        ("the file was changed", "weights.bin")
    ]


def test_signature_of_another_kind_than_the_signer_is_no_verdict(
    model: Path, certified: dict[str, Path]
) -> None:
    """By a certificate and checked with a key, the other way round, and by Sigstore."""
    by_certificate = signed(model, certificate=certified["key"], chain=[certified["ca"]])
    said = unreadable(model, by_certificate, by_key(model))
    assert "cannot be checked with --public-key" in said and "--root FILE" in said
    by_bare_key = signed(model)
    said = unreadable(model, by_bare_key, CertificateSigner((certified["ca"],)))
    assert "cannot be checked with --root" in said and "--public-key FILE" in said
    by_sigstore = as_if_by_sigstore(by_bare_key)
    assert "--identity NAME" in unreadable(model, by_sigstore, by_key(model))


def test_certificate_with_a_key_of_another_kind_is_not_signed_with(
    model: Path, certified: dict[str, Path]
) -> None:
    """It is named; so is a file that is no certificate."""
    with pytest.raises(InputError, match="a certificate of another key"):
        signed(model, certificate=certified["other-ca"])
    with pytest.raises(InputError, match="not a certificate"):
        signed(model, certificate=model / "config.json")
    with pytest.raises(InputError, match="not a certificate"):
        signed(model, certificate=certified["key"], chain=[model / "config.json"])
    signature = signed(model, certificate=certified["key"], chain=[certified["ca"]])
    no_root = CertificateSigner((model.parent / "key.pub.pem",))
    assert "not a certificate" in unreadable(model, signature, no_root)


def test_library_takes_our_certificates(model: Path, certified: dict[str, Path]) -> None:
    """Its command line, with the same root."""
    signature = signed(model, certificate=certified["key"], chain=[certified["ca"]])
    words = ["verify", "certificate", model, "--signature", signature, "--certificate_chain"]
    assert library(*words, certified["ca"]).returncode == 0
    assert library(*words, certified["other-ca"]).returncode != 0


def test_certificates_require_a_root() -> None:
    """The library would take those of the web."""
    with pytest.raises(ValueError, match="root"):
        CertificateSigner(())


def test_sigstore_out_of_reach_is_reported(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Offline nobody can be verified by identity."""
    home = tmp_path_factory.mktemp("home")
    for name, value in {"HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    signer = SigstoreSigner("somebody@example.org", "https://accounts.google.com")
    signature = as_if_by_sigstore(signed(model))
    assert "a network connection to Sigstore" in unreadable(model, signature, signer)


def test_spoilt_signature_verifies_nothing_else(model: Path) -> None:
    """Bytes changed, cut out or doubled at random: an error of ours, or the same three files."""
    rng = random.Random(11)
    signature = signed(model)
    content = signature.read_bytes()
    outcomes = set()
    for _ in range(300):
        at = rng.randrange(len(content))
        length = rng.choice((1, 1, 8, 64))
        middle = rng.choice((rng.randbytes(length), b"", content[at : at + length] * 2))
        signature.write_bytes(content[:at] + middle + content[at + length :])
        try:
            outcomes.add(verify_model(model, signature, by_key(model)).files)
        except (InputError, SealError) as error:
            outcomes.add(type(error).__name__)
    assert {"InputError", "SealError"} <= outcomes <= {"InputError", "SealError", 3}


LEFT_BY_DOWNLOADS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "an empty file": b"",
    "a web page": b"<!DOCTYPE html><html>not found</html>",
}


@pytest.mark.parametrize("found", LEFT_BY_DOWNLOADS)
def test_what_a_download_left_is_not_signed_unless_it_is_left_out(model: Path, found: str) -> None:
    """In a folder and as a file of its own."""
    path = model / "more.safetensors"
    path.write_bytes(LEFT_BY_DOWNLOADS[found])
    with pytest.raises(InputError, match=rf"found     {found}[^`]*--ignore more.safetensors"):
        signed(model)
    assert not (model.parent / "model.sig").exists()
    signature = signed(model, ignored=["more.safetensors"])
    verify_model(model, signature, by_key(model), ignored=["more.safetensors"])
    with pytest.raises(
        InputError, match=f"more.safetensors: the file was not downloaded\n.*{found}"
    ):
        sign_model(path, model.parent / "file.sig", model.parent / "key.pem")


def test_public_key_that_others_may_read_is_said_to_be_no_private_key(model: Path) -> None:
    (model.parent / "key.pub.pem").chmod(0o644)
    with pytest.raises(InputError, match="not a private key\n  found     PUBLIC KEY"):
        sign_model(model, model.parent / "a.sig", model.parent / "key.pub.pem")
