"""Files are sealed if their format is parsed and runs no code; others only as their owner names
them.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.sealing.artifacts import read_model
from gamekeeper.sealing.artifacts.formats import RECOGNISERS
from gamekeeper.sealing.artifacts.formats._format import BINARY_SUFFIXES
from sealing.builders import onnx_bytes, onnx_tensor, safetensors_bytes, some_tensors, write_model

SAMPLES = Path(__file__).parent / "samples"
CALL = b"cposix\nsystem\n(S'true'\ntR"
"""A pickle of protocol 0 that calls a program; it has no end."""


class Calls:
    """An object whose pickle calls a program."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("true",)


def zip_of(parts: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(parts: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def object_npz(save: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, a=np.array([Calls()], dtype=object))
    return buffer.getvalue()


def npy_of(dtype: str, payload: bytes = b"") -> bytes:
    """An array whose type is written in another way than numpy writes it."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + payload


def long_header() -> bytes:
    """A header of over 64 KiB, of version 2, whose last field has objects."""
    fields = [(f"field_{number:05}_{'x' * 20}", "<f4") for number in range(2500)]
    fields.append(("object", "|O"))
    header = f"{{'descr': {fields}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
    return b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + pickle.dumps([1])


LONG_TEXT = b"V" + b"x" * (2 << 20) + b"\n0"


def flatbuffer(identifier: bytes) -> bytes:
    """A root table with one field."""
    table_of_fields = struct.pack("<HHH", 6, 8, 4)
    return (
        struct.pack("<I", 16) + identifier + bytes(2) + table_of_fields + struct.pack("<iI", 6, 7)
    )


def catboost() -> bytes:
    core = flatbuffer(b"\0\0\0\0")
    return b"CBM1" + struct.pack("<I", len(core)) + core


def catboost_that_calls() -> bytes:
    """A model of CatBoost that an unpickler reads as a string and a call."""
    core = struct.pack("<I", 8) + struct.pack("<HHi", 4, 4, 4)
    core = core.ljust(62, b"\0")
    return b"CBM1" + struct.pack("<I", len(core)) + core[:60] + b"0" + CALL + b"."


def picture_that_calls() -> bytes:
    """What begins and ends as a GIF does."""
    return b"GIF89a\0\0\0" + b"0" + CALL + b".;"


def sentencepiece_that_calls() -> bytes:
    """A piece whose key is written with a byte too much, so that it is a number to an unpickler."""
    text = (b"A" * 9 + b"0" + CALL + b".").ljust(65, b"#")
    return b"\x8a\x00\x43\x0a" + bytes([len(text)]) + text


def safetensors_that_calls() -> bytes:
    """Its length is the opcode of a line of text, which ends in the header."""
    for pad in range(256):
        header = b'{"w":{"dtype":"U8","shape":[40],"data_offsets":[0,40]}' + b" " * pad + b"\n}"
        if len(header) == ord("V"):
            break
    return struct.pack("<Q", len(header)) + header + (b"0" + CALL + b".").ljust(40, b" ")


def parquet_with_pickled_type(before: int) -> bytes:
    """The schema in a footer, in base64, with some bytes before the name of the type."""
    schema = base64.b64encode(bytes(before) + b"arrow.py_extension_type and more")
    footer = b"ARROW:schema\x18" + schema
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def arrow_stream(name: bytes = b"") -> bytes:
    """A schema, and a batch with a body of 16 bytes."""
    table = struct.pack("<HHHHHHi", 12, 16, 0, 0, 0, 8, 12) + bytes(4) + struct.pack("<q", 16)
    message = struct.pack("<I", 16) + table + name
    found = b""
    for body in (b"x" * 16, b"y" * 16):
        found += b"\xff" * 4 + struct.pack("<I", len(message)) + message + body
    return found + b"\xff" * 4 + bytes(4)


def hdf5_with_attribute(value: bytes) -> bytes:
    """A group in the root group, which has an attribute that is a string."""
    string_type = b"\x13\0\0\0" + struct.pack("<I", len(value))
    scalar = b"\2\0\0\0"
    sizes = struct.pack("<HHH", 2, len(string_type), len(scalar))
    attribute = b"\3\0" + sizes + b"\0n\0" + string_type + scalar + value
    child = b"\x0c" + struct.pack("<HB", len(attribute), 0) + attribute
    link = b"\1\0\1g" + struct.pack("<Q", 48 + 7 + 4 + 12)
    root = b"\6" + struct.pack("<HB", len(link), 0) + link
    headers = b"".join(b"OHDR\2\0" + bytes([len(one)]) + one for one in (root, child))
    places = struct.pack("<QQQQ", 0, (1 << 64) - 1, 48 + len(headers), 48)
    return b"\x89HDF\r\n\x1a\n\2\x08\x08\0" + places + bytes(4) + headers


UNPICKLED = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".sav", ".p", ".pth.tar", ".pkl.gz")
FOREIGN = (".npy", ".sav", ".p", ".pth.tar", ".dat", ".bin", ".npz", ".h5")
PICKLES = {
    "model.pkl": pickle.dumps({"w": [1.0]}),
    "model.pt": zip_of({"model/data.pkl": pickle.dumps([1]), "model/data/0": bytes(100)}),
    "pytorch_model.bin": zip_of({"model/data.pkl": pickle.dumps([1])}),
    "model.pt2": zip_of({"data/sample_inputs/model.pt": pickle.dumps([1])}),
    "old.pt": b"cbuiltins\nlist\n.",
    "renamed.json": pickle.dumps([1], protocol=4),
    "text.json": CALL + b".",
    "whole": pickle.dumps(Calls(), protocol=0),
    "broken-end.bin": CALL + b" and more",
    "broken.bin": CALL + b"\xff",
    "no-end": CALL,
    "protocol-1": b"\x80\x01" + CALL,
    "long-string": LONG_TEXT + CALL + b".",
    "padded": b"N0" * 700_000 + CALL + b".",
    "padded.bin": b"N0" * 700_000 + CALL + b".",
    "inst": b"(S'true'\niposix\nsystem\n.",
    "obj": b"(cposix\nsystem\nS'true'\no.",
    "stored.npz": object_npz(np.savez),
    "compressed.npz": object_npz(np.savez_compressed),
    "objects.npy": npy(np.array([{"a": 1}], dtype=object)),
    "nested.npy": npy(np.zeros(1, dtype=[("a", [("b", "f4"), ("c", [("d", "O")])])])),
    "odd.npy": npy_of("'O8'", pickle.dumps([1])),
    "other.npy": npy_of("'=O'", pickle.dumps([1])),
    "long.npy": long_header(),
    "beside.npz": zip_of({"a.npy": npy(np.zeros(3)), "b.npy": CALL}),
    "data.gz": gzip.compress(CALL),
    "data.bz2": bz2.compress(CALL),
    "data.xz": lzma.compress(CALL),
    "data.lzma": lzma.compress(CALL, format=lzma.FORMAT_ALONE),
    "data.z": zlib.compress(CALL),
    "gzip.json": gzip.compress(pickle.dumps([1])),
    "model.pkl.lz4": b"\x04\x22\x4d\x18rest",
    "old-torch.bin": tar_of({"pickle": CALL, "storages": CALL}),
    "model.nemo": tar_of({"model.ckpt": CALL}),
    "compressed.nemo": tar_of({"model.ckpt": CALL}, "w:gz"),
    "archive.zip": zip_of({"model.joblib": CALL}),
    "twice.zip": zip_of({"inner.zip": zip_of({"model.pt": CALL})}),
    "before.npz": CALL + zip_of({"a.npy": npy(np.zeros(3))}),
    "after.npz": zip_of({"a.npy": npy(np.zeros(3))}) + CALL,
    "library.so": b"\x7fELF" + bytes(100),
    "unknown.bin": bytes(1000),
    "cache.pyc": b"\xa7\r\r\n" + bytes(40),
    "weights.pt": safetensors_bytes(some_tensors()),
    "model.bin": safetensors_bytes(some_tensors()),
    "old-pyarrow.parquet": (SAMPLES / "pickled-type.parquet").read_bytes(),
    "old-pyarrow.arrow": (SAMPLES / "pickled-type.arrow").read_bytes(),
    "many.h5": (SAMPLES / "many-attributes.h5").read_bytes(),
    **{f"hexadecimal{suffix}": b"I0x1\n0" + CALL + b"." for suffix in UNPICKLED},
    **{f"import-only{suffix}": b"cmodeling\nX\n." for suffix in UNPICKLED},
    **{f"prose{suffix}": b"a text" for suffix in UNPICKLED},
    **{f"two{suffix}": b"I1\n." + CALL + b"." for suffix in (*UNPICKLED, "", ".bin", ".dat")},
    "hexadecimal": b"I0x1\n0" + CALL + b".",
    "long.dat": b"L0x1L\n0" + CALL + b".",
    "float.dat": b"Fx\n0" + CALL + b".",
    "string.dat": b"S'\\q'\n0" + CALL + b".",
    "inst-at-end.dat": b"(S'true'\niposix\nsystemx",
    "pytorch_model.bin.bak": b"a text",
    "pytorch_model-00001-of-00002.bin": b"I0x1\n0" + CALL + b".",
    **{f"gif{suffix}": picture_that_calls() for suffix in FOREIGN},
    **{f"cbm{suffix}": catboost_that_calls() for suffix in FOREIGN},
    **{f"tflite{suffix}": flatbuffer(b"TFL3") for suffix in FOREIGN},
    **{f"gguf{suffix}": (SAMPLES / "llama.gguf").read_bytes() for suffix in FOREIGN},
    **{f"safetensors{suffix}": safetensors_bytes(some_tensors()) for suffix in FOREIGN},
    **{f"npy{suffix}": npy(np.zeros(3)) for suffix in FOREIGN if suffix != ".npy"},
    "padded.model": sentencepiece_that_calls(),
    "pickle-and-safetensors": safetensors_that_calls(),
    **{f"{before}.parquet": parquet_with_pickled_type(before) for before in range(4)},
    "stream.arrow": arrow_stream(b"arrow.py_extension_type"),
    "attribute.h5": hdf5_with_attribute(CALL + b"."),
    "pytables.h5": (SAMPLES / "weights.h5").read_bytes() + b"PYTABLES_FORMAT_VERSION\0",
    "pandas.h5": (SAMPLES / "weights.h5").read_bytes() + bytes(1 << 20) + b"pandas_type\0",
    "objects-after.npy": npy(np.zeros(3)) + npy(np.array([{}], dtype=object)),
    "half-after.npy": npy(np.zeros(3)) + b"rest",
    "text.npy": b"0.5 0.25\n",
    "text.npz": b"0.5 0.25\n",
    "text.h5": b"0.5 0.25\n",
}
"""Files that loaders unpickle, run, or that nobody can say what they do with."""


@pytest.mark.parametrize("name", PICKLES)
def test_what_is_not_known_to_be_harmless_is_refused(tmp_path: Path, name: str) -> None:
    """Alone and beside a model; the message says what it is and how to seal it nevertheless."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / name).write_bytes(PICKLES[name])
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(InputError) as refused:
            read_model(path)
        assert f"--allow {name}" in str(refused.value)
        assert "damaged" not in str(refused.value)


class ReachedError(Exception):
    """An unpickler came to the import of what it then calls."""


class Watching(pickle.Unpickler):
    """Stops before anything is called."""

    def find_class(self, module: str, name: str) -> object:
        raise ReachedError


@pytest.mark.parametrize(
    "name",
    [
        *("hexadecimal.pkl", "hexadecimal", "long.dat", "gif.npy", "cbm.npy", "padded.model"),
        "pickle-and-safetensors",
    ],
)
def test_files_of_two_formats_are_pickles_indeed(name: str) -> None:
    """Otherwise their refusal would show nothing."""
    with pytest.raises(ReachedError):
        Watching(io.BytesIO(PICKLES[name])).load()


@pytest.mark.parametrize("name", PICKLES)
def test_a_file_is_sealed_unexamined_if_its_owner_names_it(tmp_path: Path, name: str) -> None:
    """Alone and in a folder; which files these are is part of the contents."""
    (tmp_path / name).write_bytes(PICKLES[name])
    for path in (tmp_path / name, tmp_path):
        contents = read_model(path, allow=[name]).contents
        assert contents.allowed == (name,)


def test_every_suffix_of_a_binary_format_is_recognised_by_one() -> None:
    """Otherwise all files of a name would be refused, or one be a text too."""
    elsewhere = {".safetensors", ".sft", ".onnx"}
    by_content = {"", ".bin"}
    assert RECOGNISERS.keys() - by_content == BINARY_SUFFIXES - elsewhere


def test_all_refused_files_of_a_folder_are_named(tmp_path: Path) -> None:
    """One message, not one a try."""
    write_model(tmp_path / "good.safetensors")
    for name, content in PICKLES.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_model(tmp_path)
    assert len(refused.value.faults) == len(PICKLES)


TEXTS = {
    "config.json": b'{"a": NaN}',
    "comments.json": b'{"a": 1} // not JSON',
    "labels.txt": b"cat\ndog\n.",
    "requirements.txt": b"certifi\nidna\n.",
    ".dockerignore": b"cache/\nbuild/\n.env",
    ".gitattributes": b"*.bin filter=lfs\n",
    "vocab": b"instance\nof\n.hidden",
    "words": b"instance\nof\n.hidden",
    "classes": b"cat\ndog\n.",
    "site.conf": b"import os\n",
    "commit.txt": b"commit 1\nauthor 2\n\n    a fix\n",
    "merges.txt": b"#version: 0.2\ni n\n",
    "README.md": b"(c) 2026\n",
    "index.html": b"<!doctype html><html></html>",
    "about-keys.md": b"A file begins with -----BEGIN PRIVATE KEY----- and a line of base64.",
    "data.jsonl": b'{"a": 1}\n{"a": 2}\n',
    "table.csv": b"a,b\n1,2\n",
    "MLmodel": b"flavors:\n  python_function: {}\n",
    "empty": b"",
    "download.lock": b"",
    "mark.txt": "\ufeffZürich".encode(),
}


def test_texts_are_texts(tmp_path: Path) -> None:
    """Also those whose lines are opcodes of a pickle."""
    write_model(tmp_path / "m.safetensors")
    for name, content in TEXTS.items():
        (tmp_path / name).write_bytes(content)
    contents = read_model(tmp_path).contents
    assert len(contents.members) == 1 + len(TEXTS) and not contents.allowed


def models() -> dict[str, bytes]:
    names = ["xgboost.ubj", "xgboost.json", "lightgbm.txt", "scaler.skops", "llama.gguf"]
    names += ["weights.h5", "dense-earliest.h5", "dense-latest.h5", "dense.keras"]
    found = {name: (SAMPLES / name).read_bytes() for name in names}
    found["model.tflite"] = flatbuffer(b"TFL3")
    found["model.cbm"] = catboost()
    found["model.npy"] = npy(np.zeros((3, 2)))
    found["records.npy"] = npy(np.zeros(3, dtype=[("a", "f4"), ("b", "S3", (2,))]))
    found["model.npz"] = zip_of({"w.npy": npy(np.zeros(3)), "b.npy": npy(np.zeros(()))})
    found["model.pmml"] = b'<?xml version="1.0"?>\n<PMML version="4.4"></PMML>'
    found["model.onnx"] = onnx_bytes(onnx_tensor("w", np.zeros(3, dtype=np.float32)))
    found["model.safetensors"] = safetensors_bytes(some_tensors())
    return found


MODELS = models()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_a_format_that_runs_no_code_is_sealed(tmp_path: Path, name: str) -> None:
    """Alone, and in a folder."""
    (tmp_path / name).write_bytes(MODELS[name])
    for path in (tmp_path / name, tmp_path):
        contents = read_model(path).contents
        assert [one.path for one in contents.members] == [name] and not contents.allowed


@pytest.mark.parametrize(
    "name", [name for name in MODELS if not name.endswith((".txt", ".json", ".pmml"))]
)
@pytest.mark.parametrize("lost", [1, 20])
def test_a_model_that_is_cut_short_is_refused(tmp_path: Path, name: str, lost: int) -> None:
    """Half a model would be signed as a whole one."""
    content = MODELS[name][:-lost]
    if name == "llama.gguf":
        content = content[:-32]  # the padding after its last tensor
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        read_model(tmp_path / name)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_files_are_recognised_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Never another error, of any format."""
    name = data.draw(st.sampled_from(sorted(MODELS)))
    content = bytearray(MODELS[name])
    places = st.integers(0, min(len(content), 3000) - 1)
    for at in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content)
    try:
        assert read_model(tmp_path / name).contents.members
    except InputError as refused:
        assert refused.faults


@pytest.mark.parametrize("name", ["spiece.model", "table.parquet", "table.arrow"])
def test_files_beside_a_model_are_recognised(tmp_path: Path, name: str) -> None:
    """A tokenizer and tables are not models, but belong to one."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    assert len(read_model(tmp_path).contents.members) == 2
    with pytest.raises(InputError, match="no model that can be sealed"):
        read_model(tmp_path / name)


GIF_IMAGE = b"," + bytes(8) + b"\x80" + bytes(6) + b"\2\2ab\1c\0"


def npy_header(header: str, version: int = 1, encoding: str = "latin-1") -> bytes:
    """An array of twelve bytes with this header."""
    text = header.encode(encoding)
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + bytes(12)


DTYPE = "{'descr': %s, 'fortran_order': False, 'shape': %s, }\n"
UNUSUAL = {
    "latin.npy": npy(np.zeros(3, dtype=[("é", "f4")])),
    "latin2.npy": npy_header(DTYPE % ("[('é', '<f4')]", "(3,)"), 2),
    "utf.npy": npy_header(DTYPE % ("[('日', '<f4')]", "(3,)"), 3, "utf-8"),
    "python2.npy": npy_header(DTYPE % ("'<f4'", "(3L,)")),
    "python2-matrix.npy": npy_header(DTYPE % ("'<f4'", "(3L, 1L)")),
    "two.npy": npy(np.zeros(2)) + npy(np.ones(3)),
    "odd-names.npz": zip_of(
        {name + ".npy": npy(np.zeros(2)) for name in ("dense/kernel:0", "/a", "a|b?", "../c")}
    ),
    "lzma.npz": zip_of({"a.npy": npy(np.zeros(9))}, zipfile.ZIP_LZMA),
    "lzma.skops": zip_of(
        {"schema.json": b'{"__class__": "C", "__module__": "sklearn.deep"}'}, zipfile.ZIP_LZMA
    ),
    "xgboost.model": (SAMPLES / "xgboost.ubj").read_bytes(),
    "xgboost.bin": (SAMPLES / "xgboost.ubj").read_bytes(),
    "xgboost-text.model": (SAMPLES / "xgboost.json").read_bytes(),
    "lightgbm.model": (SAMPLES / "lightgbm.txt").read_bytes(),
    "old-keras.keras": (SAMPLES / "dense-earliest.h5").read_bytes(),
    "attribute.h5": hdf5_with_attribute(b"made by hand."),
    "big.gguf": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "MODEL.GGUF": (SAMPLES / "llama.gguf").read_bytes(),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_model_that_its_library_reads_is_sealed(tmp_path: Path, name: str) -> None:
    """Neither damaged nor of a format that is not known."""
    (tmp_path / name).write_bytes(UNUSUAL[name])
    assert not read_model(tmp_path / name).contents.allowed


def empty_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer)
    return buffer.getvalue()


BESIDE = {
    "stream.arrow": arrow_stream(),
    "empty.npz": empty_npz(),
    "latin.txt": "café".encode("latin-1"),
    "windows.csv": "a;b\n1;€\n".encode("cp1252"),
    "utf-16.csv": "a,b\n1,2\n".encode("utf-16"),
    "mark.json": b'\xef\xbb\xbf{"a": 1}',
}


def test_unusual_files_beside_a_model_are_sealed(tmp_path: Path) -> None:
    """Tables and texts in encodings that other programs write."""
    write_model(tmp_path / "m.safetensors")
    for name, content in BESIDE.items():
        (tmp_path / name).write_bytes(content)
    assert len(read_model(tmp_path).contents.members) == 1 + len(BESIDE)


@pytest.mark.parametrize("cut", [1, 5, 9, 20, 40])
def test_a_stream_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    """In its end, a body or a message."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / "s.arrow").write_bytes(arrow_stream()[:-cut])
    with pytest.raises(InputError):
        read_model(tmp_path)


PICTURES = {
    "a.png": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0) + b"IEND" + bytes(4),
    "a.jpg": b"\xff\xd8\xff\xe0\0\x04xy\xff\xda\0\x02pixels\xff\0more\xff\xd0\xff\xff\xd9",
    "b.jpeg": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0) + b"IEND" + bytes(4),
    "a.gif": b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + GIF_IMAGE + b";",
    "b.gif": b"GIF89a\1\0\1\0\0\0\0!\xf9\4" + bytes(5) + GIF_IMAGE + GIF_IMAGE + b";",
    "a.webp": b"RIFF" + struct.pack("<I", 8) + b"WEBP" + bytes(4),
}


def test_pictures_of_a_page_are_sealed_and_half_ones_refused(tmp_path: Path) -> None:
    """They come with a model's README."""
    write_model(tmp_path / "m.safetensors")
    for name, content in PICTURES.items():
        (tmp_path / name).write_bytes(content)
    assert len(read_model(tmp_path).contents.members) == 1 + len(PICTURES)
    for name, content in PICTURES.items():
        (tmp_path / name).write_bytes(content[:-1])
    with pytest.raises(InputError, match="damaged") as refused:
        read_model(tmp_path)
    assert len(refused.value.faults) == len(PICTURES)


def test_a_picture_with_bytes_after_its_end_is_not_known(tmp_path: Path) -> None:
    """Programs show it, so that it is not damaged; but what follows is no picture."""
    write_model(tmp_path / "m.safetensors")
    for name, content in PICTURES.items():
        (tmp_path / name).write_bytes(content + b"\n")
    with pytest.raises(InputError, match="1 bytes after its end") as refused:
        read_model(tmp_path)
    assert len(refused.value.faults) == len(PICTURES) and "damaged" not in str(refused.value)


def keras_config(**layer: object) -> bytes:
    layers = {"layers": [{"module": "keras.layers", "class_name": "Dense"} | layer]}
    return json.dumps({"module": "keras", "class_name": "Sequential", "config": layers}).encode()


def keras_zip(config: bytes) -> bytes:
    weights = (SAMPLES / "weights.h5").read_bytes()
    return zip_of({"metadata.json": b"{}", "config.json": config, "model.weights.h5": weights})


CODE = {
    "modeling_x.py": (b"import os\n", "Python"),
    "chat_template.jinja": (b"{{ x }}", "chat template"),
    "tokenizer_config.json": (b'{"chat_template": "{{ x }}"}', "chat template"),
    "config.json": (b'{"auto_map": {"AutoModel": "m.py--M"}}', "auto_map"),
    "other.json": (b'{"custom_code": true}', "code of its own"),
    "llama.gguf": (MODELS["llama.gguf"], "chat template"),
    "lambda.keras": ((SAMPLES / "lambda.keras").read_bytes(), "Lambda"),
    "lambda-old.h5": ((SAMPLES / "lambda-earliest.h5").read_bytes(), "Lambda"),
    "lambda.h5": ((SAMPLES / "lambda-latest.h5").read_bytes(), "Lambda"),
    "function.keras": (keras_zip(keras_config(class_name="__lambda__")), "Lambda"),
    "named.keras": (keras_zip(keras_config(class_name="layers.Lambda")), "Lambda"),
    "registered.keras": (keras_zip(keras_config(class_name="pkg>Lambda")), "Lambda"),
    "evil.keras": (keras_zip(keras_config(module="keras_evil")), "of the module keras_evil"),
    "utils.keras": (
        keras_zip(keras_config(module="keras.utils", class_name="get_file")),
        "get_file of the module keras.utils",
    ),
    "eval.keras": (
        keras_zip(keras_config(module="builtins", class_name="eval")),
        "eval of the module builtins",
    ),
    "module.keras": (keras_zip(keras_config(module="os")), "of the module os"),
    "conda.yaml": (b"a: !!python/object:os.system {}", "YAML tags"),
    "utf-16.yaml": ("a: !!python/object:os.system {}".encode("utf-16"), "YAML tags"),
    "eval.skops": (
        zip_of({"schema.json": b'{"__class__": "eval", "__module__": "builtins"}'}),
        "modules builtins.eval",
    ),
    "function.skops": (
        zip_of(
            {
                "schema.json": b'{"__class__": "C", "__module__": "sklearn.x", "content":'
                b' {"module_path": "os", "function": "system"}}'
            }
        ),
        "modules os",
    ),
    "own.skops": (
        zip_of({"schema.json": b'{"__class__": "C", "__module__": "mine.deep"}'}),
        "modules mine.deep",
    ),
}


@pytest.mark.parametrize("name", CODE)
def test_code_that_a_loader_may_run_is_said(tmp_path: Path, name: str) -> None:
    """The format is harmless; what a loader makes of it may not be."""
    content, says = CODE[name]
    write_model(tmp_path / "m.safetensors")
    (tmp_path / name).write_bytes(content)
    code = read_model(tmp_path).contents.code
    assert [path for path, _ in code] == [name] and says in code[0][1]


def test_ordinary_files_have_no_code(tmp_path: Path) -> None:
    """A note that is always there is not read."""
    for name, content in MODELS.items():
        if name != "llama.gguf":
            (tmp_path / name).write_bytes(content)
    for name, content in TEXTS.items():
        (tmp_path / name).write_bytes(content)
    assert not read_model(tmp_path).contents.code


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("m.onnx", b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("a.png", b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("m.pt", b"", "an empty file"),
        ("m.gguf", b"", "an empty file"),
        ("m.onnx", b"", "an empty file"),
        ("m.safetensors", b"<!DOCTYPE html><html>404</html>", "a web page"),
        ("m.gguf", b"<html><body>404", "a web page"),
        ("config.json", b"<html><body>404", "a web page"),
        ("m.safetensors", b"Entry not found", "text, not a safetensors file"),
        ("m.h5", b"<Error>AccessDenied</Error>", "found     text"),
    ],
)
def test_what_a_download_left_is_named(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """Not a damaged model, and not a format that is missing here."""
    write_model(tmp_path / "model.safetensors")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_model(tmp_path)
    assert says in str(refused.value) and "damaged" not in str(refused.value)


def private_keys() -> dict[str, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    pem = serialization.Encoding.PEM
    formats = serialization.PrivateFormat
    plain = serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(b"a password")
    key = ed25519.Ed25519PrivateKey.generate()
    curve = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = key.private_bytes(pem, formats.PKCS8, plain)
    return {
        "key.pem": pkcs8,
        "notes.txt": b"the key is\n" + pkcs8,
        "windows.txt": pkcs8.replace(b"\n", b"\r\n"),
        "account.json": json.dumps({"private_key": pkcs8.decode()}).encode(),
        "id_ed25519": key.private_bytes(pem, formats.OpenSSH, plain),
        "ec.pem": curve.private_bytes(pem, formats.TraditionalOpenSSL, plain),
        "locked.pem": curve.private_bytes(pem, formats.TraditionalOpenSSL, locked),
        "locked8.pem": curve.private_bytes(pem, formats.PKCS8, locked),
        "binary.bin": bytes(3000) + pkcs8,
        "far.txt": b"x" * ((1 << 20) - 40) + pkcs8,
        "age.txt": b"AGE-SECRET-KEY-1" + b"Q" * 58,
    }


def test_a_private_key_is_never_sealed(tmp_path: Path) -> None:
    """Whatever its name, and though it is named: all recipients would have it."""
    write_model(tmp_path / "m.safetensors")
    keys = private_keys()
    for name, content in keys.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="a private key is never sealed") as refused:
        read_model(tmp_path, allow=list(keys))
    assert len(refused.value.faults) == len(keys)
    assert len(read_model(tmp_path, ignore=list(keys)).contents.members) == 1


def test_files_of_passwords_are_sealed_only_by_name(tmp_path: Path) -> None:
    """What is in them cannot be recognised."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / ".env").write_text("A=1")
    with pytest.raises(InputError, match="passwords are not sealed"):
        read_model(tmp_path)
    assert read_model(tmp_path, allow=[".env"]).contents.allowed == (".env",)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """Texts and pictures are not a model."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no model that can be sealed"):
        read_model(tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with files that are not known, in the current folder."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "llm"
    (model / "old" / "deep").mkdir(parents=True)
    write_model(model / "m.safetensors")
    for name in ("a.bin", "old/a.bin", "old/deep/c.bin"):
        (model / name).write_bytes(bytes(9))
    return model


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (["a.bin", "old"], []),
        (["a.bin", "old/"], []),
        (["llm/a.bin", "llm/old"], []),
        (["./llm/a.bin", "llm/old/"], []),
        (["*.bin"], []),
        (["a.bin"], ["old/a.bin", "old/deep/c.bin"]),
        (["llm/*.bin"], ["old/a.bin", "old/deep/c.bin"]),
        (["old/*.bin"], ["a.bin", "old/deep/c.bin"]),
        (["old/*"], ["a.bin"]),
        (["[ab].bin"], ["old/deep/c.bin"]),
    ],
)
@pytest.mark.parametrize("option", ["allow", "ignore"])
def test_files_are_named_by_path_or_pattern(
    folder: Path, named: list[str], left: list[str], option: str
) -> None:
    """In the model, or as a shell completes them from here; a folder is all that is in it."""
    if left:
        with pytest.raises(InputError) as refused:
            read_model(Path("llm"), **{option: named})  # type: ignore[arg-type]
        found = [fault.where.removeprefix("llm: ") for fault in refused.value.faults]
        assert found == left
        return
    contents = read_model(Path("llm"), **{option: named}).contents  # type: ignore[arg-type]
    assert len(contents.allowed) == (3 if option == "allow" else 0)
    assert read_model(folder.absolute(), **{option: [str(folder / "a.bin"), "old"]})  # type: ignore[arg-type]


def test_files_are_named_from_inside_the_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is then `.`"""
    monkeypatch.chdir(folder)
    assert read_model(Path("."), ignore=["a.bin", "./old"])


@pytest.mark.parametrize("option", ["allow", "ignore"])
@pytest.mark.parametrize("name", ["nosuch", "*.dat", "../llm2", "/etc/passwd", "ol"])
def test_a_name_that_matches_nothing_is_an_error(folder: Path, option: str, name: str) -> None:
    """A slip must not seal what was to be left out."""
    with pytest.raises(UsageError, match=f"--{option}"):
        read_model(folder, **{"allow": ["*.bin"], option: ["*.bin", name]})  # type: ignore[arg-type]


def test_a_name_with_the_characters_of_a_pattern_is_a_name_too(tmp_path: Path) -> None:
    """Downloads are called like this."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / "a[1].bin").write_bytes(bytes(9))
    assert read_model(tmp_path, allow=["a[1].bin"]).contents.allowed == ("a[1].bin",)


def test_an_allowed_file_that_is_known_is_examined(tmp_path: Path) -> None:
    """To name a file does no harm; only what is not known counts as not examined."""
    write_model(tmp_path / "m.safetensors")
    contents = read_model(tmp_path, allow=["*"]).contents
    assert not contents.allowed and contents.tensors()
