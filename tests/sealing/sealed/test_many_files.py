"""A model of thousands of files is sealed, opened and checked by a process that may open few."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gamekeeper.sealing import open_sealed, seal, verify_sealed
from gamekeeper.sealing.recipients import PrivateKey
from sealing.builders import write_model

FILES = 3000
LIMIT = 256


@pytest.fixture
def few_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.usefixtures("few_files")
def test_a_folder_of_thousands_of_files_is_sealed_opened_and_checked(
    tmp_path: Path, key: PrivateKey
) -> None:
    """Each comes out as it was, large ones and small ones."""
    folder = tmp_path / "llm"
    folder.mkdir()
    write_model(folder / "m.safetensors")
    for number in range(FILES):
        (folder / f"shard_{number:05}.json").write_text(f'{{"number": {number}}}')
    seal(folder, tmp_path / "s", to=[key.public_key()])
    assert verify_sealed(tmp_path / "s", identities=[key]).contents is not None
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    was = {one.name: one.read_bytes() for one in folder.iterdir()}
    assert {one.name: one.read_bytes() for one in (tmp_path / "back").iterdir()} == was
    assert len(was) == FILES + 1
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in (tmp_path / "back").iterdir())
