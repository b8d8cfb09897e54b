"""Every verb without the packages of any extra: it names the extra, and is at no fault of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gamekeeper.base.extras import MODULES

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["gamekeeper", *{words!r}]
from gamekeeper._cli import main
main()
"""


def run(folder: Path, *words: str, missing: list[str]) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(words=list(words), missing=missing)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=folder
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that get each verb as far as the first package that it lacks."""
    import pickle

    from sklearn.linear_model import LogisticRegression

    inputs = np.random.default_rng(0).normal(size=(60, 3))
    np.save(tmp_path / "pool.npy", inputs)
    model = LogisticRegression().fit(inputs, inputs[:, 0] > 0)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "model.pt").write_bytes(b"\x80\x02")
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    (tmp_path / "policy.toml").write_text("enforce = true\n")
    (tmp_path / "log.jsonl").write_text('{"time": 1775000000, "account": "a", "prompt": "x"}\n')
    (tmp_path / "model.bin").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("guard", "keys issue acme"),
        ("guard", "guard --upstream http://127.0.0.1:9"),
        ("guard", "guard --upstream http://127.0.0.1:9 --policy policy.toml --check"),
        ("guard", "decisions list"),
        ("guard", "replay log.jsonl"),
        ("guard", "demo-live"),
        ("audit", "audit model.pkl --trust-file --inputs pool.npy --budget 10 --out a"),
        ("torch", "audit model.pt --inputs pool.npy --budget 10 --out a"),
        ("onnx", "audit model.onnx --inputs pool.npy --budget 10 --out a"),
        ("audit", "encrypted compile model.pkl --trust-file --inputs pool.npy --out a.he"),
        ("torch", "encrypted compile model.pt --trust-file --inputs pool.npy --out a.he"),
        ("kms", "seal pool.npy --to awskms:alias/models"),
        ("vault", "seal pool.npy --to vault:transit/models"),
        ("pkcs11", "seal pool.npy --to pkcs11:token=a;object=b"),
        ("provenance", "sign model.bin --key key.pem --out model.sig"),
        ("provenance", "verify model model.bin --signature x.sig --public-key key.pem"),
        ("multilingual", "hunt log.jsonl --encoder use --out found"),
    ],
)
def test_verb_without_its_extra_names_it(folder: Path, extra: str, words: str) -> None:
    done = run(folder, *words.split(), missing=list(MODULES))
    assert f'pip install ".[{extra}]"' in done.stderr, done.stderr
    assert done.returncode == 2


@pytest.mark.extra
@pytest.mark.parametrize("missing", [m for m, extra in MODULES.items() if extra == "guard"])
def test_server_of_encrypted_inputs_names_the_extra_guard(folder: Path, missing: str) -> None:
    """Which `encrypted` does not bring, whichever of its packages is lacking."""
    pytest.importorskip("tenseal")
    from gamekeeper.encrypted.compiled_model import write_model
    from gamekeeper.encrypted.compiling import CompileOptions, train_model

    inputs = np.load(folder / "pool.npy")
    labels = (inputs[:, 0] > 0).astype(int)
    write_model(train_model(inputs, labels, [2], CompileOptions(name="a")), folder / "a.he")
    words = ["encrypted", "serve", "a.he", "--port", "0"]
    done = run(folder, *words, missing=[missing])
    assert done.returncode == 2
    assert 'pip install ".[guard]"' in done.stderr or "no key has a budget" in done.stderr


def test_every_extra_is_known_by_its_modules() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(MODULES.values()) == set(project["optional-dependencies"])
