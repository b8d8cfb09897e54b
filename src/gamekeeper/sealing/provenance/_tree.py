"""Lists all files of a model; what a signature cannot cover is a fault, and nothing is skipped
unless the caller says so.

The library would silently skip git's files, unreadable folders and empty folders.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gamekeeper.base.errors import Fault, input_error
from gamekeeper.sealing.ignoring import ignored_paths
from gamekeeper.sealing.shown import shown

_LEAVE_OUT = "remove it, or exclude it with --ignore when signing and verifying"


@dataclass(slots=True)
class ModelTree:
    """The files in a model's folder.

    Args:
        files: Regular files, sorted.
        faults: What a signature cannot cover: links, devices, empty folders, unprintable names.
    """

    files: list[Path] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def list_files(model: Path, ignored: Collection[PurePosixPath]) -> ModelTree:
    """Returns the files of a model.

    Args:
        model: A file or a folder.
        ignored: Paths in it to exclude, with everything below them.

    Raises:
        InputError: The model, or a part of it, cannot be read.
    """
    if model.is_file():
        return ModelTree(files=[model])
    tree = ModelTree()
    try:
        for path in _entries(model, ignored):
            problem = _problem(path)
            if problem:
                tree.faults.append(_fault(path, problem))
            elif not path.is_dir():
                tree.files.append(path)
    except OSError as error:
        where = shown(str(error.filename or model))
        raise input_error(
            where, "the model cannot be read", error.strerror or "no reason", "files"
        ) from None
    return tree


def excluded_paths(
    model: Path, ignored: Collection[str], signature: Path, left_out: Collection[str] = ()
) -> frozenset[PurePosixPath]:
    """Returns the paths that are not signed: ignored ones, and the signature if it is in the model.

    Args:
        model: A file or a folder.
        ignored: Paths that the caller excludes.
        signature: Path of the signature, which cannot sign itself.
        left_out: Paths that need not be there: what a signer excluded may exist with them only.

    Raises:
        UsageError: The model has no such file or folder.
    """
    root = model.resolve()
    own = _signature_path(root, signature)
    known = {str(path) for path in own}.union(left_out)

    def is_there(path: str) -> bool:
        return path in known or os.path.lexists(root / path)

    return ignored_paths(model, ignored, is_there) | own


def _signature_path(root: Path, signature: Path) -> frozenset[PurePosixPath]:
    """Returns the path of the signature in the model, or nothing if it is located elsewhere."""
    path = signature.parent.resolve() / signature.name
    if not path.is_relative_to(root):
        return frozenset()
    return frozenset({PurePosixPath(path.relative_to(root))})


def _entries(model: Path, ignored: Collection[PurePosixPath]) -> Iterator[Path]:
    """Yields all files and folders below a folder except ignored ones, sorted in each folder."""
    waiting = [model]
    while waiting:
        folder = waiting.pop()
        for name in sorted(os.listdir(folder)):
            path = folder / name
            if PurePosixPath(path.relative_to(model)) in ignored:
                continue
            yield path
            if path.is_dir() and not path.is_symlink():
                waiting.append(path)


def _problem(path: Path) -> str:
    if not path.name.isprintable():
        return "a name with unprintable characters"
    if path.is_symlink():
        return "a symbolic link"
    if path.is_dir():
        return "" if os.listdir(path) else "an empty folder"
    return "" if path.is_file() else "neither a file nor a folder"


def _fault(path: Path, problem: str) -> Fault:
    expected = "files, and folders with files in them"
    where = shown(str(path))
    return Fault(
        where=where,
        problem="a signature cannot cover this",
        found=problem,
        expected=expected,
        try_=_LEAVE_OUT,
    )
