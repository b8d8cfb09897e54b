"""`gamekeeper seal|open|rewrap|inspect|keypair|verify sealed`, as a user calls them: output and
exit codes.
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as trainers write it, with a template and files that are not known."""
    folder = tmp_path / "llm"
    folder.mkdir()
    write_model(folder / "m.safetensors")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ x }}"}')
    (folder / "training_args.bin").write_bytes(pickle.dumps([1]))
    (folder / "optimizer.pt").write_bytes(pickle.dumps([1]))
    return folder


def test_files_that_were_allowed_are_said_by_every_verb(call: Call, folder: Path) -> None:
    """To the owner and to recipients, as text and as JSON; so is code that a loader may run."""
    assert folder.is_dir()
    to = ("seal", "llm", "--to", "serving.pub.pem", "--ignore", "llm/optimizer.pt")
    code, _, error = call(*to)
    assert code == 3 and "training_args.bin" in error and "optimizer.pt" not in error
    key = ("--key", "serving.pem")
    allowed = "1 file was allowed by name and not examined; loading may run code: training_args.bin"
    template = "tokenizer_config.json: chat template (Jinja)"
    for words in (
        (*to, "--allow", "training_args.bin"),
        ("inspect", "llm.sealed", *key),
        ("verify", "sealed", "llm.sealed", *key),
        ("open", "llm.sealed", *key, "--out", "back"),
    ):
        code, out, narration = call(*words)
        assert code == 0 and allowed in out + narration and template in out + narration
    for words in (
        (*to, "--allow", "*.bin", "--force", "--json"),
        ("inspect", "llm.sealed", *key, "--json"),
        ("verify", "sealed", "llm.sealed", *key, "--json"),
        ("open", "llm.sealed", *key, "--out", "again", "--json"),
    ):
        found = json.loads(call(*words)[1])
        assert found["allowed"] == ["training_args.bin"]
        assert found["code"] == [{"path": "tokenizer_config.json", "what": "chat template (Jinja)"}]


