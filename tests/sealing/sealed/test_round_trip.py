"""What was sealed comes back, and only for those for whom it was sealed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing import (
    NotForYouError,
    SealError,
    load_sealed,
    open_sealed,
    seal,
    verify_sealed,
)
from gamekeeper.sealing.recipients import PrivateKey, Stanza
from gamekeeper.sealing.sealed import SealedFile
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES
from sealing.builders import (
    big_model,
    cheap_passphrase,
    onnx_bytes,
    onnx_tensor,
    some_tensors,
    write_model,
)


def test_opened_file_is_what_was_sealed(sealed: Path, model: Path, key: PrivateKey) -> None:
    """Byte for byte, so that what others signed still holds."""
    open_sealed(sealed, sealed.with_name("out"), identities=[key])
    assert sealed.with_name("out").read_bytes() == model.read_bytes()
    assert sealed.with_name("out").stat().st_mode & 0o777 == 0o600


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    length=st.one_of(
        st.integers(1, 2000),
        st.sampled_from(
            [CHUNK_BYTES - 200, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES - 90, 2 * CHUNK_BYTES]
        ),
    ),
    workers=st.integers(1, 3),
    is_signed=st.booleans(),
)
def test_any_length_and_number_of_threads(
    tmp_path: Path,
    key: PrivateKey,
    signing_key: object,
    signer: bytes,
    length: int,
    workers: int,
    is_signed: bool,
) -> None:
    """Also at the end of a chunk."""
    rng = np.random.default_rng(length)
    model = write_model(
        tmp_path / "m.safetensors", {"t": rng.integers(0, 255, size=length, dtype=np.uint8)}
    )
    out = tmp_path / "m.sealed"
    back = tmp_path / "back"
    seal(
        model,
        out,
        to=[key.public_key()],
        signing_key=signing_key if is_signed else None,
        is_replaced=True,
        workers=workers,
    )
    open_sealed(
        out,
        back,
        identities=[key],
        signer=signer if is_signed else None,
        is_replaced=True,
        workers=workers,
    )
    assert back.read_bytes() == model.read_bytes()


def test_tensors_are_loaded_without_a_file(
    sealed: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types and shapes too, the empty one and the scalar among them; nothing is written on
    the way.
    """

    def no_writing(*_: object, **__: object) -> None:
        raise AssertionError("something was written")

    monkeypatch.setattr("os.pwrite", no_writing)
    with load_sealed(sealed, keys=[key]) as loaded:
        found = loaded.numpy()
    assert found.keys() == some_tensors().keys()
    for name, tensor in some_tensors().items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_one_tensor_reads_its_own_chunks_only(
    four_chunks: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor at the end costs the end of the file."""
    from gamekeeper.sealing.sealed import sealed_file

    read: list[int] = []
    whole = sealed_file.read_chunk
    monkeypatch.setattr(
        sealed_file,
        "read_chunk",
        lambda file, number, into: (read.append(number), whole(file, number, into)),
    )
    with load_sealed(four_chunks, keys=[key]) as loaded:
        loaded.numpy(["second"])
    assert sorted(read) == [1, 2, 3]


@pytest.mark.extra
def test_torch_tensors(tmp_path: Path, key: PrivateKey) -> None:
    """Torch gets bfloat16, which numpy has not."""
    torch = pytest.importorskip("torch")
    header = b'{"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}'
    values = torch.tensor([[1.5, -2.0], [0.25, 3.0]], dtype=torch.bfloat16)
    (tmp_path / "m.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + values.view(torch.uint8).numpy().tobytes()
    )
    seal(tmp_path / "m.safetensors", tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as loaded:
        assert torch.equal(loaded.torch()["w"], values)
        with pytest.raises(UsageError, match="type BF16, which numpy does not have: use torch"):
            loaded.numpy()


def test_folder_comes_back_as_it_was(tmp_path: Path, key: PrivateKey) -> None:
    """Shards, an ONNX file with its numbers beside it, and what goes with them, in folders of their
    own.
    """
    folder = tmp_path / "llm"
    (folder / "onnx").mkdir(parents=True)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    for number in (1, 2):
        write_model(folder / f"model-{number}.safetensors", some_tensors(number))
    (folder / "config.json").write_text("{}")
    (folder / "empty.txt").write_text("")
    start = {"location": "weights.bin", "length": "8"}
    place = {"location": "weights.bin", "offset": "8", "length": "48"}
    (folder / "onnx" / "m.onnx").write_bytes(
        onnx_bytes(
            onnx_tensor("a", values),
            onnx_tensor("c", values[0, :2], start),
            onnx_tensor("b", values, place),
        )
    )
    (folder / "onnx" / "weights.bin").write_bytes(bytes(8) + (values + 1).tobytes())
    seal(folder, tmp_path / "s", to=[key.public_key()])
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    for one in folder.rglob("*"):
        if one.is_file():
            assert (tmp_path / "back" / one.relative_to(folder)).read_bytes() == one.read_bytes()
    with load_sealed(tmp_path / "s", keys=[key]) as loaded:
        np.testing.assert_array_equal(loaded.numpy(["b"])["b"], values + 1)
        assert "model-1.safetensors:head" in loaded.tensors, "two files have one of that name"
        assert loaded.file("config.json") == b"{}"
    assert verify_sealed(tmp_path / "s", identities=[key]).contents is not None


def test_folder_with_one_file_stays_a_folder(tmp_path: Path, key: PrivateKey) -> None:
    """And a file a file."""
    (tmp_path / "llm").mkdir()
    write_model(tmp_path / "llm" / "m.safetensors")
    seal(tmp_path / "llm", tmp_path / "s", to=[key.public_key()])
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    assert [one.name for one in (tmp_path / "back").iterdir()] == ["m.safetensors"]


def sealed_unexamined(tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pickle, sealed by a program that lets anything pass and does not say so."""
    from dataclasses import replace

    from gamekeeper.sealing.artifacts import models

    (tmp_path / "llm").mkdir()
    write_model(tmp_path / "llm" / "m.safetensors")
    (tmp_path / "llm" / "extra").write_bytes(pickle.dumps([1]))
    honest = models.contents_of
    monkeypatch.setattr(
        models, "contents_of", lambda *given, **more: replace(honest(*given, **more), allowed=())
    )
    seal(tmp_path / "llm", tmp_path / "s", to=[key.public_key()], allow=["extra"])
    monkeypatch.undo()
    return tmp_path / "s"


def test_notes_are_what_is_found_and_not_what_the_author_says(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An author can leave notes out, and an earlier version knew of none."""
    from dataclasses import replace

    from gamekeeper.sealing.artifacts import models

    (tmp_path / "llm").mkdir()
    write_model(tmp_path / "llm" / "m.safetensors")
    (tmp_path / "llm" / "modeling.py").write_text("import os\n")
    honest = models.contents_of
    monkeypatch.setattr(
        models, "contents_of", lambda *given, **more: replace(honest(*given, **more), code=())
    )
    seal(tmp_path / "llm", tmp_path / "s", to=[key.public_key()])
    monkeypatch.undo()
    code = (("modeling.py", "Python"),)
    assert open_sealed(tmp_path / "s", tmp_path / "back", identities=[key]).code == code
    verified = verify_sealed(tmp_path / "s", identities=[key])
    assert verified.contents is not None and verified.contents.code == code
    assert verified.says_all is False
    seal(tmp_path / "llm", tmp_path / "honest", to=[key.public_key()])
    assert verify_sealed(tmp_path / "honest", identities=[key]).says_all is True


def test_pickle_that_another_program_sealed_is_not_written(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users trust a sealed file more than one that was never sealed."""
    sealed = sealed_unexamined(tmp_path, key, monkeypatch)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SealError, match=r"pickles are not sealed[\s\S]*with --allow"):
        open_sealed(sealed, tmp_path / "back", identities=[key])
    with pytest.raises(SealError, match="pickles are not sealed"):
        verify_sealed(sealed, identities=[key])
    assert sorted(tmp_path.iterdir()) == before


def test_files_that_an_earlier_version_let_pass_open_when_they_are_named(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sealed once can be opened in every later version."""
    sealed = sealed_unexamined(tmp_path, key, monkeypatch)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # a path in the model, wherever the user is
    opened = open_sealed(sealed, tmp_path / "back", identities=[key], allow=["extra"])
    assert opened.allowed == ("extra",)  # not examined, although the index does not say so
    assert (tmp_path / "back" / "extra").read_bytes() == pickle.dumps([1])
    assert verify_sealed(sealed, identities=[key], allow=["ex*"])


def test_an_onnx_file_brings_the_files_of_its_tensors(tmp_path: Path, key: PrivateKey) -> None:
    """Without them it would open to a model that cannot be run."""
    values = np.arange(6, dtype=np.float32)
    place = {"location": "w.bin", "offset": "0", "length": "24"}
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(onnx_tensor("w", values, place)))
    (tmp_path / "w.bin").write_bytes(values.tobytes())
    (tmp_path / "other.txt").write_text("not of this model")
    seal(tmp_path / "m.onnx", tmp_path / "s", to=[key.public_key()])
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    assert sorted(one.name for one in (tmp_path / "back").iterdir()) == ["m.onnx", "w.bin"]


def test_each_recipient_opens_alone(model: Path, key: PrivateKey) -> None:
    """A key pair of either kind, and a passphrase."""
    classical = PrivateKey.generate(is_hybrid=False)
    phrase = cheap_passphrase()
    out = model.with_name("s")
    seal(model, out, to=[key.public_key(), classical.public_key(), phrase])
    for identity in (key, classical, phrase):
        assert verify_sealed(out, identities=[identity]).contents


def test_other_keys_do_not_open(sealed: Path) -> None:
    """The message says for whom it is, and nothing is made."""
    stranger = PrivateKey.generate()
    with pytest.raises(NotForYouError, match="none of the given keys opens it"):
        open_sealed(
            sealed,
            sealed.with_name("out"),
            identities=[stranger, cheap_passphrase("another passphrase")],
        )
    assert not sealed.with_name("out").exists()


def test_a_key_service_that_is_down_does_not_keep_other_keys_out(
    model: Path, key: PrivateKey
) -> None:
    """The next key is tried; the service's error is reported only if no key opens the file."""

    class Down:
        def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
            return Stanza(kind="service", name="service")

        def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
            raise input_error("service", "it cannot be reached", "no route", "a service")

    out = model.with_name("s")
    seal(model, out, to=[Down(), key.public_key()])
    assert verify_sealed(out, identities=[Down(), key]).contents
    with pytest.raises(InputError, match="it cannot be reached"):
        verify_sealed(out, identities=[Down(), PrivateKey.generate()])


def test_names_of_tensors_are_not_in_the_file(sealed: Path) -> None:
    """The architecture is a secret too."""
    content = sealed.read_bytes()
    assert b"body" not in content and b"F32" not in content and b"safetensors" not in content


def test_two_seals_of_one_model_share_nothing(model: Path, key: PrivateKey) -> None:
    """Neither key nor id nor a chunk is the same twice."""
    for name in ("a", "b"):
        seal(model, model.with_name(name), to=[key.public_key()])
    one, other = (model.with_name(name).read_bytes() for name in ("a", "b"))
    with SealedFile(model.with_name("a")) as a, SealedFile(model.with_name("b")) as b:
        assert a.header.file_id != b.header.file_id
        assert one[a.header.chunks_at :] != other[b.header.chunks_at :]
        assert a.header.commitment != b.header.commitment


def test_there_must_be_recipients(model: Path, key: PrivateKey) -> None:
    """One at least, and each once, since rewraps call them by name."""
    with pytest.raises(UsageError, match="nobody could open it"):
        seal(model, model.with_name("s"), to=[])
    with pytest.raises(UsageError, match="the same recipient twice"):
        seal(model, model.with_name("s"), to=[key.public_key(), key.public_key()])
    assert [one.name for one in model.parent.iterdir()] == [model.name]


def test_nothing_is_replaced_unasked(sealed: Path, model: Path, key: PrivateKey) -> None:
    """Neither by sealing nor by opening."""
    with pytest.raises(InputError, match="this name is already in use"):
        seal(model, sealed, to=[key.public_key()])
    with pytest.raises(InputError, match="this name is already in use"):
        open_sealed(sealed, model, identities=[key])


def test_a_model_that_changes_while_it_is_sealed_is_refused(
    tmp_path: Path, key: PrivateKey
) -> None:
    """Half of one version and half of the next would be no model."""
    model = big_model(tmp_path / "m.safetensors", 3)

    def touch(done: int, total: int) -> None:
        if done == 1:
            with model.open("r+b") as file:
                file.write(b"\x01")

    with pytest.raises(InputError, match="changed while it was sealed"):
        seal(model, tmp_path / "s", to=[key.public_key()], workers=1, on_progress=touch)
    assert not (tmp_path / "s").exists()


@pytest.mark.extra
def test_onnx_runs_from_memory(tmp_path: Path, key: PrivateKey) -> None:
    """onnxruntime takes the bytes: no file of the model is written."""
    runtime = pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx.helper")
    onnx = pytest.importorskip("onnx")
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 2])],
        [helper.make_tensor_value_info("y", 1, [1, 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(built.SerializeToString())
    seal(tmp_path / "m.onnx", tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as loaded:
        np.testing.assert_array_equal(loaded.numpy()["w"], weights)
        session = runtime.InferenceSession(loaded.file(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        session.run(None, {"x": np.ones((1, 2), np.float32)})[0], [[3.0, 5.0, 7.0]]
    )


@pytest.mark.extra
def test_files_of_safetensors_itself_are_read(tmp_path: Path, key: PrivateKey) -> None:
    """What the library writes is sealed, and what comes back is read by it."""
    library = pytest.importorskip("safetensors.numpy")
    tensors = {"w": np.arange(10, dtype=np.float32), "i": np.arange(3)}
    library.save_file(tensors, tmp_path / "m.safetensors", metadata={"format": "np"})
    seal(tmp_path / "m.safetensors", tmp_path / "s", to=[key.public_key()])
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    for name, tensor in library.load_file(tmp_path / "back").items():
        np.testing.assert_array_equal(tensor, tensors[name])


@pytest.mark.parametrize("how", ["written", "replaced"])
def test_a_model_that_changes_after_it_was_looked_into_is_refused(
    model: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Of the same length: the index would be of one model and the numbers of another."""
    from gamekeeper.sealing.sealed import writing

    look = writing.read_model
    other = model.read_bytes().replace(b"body", b"evil")

    def changed(path: Path, **options: object) -> object:
        looked = look(path, **options)
        if how == "replaced":
            path.rename(path.with_name("was"))
        path.write_bytes(other)
        return looked

    monkeypatch.setattr(writing, "read_model", changed)
    with pytest.raises(InputError, match="changed while it was sealed"):
        seal(model, model.with_name("new"), to=[key.public_key()])
    assert not model.with_name("new").exists()
