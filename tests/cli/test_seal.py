"""`gamekeeper seal|open|rewrap|inspect|keypair|verify sealed`, as a user calls them: output and
exit codes.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper.base.errors import GamekeeperError
from sealing.builders import write_model

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command line in a folder with a model, a key that opens, one that signs, and a
    passphrase.
    """
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, list(words))
        if isinstance(result.exception, GamekeeperError):
            return result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}"
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result.exit_code, result.stdout, result.stderr

    write_model(tmp_path / "model.safetensors")
    (tmp_path / "phrase").write_text("correct horse battery staple\n")
    (tmp_path / "phrase").chmod(0o600)
    assert run("keypair", "serving.pem")[0] == run("keypair", "owner.pem", "--signing")[0] == 0
    return run


def seal(call: Call, *more: str) -> tuple[int, str, str]:
    return call(
        "seal", "model.safetensors", "--to", "serving.pub.pem", "--sign", "owner.pem", *more
    )


def test_seal_then_open_gives_the_model_back(call: Call, tmp_path: Path) -> None:
    """By the shortest call, which finds its own names."""
    code, out, narration = seal(call)
    assert code == 0 and "bytes sealed for mlkem768-x25519:" in out
    assert "anyone who may query it can still copy it" in narration
    (tmp_path / "model.safetensors").rename(tmp_path / "was")
    code, out, _ = call(
        "open", "model.safetensors.sealed", "--key", "serving.pem", "--signer", "owner.pub.pem"
    )
    assert code == 0 and "5 tensors, no longer encrypted" in out
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "was").read_bytes()


def test_json_of_each_verb_names_its_schema(call: Call) -> None:
    """One line of jq away from any other program."""
    seal(call)
    sealed = "model.safetensors.sealed"
    key = ("--key", "serving.pem")
    for schema, words in {
        "gamekeeper/seal@1": ("seal", "model.safetensors", "--to", "serving.pub.pem", "--out", "b"),
        "gamekeeper/inspect@1": ("inspect", sealed, *key),
        "gamekeeper/verify-sealed@1": (
            "verify",
            "sealed",
            sealed,
            "--signer",
            "owner.pub.pem",
            *key,
        ),
        "gamekeeper/rewrap@1": ("rewrap", sealed, *key, "--add", "x25519:" + "09" + "00" * 31),
        "gamekeeper/open@1": ("open", sealed, *key, "--out", "c"),
        "gamekeeper/keypair@1": ("keypair", "d.pem"),
    }.items():
        code, out, _ = call(*words, "--json")
        assert code == 0 and json.loads(out)["schema"] == schema


def test_inspect_shows_tensors_with_a_key_only(call: Call) -> None:
    """Names and shapes are secret."""
    seal(call)
    assert "body.weight" not in call("inspect", "model.safetensors.sealed")[1]
    assert (
        "body.weight  F32 [40, 10]"
        in call("inspect", "model.safetensors.sealed", "--key", "serving.pem")[1]
    )


def test_verify_without_a_key_checks_the_signer(call: Call, tmp_path: Path) -> None:
    """Exit 1 and a document of what is wrong, where it does not hold."""
    seal(call)
    code, out, _ = call("verify", "sealed", "model.safetensors.sealed", "--signer", "owner.pub.pem")
    assert code == 0 and "not checked: no key" in out
    path = tmp_path / "model.safetensors.sealed"
    content = bytearray(path.read_bytes())
    content[-200] ^= 4
    path.write_bytes(content)
    code, out, error = call("verify", "sealed", path.name, "--signer", "owner.pub.pem", "--json")
    assert code == 1 and json.loads(out)["holds"] is False and "not authentic" in error


def test_rewrap_changes_who_can_open(call: Call) -> None:
    """The old key is refused afterwards, the passphrase opens, and the prompt says what that does
    not undo.
    """
    seal(call)
    name = ("rewrap", "model.safetensors.sealed", "--key", "serving.pem")
    code, out, narration = call(
        *name, "--add", "passphrase", "--new-passphrase-file", "phrase", "--remove", "mlkem768"
    )
    assert (
        code == 0
        and out.endswith("can be opened by passphrase\n")
        and "seal the model again" in narration
    )
    assert call("open", "model.safetensors.sealed", "--key", "serving.pem", "--out", "x")[0] == 1
    assert (
        call("open", "model.safetensors.sealed", "--passphrase-file", "phrase", "--out", "x")[0]
        == 0
    )


def test_a_pickle_is_refused_with_why(call: Call, tmp_path: Path) -> None:
    """Exit 3, and nothing is written."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps([1]))
    code, _, error = call("seal", "model.pkl", "--to", "serving.pub.pem")
    assert code == 3 and "would run the code that is in it" in error
    assert not (tmp_path / "model.pkl.sealed").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("seal", "model.safetensors"), 2, "name a recipient with --to"),
        (("seal", "model.safetensors", "--to", "passphrase"), 2, "give --passphrase-file"),
        (("seal", "none", "--to", "serving.pub.pem"), 3, "no such file or folder"),
        (("seal", "model.safetensors", "--to", "none.pem"), 3, "the key cannot be read"),
        (
            ("seal", "model.safetensors", "--to", "owner.pub.pem"),
            3,
            "not the public key of a recipient",
        ),
        (
            ("seal", "model.safetensors", "--to", "serving.pub.pem", "--sign", "serving.pem"),
            3,
            "not a key that signs sealed files",
        ),
        (
            ("seal", "model.safetensors", "--to", "serving.pub.pem", "--out", "no/such/folder"),
            3,
            "cannot be written",
        ),
        (
            ("open", "model.safetensors", "--key", "serving.pem", "--out", "x"),
            1,
            "not a sealed file",
        ),
        (("open", "model.safetensors", "--key", "serving.pem"), 2, "--out"),
        (("open", "none.sealed", "--key", "serving.pem"), 3, "cannot be opened"),
        (("open", "none.sealed"), 2, "--key"),
        (("rewrap", "none.sealed", "--key", "serving.pem"), 2, "nothing to change"),
        (("inspect", "none.sealed"), 3, "cannot be opened"),
        (("verify", "sealed", "none.sealed"), 3, "cannot be opened"),
        (("keypair", "serving.pem"), 3, "this name is already in use"),
        (("keypair", "x.pem", "--signing", "--classical"), 2, "--classical"),
    ],
)
def test_wrong_calls_say_what_to_do(
    call: Call, words: tuple[str, ...], code: int, says: str
) -> None:
    """Exit 2 for words that do not fit, 3 for what cannot be read, 1 for what does not hold."""
    found, _, error = call(*words)
    assert (found, says in error) == (code, True), error


def test_passphrase_file_that_others_can_read_is_refused(call: Call, tmp_path: Path) -> None:
    """As a key is."""
    (tmp_path / "phrase").chmod(0o644)
    code, _, error = call(
        "seal", "model.safetensors", "--to", "passphrase", "--passphrase-file", "phrase"
    )
    assert code == 3 and "chmod 600" in error
