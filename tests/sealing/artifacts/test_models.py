"""Models are read from disk, and their tensors located; damaged files are refused before anything
is sealed.
"""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import InputError
from gamekeeper.sealing.artifacts import read_model
from gamekeeper.sealing.contents import ContentsError
from sealing.builders import (
    message,
    onnx_bytes,
    onnx_tensor,
    safetensors_bytes,
    some_tensors,
    write_model,
)

VALUES = np.arange(6, dtype=np.float32)


def npy_of_objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def zip_with_comment() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1]))
        archive.comment = b"after the end"
    return buffer.getvalue()


def test_numbers_that_only_look_like_a_pickle_pass(tmp_path: Path) -> None:
    """A safetensors file whose header has 0x0280 bytes begins as a pickle of protocol 2 does."""
    for pad in range(2000):
        content = safetensors_bytes(some_tensors(), {"pad": "x" * pad})
        if content[:2] == b"\x80\x02":
            break
    assert content[:2] == b"\x80\x02"
    (tmp_path / "m.safetensors").write_bytes(content)
    assert len(read_model(tmp_path / "m.safetensors").contents.tensors()) == 5


def test_links_out_of_the_folder_are_followed_when_they_are_meant(tmp_path: Path) -> None:
    """A link to a secret of the machine would be sealed for others; a download cache is made of
    links.
    """
    (tmp_path / "cache").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "cache" / "config.json").symlink_to(tmp_path / "secret")
    write_model(tmp_path / "cache" / "m.safetensors")
    (tmp_path / "cache" / "same.safetensors").symlink_to("m.safetensors")
    with pytest.raises(InputError, match=r"config\.json -> [\s\S]*--follow-links"):
        read_model(tmp_path / "cache")
    assert len(read_model(tmp_path / "cache", follow_links=True).contents.members) == 3


def header_bytes(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**change: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (struct.pack("<Q", 5000) + b"{" + bytes(100), "damaged[\\s\\S]*a header of 5,000 bytes"),
        (struct.pack("<Q", 4 << 30) + b"{" + bytes(100), "not a safetensors file"),
        (struct.pack("<Q", 0), "not a safetensors file"),
        (b"", "not downloaded[\\s\\S]*an empty file"),
        (struct.pack("<Q", 10) + b"{not json}", "not a list of tensors"),
        (header_bytes([]), "not a list of tensors"),
        (header_bytes({"w": 5}), "not a list of tensors"),
        (header_bytes(entry(), bytes(7)), "beyond its end"),
        (header_bytes(entry(), bytes(9)), "do not fill the file"),
        (header_bytes(entry(data_offsets=[0, 4]), bytes(4)), "is not its shape"),
        (header_bytes(entry(data_offsets=[8, 0]), bytes(8)), "invalid offsets"),
        (header_bytes(entry(data_offsets=[0.0, 8]), bytes(8)), "invalid offsets"),
        (header_bytes(entry(shape=[-2]), bytes(8)), "invalid offsets"),
        (header_bytes(entry(dtype="F99"), bytes(8)), "which is not known"),
        (header_bytes(entry() | {"v": entry()["w"]}, bytes(8)), "begins before"),
    ],
)
def test_damaged_safetensors_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """Cut short, false lengths, overlapping tensors."""
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_model(tmp_path / "m.safetensors")


