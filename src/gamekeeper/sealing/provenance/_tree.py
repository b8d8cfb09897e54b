"""The files of a model, all of them: what a signature cannot hold is a fault, and nothing is left
out unasked.

The library would pass over what belongs to git, over folders that may not be read and over empty
folders.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gamekeeper.base.errors import Fault, input_error
from gamekeeper.sealing.shown import shown

_LEAVE_OUT = "remove it, or leave it out by name with --ignore when signing and verifying"


@dataclass(slots=True)
class Tree:
    """What stands in a model.

    Args:
        files: Regular files, sorted.
        faults: What a signature cannot hold: links, devices, empty folders, names that are no text.
    """

    files: list[Path] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def tree_of(model: Path, ignored: Collection[PurePosixPath]) -> Tree:
    """Returns the files of a model, a file or a folder, and what else stands in it.

    Args:
        model: Where it is.
        ignored: Paths in it to leave out, with all beneath them.

    Raises:
        InputError: It, or a part of it, cannot be read.
    """
    if model.is_file():
        return Tree(files=[model])
    tree = Tree()
    try:
        for path in _entries(model, ignored):
            problem = _problem(path)
            if problem:
                tree.faults.append(_fault(path, problem))
            elif not path.is_dir():
                tree.files.append(path)
    except OSError as fault:
        where = shown(str(fault.filename or model))
        raise input_error(
            where, "the model cannot be read", fault.strerror or "no reason", "files"
        ) from None
    return tree


def paths_in(model: Path, paths: Collection[str]) -> frozenset[PurePosixPath]:
    """Returns the paths to leave out.

    Raises:
        InputError: One of them does not lead into the model.
    """
    parsed = {PurePosixPath(path) for path in paths}
    for path in parsed:
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise input_error(
                model,
                "a path to leave out does not lead into the model",
                shown(str(path)),
                "one such as cache/x",
            )
    return frozenset(parsed)


def place_in(model: Path, file: Path) -> frozenset[PurePosixPath]:
    """Returns where the signature stands in the model, or nothing if it stands elsewhere: it cannot
    sign itself.
    """
    place = file.parent.resolve() / file.name
    return (
        frozenset({PurePosixPath(place.relative_to(model))})
        if place.is_relative_to(model)
        else frozenset()
    )


def _entries(model: Path, ignored: Collection[PurePosixPath]) -> Iterator[Path]:
    """All files and folders beneath a folder but for what is ignored, sorted in each folder."""
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
        return "a name with characters that are not printed"
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
        problem="a signature cannot hold this",
        found=problem,
        expected=expected,
        try_=_LEAVE_OUT,
    )
