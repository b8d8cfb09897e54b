"""Model files and folders as people have them, for sealing.

Each is written by its own library where that is installed. Keras and GGUF are the samples of
tests/sealing/artifacts/samples, which h5py and gguf wrote; MLflow's folder, LFS pointers and broken
pickles are written by hand after their formats.
"""

import io
import json
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import joblib
import models
import numpy as np
from sklearn.linear_model import LogisticRegression

SAMPLES = Path(__file__).parents[2] / "tests/sealing/artifacts/samples"
LFS = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 548118077\n"
)
LOADS = """\
import torch
from safetensors.torch import load_file

from gamekeeper.sealing import load_sealed
from gamekeeper.sealing.recipients import read_private_key

TORCH_ALONE = ["e4m3", "e5m2"]  # types that numpy does not have
plain = load_file("model.safetensors")
with load_sealed("model.safetensors.sealed", keys=[read_private_key("serving.pem")]) as model:
    tensors = model.torch()
    arrays = model.numpy(skip=TORCH_ALONE)
same = [torch.equal(tensors[name].view(torch.uint8), plain[name].view(torch.uint8)) for name in plain
        if plain[name].numel()]
assert sorted(tensors) == sorted(plain) == sorted([*arrays, *TORCH_ALONE])
assert all(tensors[name].dtype == plain[name].dtype for name in plain)
assert all(arrays[name].shape == tuple(plain[name].shape) for name in arrays)
print(f"{len(tensors)} tensors by torch, {len(arrays)} by numpy, {sum(same)} of {len(same)} with elements equal")
"""
SESSION = """\
import numpy as np
import onnxruntime

from gamekeeper.sealing import load_sealed
from gamekeeper.sealing.recipients import read_private_key

rows = {"X": np.load("pool.npy")[:50].astype(np.float32)}
plain = onnxruntime.InferenceSession("model/model.onnx").run(None, rows)[0]
with load_sealed("model.sealed", keys=[read_private_key("serving.pem")]) as model:
    session = model.onnx_session(providers=["CPUExecutionProvider"])
    opened = session.run(None, rows)[0]
print(f"{(opened == plain).sum()} of {len(plain)} answers equal")
"""


class Arguments:
    """What a trainer was given; its pickle names a class."""

    learning_rate = 0.1


def hub(folder: Path) -> None:
    """A folder of a model hub: shards, tokenizer, a configuration with code, a chat template."""
    model = folder / "model"
    model.mkdir()
    _hub(model)


def _hub(model: Path) -> None:
    from safetensors.numpy import save_file

    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for number, name in enumerate(shards):
        save_file({f"layer.{number}": models.normal(40, 8).astype(np.float32)}, model / name)
    index = {"metadata": {}, "weight_map": {f"layer.{n}": s for n, s in enumerate(shards)}}
    documents = {
        "model.safetensors.index.json": index,
        "config.json": {"auto_map": {"AutoModelForCausalLM": "modeling_own.OwnModel"}},
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}},
        "tokenizer_config.json": {"chat_template": "{% for m in messages %}{{ m }}{% endfor %}"},
        "generation_config.json": {"temperature": 0.6},
    }
    for name, document in documents.items():
        (model / name).write_text(json.dumps(document))
    (model / "modeling_own.py").write_text("class OwnModel:\n    pass\n")
    (model / "README.md").write_text("# A model\n")
    (model / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")


def checkpoint(folder: Path) -> None:
    """A checkpoint of a trainer: the same with the trainer's own pickles."""
    import torch

    model = folder / "checkpoint-500"
    model.mkdir()
    _hub(model)
    (model / "trainer_state.json").write_text(json.dumps({"global_step": 500}))
    torch.save(Arguments(), model / "training_args.bin")
    network = models.linear_network(1)
    optimizer = torch.optim.AdamW(network.parameters())
    torch.save(optimizer.state_dict(), model / "optimizer.pt")
    torch.save({"last_epoch": 500}, model / "scheduler.pt")


def gguf(folder: Path) -> None:
    """A small model for llama.cpp."""
    shutil.copy(SAMPLES / "llama.gguf", folder / "model.gguf")


def keras(name: str) -> Callable[[Path], None]:
    """A model of Keras 3."""
    return lambda folder: _copied(f"{name}.keras", folder / "model.keras")


def _copied(name: str, path: Path) -> None:
    shutil.copy(SAMPLES / name, path)


def mlflow(folder: Path) -> None:
    """A folder of MLflow: MLmodel, environments, and the model as a pickle."""
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n"
        "    python_model: python_model.pkl\n"
    )
    (model / "conda.yaml").write_text("dependencies:\n- python=3.11\n- pip:\n  - mlflow\n")
    (model / "requirements.txt").write_text("mlflow\nscikit-learn\n")
    rows, labels = models.cancer()
    fitted = LogisticRegression().fit(rows, labels)
    (model / "python_model.pkl").write_bytes(pickle.dumps(fitted))