def test_safetensors_that_its_library_reads_are_not_damaged(tmp_path: Path) -> None:
    """It skips what it does not know in an entry; more axes than an index holds are not known."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(header_bytes(entry(more=1), bytes(8)))
    assert read_model(path).contents.tensors()
    path.write_bytes(header_bytes(entry(shape=[2] + [1] * 80), bytes(8)))
    with pytest.raises(InputError, match="an impossible shape") as refused:
        read_model(path)
    assert "damaged" not in str(refused.value)


def test_onnx_initializers_are_found(tmp_path: Path) -> None:
    """In the file and beside it; two names for the same bytes are one place, and the second waits
    for the file.
    """
    place = {"location": "./w.bin", "offset": "4", "length": "24"}
    start = {"location": "w.bin", "length": "4"}
    content = onnx_bytes(
        onnx_tensor("in", VALUES),
        onnx_tensor("first", VALUES[:1], start),
        onnx_tensor("out", VALUES, place),
        onnx_tensor("tied", VALUES, place),
    )
    (tmp_path / "m.onnx").write_bytes(content)
    (tmp_path / "w.bin").write_bytes(bytes(28))
    contents = read_model(tmp_path / "m.onnx").contents
    assert [one.path for one in contents.members] == ["m.onnx", "w.bin"]
    inside = contents.members[0].tensors
    outside = contents.members[1].tensors
    assert content[inside[0].begin :][: inside[0].length] == VALUES.tobytes()
    assert [(one.name, one.begin, one.shape) for one in outside] == [
        ("first", len(content), (1,)),
        ("out", len(content) + 4, (6,)),
    ]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"location": "../w.bin"}, "outside of the model's folder"),
        ({"location": "/etc/passwd"}, "outside of the model's folder"),
        ({"location": "gone.bin", "length": "24"}, "a file of the model is missing"),
    ],
)
def test_onnx_tensors_elsewhere_are_refused(
    tmp_path: Path, place: dict[str, str], says: str
) -> None:
    """A model must not bring files of the machine along, nor be sealed without its numbers."""
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(onnx_tensor("w", VALUES, place)))
    with pytest.raises(InputError, match=says):
        read_model(tmp_path / "m.onnx")


def test_messages_in_messages_without_end_are_refused(tmp_path: Path) -> None:
    """Subgraphs in subgraphs must not take the stack."""
    graph = message((2, "g"))
    for _ in range(300):
        graph = message((1, message((5, message((6, graph))))))
    (tmp_path / "m.onnx").write_bytes(message((1, 8), (7, graph)))
    with pytest.raises(InputError, match="more than 100 deep"):
        read_model(tmp_path / "m.onnx")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_models_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Never another error, of either format."""
    name = data.draw(st.sampled_from(["m.onnx", "m.safetensors"]))
    content = bytearray(
        onnx_bytes(onnx_tensor("w", VALUES))
        if name == "m.onnx"
        else safetensors_bytes(some_tensors())
    )
    for at in data.draw(
        st.lists(st.integers(0, min(len(content), 400) - 1), min_size=1, max_size=6)
    ):
        content[at] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_model(tmp_path / name).contents.members
    except InputError as refused:
        assert refused.faults
    except ContentsError as leaked:  # pragma: no cover
        raise AssertionError("an error without a place") from leaked


def test_files_that_are_not_models_are_refused(tmp_path: Path) -> None:
    """Nothing there, an empty folder, text, a link that leads nowhere, a pipe."""
    (tmp_path / "text.txt").write_text("hello")
    for path in (tmp_path / "none", tmp_path / "text.txt", tmp_path):
        with pytest.raises(InputError):
            read_model(path)
    write_model(tmp_path / "m.safetensors")
    (tmp_path / "odd").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="a link that leads nowhere"):
        read_model(tmp_path)


