"""What `--ignore` of sign, verify model and seal means."""

from pathlib import Path

import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.sealing.ignoring import ignored_names

NAMES = ("weights.bin", "cache/a", "cache/deep/b", "cached")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder `models/m`, named from the current folder."""
    (tmp_path / "models/m/cache/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return Path("models/m")


@pytest.mark.parametrize(
    "pattern", ["cache", "cache/", "./cache", "models/m/cache", "models/m/cache/", "cache/deep/.."]
)
def test_folder_is_left_out_as_it_is_in_the_model_and_as_a_shell_completes_it(
    model: Path, pattern: str
) -> None:
    """With everything below it, and nothing that only begins like it."""
    assert ignored_names(model, [pattern], NAMES) == {"cache/a", "cache/deep/b"}
    whole = str(Path(pattern if pattern.startswith("models") else model / pattern).absolute())
    assert ignored_names(model, [whole], NAMES) == {"cache/a", "cache/deep/b"}


def test_single_files_and_several_paths_are_left_out(model: Path) -> None:
    """A file by its name, each path for itself."""
    assert ignored_names(model, ["cache/deep/b", "cached"], NAMES) == {"cache/deep/b", "cached"}
    assert ignored_names(model, [], NAMES) == frozenset()


@pytest.mark.parametrize(
    "pattern",
    ["nosuch", "*.bin", "", ".", "..", "models/m", "/etc", "../m2/cache", "Cache", "cach"],
)
def test_a_path_that_leaves_nothing_out_is_an_error(model: Path, pattern: str) -> None:
    """Also the model itself, and paths outside of it; all of them are named together."""
    with pytest.raises(UsageError, match="leaves nothing out") as caught:
        ignored_names(model, ["cache", pattern, "other"], NAMES)
    assert "other" in str(caught.value)


def test_a_path_with_two_meanings_is_asked_about(model: Path) -> None:
    """`models/m/cache` from here, or in the model: the absolute path says which."""
    names = (*NAMES, "models/m/cache/c")
    with pytest.raises(UsageError, match="may mean cache or models/m/cache"):
        ignored_names(model, ["models/m/cache"], names)
    whole = str((model / "cache").absolute())
    assert ignored_names(model, [whole], names) == {"cache/a", "cache/deep/b"}


def test_a_model_named_through_a_link_is_the_same_model(model: Path) -> None:
    """The link of the path and the path behind it."""
    Path("link").symlink_to(model)
    for pattern in ("link/cache", "models/m/cache", "cache"):
        assert ignored_names(Path("link"), [pattern], NAMES) == {"cache/a", "cache/deep/b"}
