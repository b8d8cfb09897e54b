"""Sealing, signing and verifying load small libraries only, so that they start at once and run
where little is trusted.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ALLOWED = {
    "annotated_doc",
    "annotated_types",
    "blake3",
    "cffi",
    "_cffi_backend",
    "_openssl",
    "click",
    "cryptography",
    "gamekeeper",
    "markdown_it",
    "mdurl",
    "orjson",
    "pydantic",
    "pydantic_core",
    "pygments",
    "rich",
    "shellingham",
    "typer",
    "typing_extensions",
    "typing_inspection",
}
"""What the base environment brings to a command line, keys and digests; not all is loaded."""

PYTHONS_OWN = ("_sysconfigdata", "_distutils", "__", "a1_coverage")

PROGRAM = """
import sys
sys.argv = ["gamekeeper", *{words!r}]
before = set(sys.modules)
from gamekeeper._cli import main
try:
    main()
except SystemExit as done:
    code = done.code
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print("LOADED", code or 0, *sorted(loaded - set(sys.stdlib_module_names)))
"""


def run(folder: Path, *words: str) -> set[str]:
    """Runs a verb in a fresh interpreter; returns the libraries that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(words=list(words))],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    code, *names = done.stdout.strip().splitlines()[-1].split()[1:]
    assert code == "0", done.stdout + done.stderr
    return {name for name in names if not name.startswith(PYTHONS_OWN)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model to seal, a key pair that opens and one that signs."""
    head = json.dumps({"w": {"dtype": "U8", "shape": [90], "data_offsets": [0, 90]}}).encode()
    model = struct.pack("<Q", len(head)) + head + b"w" * 90
    (tmp_path / "model.safetensors").write_bytes(model)
    run(tmp_path, "keypair", "serving.pem")
    run(tmp_path, "keypair", "owner.pem", "--signing")
    return tmp_path


@pytest.mark.parametrize("verb", ["seal", "open", "sign", "verify", "inspect", "keypair", "rewrap"])
def test_help_of_a_verb_loads_small_libraries_only(tmp_path: Path, verb: str) -> None:
    """The verb's module with all that it imports at its top."""
    assert run(tmp_path, verb, "--help") <= ALLOWED


def test_seal_verify_and_open_load_small_libraries_only(folder: Path) -> None:
    """A real artifact from end to end."""
    loaded = run(
        folder, "seal", "model.safetensors", "--to", "serving.pub.pem", "--sign", "owner.pem"
    )
    loaded |= run(
        folder, "verify", "sealed", "model.safetensors.sealed", "--signer", "owner.pub.pem"
    )
    loaded |= run(
        folder,
        *("open", "model.safetensors.sealed", "--key", "serving.pem"),
        *("--signer", "owner.pub.pem", "--out", "again.safetensors"),
    )
    again = (folder / "again.safetensors").read_bytes()
    assert again == (folder / "model.safetensors").read_bytes()
    assert loaded <= ALLOWED and "cryptography" in loaded
