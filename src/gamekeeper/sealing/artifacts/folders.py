"""Lists the files of a model's folder; nothing is skipped unless the caller says so."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.sealing.contents import is_safe_path
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.selection import Selection
from gamekeeper.sealing.shown import shown

_GIT = ".git"
_CACHE_PARTS = ("blobs", "snapshots")
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFiles:
    """The files of a folder.

    Args:
        names: Paths in the folder, sorted.
        empty: Paths of the folders in it without files.
    """

    names: list[str]
    empty: tuple[str, ...]


def files_in(folder: Path, ignored: Selection) -> FolderFiles:
    """Returns all files below a folder except those in `.git`.

    Args:
        folder: The folder.
        ignored: Files to leave out.

    Raises:
        InputError: A file is not a regular one, has a name that not every system can write, or is a
            link to a folder; or the folder is a whole download cache.
    """
    if all((folder / part).is_dir() for part in _CACHE_PARTS):
        raise input_error(
            folder,
            "a whole download cache, which has every file twice",
            ", ".join(_CACHE_PARTS),
            "the folder of one version of the model",
            f"seal {shown(str(folder / 'snapshots'))}/VERSION with --follow-links",
        )
    names = []
    empty = []
    faults = []
    with read_faults(folder, expected="a folder that can be read"):
        for path in _entries(folder, ignored):
            name = path.relative_to(folder).as_posix()
            problem = _problem(path, name)
            if problem:
                faults.append(_fault(path, problem))
            elif path.is_file():
                names.append(name)
            elif not any(path.iterdir()):
                empty.append(name)
    if faults:
        raise InputError(faults)
    return FolderFiles(names=sorted(names), empty=tuple(sorted(empty)))


def require_inside(folder: Path, names: Sequence[str]) -> None:
    """Checks that no link leads out of the model's folder.

    Such a link could seal a file of this machine that is not part of the model, and so hand it to
    others.

    Raises:
        InputError: One does.
    """
    root = folder.resolve()
    outside = [name for name in names if not (folder / name).resolve().is_relative_to(root)]
    if outside:
        found = ", ".join(f"{ascii(name)[1:-1]} -> {(folder / name).resolve()}" for name in outside)
        try_ = "use --follow-links if they are intended, as in a download cache"
        raise input_error(
            folder,
            "links that lead out of the model's folder",
            found[:_MOST_SHOWN],
            "regular files",
            try_,
        )


def require_safe_name(path: Path) -> None:
    """Checks that every system can write the name of a file.

    Raises:
        InputError: One cannot.
    """
    if not is_safe_path(path.name):
        raise InputError([_fault(path, "a name that not every system can write")])


def _entries(folder: Path, ignored: Selection) -> Iterator[Path]:
    """Yields all files, folders and links below a folder that are not left out.

    Links to folders are not followed.
    """
    waiting = [folder]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            path = Path(entry.path)
            if entry.name == _GIT or ignored.matches(path.relative_to(folder).as_posix()):
                continue
            yield path
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def _problem(path: Path, name: str) -> str:
    """Returns why a file cannot be sealed; to leave it out silently would seal half a model."""
    if path.is_symlink() and path.is_dir():
        return "a link to a folder, which is not followed"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if not path.is_file() and not path.is_dir():
        return "neither a file nor a folder"
    return "" if is_safe_path(name) else "a name that not every system can write"


def _fault(path: Path, found: str) -> Fault:
    return Fault(
        where=shown(str(path)),
        problem="this cannot be sealed",
        found=found,
        expected="regular files with portable names",
        try_="rename it, replace it by what it leads to, or leave it out with --ignore",
    )
