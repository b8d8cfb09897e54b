"""Every type and every shape of tensor that a model can have is loaded into memory, or refused by
name.
"""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import UsageError
from gamekeeper.sealing import load_sealed, seal
from gamekeeper.sealing.contents import DTYPE_BITS
from gamekeeper.sealing.loading import NUMPY, TORCH
from gamekeeper.sealing.recipients import PrivateKey
from sealing.builders import onnx_bytes, onnx_tensor, some_tensors, write_model

DEGENERATE = [(), (0,), (1,), (0, 4), (4, 0), (1, 1, 1), (3, 0, 5), (2,), (2, 8)]
VALUES = np.arange(6, dtype=np.float32)
Spec = dict[str, tuple[str, tuple[int, ...]]]


def write_tensors(path: Path, tensors: Spec) -> dict[str, bytes]:
    """Writes a safetensors file of these types and shapes; returns the bytes of each tensor."""
    header = {}
    contents = {}
    at = 0
    for number, (name, (dtype, shape)) in enumerate(tensors.items()):
        length = -(-math.prod(shape) * DTYPE_BITS[dtype] // 8)
        # 0 and 1 are valid of every type, also of booleans
        contents[name] = bytes((number + step) % 2 for step in range(length))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + length]}
        at += length
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(contents.values()))
    return contents


def sealed_tensors(folder: Path, key: PrivateKey, tensors: Spec) -> tuple[Path, dict[str, bytes]]:
    contents = write_tensors(folder / "m.safetensors", tensors)
    seal(folder / "m.safetensors", folder / "s", to=[key.public_key()], is_replaced=True)
    return folder / "s", contents


def all_of(dtypes: set[str]) -> Spec:
    """Every degenerate shape of these types. Types of less than a byte are packed in whole ones."""
    return {
        f"{dtype} {shape}": (dtype, shape)
        for dtype in sorted(dtypes)
        for shape in DEGENERATE
        if math.prod(shape) * DTYPE_BITS[dtype] % 8 == 0
    }


@pytest.mark.extra
def test_types_are_those_of_safetensors() -> None:
    """A type that the library writes and that is missing here would be refused as not known."""
    safetensors = pytest.importorskip("safetensors")
    for dtype, bits in DTYPE_BITS.items():
        data = bytes(bits)
        header = {"w": {"dtype": dtype, "shape": [8], "data_offsets": [0, bits]}}
        text = json.dumps(header).encode()
        found = safetensors.deserialize(struct.pack("<Q", len(text)) + text + data)
        assert found[0][1]["dtype"] == dtype
    with pytest.raises(safetensors.SafetensorError) as refused:
        text = b'{"w":{"dtype":"?","shape":[1],"data_offsets":[0,1]}}'
        safetensors.deserialize(struct.pack("<Q", len(text)) + text + b"0")
    known = str(refused.value).partition("one of")[2]
    assert {
        name for name in known.replace("`", " ").replace(",", " ").split() if name[0].isupper()
    } <= set(DTYPE_BITS)


def test_numpy_loads_every_type_that_it_has(tmp_path: Path, key: PrivateKey) -> None:
    """Of every degenerate shape."""
    tensors = all_of(set(NUMPY))
    sealed, contents = sealed_tensors(tmp_path, key, tensors)
    with load_sealed(sealed, keys=[key]) as model:
        found = model.numpy()
    for name, (dtype, shape) in tensors.items():
        assert found[name].shape == shape and found[name].dtype == np.dtype(NUMPY[dtype])
        assert found[name].tobytes() == contents[name]


@pytest.mark.extra
def test_torch_loads_every_type_that_it_has(tmp_path: Path, key: PrivateKey) -> None:
    """Of every degenerate shape."""
    torch = pytest.importorskip("torch")
    tensors = all_of(set(TORCH))
    sealed, contents = sealed_tensors(tmp_path, key, tensors)
    with load_sealed(sealed, keys=[key]) as model:
        found = model.torch()
    for name, (dtype, shape) in tensors.items():
        assert tuple(found[name].shape) == shape and found[name].dtype == getattr(
            torch, TORCH[dtype]
        )
        plain = found[name].reshape(-1)
        assert not contents[name] or bytes(plain.view(torch.uint8).tolist()) == contents[name]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dtype=st.sampled_from(sorted(DTYPE_BITS)),
    shape=st.lists(st.integers(0, 4), max_size=4).map(tuple),
)
def test_any_tensor_is_loaded_or_refused_by_its_name(
    tmp_path: Path, key: PrivateKey, dtype: str, shape: tuple[int, ...]
) -> None:
    """Never an error of the library's."""
    if math.prod(shape) * DTYPE_BITS[dtype] % 8:
        return
    sealed, contents = sealed_tensors(tmp_path, key, {"w": (dtype, shape), "x": ("F32", (1,))})
    with load_sealed(sealed, keys=[key]) as model:
        try:
            found = model.numpy()["w"]
        except UsageError as refused:
            assert dtype not in NUMPY and f"tensor 'w' is of type {dtype}" in str(refused)
            assert list(model.numpy(skip=["w"])) == ["x"]
        else:
            assert found.shape == shape and found.tobytes() == contents["w"]