def test_version_control_is_not_sealed(tmp_path: Path) -> None:
    """A repository holds old versions of what is sealed."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("secret")
    assert [one.path for one in read_model(tmp_path).contents.members] == ["m.safetensors"]


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ([1] * 65, "an impossible shape"),
        ([1 << 62] * 50_000, "an impossible shape"),
        ([0, 1 << 62, 1 << 62], "an impossible shape"),
    ],
)
def test_shapes_that_overflow_are_refused(tmp_path: Path, shape: list[int], says: str) -> None:
    """Before they are multiplied, and before a file is sealed whose index would not be read."""
    content = header_bytes(entry(dtype="U8", shape=shape, data_offsets=[0, 0]))
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_model(tmp_path / "m.safetensors")


def test_onnx_tensors_of_too_many_axes_are_refused(tmp_path: Path) -> None:
    """Packed or one by one; a list of millions is not walked."""
    for dims in (message((1, b"\x7f" * 1_000_000)), message((1, 1)) * 65):
        (tmp_path / "m.onnx").write_bytes(onnx_bytes(dims + message((2, 2), (8, "w"), (9, b""))))
        with pytest.raises(InputError, match="more than 64"):
            read_model(tmp_path / "m.onnx")


def test_onnx_tensors_of_uncountable_shape_wait_for_the_file(tmp_path: Path) -> None:
    """An axis of 2^69 beside one of 0 has no bytes, and no place in an index."""
    dims = message((1, 0)) + message((1, 1 << 69))
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(dims + message((2, 2), (8, "w"), (9, b""))))
    contents = read_model(tmp_path / "m.onnx").contents
    assert not contents.tensors() and contents.to_json()


def test_onnx_of_fields_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bytes a field: a file of a gigabyte would be walked for an hour."""
    from gamekeeper.sealing.artifacts import _protobuf

    monkeypatch.setattr(_protobuf, "_MAX_FIELDS", 1000)
    (tmp_path / "m.onnx").write_bytes(onnx_bytes() + b"\x08\x01" * 1000)
    with pytest.raises(InputError, match="not an ONNX model"):
        read_model(tmp_path / "m.onnx")


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    """It is not followed, and a model without what is behind it would be half of one."""
    folder = tmp_path / "llm"
    folder.mkdir()
    write_model(folder / "m.safetensors")
    (tmp_path / "shards").mkdir()
    write_model(tmp_path / "shards" / "n.safetensors")
    (folder / "more").symlink_to(tmp_path / "shards")
    with pytest.raises(InputError, match="a link to a folder"):
        read_model(folder)


def test_a_whole_download_cache_is_refused(tmp_path: Path) -> None:
    """It has every file twice; one of its versions is a model."""
    for part in ("blobs", "snapshots", "refs"):
        (tmp_path / part).mkdir()
    write_model(tmp_path / "blobs" / "m.safetensors")
    with pytest.raises(InputError, match=r"a whole download cache[\s\S]*--follow-links"):
        read_model(tmp_path)


def test_empty_folders_are_listed(tmp_path: Path) -> None:
    """A sealed file does not keep them, and its owner is told."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert read_model(tmp_path).empty_folders == ("a/b",)


def test_external_data_may_look_like_anything(tmp_path: Path) -> None:
    """A float of 0.5625 begins as a pickle does; in a file of numbers it is a number."""
    place = {"location": "w.bin", "length": "24"}
    for number, beginning in enumerate(
        (b"\x80\x04", b"PK\x03\x04", b"GGUF", b"\x93NUMPY", b"c\nd\n")
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "m.onnx").write_bytes(onnx_bytes(onnx_tensor("w", VALUES, place)))
        (folder / "w.bin").write_bytes(beginning.ljust(24, b"\x90"))
        for model in (folder, folder / "m.onnx"):
            assert "w" in read_model(model).contents.tensors()


def covered_by(*names: str, length: int) -> bytes:
    """An ONNX model with one tensor of bytes in each of some files."""
    values = np.zeros(length, dtype=np.uint8)
    places = [{"location": name, "length": str(length)} for name in names]
    return onnx_bytes(
        *(onnx_tensor(name, values, place) for name, place in zip(names, places, strict=True))
    )


CALL = b"0cposix\nsystem\n(S'true'\ntR."
NOT_NUMBERS = {
    "objects.npy": npy_of_objects(),
    "objects.bin": npy_of_objects(),
    "lib.so": bytes(40),
    "elf": b"\x7fELF" + bytes(40),
    "model.sav": bytes(40),
    "best.pth.tar": bytes(40),
    "model.pkl.gz": bytes(40),
    "call.bin": b"I0x1\n" + CALL,
    "binary.data": pickle.dumps([1.0]),
    "archive.weight": zip_with_comment(),
    "packed.weight": b"\x1f\x8b\x08" + bytes(40),
    "config.json": bytes(40),
    "run.py": bytes(40),
}


@pytest.mark.parametrize("name", NOT_NUMBERS)
def test_an_onnx_model_vouches_for_numbers_only(tmp_path: Path, name: str) -> None:
    """To name a pickle, a program or a script as a tensor's place does not make it one."""
    content = NOT_NUMBERS[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "m.onnx").write_bytes(covered_by(name, length=len(content)))
    with pytest.raises(InputError) as refused:
        read_model(tmp_path)
    assert f"--allow {name}" in str(refused.value)


