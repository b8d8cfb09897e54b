"""Untrusted sealed files are opened or refused, in their time and memory, and never with another
error.
"""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import InputError
from gamekeeper.sealing import SealError, load_sealed, seal
from gamekeeper.sealing.sealed import SealedFile
from sealing.builders import cheap_passphrase, write_model

PHRASE = cheap_passphrase()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("fuzz")
    seal(write_model(folder / "m.safetensors"), folder / "s", to=[PHRASE])
    return (folder / "s").read_bytes()


def read(path: Path, content: bytes) -> None:
    """Reads all of it, or is refused."""
    path.write_bytes(content)
    try:
        with load_sealed(path, keys=[PHRASE]) as loaded:
            loaded.numpy()
    except (SealError, InputError) as refused:
        assert refused.faults


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_files(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    """Bytes changed, cut out and put in, mostly where the structure is."""
    content = bytearray(good)
    starts = st.sampled_from(
        [0, 16, 20, 60, 4096, 4128, 4132, 4200, 4096 + 16384, 4096 + 2 * 16384, len(good) - 200]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = min(len(content) - 1, data.draw(starts) + data.draw(st.integers(0, 300)))
        piece = data.draw(st.binary(max_size=12))
        cut = data.draw(st.integers(0, 12))
        content[at : at + cut] = piece
    read(tmp_path / "f", bytes(content))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rest=st.binary(max_size=300),
    start=st.sampled_from([b"", b"gamekeeper-seal\n", b"gamekeeper-seal\n\0\0\0\x10{}"]),
)
def test_random_files(tmp_path: Path, start: bytes, rest: bytes) -> None:
    """Of any beginning."""
    read(tmp_path / "f", start + rest)
    read(tmp_path / "f", (start + rest).ljust(50_000, b"\0"))


def test_untrusted_lengths_do_not_allocate_memory(tmp_path: Path, good: bytes) -> None:
    """A header that says seven terabytes is refused by the length of the file, before anything is
    made room for.
    """
    length = int.from_bytes(good[16:20])
    text = good[20 : 20 + length]
    at = text.index(b'"payload_bytes":')
    end = text.index(b",", at)
    huge = text[:at] + b'"payload_bytes":7000000000000' + text[end:]
    block = (good[:16] + len(huge).to_bytes(4) + huge).ljust(4096, b"\0")
    (tmp_path / "f").write_bytes(block + good[4096:])
    tracemalloc.start()
    with pytest.raises(SealError, match="cut short"):
        SealedFile(tmp_path / "f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