def test_skipped_tensors_must_exist(tmp_path: Path, key: PrivateKey) -> None:
    """A slip in a name would leave out nothing."""
    sealed, _ = sealed_tensors(tmp_path, key, {"w": ("F4", (2,)), "x": ("F32", (1,))})
    with load_sealed(sealed, keys=[key]) as model:
        with pytest.raises(UsageError, match=r"skip=\[\.\.\.\]"):
            model.numpy()
        with pytest.raises(UsageError, match="no tensor 'W'"):
            model.numpy(skip=["W"])


def test_files_of_a_model_are_listed_and_read(tmp_path: Path, key: PrivateKey) -> None:
    """A server finds tokenizer and configuration without guessing names."""
    folder = tmp_path / "llm"
    folder.mkdir()
    write_model(folder / "m.safetensors", some_tensors())
    (folder / "config.json").write_text("{}")
    seal(folder, tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as model:
        assert list(model.files()) == ["config.json", "m.safetensors"]
        assert {path: len(model.file(path)) for path in model.files()} == model.files()
        with pytest.raises(UsageError, match="name a file"):
            model.file()
        with pytest.raises(UsageError, match="no file none"):
            model.file("none")


@pytest.mark.extra
@pytest.mark.parametrize("location", ["w.bin", "./w.bin", "data/w.bin"])
@pytest.mark.parametrize("path", ["m.onnx", "onnx/m.onnx"])
def test_an_onnx_model_runs_from_memory(
    tmp_path: Path, key: PrivateKey, location: str, path: str
) -> None:
    """With its external data, and without a plaintext file."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from sealing.builders import message

    place = {"location": location, "length": "24"}
    node = message((1, "x"), (1, "w"), (2, "y"), (4, "Add"))
    shape = message((1, message((1, 1), (2, message((1, message((1, 6))))))))

    def value(name: str) -> bytes:
        return message((1, name), (2, shape))

    graph = message(
        (1, node),
        (2, "g"),
        (5, onnx_tensor("w", VALUES, place)),
        (11, value("x")),
        (12, value("y")),
    )
    model = tmp_path / "llm" / path
    data = model.parent / location
    for file in (model, data):
        file.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(message((1, 8), (7, graph), (8, message((2, 17)))))
    data.write_bytes(VALUES.tobytes())
    seal(tmp_path / "llm", tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as opened:
        session = opened.onnx_session(providers=["CPUExecutionProvider"])
    model.unlink()
    data.unlink()
    assert isinstance(session, onnxruntime.InferenceSession)
    np.testing.assert_array_equal(session.run(None, {"x": VALUES})[0], 2 * VALUES)


@pytest.mark.extra
def test_an_onnx_model_is_named_if_there_are_several(tmp_path: Path, key: PrivateKey) -> None:
    """Or if there is none."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "llm"
    folder.mkdir()
    for name in ("a.onnx", "b.onnx"):
        (folder / name).write_bytes(onnx_bytes(onnx_tensor("w", VALUES)))
    seal(folder, tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as model:
        with pytest.raises(UsageError, match=r"name an ONNX file: there are a\.onnx, b\.onnx"):
            model.onnx_session()
        with pytest.raises(UsageError, match="no ONNX file c"):
            model.onnx_session("c.onnx")


SAMPLES = Path(__file__).parent / "artifacts" / "samples"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("llama.gguf", "GGUF"), ("xgboost.json", "XGBoost"), ("xgboost.ubj", "UBJSON")],
)
@pytest.mark.parametrize("names", [None, ["weight"]])
def test_model_of_which_no_tensors_are_known_says_so(
    tmp_path: Path, name: str, kind: str, names: list[str] | None
) -> None:
    """An empty dict would read as a model without tensors."""
    (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    key = PrivateKey.generate()
    seal(tmp_path / name, tmp_path / "a.sealed", to=[key.public_key()])
    with load_sealed(tmp_path / "a.sealed", keys=[key]) as model:
        with pytest.raises(
            UsageError, match=rf"{name} \({kind}.*\); get the bytes with model.file\(\)"
        ):
            model.numpy(names)
        assert model.file() == (SAMPLES / name).read_bytes()


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["BF16"], "tensor 'a0' is of type BF16"),
        (["BF16"] * 2, r"tensor 'a0' and 1 other are of type BF16"),
        (["BF16", "F8_E5M2", "BF16"], "tensor 'a0' and 2 others are of type BF16, F8_E5M2"),
    ],
)
def test_tensors_of_types_that_numpy_lacks_are_counted(
    tmp_path: Path, types: list[str], said: str
) -> None:
    write_tensors(tmp_path / "m.safetensors", {f"a{n}": (one, (1,)) for n, one in enumerate(types)})
    key = PrivateKey.generate()
    seal(tmp_path / "m.safetensors", tmp_path / "a.sealed", to=[key.public_key()])
    with (
        load_sealed(tmp_path / "a.sealed", keys=[key]) as model,
        pytest.raises(UsageError, match=f"{said}, which numpy does not have: use torch"),
    ):
        model.numpy()