def test_notes_that_an_author_left_out_are_printed(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify and open say what is in the files; inspect says that it repeats what its author said."""
    from gamekeeper.sealing.artifacts import models

    honest = models.contents_of
    ignore = ("--ignore", "optimizer.pt", "--allow", "training_args.bin")
    with monkeypatch.context() as patched:
        patched.setattr(
            models,
            "contents_of",
            lambda *given, **more: replace(honest(*given, **more), allowed=(), code=()),
        )
        code = call("seal", str(folder), "--to", "serving.pub.pem", "--out", "s", *ignore)[0]
    assert code == 0
    key = ("--key", "serving.pem")
    template = "tokenizer_config.json: chat template (Jinja)"
    assert call("open", "s", *key, "--out", "back")[0] == 1
    allow = ("--allow", "*.bin")
    code, out, narration = call("open", "s", *key, "--out", "back", *allow)
    assert code == 0 and template in narration and "training_args.bin" in narration
    code, out, _ = call("verify", "sealed", "s", *key, *allow)
    assert code == 0 and template in out and "does not say what the notes below say" in out
    out = call("inspect", "s", *key)[1]
    assert template not in out and "this is what its author says" in out


@pytest.mark.parametrize("option", ["--allow", "--ignore"])
def test_a_name_that_matches_nothing_is_a_wrong_call(call: Call, folder: Path, option: str) -> None:
    """A slip must not seal what was to be left out."""
    assert folder.is_dir()
    words = ("seal", "llm", "--to", "serving.pub.pem", option, "optimiser.pt")
    code, _, error = call(*words)
    assert code == 2 and f"{option} optimiser.pt: no such file in the model" in error


def test_a_private_key_in_the_folder_is_refused(call: Call, folder: Path, tmp_path: Path) -> None:
    """The key that `keypair` makes, though it is named."""
    (folder / "key").write_bytes((tmp_path / "serving.pem").read_bytes())
    words = ("seal", "llm", "--to", "serving.pub.pem", "--allow", "*")
    code, _, error = call(*words)
    assert code == 3 and "a private key is never sealed" in error and "--ignore key" in error


def test_an_output_is_never_the_input(call: Call, tmp_path: Path, folder: Path) -> None:
    """Under no name of it: spelled otherwise, through links, or inside of the folder."""
    seal(call)
    sealed = tmp_path / "model.safetensors.sealed"
    model = tmp_path / "model.safetensors"
    (tmp_path / "link").symlink_to(model)
    (tmp_path / "hard").hardlink_to(model)
    (tmp_path / "link.s").symlink_to(sealed)
    (tmp_path / "hard.s").hardlink_to(sealed)
    was = model.read_bytes(), sealed.read_bytes()
    to = ("--to", "serving.pub.pem", "--force", "--out")
    key = ("--key", "serving.pem", "--force", "--out")
    for out in ("model.safetensors", "./model.safetensors", str(model), "link", "hard"):
        code, _, error = call("seal", "model.safetensors", *to, out)
        assert code == 2 and "the input itself" in error
    for out in (sealed.name, f"./{sealed.name}", "link.s", "hard.s"):
        code, _, error = call("open", sealed.name, *key, out)
        assert code == 2 and "the input itself" in error
    for out in ("llm", "llm/m.sealed", "llm/../llm/m.sealed"):
        assert call("seal", "llm", *to, out)[0] == 2
    for words in (("seal", "model.safetensors", *to, "-"), ("open", sealed.name, *key, "-")):
        code, _, error = call(*words)
        assert code == 2 and "- is not supported" in error
    assert (model.read_bytes(), sealed.read_bytes()) == was and not (tmp_path / "-").exists()


def test_no_key_is_replaced_by_an_output(call: Call, folder: Path) -> None:
    """Neither those of recipients nor those that sign, open or are checked."""
    here = folder.parent
    (here / "phrase").write_text("correct horse battery staple")
    (here / "phrase").chmod(0o600)
    files = ("phrase", "owner.pem", "owner.pub.pem", "serving.pem", "serving.pub.pem")
    before = [(here / name).read_bytes() for name in files]
    to = ("--to", "serving.pub.pem", "--sign", "owner.pem", "--passphrase-file", "phrase")
    for out in ("serving.pub.pem", "owner.pem", "phrase"):
        words = ("--to", "passphrase", "--allow", "*", "--force", "--out", out)
        code, _, error = call("seal", "llm", *to, *words)
        assert code == 2 and "the input itself" in error
    assert call("seal", "model.safetensors", *to, "--out", "m.sealed")[0] == 0
    by = ("--key", "serving.pem", "--signer", "owner.pub.pem", "--passphrase-file", "phrase")
    for out in ("serving.pem", "owner.pub.pem", "phrase"):
        code, _, error = call("open", "m.sealed", *by, "--force", "--out", out)
        assert code == 2 and "the input itself" in error
    code, _, error = call("rewrap", "m.sealed", "--key", "m.sealed", "--add", "serving.pub.pem")
    assert code == 2 and "the input itself" in error
    assert [(here / name).read_bytes() for name in files] == before


def test_the_current_folder_is_sealed_beside_itself(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.` has no name of its own; a sealed file in it would be sealed the next time."""
    monkeypatch.chdir(folder)
    code, out, _ = call("seal", ".", "--to", "../serving.pub.pem", "--allow", "*")
    assert code == 0 and (folder.parent / "llm.sealed").exists() and "llm.sealed" in out


def test_empty_folders_are_said(call: Call, folder: Path) -> None:
    """A sealed file does not keep them."""
    (folder / "logs").mkdir()
    words = ("seal", "llm", "--to", "serving.pub.pem", "--allow", "*")
    assert "empty folders are not kept: logs" in call(*words)[2]


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


SAMPLES = Path(__file__).parents[1] / "sealing" / "artifacts" / "samples"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("llama.gguf", "GGUF"), ("xgboost.json", "XGBoost"), ("lightgbm.txt", "LightGBM")],
)
def test_format_is_named_and_unknown_tensors_are_not_counted(
    call: Call, tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    call("seal", name, "--to", "serving.pub.pem")
    _, out, _ = call("inspect", f"{name}.sealed", "--key", "serving.pem")
    assert f"{name} ({kind}" in out and " in 1 chunk\n" in out
    _, out, _ = call("inspect", f"{name}.sealed", "--key", "serving.pem", "--json")
    assert json.loads(out)["files"][0]["format"].startswith(kind)
    _, out, _ = call("open", f"{name}.sealed", "--key", "serving.pem", "--out", "back")
    assert "tensor" not in out


def test_single_recipient_is_warned_of(call: Call) -> None:
    assert "one recipient: without this key nobody" in seal(call)[2]
    call("keypair", "second.pem")
    assert "one recipient" not in seal(call, "--to", "second.pub.pem", "--force")[2]


def test_public_key_given_as_key_is_said_to_be_one(call: Call, tmp_path: Path) -> None:
    """Before its mode, which is right for a public key."""
    seal(call)
    code, _, err = call(
        "open", "model.safetensors.sealed", "--key", "serving.pub.pem", "--out", "b"
    )
    assert code == 3 and "not a private key" in err and "chmod" not in err