def objects(folder: Path) -> None:
    """An .npz with an array of objects, which numpy unpickles."""
    names = np.array(["a", {"b": 1}], dtype=object)
    np.savez(folder / "model.npz", weights=models.normal(4, 4), names=names)


def broken_pickle(folder: Path) -> None:
    """A pickle of protocol 0 that calls print and then breaks off: what it calls has run."""
    (folder / "model.bin").write_bytes(b"cbuiltins\nprint\n(Vrun\ntR\xff")


def compressed(folder: Path) -> None:
    """An estimator that joblib compressed."""
    rows, labels = models.cancer()
    joblib.dump(LogisticRegression().fit(rows, labels), folder / "model.joblib.gz", compress=3)


def torch_tar(folder: Path) -> None:
    """A checkpoint in the tar that torch wrote before version 0.1.10."""
    with tarfile.open(folder / "model.bin", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps({"name": name}, protocol=2)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def pointer(folder: Path) -> None:
    """What git clones where Git LFS is not installed."""
    (folder / "model.safetensors").write_text(LFS)


def empty(folder: Path) -> None:
    """A download that failed at once."""
    (folder / "model.safetensors").touch()


def unusual_tensors(folder: Path) -> None:
    """Empty tensors and the 8-bit types of AMD's hardware; load.py reads them back."""
    import torch
    from safetensors.torch import save_file

    plain = torch.linspace(-1, 1, 12).reshape(3, 4)
    tensors = {
        "empty": torch.empty(0),
        "empty.rows": torch.empty(0, 4, dtype=torch.float16),
        "e4m3": plain.to(torch.float8_e4m3fnuz),
        "e5m2": plain.to(torch.float8_e5m2fnuz),
        "one": torch.tensor(1.5, dtype=torch.float64).reshape(1),
        "plain": plain,
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "load.py").write_text(LOADS)


def onnx_with_data(folder: Path) -> None:
    """An ONNX model whose tensors are in a file beside it; session.py runs it."""
    import onnx
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier

    rows, labels = models.cancer()
    network = MLPClassifier((16,), max_iter=500, random_state=0).fit(rows, labels)
    (folder / "model").mkdir()
    onnx.save_model(
        to_onnx(network, rows[:1].astype(np.float32)),
        str(folder / "model/model.onnx"),
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )
    np.save(folder / "pool.npy", rows)
    (folder / "session.py").write_text(SESSION)


def with_key(folder: Path) -> None:
    """A model beside its owner's private key, which ssh-keygen or openssl put there."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    hub(folder)
    key = Ed25519PrivateKey.generate()
    written = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (folder / "model/deploy_key").write_bytes(written)


def one_file(folder: Path) -> None:
    """A model of one file."""
    from safetensors.numpy import save_file

    save_file({"weights": models.normal(40, 8).astype(np.float32)}, folder / "model.safetensors")