def test_an_onnx_model_vouches_for_the_bytes_of_its_tensors_only(tmp_path: Path) -> None:
    """And for what aligns them; one byte at the start of a file says nothing about the rest."""
    (tmp_path / "w.bin").write_bytes(bytes(5000))
    for length, begin, is_sealed in [(1, 0, False), (904, 4096, False), (5000, 0, True)]:
        values = np.zeros(length, dtype=np.uint8)
        place = {"location": "w.bin", "offset": str(begin), "length": str(length)}
        (tmp_path / "m.onnx").write_bytes(onnx_bytes(onnx_tensor("w", values, place)))
        if is_sealed:
            assert read_model(tmp_path).contents.tensors()
            continue
        with pytest.raises(InputError, match="not known"):
            read_model(tmp_path)
    places = [("0", "4000"), ("4096", "904")]
    tensors = [
        onnx_tensor(
            begin,
            np.zeros(int(length), dtype=np.uint8),
            {"location": "w.bin", "offset": begin, "length": length},
        )
        for begin, length in places
    ]
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(*tensors))
    assert len(read_model(tmp_path).contents.tensors()) == 2


def test_an_onnx_model_takes_no_note_away(tmp_path: Path) -> None:
    """Code that a loader may run is said, also if a tensor is said to be in its file."""
    files = {
        "modeling_x.py": b"import os\n",
        "chat_template.jinja": b"{{ x }}",
        "config.json": b'{"auto_map": {"AutoModel": "modeling_x.X"}}',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "m.onnx").write_bytes(covered_by(*files, length=1))
    assert {path for path, _ in read_model(tmp_path).contents.code} == set(files)


@pytest.mark.parametrize("name", ["w.pt", "pytorch_model-00001.bin", "optimizer.bin"])
def test_external_data_with_the_name_of_a_pickle_is_refused(tmp_path: Path, name: str) -> None:
    """ONNX reads numbers, but other loaders unpickle a file of this name."""
    place = {"location": name, "length": "24"}
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(onnx_tensor("w", VALUES, place)))
    (tmp_path / name).write_bytes(b"\x80".ljust(24, b"\x90"))
    with pytest.raises(InputError, match="pickles are not sealed"):
        read_model(tmp_path / "m.onnx")
    assert read_model(tmp_path / "m.onnx", allow=[name]).contents.allowed == (name,)


def test_a_damaged_model_is_sealed_if_it_is_named(tmp_path: Path) -> None:
    """Its owner may know a format that is not known here."""
    for name in ("m.onnx", "m.safetensors", "m.gguf"):
        (tmp_path / name).write_bytes(b"\x00something else")
        with pytest.raises(InputError):
            read_model(tmp_path / name)
        assert read_model(tmp_path / name, allow=[name]).contents.allowed == (name,)


def test_a_sealed_file_in_a_folder_is_named(tmp_path: Path) -> None:
    """It was left there by mistake more often than not."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / "old.sealed").write_bytes(b"gamekeeper-seal\n\x00")
    with pytest.raises(InputError, match="a sealed file"):
        read_model(tmp_path)
